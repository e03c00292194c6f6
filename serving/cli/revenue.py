"""Commands of finance: retention and movements of a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from features.faults import UsageFault
from serving.cli.opening import asked_day, opened
from serving.cli.options import AsOf, BookDir, Home, Json

if TYPE_CHECKING:
    from features.rules import Rules

__all__ = ["metrics"]

Span = Annotated[str, typer.Option("--window", help="ttm, quarter, month, or FROM:TO in months.")]
By = Annotated[
    list[str] | None, typer.Option("--by", help="Cut by a column of accounts; repeatable.")
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", help="A named set of choices, instead of the book's [revenue]."),
]
Format = Annotated[
    str | None, typer.Option("--format", help="table, json or csv (one row per window and cut).")
]


def metrics(
    window: Span = "ttm",
    by: By = None,
    as_of: AsOf = None,
    preset: Preset = None,
    as_format: Format = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """NRR, GRR, logo churn and movements, exact to the cent, stamped with their rules."""
    from features.retention import metrics as measure  # heavy: duckdb
    from serving import terminal
    from serving.settings import load

    settings = load(book, home)
    rules = settings.rules if preset is None else _preset(preset)
    day = asked_day(as_of)
    with terminal.steps(json) as step:
        told = measure(opened(settings, step), rules, window, list(by or []), day)
    terminal.answer(told, json, terminal.metrics)


def _preset(name: str) -> Rules:
    """Give exactly a preset's choices."""
    from features.configuration import nearest, read_section  # heavy: pydantic
    from features.presets import PRESETS
    from features.rules import Rules

    if name not in PRESETS:
        raise UsageFault("preset.unknown", f'--preset "{name}"', nearest(name, list(PRESETS)))
    return read_section(Rules, {"preset": name}, "--preset")
