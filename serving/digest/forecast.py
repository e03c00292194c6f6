"""The forecast beside that of the last run: its figures, and why it changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.digest.reading import Week
from serving.digest.rounding import micros, rounded
from serving.digest.split import Part, split

__all__ = ["SMALL_BOOK", "Figure", "ForecastChange", "Horizon", "forecast_change"]

SMALL_BOOK = 10_000.0
"""MRR below which amounts of the split are shown with cents."""


@dataclass(frozen=True)
class Figure:
    """A forecast figure: its mean, the ends of its 80 % interval, and the last run's mean."""

    mean: float
    p10: float
    p90: float
    before: float | None

    @property
    def change(self) -> float | None:
        """Mean less the last run's mean."""
        return None if self.before is None else self.mean - self.before


@dataclass(frozen=True)
class Horizon:
    """The forecast of one horizon.

    Attributes
    ----------
    months : int
    period_end, period_end_before : str or None
        Last day of the period, ISO; of the last run's too.
    nrr, grr, closing_mrr, expansion_mrr : Figure or None
        None for a cohort without MRR.
    """

    months: int
    period_end: str
    period_end_before: str | None
    nrr: Figure | None
    grr: Figure | None
    closing_mrr: Figure | None
    expansion_mrr: Figure | None


@dataclass(frozen=True)
class ForecastChange:
    """What is expected now, what was expected at the last run, and why it differs.

    Attributes
    ----------
    horizons : tuple of Horizon
        Empty for one desk, and for a run without a forecast.
    months : int
        The horizon whose change is split.
    now, then : float or None
        Expected MRR at that horizon; None where there is none.
    parts : tuple of Part
        They add up to the change; empty for a first run.
    decimals : int
        Decimals of the split as shown.
    """

    horizons: tuple[Horizon, ...]
    months: int
    now: float | None
    then: float | None
    parts: tuple[Part, ...]
    decimals: int

    @property
    def change(self) -> float | None:
        """What is expected now less what was expected then, as shown."""
        return None if self.now is None or self.then is None else sum(p.mrr for p in self.parts)

    @property
    def told(self) -> tuple[Part, ...]:
        """The parts that are more than nothing as they are shown."""
        return tuple(part for part in self.parts if part.mrr)


def forecast_change(week: Week) -> ForecastChange:
    """Compare the forecast with the last run's.

    For one desk what is compared is the sum of what is expected of its accounts.
    """
    months = week.horizon
    horizons = tuple(_horizon(week, h) for h in sorted(week.forecasts))
    now, then = _expected(week, months)
    decimals = 2 if sum(row["mrr"] or 0.0 for row in week.rows.values()) < SMALL_BOOK else 0
    parts: tuple[Part, ...] = ()
    if now is not None and then is not None:
        parts = split(week, now, then, decimals)
    shown = [
        None if each is None else rounded(each, decimals) / 10**decimals for each in (now, then)
    ]
    return ForecastChange(horizons, months, shown[0], shown[1], parts, decimals)


def _expected(week: Week, months: int) -> tuple[int | None, int | None]:
    """Give the expected MRR of both runs at a horizon, in millionths."""
    if week.csm is not None:
        now = sum(micros(row["expected_mrr"]) for row in week.rows.values())
        then = sum(micros(row["expected_mrr"]) for row in week.past.values())
        return now, then if week.before is not None else None
    return _closing(week.forecasts.get(months)), _closing(week.past_forecasts.get(months))


def _closing(body: Mapping[str, Any] | None) -> int | None:
    told = body.get("closing_mrr") if body else None
    return micros(told["mean"]) if told else None


def _horizon(week: Week, months: int) -> Horizon:
    body, past = week.forecasts[months], week.past_forecasts.get(months, {})
    names = ("nrr", "grr", "closing_mrr", "expansion_mrr")
    figures = [_figure(body.get(name), past.get(name)) for name in names]
    return Horizon(months, body["period_end"], past.get("period_end"), *figures)


def _figure(told: Mapping[str, float] | None, past: Mapping[str, float] | None) -> Figure | None:
    if not told:
        return None
    return Figure(told["mean"], told["p10"], told["p90"], past["mean"] if past else None)
