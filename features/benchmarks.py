"""Benchmarks: what the source articles give for companies like the user's, beside its own figure.

They are told, and nothing more: no model and no forecast reads them from here.
"""

from __future__ import annotations

from typing import Any

from features.benchmark_table import BY, Benchmark, metrics_told, table
from features.company import Company
from features.configuration import nearest
from features.faults import UsageFault
from features.rates import YEAR, lost_over, retained_over

__all__ = ["arr_tier", "benchmarks"]

_TIERS = (1_000_000, 10_000_000, 50_000_000)
_RETAINED = ("nrr", "grr")
_LOST = ("logo_churn", "contraction")


def arr_tier(arr: float) -> str:
    """Name the ARR tier of S001 that an ARR lies in; a limit belongs to the tier above it.

    Examples
    --------
    >>> arr_tier(999_999), arr_tier(1_000_000), arr_tier(50_000_000)
    ('below 1M', '1M to 10M', '50M and more')
    """
    return BY["arr"][sum(arr >= limit for limit in _TIERS)]


def benchmarks(company: Company) -> list[dict[str, Any]]:
    """List the benchmarks that fit a company, each beside its own figure.

    Returns
    -------
    list of dict
        ``metric``, ``by`` and ``of`` (whom it is for), ``level``, ``value`` or ``low`` and
        ``high``, ``unit``, ``period``, ``definition``, ``source``, ``where``, ``yours`` (null
        where it is not known), ``note``. A year's rate is turned into that of the window by
        1 - (1 - r) ** (months / 12), and the note says so.

    Raises
    ------
    UsageFault
        ``benchmark.unknown`` for a stage, category or model that no article has.

    Examples
    --------
    >>> found = benchmarks(Company(own={"nrr": 1.04, "grr": 0.93}, arr=4_000_000))
    >>> row = next(row for row in found if row["by"] == "arr" and row["metric"] == "nrr")
    >>> row["of"], row["level"], row["low"], row["high"], row["yours"], row["source"]
    ('1M to 10M', 'median', 0.95, 1.05, 1.04, 'S001')
    """
    parts = _parts(company)
    fitting = [row for row in table() if row.of in parts.get(row.by, ())]
    return [_beside(row, company) for row in sorted(fitting, key=_place)]


def _parts(company: Company) -> dict[str, tuple[str, ...]]:
    """Name the parts of each kind that a company belongs to."""
    named = {key: getattr(company, key) for key in ("stage", "category", "model")}
    for key, name in named.items():
        if name is not None and name not in BY[key]:
            cure = nearest(name, list(BY[key]))
            raise UsageFault("benchmark.unknown", f'{key} "{name}": no article has it', cure)
    told = {key: (name,) for key, name in named.items() if name is not None}
    tier = (arr_tier(company.arr),) if company.arr is not None and company.arr > 0 else ()
    return {"all": BY["all"], "arr": tier, "acv": tuple(company.by_acv), **told}


def _place(row: Benchmark) -> tuple[int, int, int]:
    """Place a row by its metric, then by kind and part."""
    metrics, kinds = list(metrics_told()), list(BY)
    return metrics.index(row.metric), kinds.index(row.by), BY[row.by].index(row.of)


def _beside(row: Benchmark, company: Company) -> dict[str, Any]:
    figures = company.by_acv[row.of] if row.by == "acv" else company.own
    converted = _converted(row, company)
    return {
        "metric": row.metric,
        "by": row.by,
        "of": row.of,
        "level": row.level,
        **_amounts(row, company.months if converted else YEAR),
        "unit": row.unit,
        "period": _span(company.months) if converted else row.period,
        "definition": metrics_told()[row.metric].definition,
        "source": row.source,
        "where": row.where,
        "yours": figures.get(row.metric),
        "note": _note(row, company),
    }


def _converted(row: Benchmark, company: Company) -> bool:
    """Say whether a row's rate must be turned into that of the company's window."""
    rate = row.metric in (*_RETAINED, *_LOST)
    return rate and row.period == "year" and company.months != YEAR


def _amounts(row: Benchmark, months: int) -> dict[str, float]:
    over = retained_over if row.metric in _RETAINED else lost_over
    given = {"value": row.value, "low": row.low, "high": row.high}
    return {
        name: amount if months == YEAR else over(amount, months)
        for name, amount in given.items()
        if amount is not None
    }


def _note(row: Benchmark, company: Company) -> str:
    months, notes = company.months, [row.note]
    if _converted(row, company):
        notes.append(f"a year's rate, over {_span(months)} by 1 - (1 - r)^({months}/12)")
    if row.by in ("arr", "acv") and company.currency != "USD":
        notes.append(f"the article's limits are in USD, the book is in {company.currency}")
    return "; ".join(note for note in notes if note)


def _span(months: int) -> str:
    return "1 month" if months == 1 else f"{months} months"
