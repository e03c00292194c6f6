"""What today's NRR compounds to, beside the NRR of companies of this stage and mix of contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.dashboard.figures import percent

__all__ = ["SOURCES", "Compounded", "compounded", "fitting", "range_words"]

SOURCES = {
    "S000": "SaaS Net Revenue Retention: The Expansion Playbook for Efficient Growth",
    "S001": "Net Revenue Retention: benchmarks by ARR stage (ProductQuant)",
    "S002": "Net revenue retention: the complete guide",
    "S003": "SaaS: Net Revenue Retention as the True North Star for Expansion MRR",
}
"""The articles that benchmarks are from."""
_COMPANY = ("arr", "stage", "category", "model")
_SHOWN = ("nrr", "grr", "logo_churn", "contraction")
_OF = {"arr": "ARR {}", "acv": "{} contracts", "stage": "stage {}", "all": "every company"}


@dataclass(frozen=True)
class Compounded:
    """One NRR, and what today's ARR becomes with it.

    Attributes
    ----------
    name, nrr, source : str
        Whose NRR, how much, and where it is from.
    years : list of tuple
        Years, and ARR at the lower and the upper end; the upper is None where there is one figure.
    own : bool
        Whether it is the book's own.
    """

    name: str
    nrr: str
    source: str
    years: list[tuple[int, float, float | None]]
    own: bool = False


def compounded(metrics: Mapping[str, Any], mix: Mapping[str, float]) -> list[Compounded]:
    """Lay the book's own compounding beside that of its benchmarks.

    Parameters
    ----------
    metrics : mapping
        The run's document ``metrics``.
    mix : mapping of str to float
        Share of MRR by ACV segment.
    """
    told = metrics.get("compounding")
    if not told:
        return []
    years: list[tuple[int, float, float | None]] = [
        (one["years"], one["arr"], None) for one in told["years"]
    ]
    rows = [Compounded("This book", percent(told["nrr"]), "its trailing 12 months", years, True)]
    spans = [one["years"] for one in told["years"]]
    for row in metrics.get("benchmarks", ()):
        if row["metric"] == "nrr" and row["by"] in _COMPANY:
            rows.append(_of(row, told["arr"], spans))
    blend = _blend(metrics.get("benchmarks", ()), mix)
    if blend is not None:
        rows.append(_of(blend, told["arr"], spans))
    return rows


def _of(row: Mapping[str, Any], arr: float, spans: Sequence[int]) -> Compounded:
    low, high = row.get("low", row.get("value", row.get("high"))), row.get("high")
    upper = high if high is not None and high != low else None
    years = [(n, arr * low**n, None if upper is None else arr * upper**n) for n in spans]
    name = f"{_of_words(row)}, {row['level']}"
    return Compounded(name[0].upper() + name[1:], range_words(row), row["source"], years)


def _blend(rows: Iterable[Mapping[str, Any]], mix: Mapping[str, float]) -> dict[str, Any] | None:
    """Weigh the typical NRR of each ACV segment by its share of MRR; None where one is missing."""
    typical = {
        row["of"]: row
        for row in rows
        if (row["metric"], row["by"], row["level"], row["source"])
        == ("nrr", "acv", "typical", "S000")
    }
    if not mix or any(name not in typical for name in mix):
        return None
    ends = {end: sum(share * typical[name][end] for name, share in mix.items()) for end in _ENDS}
    return {"by": "mix", "of": "", "level": "typical", "source": "S000"} | ends


_ENDS = ("low", "high")


def _of_words(row: Mapping[str, Any]) -> str:
    return "this mix of contracts" if row["by"] == "mix" else _words(row["by"], row["of"])


def _words(by: str, of: str) -> str:
    return _OF.get(by, "{}").format(of)


def range_words(row: Mapping[str, Any]) -> str:
    """Write a benchmark's figure.

    Examples
    --------
    >>> range_words({"low": 1.08, "high": 1.15}), range_words({"low": 0.9}), range_words({"high": 30, "unit": "days"})
    ('108 to 115\xa0%', 'from 90\xa0%', 'up to 30 days')
    """
    unit = row.get("unit", "ratio")

    def said(value: float, bare: bool = False) -> str:
        if unit in ("ratio", "share"):
            return f"{value * 100:.0f}" if bare else percent(value, 0)
        return f"{value:g}" if bare else f"{value:g} {unit}"

    low, high, value = (row.get(name) for name in ("low", "high", "value"))
    if value is not None:
        return said(value)
    if low is not None and high is not None:
        return f"{said(low, bare=True)} to {said(high)}"
    return f"from {said(low)}" if low is not None else f"up to {said(float(high or 0))}"


def fitting(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """List the benchmarks of retention that fit the book, each beside its own figure, in words."""
    names = {"nrr": "NRR", "grr": "GRR", "logo_churn": "Logo churn", "contraction": "Contraction"}
    return [
        {
            "metric": names[row["metric"]],
            "of": _words(row["by"], row["of"]),
            "level": row["level"],
            "figure": range_words(row),
            "yours": percent(row["yours"]),
            "source": f"{row['source']}: {row['where']}",
        }
        for row in metrics.get("benchmarks", ())
        if row["metric"] in _SHOWN
    ]
