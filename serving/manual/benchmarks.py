"""The page of benchmarks, written from their data."""

from __future__ import annotations

from features.benchmark_table import BY, Benchmark, Erratum, errata, metrics_told, table

__all__ = ["benchmark_page", "figure"]

HEAD = """# Benchmarks

Written by `make docs` from `features/benchmarks.toml`; a test fails when it is stale. These are
the figures of the four source articles, as they stand there. `perennial metrics` shows those that
fit a book (its ARR, twelve times the closing MRR; the ACV segments that it has; stage, category
and model where [`[benchmarks]`](configuration.md#benchmarks) tells them) beside its own figure over
the same span. No model reads them.

A year's rate r is shown over a window of m months as 1 − (1 − r)^(m/12). ACV segments: SMB below
5k, mid-market 5k to 50k, enterprise 50k to 200k, strategic from 200k of annual contract value.

| article | title |
|---|---|
| S000 | SaaS Net Revenue Retention: The Expansion Playbook for Efficient Growth |
| S001 | Net Revenue Retention: benchmarks by ARR stage (ProductQuant) |
| S002 | Net revenue retention: the complete guide |
| S003 | SaaS: Net Revenue Retention as the True North Star for Expansion MRR |
"""

TITLES = {
    "all": "For every company",
    "arr": "By ARR",
    "acv": "By ACV segment",
    "stage": "By company stage",
    "category": "By category",
    "model": "By business model",
    "context": "Told for context, held against nobody's figure",
}

ERRATA = """## Errata

Where an article's figure is not what its own formula gives, the formula is used.

| source | it says | formula | right |
|---|---|---|---|"""


def benchmark_page() -> str:
    """Write the page.

    Examples
    --------
    >>> print(benchmark_page().splitlines()[0])
    # Benchmarks
    """
    told = [f"| {one.name} | {one.definition} |" for one in metrics_told().values()]
    definitions = ["## Definitions", "", "| figure | definition |", "|---|---|", *told, ""]
    corrected = [ERRATA, *(_corrected(one) for one in errata()), ""]
    return "\n".join([HEAD, *(_section(by) for by in BY), *definitions, *corrected])


def figure(row: Benchmark) -> str:
    """Say a benchmark's figure with its unit.

    Examples
    --------
    >>> row = table()[0]
    >>> figure(row)
    'from 70 %'
    """
    told = {
        name: _amount(getattr(row, name), row.unit)
        for name in ("value", "low", "high")
        if getattr(row, name) is not None
    }
    if "value" in told:
        text = told["value"]
    elif len(told) == 2:
        text = f"{told['low']} to {told['high']}"
    else:
        text = f"from {told['low']}" if "low" in told else f"up to {told['high']}"
    return f"{text} {_UNITS[row.unit]}"


_UNITS = {
    "ratio": "%",
    "share": "%",
    "points": "points",
    "days": "days",
    "months": "months",
    "accounts": "accounts",
    "levers": "levers",
    "times": "times",
}


def _amount(amount: float, unit: str) -> str:
    return f"{amount * 100:g}" if unit in ("ratio", "share", "points") else f"{amount:g}"


def _section(by: str) -> str:
    head = [
        "| for | metric | level | figure | period | source | note |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [_row(row) for row in table() if row.by == by]
    return "\n".join([f"## {TITLES[by]}", "", *head, *rows, ""])


def _row(row: Benchmark) -> str:
    name = metrics_told()[row.metric].name
    cells = [row.of, name, row.level, figure(row), row.period, f"{row.source}: {row.where}"]
    return f"| {' | '.join([*cells, row.note])} |"


def _corrected(one: Erratum) -> str:
    return f"| {one.source}: {one.where} | {one.said} | {one.formula} | {one.right} |"
