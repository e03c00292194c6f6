"""Commands of finance: retention of a window, its reconciliation and picture, closed periods."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import UsageFault
from serving.cli.opening import asked_day, opened
from serving.cli.options import AsOf, BookDir, Home, Json
from serving.cli.pictures import drawable

if TYPE_CHECKING:
    from features.book import Book
    from features.rules import Rules
    from serving.settings import Settings

__all__ = ["close", "metrics"]

FORMATS = ("table", "json", "csv")

Span = Annotated[
    str,
    typer.Option("--window", help="ttm, quarter, month, or FROM:TO, from month-end to month-end."),
]
By = Annotated[
    list[str] | None,
    typer.Option("--by", help="Cut by a column of accounts, or by product or plan; repeatable."),
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", help="A named set of choices, instead of the book's [revenue]."),
]
Other = Annotated[
    str | None,
    typer.Option("--reconcile", help="Walk to this preset's NRR, a line per rule; or all."),
]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Draw movements and cohorts as FILE.svg or FILE.png.")
]
Format = Annotated[
    str, typer.Option("--format", help="table, json or csv (one row per window and cut).")
]
Month = Annotated[str, typer.Argument(help="The period, as YYYY-MM.")]


def metrics(
    window: Span = "ttm",
    by: By = None,
    as_of: AsOf = None,
    preset: Preset = None,
    reconcile: Other = None,
    plot: Plot = None,
    as_format: Format = "table",
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """NRR, GRR, logo churn and movements, exact to the cent, stamped with their rules."""
    from features.statement import statement  # heavy: duckdb
    from serving import terminal
    from serving.settings import load

    shape = _shape(as_format, json, reconcile)
    drawable(plot)
    other = None if reconcile in (None, "all") else _preset(str(reconcile), "--reconcile")
    settings = load(book, home)
    rules = settings.rules if preset is None else _preset(preset, "--preset")
    day = asked_day(as_of)
    with terminal.steps(shape != "table") as step:
        found = opened(settings, step)
        told = statement(found, rules, window, list(by or []), day, settings.benchmarks)
        told |= _closed(settings, found, rules, told, day)
        if reconcile is not None:
            told["reconciliation"] = _reconciled(found, rules, other, window, day)
    _draw(told, plot)  # first: whoever reads may stop reading
    _tell(told, shape)


def close(month: Month, book: BookDir = None, home: Home = None, json: Json = False) -> None:
    """Freeze a period; as closed beside as it reads now, the difference by account."""
    from features.closing import close as freeze  # heavy: duckdb
    from features.closing import closed_periods, restatement
    from serving import terminal
    from serving.settings import load

    settings = load(book, home)
    rules, state = settings.rules, settings.home
    with terminal.steps(json) as step:
        found = opened(settings, step)
        frozen = any(period["month"] == month for period in closed_periods(state))
        status = "already closed" if frozen else freeze(found, rules, month, state)["status"]
        told = {"status": status} | restatement(found, rules, state, month)
    terminal.answer(told, json, terminal.closed)


def _shape(as_format: str, json: bool, reconcile: str | None) -> str:
    if as_format not in FORMATS:
        raise UsageFault("usage", f"--format {as_format}", ", ".join(FORMATS))
    shape = "json" if json else as_format
    if shape == "csv" and reconcile is not None:
        raise UsageFault("usage", "--reconcile as CSV", "use --format table or json")
    return shape


def _preset(name: str, option: str) -> Rules:
    """Give exactly a preset's choices."""
    from features.configuration import nearest, read_section  # heavy: pydantic
    from features.presets import PRESETS
    from features.rules import Rules

    if name not in PRESETS:
        raise UsageFault("preset.unknown", f'{option} "{name}"', nearest(name, list(PRESETS)))
    return read_section(Rules, {"preset": name}, option)


def _reconciled(
    book: Book, rules: Rules, other: Rules | None, window: str, as_of: date | None
) -> dict[str, Any]:
    from features.reconciliation import reconcile, side_by_side  # heavy: duckdb

    if other is None:
        return side_by_side(book, window, as_of, rules)
    return reconcile(book, rules, other, window, as_of)


def _closed(
    settings: Settings, book: Book, rules: Rules, told: Mapping[str, Any], as_of: date | None
) -> dict[str, Any]:
    """Lay the latest closed period beside the window; nothing where nothing was closed."""
    from features.closing import as_closed_block  # heavy: duckdb
    from features.windows import Window

    first = told["windows"][0]
    span = Window(date.fromisoformat(first["from"]), date.fromisoformat(first["to"]))
    block = as_closed_block(book, rules, settings.home, span, as_of)
    return {} if block is None else {"closed": block}


def _tell(told: Mapping[str, Any], shape: str) -> None:
    from serving import terminal  # heavy: rich

    if shape == "csv":
        from serving.spreadsheets import windows_csv

        sys.stdout.buffer.write(windows_csv(told))
        sys.stdout.flush()
    elif shape == "table" and "reconciliation" in told:
        terminal.reconciled(told["reconciliation"], told["currency"])
    else:
        terminal.answer(told, shape == "json", terminal.metrics)


def _draw(told: Mapping[str, Any], plot: Path | None) -> None:
    if plot is not None:
        from serving import terminal  # heavy: rich, matplotlib
        from serving.drawings import draw

        draw(told, plot)
        terminal.say(f"perennial: drawn: {plot}")
