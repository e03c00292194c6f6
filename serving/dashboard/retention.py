"""Retention as the Book page shows it: headline figures, their history, and what moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.dashboard.figures import day, month, percent, points

__all__ = ["SPANS", "Headline", "Movement", "headlines", "history", "movements", "quarters"]

SPANS = {"month": 1, "quarter": 3, "year": 12}
"""Windows of the waterfall, and how many months each has."""
_FLOWS = (
    ("New", "new_mrr", 1, "first MRR of accounts that had never paid"),
    ("Reactivation", "reactivation_mrr", 1, "MRR of accounts that had left and are back"),
    ("Expansion", "expansion_mrr", 1, "more MRR from accounts that paid already"),
    ("Contraction", "contraction_mrr", -1, "less MRR from accounts that still pay"),
    ("Churned", "churned_mrr", -1, "MRR of accounts that pay no more"),
    ("Currency", "fx_mrr", 1, "change of exchange rates alone"),
)


@dataclass(frozen=True)
class Headline:
    """One figure at the head of the page.

    Attributes
    ----------
    name, value : str
        What it is, as a percentage.
    change : str
        Percentage points since a year before; empty where that is not known.
    definition : str
        What is divided by what.
    """

    name: str
    value: str
    change: str
    definition: str


@dataclass(frozen=True)
class Movement:
    """One step of the waterfall.

    Attributes
    ----------
    name : str
    amount : float
        Signed for a flow; the level for opening and closing.
    share : float or None
        Of the opening MRR; None for the two levels.
    kind : str
        ``level``, ``gain`` or ``loss``.
    note : str
        What counts there.
    """

    name: str
    amount: float
    share: float | None
    kind: str
    note: str


def history(metrics: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List the trailing-12-month windows of the whole book, the oldest first."""
    both = [*metrics.get("windows", ()), *metrics.get("series", ())]
    whole = {window["to"]: window for window in both if not window["cut"]}
    return [whole[to] for to in sorted(whole)]


def quarters(told: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Keep every third window, counted back from the last: the newest first.

    Examples
    --------
    >>> [window["to"] for window in quarters([{"to": n} for n in range(7)])]
    [6, 3, 0]
    """
    return list(told[::-1][::3])


def headlines(told: Sequence[Mapping[str, Any]]) -> list[Headline]:
    """Put the last window's ratios at the head, each beside the same a year before."""
    if not told:
        return []
    last = told[-1]
    before = told[-13] if len(told) > 12 else {}
    paid = f"the accounts that paid on {day(last['from'])}"
    said = {
        "nrr": ("NRR", f"MRR on {day(last['to'])} of {paid}, over their MRR then"),
        "grr": ("GRR", f"the same, no account counted above its MRR then: {paid}"),
        "organic_nrr": ("Organic NRR", "NRR with seat, tier, product and usage expansion alone"),
        "logo_churn": ("Logo churn", f"share of {paid} and pay nothing on {day(last['to'])}"),
    }
    return [
        Headline(name, percent(last.get(key)), _change(last.get(key), before.get(key)), definition)
        for key, (name, definition) in said.items()
    ]


def _change(now: float | None, before: float | None) -> str:
    return "" if now is None or before is None else points(now - before)


def movements(metrics: Mapping[str, Any], span: str) -> tuple[str, list[Movement]]:
    """Add up the monthly movements of a span that ends with the last closed month.

    Returns
    -------
    str, list of Movement
        The months in words, and the steps from opening to closing MRR; nothing where the run
        tells of no months.
    """
    months = sorted(
        (row for row in metrics.get("months", ()) if not row["cut"]), key=lambda row: row["to"]
    )
    window = months[-SPANS[span] :]
    if not window:
        return "", []
    opening, closing = window[0]["opening_mrr"], window[-1]["closing_mrr"]
    steps = [Movement("Opening", opening, None, "level", f"MRR on {day(window[0]['from'])}")]
    for name, key, sign, note in _FLOWS:
        amount = sign * sum(row[key] for row in window)
        if amount or key != "fx_mrr":
            share = amount / opening if opening else None
            steps.append(Movement(name, amount, share, "gain" if amount >= 0 else "loss", note))
    steps.append(Movement("Closing", closing, None, "level", f"MRR on {day(window[-1]['to'])}"))
    first, last = month(window[0]["to"]), month(window[-1]["to"])
    return (last if first == last else f"{first} to {last}"), steps
