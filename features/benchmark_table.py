"""The benchmark table: every figure of the source articles, as data with its place."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

__all__ = [
    "BY",
    "Benchmark",
    "Category",
    "Erratum",
    "Metric",
    "Model",
    "Stage",
    "errata",
    "metrics_told",
    "table",
]

Stage = Literal["seed", "series-a", "series-b", "series-c", "growth", "public"]
"""Stages of a company."""

Category = Literal["infrastructure", "data", "ai", "security", "crm", "hr", "marketing", "vertical"]
"""What a product is."""

Model = Literal["plg", "usage", "seat"]
"""How a product is sold: product-led, by usage, by seat."""

BY: Mapping[str, tuple[str, ...]] = {
    "all": ("all",),
    "arr": ("below 1M", "1M to 10M", "10M to 50M", "50M and more"),
    "acv": ("smb", "mid-market", "enterprise", "strategic"),
    "stage": get_args(Stage),
    "category": get_args(Category),
    "model": get_args(Model),
    "context": (),
}
"""By what a benchmark tells companies apart, and the names of the parts (context: any)."""


@dataclass(frozen=True)
class Metric:
    """What a benchmark speaks of: its name for people, and its formula."""

    name: str
    definition: str


@dataclass(frozen=True)
class Benchmark:
    """One figure of one article.

    Attributes
    ----------
    metric : str
        Key of `metrics_told`.
    by, of : str
        What it is for: the kind (key of `BY`) and the part.
    level : str
        What the figure is: median, top quartile, target and so on.
    value, low, high : float or None
        One figure, or a range; ``low`` alone means at least, ``high`` alone at most.
    unit : str
        ratio, share, points, days, months, accounts, levers, times.
    period : str
        year, month or quarter: the span over which a rate holds; moment, life, window.
    source, where : str
        Number of the article (S000 to S003), and the place in it.
    note : str
        What else the article says of it.
    """

    metric: str
    by: str
    of: str
    level: str
    unit: str
    period: str
    source: str
    where: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Erratum:
    """A figure of an article that its own formula does not give."""

    source: str
    where: str
    said: str
    formula: str
    right: str


def table() -> tuple[Benchmark, ...]:
    """Give every benchmark, in the order of the articles.

    Examples
    --------
    >>> first = table()[0]
    >>> first.metric, first.of, first.low, first.source
    ('grr', 'seed', 0.7, 'S000')
    """
    return tuple(
        Benchmark(**_row(place, row), of=of)
        for place in _data()["table"]
        for row in place["rows"]
        for of in row["of"]
    )


def metrics_told() -> dict[str, Metric]:
    """Give what each metric is called and how it is computed.

    Examples
    --------
    >>> metrics_told()["logo_churn"].name
    'Logo churn'
    """
    return {key: Metric(**told) for key, told in _data()["metrics"].items()}


def errata() -> tuple[Erratum, ...]:
    """Give the figures of the articles that are not used, and what is right.

    Examples
    --------
    >>> errata()[0].right
    '$18.56M'
    """
    return tuple(
        Erratum(one["source"], one["where"], one["said"], one["formula"], one["is"])
        for one in _data()["erratum"]
    )


def _row(place: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**place, **row}.items() if key not in ("rows", "of")}


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("benchmarks.toml").read_text(encoding="utf-8"))
