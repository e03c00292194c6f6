"""Window rows: a measure in the shape of CONTRACT, money in units, ratios as fractions."""

from __future__ import annotations

from typing import Any

from features.amounts import money
from features.levers import LEVERS
from features.measure import SMALL_COHORT, Measure
from features.sheets import FLOWS
from features.windows import Window

__all__ = ["CHURN_KINDS", "told", "untold"]

CHURN_KINDS = ("voluntary", "involuntary", "pause", "merger")
"""Parts of what churned: by the customer's will, unpaid, paused, merged into another account."""

_COHORT = ("opening", "expansion", "contraction", "churned", "closing")
_RATIOS = ("nrr", "grr", "organic_nrr", "logo_churn")


def told(measure: Measure) -> dict[str, Any]:
    """Tell a measure.

    Returns
    -------
    dict
        ``from``, ``to``, ``cut``, ``accounts``; the book's movements (``<class>_mrr``,
        ``levers``, ``churn_kinds``, ``in_grace_mrr`` as part of ``closing_mrr``); the ratios;
        ``cohort`` with its amounts in units and in micro-units: from those NRR recomputes
        exactly, as opening + expansion − contraction − churned (+ reactivation, where that is
        there) over opening. ``basis`` where usage-billed revenue is a line beside committed
        revenue, ``reason`` where there are no ratios, ``small_cohort`` in cuts. The row "moved
        between lines" says so, and has ``blend``: the lines' NRR weighted by their opening MRR.
        Account NRR is ``blend`` plus the row's ``cohort.closing_micros`` (and
        ``reactivation_micros``, where that is there) over the opening of the accounts.
    """
    cohort, flows = measure.cohort, measure.flows
    names = (*_COHORT, *(("reactivation",) if "reactivation" in cohort else ()))
    row: dict[str, Any] = {
        "from": str(measure.window.opening),
        "to": str(measure.window.closing),
        "cut": dict(measure.cut),
        "accounts": cohort["accounts"],
        "opening_mrr": money(flows["opening"]),
        **{f"{name}_mrr": money(flows[name]) for name in FLOWS},
        "closing_mrr": money(flows["closing"]),
        "in_grace_mrr": money(flows["grace"]),
        **{name: getattr(measure, name) for name in _RATIOS},
        "levers": {lever: money(flows[lever]) for lever in LEVERS},
        "churn_kinds": _churn_kinds(flows),
        "cohort": {f"{name}_mrr": money(cohort[name]) for name in names}
        | {f"{name}_micros": cohort[name] for name in names},
    }
    if "usage_opening" in cohort:
        row["basis"] = _basis(measure)
    if measure.nrr is None:
        row["reason"] = _reason(measure)
    if measure.cut:
        row["small_cohort"] = not measure.moved and cohort["accounts"] < SMALL_COHORT
    if measure.moved:
        row |= {"accounts": None, "moved_between_lines": True, "blend": measure.blend}
    return row


def untold(span: Window, reason: str) -> dict[str, Any]:
    """Tell a window that cannot be shown: nulls, and why."""
    amounts = ("opening", *FLOWS, "closing", "in_grace")
    return {
        "from": str(span.opening),
        "to": str(span.closing),
        "cut": {},
        "accounts": None,
        **{f"{name}_mrr": None for name in amounts},
        **dict.fromkeys(_RATIOS),
        "levers": dict.fromkeys(LEVERS),
        "churn_kinds": dict.fromkeys(CHURN_KINDS),
        "cohort": {f"{name}_{unit}": None for unit in ("mrr", "micros") for name in _COHORT},
        "reason": reason,
    }


def _churn_kinds(flows: dict[str, int]) -> dict[str, float]:
    known = {kind: flows[f"{kind}_churn"] for kind in CHURN_KINDS[1:]}
    voluntary = flows["churned"] - sum(known.values())
    return {kind: money(micros) for kind, micros in ({"voluntary": voluntary} | known).items()}


def _basis(measure: Measure) -> dict[str, dict[str, float | None]]:
    """Tell the cohort's committed and usage-billed revenue as two lines."""
    cohort = measure.cohort
    usage = cohort["usage_opening"], cohort["usage_closing"]
    committed = cohort["opening"] - usage[0], cohort["closing"] - usage[1]
    return {
        name: {
            "opening_mrr": money(opening),
            "closing_mrr": money(closing),
            "nrr": closing / opening if opening else None,
        }
        for name, (opening, closing) in (("committed", committed), ("usage", usage))
    }


def _reason(measure: Measure) -> str:
    if measure.moved:
        return "what moved between lines has no opening of its own"
    whom = "no account of this cut" if measure.cut else "no account"
    return f"{whom} paid at {measure.window.opening}"
