"""Cautions about spread: what a blended figure hides of its parts."""

from __future__ import annotations

from typing import Any

from features.evidence import Activation, Evidence
from features.measure import SMALL_COHORT, Measure

__all__ = ["activation", "hundred_percent_illusion", "top_fifth", "worst_cohort"]

_SEGMENT_FLOOR = 0.90
_FEWEST = 5
_GAP = 0.01
_TOLD = 3


def hundred_percent_illusion(evidence: Evidence) -> dict[str, Any] | None:
    """Warn of a blended NRR of 100 % or more over segments below 90 %, naming them (S001, S003)."""
    whole = evidence.whole
    weak = [m for m in evidence.segments if m.nrr is not None and m.nrr < _SEGMENT_FLOOR]
    if (whole.nrr or 0.0) < 1 or not weak:
        return None
    told = [
        {"segment": m.cut["segment"], "nrr": m.nrr, "accounts": m.cohort["accounts"]} for m in weak
    ]
    names = ", ".join(f"{t['segment'] or 'no segment'} {t['nrr']:.1%}" for t in told)
    message = f"NRR is {whole.nrr:.1%} in all, but below {_SEGMENT_FLOOR:.0%} in: {names}"
    return {"code": "hundred_percent_illusion", "message": message, "segments": told}


def worst_cohort(evidence: Evidence) -> dict[str, Any] | None:
    """Show how far the worst acquisition cohort lies below the blended NRR (S001).

    Cohorts of 20 accounts and more are compared; only where there is none, those of 5 and more,
    and the answer says that the worst is small. A gap of less than a point is none.
    """
    whole = evidence.whole
    known = [(m.nrr, m) for m in evidence.cohorts if m.nrr is not None]
    sizeable = [pair for pair in known if pair[1].cohort["accounts"] >= SMALL_COHORT]
    compared = sizeable or [pair for pair in known if pair[1].cohort["accounts"] >= _FEWEST]
    if len(known) < 2 or not compared:
        return None
    nrr, worst = min(compared, key=lambda pair: pair[0])
    gap, accounts = (whole.nrr or 0.0) - nrr, worst.cohort["accounts"]
    if gap < _GAP:
        return None
    name = _name(worst) or "no cohort"
    few = f" (only {accounts} accounts)" if accounts < SMALL_COHORT else ""
    return {
        "code": "worst_cohort",
        "message": f"the cohort of {name}{few} is at {nrr:.1%}, {gap * 100:.1f} points below "
        f"the NRR of {whole.nrr:.1%} in all: that gap is the risk which the blend hides",
        "cohort": name,
        "accounts": accounts,
        "small_cohort": accounts < SMALL_COHORT,
        "nrr": nrr,
        "gap": gap,
    }


def _name(measure: Measure) -> str:
    return next(iter(measure.cut.values()), None) or ""


def top_fifth(evidence: Evidence) -> dict[str, Any] | None:
    """Show the fifth of customers that pays most apart from the others (S003)."""
    whole, top = evidence.whole, evidence.top_fifth
    if top is None or top.nrr is None:
        return None
    share = whole.ratio(top.cohort["opening"])
    rest = _rest(whole, top)
    apart = "; what came back is in neither" if whole.cohort.get("reactivation") else ""
    others = "nobody else paid" if rest is None else f"the others at {rest:.1%}"
    return {
        "code": "top_fifth",
        "message": f"the top 20% of customers pay {share:.0%} of opening MRR; "
        f"their NRR is {top.nrr:.1%}, {others}{apart}",
        "accounts": top.cohort["accounts"],
        "share": share,
        "nrr": top.nrr,
        "grr": top.grr,
        "nrr_of_others": rest,
    }


def _rest(whole: Measure, top: Measure) -> float | None:
    opening = whole.cohort["opening"] - top.cohort["opening"]
    closing = whole.cohort["closing"] - top.cohort["closing"]
    return closing / opening if opening else None


def activation(evidence: Evidence) -> dict[str, Any] | None:
    """Show the 30-day activation rate by signing cohort beside the cohort's NRR (S001)."""
    if evidence.no_activation:
        message = f"30-day activation is not known: {evidence.no_activation}"
        reason = evidence.no_activation
        return {"code": "activation", "message": message, "cohorts": None, "reason": reason}
    known = [(one, one.rate) for one in evidence.activation if one.rate is not None]
    if not known:
        return None
    told = "; ".join(_said(one, rate) for one, rate in known[-_TOLD:])
    return {
        "code": "activation",
        "message": f"activated within 30 days, by signing cohort: {told}",
        "cohorts": [
            {
                "cohort": one.cohort,
                "accounts": one.accounts,
                "activated": one.activated,
                "rate": rate,
                "nrr": one.nrr,
            }
            for one, rate in known
        ],
    }


def _said(one: Activation, rate: float) -> str:
    nrr = "nobody paid at the opening" if one.nrr is None else f"NRR {one.nrr:.1%}"
    return f"{one.cohort} {rate:.0%} ({nrr})"
