"""One target's model: the calendar's logit, one score on top, and a calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calendar import BANDS, CalendarFacts, CalendarModel
from models.calibration import IDENTITY, Calibration
from models.outcomes import LEADS
from models.ridge import Ridge
from models.score import Score

__all__ = ["LEAD_GROUPS", "TARGETS", "PerGroup", "TargetModel", "lead_group"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TARGETS = ("churn", "expand", "contract")
PerGroup = tuple[float, float, float, float]
Levels = tuple[tuple[float, ...], ...]
LEAD_GROUPS = ((1, 1), (2, 3), (4, 6), (7, 12))


def lead_group(leads: Ints) -> Ints:
    """Give the group of each lead: 1, 2-3, 4-6, 7-12 months.

    Examples
    --------
    >>> lead_group(np.array([1, 3, 6, 12])).tolist()
    [0, 1, 2, 3]
    """
    return np.searchsorted(np.array([first for first, _ in LEAD_GROUPS]), leads, side="right") - 1


@dataclass(frozen=True)
class TargetModel:
    """Logit of one target at (account, lead): calendar + level + gain(lead) x score, calibrated.

    Attributes
    ----------
    target : str
        ``churn`` (monthly hazard), ``expand`` (paying more, given paying), ``contract``
        (paying less, given paying and not more).
    rung : str
        The ladder's rung that the number of events allowed.
    events : int
        Distinct closed events in training.
    calendar : CalendarModel
    score : Score
    levels : tuple of tuple of twelve float
        Per ACV band, the constant beside the calendar at each lead, once a score is there.
    gains : tuple of four float
        Weight of the score in each lead group; never negative, and increasing for expand alone.
    calibration : Calibration
    serves : str
        "score", or "calendar" where the score did not beat the calendar in the backtest.
    """

    target: str
    rung: str
    events: int
    calendar: CalendarModel
    score: Score
    levels: Levels = ((0.0,) * LEADS,) * len(BANDS)
    gains: PerGroup = (0.0, 0.0, 0.0, 0.0)
    calibration: Calibration = IDENTITY
    serves: str = "score"

    def scores(self, values: Floats) -> Floats:
        """Give each account's score, (n,): zero for all where the calendar serves."""
        return self.score.of(values) if self.uses_score else np.zeros(len(values))

    @property
    def uses_score(self) -> bool:
        """Whether anything stands beside the calendar."""
        return self.serves == "score" and max(self.gains) > 0

    def logits(self, facts: CalendarFacts, score: Floats) -> Floats:
        """Give the calibrated logit at every lead, (n, 12), from the calendar and the scores."""
        calendar = self.calendar.matrix(facts)
        if not self.uses_score:
            return calendar
        leads = np.broadcast_to(np.arange(1, LEADS + 1), calendar.shape)
        raw = self.raised(calendar, facts.band[:, None], leads, score[:, None])
        return self.calibration.apply(raw, leads)

    def raised(self, calendar: Floats, band: Ints, leads: Ints, score: Floats) -> Floats:
        """Add level and gain x score to the calendar's logits; nothing is calibrated yet."""
        if not self.uses_score:
            return calendar
        level, gain = np.asarray(self.levels), np.asarray(self.gains)
        return np.asarray(calendar + level[band, leads - 1] + gain[lead_group(leads)] * score)

    def to_json(self) -> dict[str, Any]:
        """Give everything but the booster as JSON."""
        return {
            "target": self.target,
            "rung": self.rung,
            "events": self.events,
            "calendar": self.calendar.to_json(),
            "ridge": self.score.ridge.to_json() if self.score.ridge else None,
            "booster": self.score.booster is not None,
            "levels": [list(band) for band in self.levels],
            "gains": list(self.gains),
            "calibration": self.calibration.to_json(),
            "serves": self.serves,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], booster: Any | None) -> TargetModel:
        """Read a target's model from JSON and its verified booster."""
        ridge = Ridge.from_json(values["ridge"]) if values["ridge"] else None
        return cls(
            target=values["target"],
            rung=values["rung"],
            events=int(values["events"]),
            calendar=CalendarModel.from_json(values["calendar"]),
            score=Score(ridge, booster if values["booster"] else None),
            levels=tuple(tuple(map(float, band)) for band in values["levels"]),
            gains=_per_group(values["gains"]),
            calibration=Calibration.from_json(values["calibration"]),
            serves=values["serves"],
        )


def _per_group(values: Sequence[float]) -> PerGroup:
    first, second, third, fourth = (float(v) for v in values)
    return first, second, third, fourth
