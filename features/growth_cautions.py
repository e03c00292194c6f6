"""Cautions about growth: where expansion comes from, and whether it is a motion or an accident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.evidence import Evidence
from features.leak_cautions import grr_falling
from features.rates import retained_over

__all__ = [
    "LARGEST",
    "build_expansion",
    "concentration",
    "expansion_share",
    "few_levers",
    "no_expansion",
    "price_led",
    "share_of_new",
]

LARGEST = 5
"""How many expansions make a concentration."""

_CONCENTRATED = 0.5
_PRICE_LED = 0.5
_BUILD_FROM, _BUILD_SURELY = 0.88, 0.90
_ENGINE = 1.10
_PLG_SHARE = (0.30, 0.50)
_LEVERS, _ENOUGH = 4, 2


def no_expansion(evidence: Evidence) -> dict[str, Any] | None:
    """Warn where NRR equals GRR: no account of the cohort expanded (S001)."""
    whole = evidence.whole
    if whole.cohort["expansion"] or whole.nrr != whole.grr:
        return None
    message = f"NRR equals GRR ({whole.nrr:.1%}): no account of the cohort expanded"
    return {"code": "no_expansion", "message": message, "nrr": whole.nrr}


def build_expansion(evidence: Evidence) -> dict[str, Any] | None:
    """Say that it is time for expansion: GRR stable from 88 to 90 % a year on (S000).

    Said while NRR is below 110 %, from which S001 and S003 see an expansion motion, and not
    while GRR is falling. For a window of another length the limits compound; under three months
    nothing is said.
    """
    whole = evidence.whole
    months, nrr, grr = whole.window.months, whole.nrr or 0.0, whole.grr or 0.0
    ready, surely, engine = (
        retained_over(limit, months) for limit in (_BUILD_FROM, _BUILD_SURELY, _ENGINE)
    )
    if months < 3 or grr < ready or nrr >= engine or grr_falling(evidence):
        return None
    when = "the base holds" if grr >= surely else "once it stays there"
    message = f"GRR is {grr:.1%}, NRR {nrr:.1%}: {when}, build the expansion engine"
    return {"code": "build_expansion", "message": message, "grr": grr, "nrr": nrr, "limit": ready}


def concentration(evidence: Evidence) -> dict[str, Any] | None:
    """Warn where the five largest expansions make more than half of all (S000)."""
    whole, largest = evidence.whole, evidence.largest[:LARGEST]
    expansion, top = whole.cohort["expansion"], sum(largest)
    if not expansion or top <= _CONCENTRATED * expansion:
        return None
    without = whole.ratio(whole.cohort["closing"] + whole.cohort.get("reactivation", 0) - top)
    message = (
        f"{_these(len(largest))} {top / expansion:.0%} of all expansion; without "
        f"{'it' if len(largest) == 1 else 'them'} NRR would be {without:.1%}"
    )
    share = top / expansion
    return {"code": "concentration", "message": message, "share": share, "nrr_without": without}


def _these(count: int) -> str:
    return "one expansion makes" if count == 1 else f"the {count} largest expansions make"


def price_led(evidence: Evidence) -> dict[str, Any] | None:
    """Warn where price rises make more than half of expansion movements (S002)."""
    rises, expansion = evidence.price_rises, evidence.whole.flows.get("expansion", 0)
    if rises is None or not expansion or rises <= _PRICE_LED * expansion:
        return None
    share = rises / expansion
    message = (
        f"price rises make {share:.0%} of expansion: growth is not by seats, tiers, products or use"
    )
    return {"code": "price_led", "message": message, "share": share}


def share_of_new(flows: Mapping[str, int]) -> float | None:
    """Divide expansion by all MRR that was added: new, reactivation and expansion.

    None where nothing was added.

    Examples
    --------
    >>> share_of_new({"new": 60, "reactivation": 0, "expansion": 40})
    0.4
    """
    added = sum(flows.get(name, 0) for name in ("new", "reactivation", "expansion"))
    return flows.get("expansion", 0) / added if added else None


def expansion_share(evidence: Evidence) -> dict[str, Any] | None:
    """Show expansion as a share of total new MRR, beside 30 to 50 % for PLG companies (S003)."""
    share = share_of_new(evidence.whole.flows)
    if share is None:
        return None
    low, high = _PLG_SHARE
    place = "below" if share < low else "above" if share > high else "within"
    message = (
        f"expansion is {share:.0%} of total new MRR, {place} the {low:.0%} to {high:.0%} "
        "of product-led companies"
    )
    return {
        "code": "expansion_share",
        "message": message,
        "share": share,
        "low": low,
        "high": high,
    }


def few_levers(evidence: Evidence) -> dict[str, Any] | None:
    """Warn where fewer than two of the four levers bring expansion (S001)."""
    active = evidence.levers_active
    if active is None or len(active) >= _ENOUGH:
        return None
    named = f" ({', '.join(active)})" if active else ""
    message = (
        f"{len(active)} of {_LEVERS} expansion levers active{named}: "
        "companies with strong NRR have at least two"
    )
    return {"code": "few_levers", "message": message, "levers": list(active), "enough": _ENOUGH}
