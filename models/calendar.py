"""What the calendar alone says: who can leave when, and how often such accounts move.

The calendar knows an account's term, its next decision (the day its contract ends), its tenure
and its size. Nothing of what the account does enters here: this is the baseline that a score
has to beat, and the part of every prediction that is not the account's own doing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.acv import ACV_SEGMENTS
from features.asof import as_dates, lead_of
from models.outcomes import LEADS

__all__ = ["BANDS", "COLUMNS", "TERMS", "CalendarFacts", "CalendarModel", "calendar_facts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TERMS = ("monthly", "unknown", "short", "annual", "multi-year")
TENURES = (2.0, 5.0, 13.0, 25.0)
"""Upper bounds in months, exclusive: settling in, the month 2-4 cliff, first year, second, older."""
BANDS = tuple(name for _, name in ACV_SEGMENTS)


@dataclass(frozen=True)
class CalendarFacts:
    """What the calendar knows of ``n`` accounts, each at its own as-of date.

    Attributes
    ----------
    term, band : array of int, (n,)
        Index into ``TERMS`` and ``BANDS``.
    tenure : array of float, (n,)
        Months since the first paid day; NaN where unknown.
    decision : array of float, (n,)
        Lead (months ahead, 1 = next month-end) of the next decision; inf where there is none.
    cycle : array of float, (n,)
        Months from one decision to the next; 1 where every month is one.
    month : array of int, (n,)
        Month of the state at lead 0, 1 to 12.
    """

    term: Ints
    band: Ints
    tenure: Floats
    decision: Floats
    cycle: Floats
    month: Ints
    fiscal_year_starts: int

    def __len__(self) -> int:
        return len(self.term)

    def take(self, rows: Ints) -> CalendarFacts:
        """Give the facts of some rows."""
        return CalendarFacts(
            self.term[rows],
            self.band[rows],
            self.tenure[rows],
            self.decision[rows],
            self.cycle[rows],
            self.month[rows],
            self.fiscal_year_starts,
        )

    def free(self) -> NDArray[np.bool_]:
        """Say at which leads an account can leave: the months that hold a decision, (n, 12)."""
        leads = np.arange(1, LEADS + 1)[None, :]
        since = leads - self.decision[:, None]
        with np.errstate(invalid="ignore"):
            on_cycle = (since >= 0) & (np.mod(since, self.cycle[:, None]) == 0)
        return np.asarray(on_cycle | (self.cycle == 1)[:, None])

    def codes(self, rows: Ints, leads: Ints, cumulative: bool) -> Ints:
        """Code the calendar's columns at some (row, lead) pairs, one column per ``COLUMNS``.

        ``cumulative`` counts the decisions up to the lead (for states) instead of marking the
        one in it (for hazards).
        """
        tenure = np.nan_to_num(self.tenure[rows], nan=12.0) + leads
        month = (self.month[rows] + leads - self.fiscal_year_starts) % 12
        tenure_code = np.digitize(tenure, TENURES)
        monthly = self.cycle[rows] == 1
        columns = [
            self.term[rows],
            self.band[rows],
            np.where(monthly, tenure_code, len(TENURES) + 1),
            tenure_code,
            (month == 11).astype(np.int64),
            _lead_code(leads),
            self.decided(rows, leads) if cumulative else np.zeros(len(rows), dtype=np.int64),
        ]
        return np.column_stack(columns).astype(np.int64)

    def decided(self, rows: Ints, leads: Ints) -> Ints:
        """Code the decisions passed at some (row, lead) pairs: 0 none, 1 one, 2 one every month."""
        within = np.where(np.isfinite(self.decision[rows]), self.decision[rows], 99.0) <= leads
        return np.where(self.cycle[rows] == 1, 2, within.astype(np.int64))

    def decided_by_lead(self) -> Ints:
        """Give ``decided`` of every account at every lead, (n, 12)."""
        rows = np.repeat(np.arange(len(self)), LEADS)
        leads = np.tile(np.arange(1, LEADS + 1), len(self))
        return self.decided(rows, leads).reshape(len(self), LEADS)


COLUMNS = (
    ("term", len(TERMS)),
    ("band", len(BANDS)),
    ("monthly_tenure", len(TENURES) + 2),
    ("tenure", len(TENURES) + 1),
    ("fiscal_year_end", 2),
    ("lead", 12),
    ("decided", 3),
)


def _lead_code(leads: Ints) -> Ints:
    return leads - 1


def calendar_facts(frame: pd.DataFrame, fiscal_year_starts: int = 1) -> CalendarFacts:
    """Read the calendar's facts out of snapshot rows.

    Parameters
    ----------
    frame : DataFrame
        Columns ``as_of``, ``term_months``, ``next_renewal_on``, ``decision``, ``tenure_days``
        and ``acv_segment`` of ``features.snapshot.snapshot``.

    Examples
    --------
    >>> rows = pd.DataFrame({"as_of": [date(2025, 7, 1)] * 2, "term_months": [12.0, 1.0],
    ...     "next_renewal_on": [date(2025, 9, 15), None], "decision": ["term", "monthly"],
    ...     "tenure_days": [300.0, 30.0], "acv_segment": ["smb", "smb"]})
    >>> facts = calendar_facts(rows)
    >>> facts.decision.tolist(), facts.free()[:, :4].tolist()
    ([3.0, 1.0], [[False, False, True, False], [True, True, True, True]])
    """
    every_month = (frame["decision"] != "term").to_numpy()
    months = frame["term_months"].to_numpy(dtype=float)
    as_of = [day for day in as_dates(frame["as_of"]) if day is not None]
    ends = as_dates(frame["next_renewal_on"])
    decision = np.array(
        [
            1.0 if open_ else _decision_lead(day, end)
            for day, end, open_ in zip(as_of, ends, every_month, strict=True)
        ]
    )
    cycle = np.where(every_month, 1.0, np.where(np.isnan(months), 12.0, np.maximum(months, 1.0)))
    band = pd.Categorical(frame["acv_segment"], categories=list(BANDS)).codes
    return CalendarFacts(
        term=_term_codes(frame["decision"].to_numpy(), months),
        band=np.maximum(band, 0).astype(np.int64),
        tenure=frame["tenure_days"].to_numpy(dtype=float) / 30.4375,
        decision=decision,
        cycle=cycle,
        month=np.array([(day.month - 2) % 12 + 1 for day in as_of], dtype=np.int64),
        fiscal_year_starts=fiscal_year_starts,
    )


def _term_codes(decision: NDArray[Any], months: Floats) -> Ints:
    by_length = np.select([months <= 1, months < 12, months == 12], [0, 2, 3], default=4)
    code = np.where(decision == "term", by_length, np.where(decision == "monthly", 0, 1))
    return code.astype(np.int64)


def _decision_lead(as_of: date, end: date | None) -> float:
    return np.inf if end is None else float(lead_of(as_of, end))


@dataclass(frozen=True)
class CalendarModel:
    """A fitted calendar: one logit for every (account, lead) from its codes.

    Attributes
    ----------
    intercept : float
    weights : tuple of tuple of float
        One weight per level of every column of ``COLUMNS``.
    cumulative : bool
        True for states ("paying more at lead j"), False for hazards ("leaves in month j").
    """

    intercept: float
    weights: tuple[tuple[float, ...], ...]
    cumulative: bool

    def logit(self, facts: CalendarFacts, rows: Ints, leads: Ints) -> Floats:
        """Give the calendar's logit at (row, lead) pairs."""
        return self.of(facts.codes(rows, leads, self.cumulative))

    def of(self, codes: Ints) -> Floats:
        """Give the calendar's logit of coded rows."""
        columns = [np.asarray(column)[codes[:, at]] for at, column in enumerate(self.weights)]
        return np.asarray(self.intercept + np.sum(columns, axis=0))

    def matrix(self, facts: CalendarFacts) -> Floats:
        """Give the calendar's logit at every lead, (n, 12)."""
        n = len(facts)
        rows = np.repeat(np.arange(n), LEADS)
        leads = np.tile(np.arange(1, LEADS + 1), n)
        return self.logit(facts, rows, leads).reshape(n, LEADS)

    def to_json(self) -> dict[str, Any]:
        """Give the model as JSON."""
        return {
            "intercept": self.intercept,
            "weights": [list(column) for column in self.weights],
            "cumulative": self.cumulative,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CalendarModel:
        """Read the model from JSON."""
        weights = tuple(tuple(column) for column in values["weights"])
        return cls(float(values["intercept"]), weights, bool(values["cumulative"]))
