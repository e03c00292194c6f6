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
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from features.acv import ACV_SEGMENTS
from features.asof import as_dates, lead_of
from models.outcomes import LEADS

__all__ = [
    "BENCHMARK_ANNUAL_RATES",
    "TERMS",
    "CalendarFacts",
    "CalendarModel",
    "benchmark_rate",
    "calendar_facts",
    "fit_calendar",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TERMS = ("monthly", "unknown", "short", "annual", "multi-year")
MONTHS_BETWEEN_DECISIONS = (1, 1, 6, 12, 24)
TENURES = (2.0, 5.0, 13.0, 25.0)
"""Upper bounds in months, exclusive: settling in, the month 2-4 cliff, first year, second, older."""
BANDS = tuple(name for _, name in ACV_SEGMENTS)

BENCHMARK_ANNUAL_RATES: Mapping[str, Mapping[str, float]] = {
    "churn": {"smb": 0.10, "mid-market": 0.08, "enterprise": 0.05, "strategic": 0.05},
    "expand": {"smb": 0.20, "mid-market": 0.20, "enterprise": 0.20, "strategic": 0.20},
    "contract": {"smb": 0.05, "mid-market": 0.05, "enterprise": 0.05, "strategic": 0.05},
}
"""Shares of accounts a year. Churn: S003 ("< 5 % enterprise, < 10 % SMB") and S001 (8 %);
expansion: S001 (20 % a year); contraction: S003 (above 5 % is a problem)."""

PRIOR_ACCOUNTS = 20.0
"""Weight of a prior rate, in observations: (n r + 20 r0) / (n + 20)."""
STEEP = 10.0
"""Stretches a column so far that the ridge hardly holds it."""
DAMPED = 0.5
"""Share of a trend that is believed beyond the last lead that the past has seen."""
LEAST_RIDGE = 1e-3
"""Shares what a single cell shows between its term and its band."""


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
            self._decided(rows, leads) if cumulative else np.zeros(len(rows), dtype=np.int64),
        ]
        return np.column_stack(columns).astype(np.int64)

    def _decided(self, rows: Ints, leads: Ints) -> Ints:
        within = np.where(np.isfinite(self.decision[rows]), self.decision[rows], 99.0) <= leads
        return np.where(self.cycle[rows] == 1, 2, within.astype(np.int64))


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


def benchmark_rate(target: str, band: str, months: float) -> float:
    """Turn a published annual rate into the rate over some months: 1 - (1 - r)^(months / 12).

    Examples
    --------
    >>> round(benchmark_rate("churn", "smb", 1), 5)
    0.00874
    """
    return float(1 - (1 - BENCHMARK_ANNUAL_RATES[target][band]) ** (months / 12))


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
        codes = facts.codes(rows, leads, self.cumulative)
        return self.intercept + _summed(self.weights, codes)

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


def fit_calendar(
    target: str, codes: Ints, y: Ints, few: bool, leads: Ints, share: float = 1.0
) -> CalendarModel:
    """Fit the calendar on coded rows; with few events, empirical-Bayes rates by term and band.

    A state grows likelier with its lead. That slope, on the logarithm of the lead, is free of the
    ridge: a short past has seen no twelve months, and must not take them for the average lead.
    Beyond the last lead that was seen the slope goes on damped.

    Parameters
    ----------
    target : {"churn", "expand", "contract"}
    codes : array of int, (rows, columns)
        From ``CalendarFacts.codes``.
    y : array of int, (rows,)
        1 where the event happened.
    few : bool
        True below ten events: nothing is fitted, published rates are updated by what was seen.
    leads : array of int, (rows,)
    share : float
        Account-months per row: many rows see the same ones, and a ridge or a published rate that
        weighs as much as twenty observations must not take them for more.
    """
    cumulative = target != "churn"
    if few or y.min(initial=1) == y.max(initial=0):
        horizon = float(np.mean(leads)) if cumulative and len(leads) else 1.0
        return _updated(_published(target, horizon, cumulative), codes, y, share / horizon)
    patterns, inverse = _patterns(codes)
    events = np.bincount(inverse, weights=y, minlength=len(patterns))
    rest = np.bincount(inverse, minlength=len(patterns)) - events
    by_lead = STEEP * np.log(np.arange(1, LEADS + 1)) * cumulative
    design = np.column_stack([_one_hot(patterns), by_lead[patterns[:, 5]]])
    outcome = np.repeat([1, 0], len(patterns))
    weight = np.concatenate([events, rest])
    used = weight > 0
    fitted = LogisticRegression(C=1.0, max_iter=500)
    twice = np.concatenate([design, design])
    fitted.fit(twice[used], outcome[used], sample_weight=share * weight[used])
    weights = _split(fitted.coef_[0, :-1])
    trend = fitted.coef_[0, -1] * by_lead
    last = int(leads.max()) - 1
    unseen = np.arange(LEADS) > last
    trend = np.where(unseen, trend[last] + DAMPED * (trend - trend[last]), trend)
    at_lead = np.asarray(weights[5]) + trend
    weights = (*weights[:5], tuple(map(float, at_lead)), *weights[6:])
    return CalendarModel(float(fitted.intercept_[0]), weights, cumulative)


