"""The command that replays the past: what would have been said, beside what happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import UsageFault
from serving.cli.opening import Step, asked_day, opened
from serving.cli.options import AsOf, BookDir, Engine, Home, Json, Seed

if TYPE_CHECKING:
    from datetime import date

    from features.book import Book
    from serving.settings import Settings

__all__ = ["backtest"]

Full = Annotated[
    bool, typer.Option("--full", help="Replay every past month, not the last six quarters.")
]
Html = Annotated[
    Path | None, typer.Option("--html", help="Also write the report as one page, FILE.html.")
]


def backtest(
    as_of: AsOf = None,
    full: Full = False,
    html: Html = None,
    seed: Seed = 0,
    engine: Engine = "duckdb",
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Replay past periods: what would have been forecast and listed, beside what happened."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    _writable(html)
    settings = load(book, home)
    day = asked_day(as_of)
    with terminal.steps(json) as step:
        found = opened(settings, step, engine)
        told = _replayed(settings, found, day, full, seed, step)
    if html is not None:  # first: whoever reads may stop reading
        _write(told, html)
        terminal.say(f"perennial: written: {html}")
    terminal.answer(told, json, terminal.backtest)


def _replayed(
    settings: Settings, book: Book, as_of: date | None, full: bool, seed: int, step: Step
) -> dict[str, Any]:
    from features.asof import first_of_month  # heavy below: lightgbm, sklearn
    from serving.batch import as_of_date
    from training.report import report

    told = report(
        book,
        settings.rules.by_account(),
        first_of_month(as_of_date(book, as_of)),
        bands=settings.choices.matrix,
        per_csm=settings.choices.outreach.per_csm,
        monthly=full,
        seed=seed,
        progress=lambda what, done, whole: step(f"backtest: {what} {done + 1} of {whole}"),
    )
    return told.to_json()


def _writable(path: Path | None) -> None:
    """Refuse a page that could not be written, before anything is computed."""
    if path is None:
        return
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageFault("usage", f"--html {path}: not a page", "name the file .html")
    if not path.parent.is_dir() or path.is_dir():
        raise UsageFault("usage", f"--html {path}: no such folder", "make the folder first")


def _write(told: dict[str, Any], path: Path) -> None:
    from features.durable import disk_watched, replace  # heavy: jinja
    from serving.backtest_page import page

    with disk_watched(path):
        replace(path, page(told).encode())
        path.chmod(0o644)
