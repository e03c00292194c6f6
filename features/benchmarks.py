"""Benchmarks: what the source articles give for companies like the user's, beside its own figure.

They are told, and nothing more: no model and no forecast reads them from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from features.benchmark_table import BY, Benchmark, metrics_told, table
from features.configuration import nearest
from features.faults import UsageFault
from features.growth_cautions import share_of_new
from features.measure import Measure
from features.rates import YEAR, lost_over, retained_over

__all__ = ["Company", "arr_tier", "benchmarks", "company"]

Figures = Mapping[str, float | None]

_TIERS = (1_000_000, 10_000_000, 50_000_000)
_RETAINED = ("nrr", "grr")
_LOST = ("logo_churn", "contraction")
_MICROS = 1_000_000


@dataclass(frozen=True)
class Company:
    """The user's company, as far as benchmarks tell companies apart.

    Attributes
    ----------
    own : mapping of str to float or None
        Its figure by metric, over the window.
    by_acv : mapping of str to mapping
        The same by ACV segment, for the segments that the book has.
    arr : float or None
        Twelve times the closing MRR, in units of the book's currency.
    months : int
        Length of the window over which its rates were measured.
    currency : str
        The book's; the articles' limits are in USD.
    stage, category, model : str or None
        As in `BY`; None where it was not told, and then such benchmarks are left out.
    """

    own: Figures = field(default_factory=dict)
    by_acv: Mapping[str, Figures] = field(default_factory=dict)
    arr: float | None = None
    months: int = YEAR
    currency: str = "USD"
    stage: str | None = None
    category: str | None = None
    model: str | None = None


def company(
    whole: Measure,
    by_acv: Iterable[Measure] = (),
    *,
    more: Figures | None = None,
    more_by_acv: Mapping[str, Figures] | None = None,
    currency: str = "USD",
    stage: str | None = None,
    category: str | None = None,
    model: str | None = None,
) -> Company:
    """Describe a company by its measures.

    Parameters
    ----------
    whole : Measure
        A window over the whole book.
    by_acv : iterable of Measure
        The same window by ``acv_segment``.
    more, more_by_acv : mapping
        Figures that no measure has: ``time_to_first_expansion`` (days), ``levers_active``,
        ``accounts_per_csm``; the second by ACV segment.
    currency, stage, category, model : str or None
        As in `Company`.
    """
    segments = {str(m.cut["acv_segment"]): m for m in by_acv if m.cohort["opening"]}
    extra = more_by_acv or {}
    return Company(
        own={**_measured(whole), **(more or {})},
        by_acv={name: {**_measured(m), **extra.get(name, {})} for name, m in segments.items()},
        arr=12 * whole.flows["closing"] / _MICROS,
        months=whole.window.months,
        currency=currency,
        stage=stage,
        category=category,
        model=model,
    )


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
    order = list(metrics_told())
    fitting = [row for row in table() if row.of in parts.get(row.by, ())]
    fitting.sort(key=lambda row: (order.index(row.metric), list(BY).index(row.by)))
    return [_beside(row, company) for row in fitting]


def _measured(measure: Measure) -> dict[str, float | None]:
    return {
        "nrr": measure.nrr,
        "grr": measure.grr,
        "logo_churn": measure.logo_churn,
        "contraction": measure.ratio(measure.cohort["contraction"]),
        "expansion_share": share_of_new(measure.flows),
    }


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


def _beside(row: Benchmark, company: Company) -> dict[str, Any]:
    figures = company.by_acv[row.of] if row.by == "acv" else company.own
    yours = figures.get(row.metric)
    over, notes = company.months, [row.note]
    converted = row.period == "year" and over != YEAR and row.metric in (*_RETAINED, *_LOST)
    if converted:
        notes.append(f"a year's rate, over {_span(over)} by 1 - (1 - r)^({over}/12)")
    if row.by in ("arr", "acv") and company.currency != "USD":
        notes.append(f"the article's limits are in USD, the book is in {company.currency}")
    if yours is None:
        notes.append("yours is not known")
    amounts = {name: getattr(row, name) for name in ("value", "low", "high")}
    return {
        "metric": row.metric,
        "by": row.by,
        "of": row.of,
        "level": row.level,
        **{
            name: _over(row.metric, amount, over) if converted else amount
            for name, amount in amounts.items()
            if amount is not None
        },
        "unit": row.unit,
        "period": _span(over) if converted else row.period,
        "definition": metrics_told()[row.metric].definition,
        "source": row.source,
        "where": row.where,
        "yours": yours,
        "note": "; ".join(note for note in notes if note),
    }


def _over(metric: str, yearly: float, months: int) -> float:
    return retained_over(yearly, months) if metric in _RETAINED else lost_over(yearly, months)


def _span(months: int) -> str:
    return "1 month" if months == 1 else f"{months} months"