def _patterns(codes: Ints) -> tuple[Ints, Ints]:
    """Give the distinct rows of codes, and which of them each row is."""
    levels = tuple(count for _, count in COLUMNS)
    flat, inverse = np.unique(np.ravel_multi_index(tuple(codes.T), levels), return_inverse=True)
    return np.column_stack(np.unravel_index(flat, levels)), inverse


def _one_hot(codes: Ints) -> Floats:
    blocks = [np.eye(levels)[codes[:, at]] for at, (_, levels) in enumerate(COLUMNS)]
    return np.concatenate(blocks, axis=1)


def _summed(weights: tuple[tuple[float, ...], ...], codes: Ints) -> Floats:
    columns = [np.asarray(column)[codes[:, at]] for at, column in enumerate(weights)]
    return np.asarray(np.sum(columns, axis=0))


def _split(coefficients: Floats) -> tuple[tuple[float, ...], ...]:
    ends = np.cumsum([levels for _, levels in COLUMNS])[:-1]
    return tuple(tuple(float(v) for v in part) for part in np.split(coefficients, ends))


def _published(target: str, horizon: float, cumulative: bool) -> CalendarModel:
    """Give the published rates as a calendar, additive on the logit.

    A decision that comes once in twelve months is twelve times as likely to go wrong as a
    monthly one: the published rates are rates a year. A state's rate is that of its mean lead.
    """
    weights = [np.zeros(levels) for _, levels in COLUMNS]
    weights[1] = logit([benchmark_rate(target, band, horizon) for band in BANDS])
    if cumulative:
        weights[5] = np.log(np.arange(1, LEADS + 1) / horizon)
    else:
        weights[0] = np.log(MONTHS_BETWEEN_DECISIONS)
    return CalendarModel(0.0, tuple(tuple(map(float, column)) for column in weights), cumulative)


def _updated(published: CalendarModel, codes: Ints, y: Ints, share: float) -> CalendarModel:
    """Update published rates by what was seen, one shift per term and one per band.

    Every cell of term and band that was seen also counts twenty observations at its published
    rate: a cell alone comes out at (n r + 20 r0) / (n + 20), however high its rate.
    """
    cells = np.unique(codes[:, :2], axis=0)
    supposed = np.column_stack([cells, np.zeros((len(cells), len(COLUMNS) - 2), dtype=np.int64)])
    patterns, inverse = _patterns(codes)
    seen = np.bincount(inverse, minlength=len(patterns))
    events = np.bincount(inverse, weights=y, minlength=len(patterns))
    terms, bands = (np.asarray(published.weights[at]) for at in (0, 1))
    base = terms[cells[:, 0]] + bands[cells[:, 1]]
    level = np.concatenate([_summed(published.weights, patterns), base])
    weight = np.concatenate([share * seen, np.full(len(cells), PRIOR_ACCOUNTS)])
    hit = np.concatenate([share * events, PRIOR_ACCOUNTS * expit(base)])
    design = _one_hot(np.concatenate([patterns, supposed]))[:, : len(TERMS) + len(BANDS)]

    def loss(shift: Floats) -> tuple[float, Floats]:
        eta = level + design @ shift
        fit = float(weight @ np.logaddexp(0, eta) - hit @ eta)
        slope = (weight * expit(eta) - hit) @ design
        return fit + LEAST_RIDGE * float(shift @ shift) / 2, slope + LEAST_RIDGE * shift

    shift = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", tol=1e-12).x
    by_term, by_band = terms + shift[: len(TERMS)], bands + shift[len(TERMS) :]
    weights = (tuple(map(float, by_term)), tuple(map(float, by_band)), *published.weights[2:])
    return CalendarModel(published.intercept, weights, published.cumulative)
