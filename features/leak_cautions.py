"""Cautions about leaks: what the book loses, and whether growth hides it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from features.asof import months_between
from features.evidence import Evidence
from features.rates import YEAR, retained_over

__all__ = [
    "contraction",
    "fix_grr_first",
    "grr_falling",
    "grr_masked",
    "indicative",
    "short_gaps",
]

_GRR_FLOOR = 0.85
_CONTRACTION_A_YEAR = 0.05
_SERIOUS = 2
_FALLS = 3
_QUARTER = 3
_MANY_GAPS = 5
_GAPS = 0.25


def grr_masked(evidence: Evidence) -> dict[str, Any] | None:
    """Warn of GRR below 85 % while NRR is at least 100 % (S000, S001, S003).

    The 85 % are held against the window's GRR as it is, whatever the window's length.
    """
    nrr, grr = evidence.whole.nrr or 0.0, evidence.whole.grr or 0.0
    if grr >= _GRR_FLOOR or nrr < 1:
        return None
    message = f"GRR is {grr:.1%} while NRR is {nrr:.1%}: expansion is masking churn"
    return {"code": "grr_masked", "message": message, "grr": grr, "nrr": nrr}


def fix_grr_first(evidence: Evidence) -> dict[str, Any] | None:
    """Say that churn comes before expansion where GRR is below 85 % a year (S000, S001).

    For a window of another length the limit compounds; under three months nothing is said.
    """
    months, grr = evidence.whole.window.months, evidence.whole.grr or 0.0
    limit = retained_over(_GRR_FLOOR, months)
    if months < _QUARTER or grr >= limit:
        return None
    yearly = "" if months == YEAR else f" ({_GRR_FLOOR:.0%} a year)"
    digits = 1 if f"{grr:.1%}" != f"{limit:.1%}" else 3
    told = f"GRR is {grr:.{digits}%}, below {limit:.{digits}%}{yearly}"
    message = f"{told}: fix GRR first, expansion cannot make up for it"
    return {"code": "fix_grr_first", "message": message, "grr": grr, "limit": limit}


def grr_falling(evidence: Evidence) -> dict[str, Any] | None:
    """Warn of a GRR that fell in three quarters running (S000: "if GRR is declining").

    Compares windows of the same length that close now and three, six and nine months ago: four
    figures, three falls. Under three months a window says nothing of quarters.
    """
    whole = evidence.whole
    earlier = {months_between(m.window.closing, whole.window.closing): m for m in evidence.series}
    quarters = [whole, *(earlier.get(_QUARTER * n) for n in range(1, _FALLS + 1))]
    figures = [measure.grr for measure in quarters if measure is not None]
    known = [figure for figure in reversed(figures) if figure is not None]
    falls = all(after < before for before, after in pairwise(known))
    if whole.window.months < _QUARTER or len(known) <= _FALLS or not falls:
        return None
    told = ", ".join(f"{figure:.1%}" for figure in known)
    message = f"GRR has fallen for three quarters running: {told}"
    return {"code": "grr_falling", "message": message, "grr": known}


def contraction(evidence: Evidence) -> dict[str, Any] | None:
    """Warn of contraction above 5 % of opening MRR a year, 1.25 % a quarter (S003).

    Above twice that, S003 gives three times the churn risk.
    """
    whole = evidence.whole
    share = whole.ratio(whole.cohort["contraction"]) or 0.0
    limit = _CONTRACTION_A_YEAR * whole.window.months / 12
    if share <= limit:
        return None
    meaning = (
        "three times the churn risk" if share > _SERIOUS * limit else "a product or pricing problem"
    )
    message = f"contraction is {share:.1%} of opening MRR (limit {limit:.2%}): {meaning}"
    return {"code": "contraction", "message": message, "share": share, "limit": limit}


def short_gaps(evidence: Evidence) -> dict[str, Any] | None:
    """Say that many returns come after a single month: perhaps they never left.

    Such gaps are often a late payment or a missing row, and count as churn and return.
    """
    returns, short = evidence.returns
    if short < _MANY_GAPS or short < _GAPS * returns:
        return None
    message = (
        f"{short} of {returns} returns came after a single month away: if these are late renewals, "
        "late_renewal_min_term = 0 bridges them, and churn and returned MRR are less"
    )
    return {"code": "short_gaps", "message": message, "returns": returns, "short": short}


def indicative(evidence: Evidence) -> dict[str, Any] | None:
    """Mark a window shorter than three months (S000 would not report it, S003 would)."""
    months = evidence.whole.window.months
    if months >= _QUARTER:
        return None
    message = "a window shorter than three months is indicative only"
    return {"code": "indicative", "message": message, "months": months}
