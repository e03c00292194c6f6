"""Words for the numbers of the forecast page: one kind of number, one way to write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.dashboard.figures import NONE, money, percent

__all__ = ["MEANINGS", "brief", "found", "said", "span"]

NBSP = "\N{NO-BREAK SPACE}"
MEANINGS = {
    "nrr": "Net revenue retention: what these accounts pay at the end of the period over what they "
    "paid at its opening. Ratio; new customers are left out.",
    "grr": "Gross revenue retention: 1 − (contraction + churned) over opening MRR. Ratio; no account "
    "counts above its opening.",
    "expansion_mrr": "What those that pay more at the end pay more. MRR.",
    "contraction_mrr": "What those that pay less at the end, but pay, pay less. MRR.",
    "churned_mrr": "Opening MRR of those that pay nothing at the end. MRR.",
    "closing_mrr": "Opening + expansion − contraction − churned. MRR.",
    "logos_lost": "How many accounts pay nothing at the end.",
}
"""The definition of every figure, its unit in it."""


def said(value: float | None, kind: str) -> str:
    """Write a number as its kind is written; `static/forecast.js` writes them alike.

    Examples
    --------
    >>> [said(1.0284, "ratio"), said(-0.0123, "points"), said(0.0, "points"), said(None, "money")]
    ['102.8\xa0%', '−1.23', '0', '–']
    >>> said(-1e-9, "points")  # not nothing, but too little to have a sign
    '0.00'
    >>> [said(1250.4, "more"), said(0.0, "more"), said(1.5, "times"), said(3.14, "count")]
    ['+1,250', '0', '×\xa01.50', '3.1']
    """
    if value is None:
        return NONE
    match kind:
        case "ratio":
            return percent(value)
        case "share":
            return percent(value, 0)
        case "points":
            return _signed(100 * value, 2)
        case "counts":
            return _signed(value, 1)
        case "count":
            return f"{value:,.1f}"
        case "times":
            return f"×{NBSP}{value:.2f}"
        case "more":
            return money(value, sign=True) if value else "0"
    return money(value)


def span(figure: Mapping[str, float] | None, kind: str) -> str:
    """Write the 80 % interval of a figure.

    Examples
    --------
    >>> span({"p10": 0.98, "p90": 1.04}, "ratio")
    '98.0\xa0% to 104.0\xa0%'
    """
    if figure is None or "p10" not in figure:
        return ""
    return f"{said(figure['p10'], kind)} to {said(figure['p90'], kind)}"


def brief(figure: Mapping[str, float] | None) -> str:
    """Write the 80 % interval of a ratio in few signs, in per cent.

    Examples
    --------
    >>> brief({"p10": 0.98, "p90": 1.04}), brief(None)
    ('98.0–104.0', '–')
    """
    return NONE if figure is None else f"{100 * figure['p10']:.1f}–{100 * figure['p90']:.1f}"


def found(told: Any, path: str) -> Any:
    """Give what stands at a path of an answer, None where there is nothing.

    Examples
    --------
    >>> found({"by_cut": [{"nrr": {"mean": 1.0}}]}, "by_cut.0.nrr.mean"), found(None, "a.b")
    (1.0, None)
    """
    for step in path.split("."):
        if isinstance(told, Mapping):
            told = told.get(step)
        elif isinstance(told, list) and step.isdigit() and int(step) < len(told):
            told = told[int(step)]
        else:
            return None
    return told


def _signed(value: float, decimals: int) -> str:
    if value == 0:
        return "0"
    text = f"{abs(value):,.{decimals}f}"
    if not float(text.replace(",", "")):  # too little to have a sign
        return text
    return f"{'+' if value > 0 else '−'}{text}"
