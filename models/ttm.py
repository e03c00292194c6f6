"""Trailing-twelve-month NRR and GRR as they will stand: the figure that a board asks for.

The cohort is fixed twelve months before the date asked for: the accounts that paid on that day,
and what they paid (R). Months to date are actual, the rest is forecast: NRR = sum of M / sum of R
and GRR = sum of min(M, R) / sum of R, where M is what the cohort pays on the date. Accounts of the
cohort that pay nothing today count 0; accounts that have come since are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.asof import lead_of, opening_day
from models.capped import capped
from models.endings import Ending, cohort_day
from models.factor import Leaning, lean
from models.figures import LEVELS
from models.flows import Cohort, means
from models.on_day import cohort_on
from models.outcomes import Outlook
from models.shape import Group, Shape, shapes_of
from models.stretch import stretched, stretched_loss

__all__ = ["ttm_at"]

Floats = NDArray[np.float64]

PATHS = 10_000


def ttm_at(
    outlook: Outlook,
    endings: Sequence[Ending],
    taus: Sequence[float],
    *,
    as_of: date,
    nrr_target: float | None = None,
    stretches: Sequence[float] = (),
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Forecast the trailing-twelve-month figures of a book at some dates.

    Parameters
    ----------
    outlook : Outlook
        What is expected of each account that pays today.
    endings : sequence of Ending
        The dates, each with its cohort.
    taus : sequence of float
        Twelve scales of the shared factor, by lead.
    as_of : date
    nrr_target : float or None
        NRR whose probability is asked for.
    stretches : sequence of float
        Twelve conformal factors on every quantile's distance from its median; empty: 1.
    seed : int
        Seed of what is simulated.

    Returns
    -------
    dict of str to dict
        By name of the ending: ``date``, ``cohort_date``, ``cohort_accounts``, ``opening_mrr``
        (what the cohort paid), ``months_forecast``, ``actual``, ``nrr`` and ``grr`` (mean and
        quantiles; the mean alone of an actual figure), ``p_target``, and ``reason`` where there
        is nothing to tell.
    """
    order = np.argsort(outlook.accounts["account_id"].astype(str).to_numpy(), kind="stable")
    book = outlook.of(order)
    told = {}
    for ending in endings:
        known = ending.day <= opening_day(as_of)
        lead = 0 if known else lead_of(as_of, ending.day)
        if not any(ending.paid.values()):
            figures = _unknown(ending)
        elif known:
            figures = _actual(_held(book, ending), nrr_target)
        else:
            held, cohort = _held(book, ending), cohort_on(book, as_of, ending.day)
            stretch = stretches[lead - 1] if stretches else 1.0
            draw = _Draw(taus[lead - 1], stretch, seed)
            figures = _forecast(held, cohort.of(held.who), draw, nrr_target)
        told[ending.name] = _head(ending, lead) | figures
    return told


@dataclass(frozen=True)
class _Held:
    """The accounts of a cohort that pay today: where they stand in the book, M today, and R.

    ``whole`` is the R of the whole cohort, of those that have left too.
    """

    who: NDArray[np.int64]
    mrr: Floats
    reference: Floats
    whole: float


@dataclass(frozen=True)
class _Draw:
    """How a distribution is drawn: scale of the factor, stretch about the median, and seed."""

    tau: float
    stretch: float
    seed: int

    def shape(self, cohort: Cohort, leaning: Leaning) -> Shape:
        """Give the distribution of what a whole cohort pays."""
        everyone = [Group({}, np.arange(len(cohort.mrr)))]
        asked = ("closing",)
        (found,) = shapes_of(cohort, leaning, everyone, asked, LEVELS, paths=PATHS, seed=self.seed)
        return found


def _held(book: Outlook, ending: Ending) -> _Held:
    """Find the cohort's accounts in the book of today."""
    names = book.accounts["account_id"].astype(str)
    paid = np.array([ending.paid.get(name, 0) for name in names], dtype=np.int64)
    who = np.flatnonzero(paid > 0)
    reference = paid[who] / 1e6
    gone = (sum(ending.paid.values()) - int(paid.sum())) / 1e6
    mrr = book.accounts["mrr_micros"].to_numpy(dtype=np.float64)[who] / 1e6
    return _Held(who, mrr, reference, float(reference.sum()) + gone)


def _head(ending: Ending, lead: int) -> dict[str, Any]:
    """Say which date and which cohort."""
    paid = [micros for micros in ending.paid.values() if micros > 0]
    return {
        "date": ending.day.isoformat(),
        "cohort_date": cohort_day(ending.day).isoformat(),
        "cohort_accounts": len(paid) or None,
        "opening_mrr": sum(paid) / 1e6 if paid else None,
        "months_forecast": lead,
        "actual": lead == 0,
    }


def _actual(held: _Held, target: float | None) -> dict[str, Any]:
    """Give the figures of a date that is past: no interval."""
    nrr = _tidy(held.mrr.sum() / held.whole)
    grr = _tidy(np.minimum(held.mrr, held.reference).sum() / held.whole)
    reached = None if target is None else float(nrr >= target)
    return {"nrr": {"mean": nrr}, "grr": {"mean": grr}, "p_target": reached, "reason": None}


def _forecast(held: _Held, cohort: Cohort, draw: _Draw, target: float | None) -> dict[str, Any]:
    """Give the figures of a date that is to come."""
    leaning = lean(cohort.p_churn, cohort.p_contract, cohort.p_expand, draw.tau)
    keeping = capped(cohort, held.reference)
    paying, kept = draw.shape(cohort, leaning), draw.shape(keeping, leaning)
    nrr = np.maximum(stretched(paying.quantile["closing"] / held.whole, draw.stretch), 0.0)
    loss = stretched_loss(1.0 - kept.quantile["closing"][::-1] / held.whole, draw.stretch)
    grr = np.clip(1.0 - loss[::-1], 0.0, 1.0)
    reached = None
    if target is not None:
        middle = float(paying.quantile["closing"][LEVELS.index(0.5)]) / held.whole
        asked = middle + (target - middle) / draw.stretch
        reached = float(paying.closing_above(asked * held.whole))
    return {
        "nrr": _figure(means(cohort)["closing"].sum() / held.whole, nrr),
        "grr": _figure(means(keeping)["closing"].sum() / held.whole, np.minimum(grr, nrr)),
        "p_target": reached,
        "reason": None,
    }


def _figure(mean: float, quantiles: Floats) -> dict[str, float]:
    """Name a mean and its quantiles."""
    pairs = zip(LEVELS, quantiles, strict=True)
    return {"mean": _tidy(mean), **{f"p{round(100 * q):02d}": _tidy(x) for q, x in pairs}}


def _tidy(ratio: float) -> float:
    """Round to 12 digits, so that a cohort in which nothing moves reads exactly 1."""
    return round(float(ratio), 12) + 0.0


def _unknown(ending: Ending) -> dict[str, Any]:
    why = f"nobody paid on {cohort_day(ending.day)}: the ledger does not reach back so far"
    return {"nrr": None, "grr": None, "p_target": None, "reason": why}
