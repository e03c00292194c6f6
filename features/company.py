"""A company: the user's own, as far as benchmarks tell companies apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from features.amounts import money
from features.benchmark_table import Category, Model, Stage
from features.configuration import Section
from features.growth_cautions import share_of_new
from features.measure import Measure
from features.rates import YEAR

__all__ = ["BenchmarkSettings", "Company", "Figures", "accounts_per_csm", "company"]

Figures = Mapping[str, float | None]
"""A figure by metric; None where it is not known."""


class BenchmarkSettings(Section):
    """Section ``[benchmarks]``: what no figure of the book says of its company.

    Attributes
    ----------
    stage : str or None
        Stage of the company; its benchmarks are then shown too.
    category : str or None
        What the product is; its benchmarks are then shown too.
    model : str or None
        How it is sold: product-led, by usage or by seat; its benchmarks are then shown too.
    """

    stage: Stage | None = None
    category: Category | None = None
    model: Model | None = None


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
        As in `features.benchmark_table.BY`; None where it was not told: such benchmarks are
        then left out.
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
    peers: BenchmarkSettings | None = None,
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
    currency : str
        As in `Company`.
    peers : BenchmarkSettings, optional
        Its stage, category and model.
    """
    segments = {str(m.cut["acv_segment"]): m for m in by_acv if m.cohort["opening"]}
    extra = more_by_acv or {}
    return Company(
        own={**_measured(whole), **(more or {})},
        by_acv={name: {**_measured(m), **extra.get(name, {})} for name, m in segments.items()},
        arr=money(12 * whole.flows["closing"]),
        months=whole.window.months,
        currency=currency,
        **(peers or BenchmarkSettings()).model_dump(),
    )


def accounts_per_csm(served: Iterable[Measure]) -> dict[str, dict[str, float | None]]:
    """Divide each ACV segment's paying accounts by the CSMs who have at least one of them.

    Parameters
    ----------
    served : iterable of Measure
        A window cut by ``acv_segment`` and ``csm``. Accounts without a CSM are left out.

    Returns
    -------
    dict
        By ACV segment, as `company` takes it for ``more_by_acv``.

    Examples
    --------
    >>> from datetime import date
    >>> from features.windows import Window
    >>> year = Window(date(2024, 12, 31), date(2025, 12, 31))
    >>> served = {"kim": 300, "lee": 200}.items()
    >>> accounts_per_csm(
    ...     Measure(year, {"acv_segment": "smb", "csm": csm}, {"accounts": accounts}, {})
    ...     for csm, accounts in served
    ... )
    {'smb': {'accounts_per_csm': 250.0}}
    """
    loads: dict[str, list[int]] = {}
    for measure in served:
        if measure.cut["csm"] is not None and measure.cohort["accounts"]:
            loads.setdefault(str(measure.cut["acv_segment"]), []).append(measure.cohort["accounts"])
    return {name: {"accounts_per_csm": sum(load) / len(load)} for name, load in loads.items()}


def _measured(measure: Measure) -> dict[str, float | None]:
    return {
        "nrr": measure.nrr,
        "grr": measure.grr,
        "logo_churn": measure.logo_churn,
        "contraction": measure.ratio(measure.cohort["contraction"]),
        "expansion_share": share_of_new(measure.flows),
    }
