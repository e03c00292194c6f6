"""Commands of the book: check it, ingest it, export its signals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serving.cli.opening import asked_day, leave, now, opened
from serving.cli.options import AsOf, BookDir, Engine, Home, Json
from serving.cli.written import refuse_unwritable, write_page

__all__ = ["check", "features", "ingest"]

Strict = Annotated[bool, typer.Option("--strict", help="Exit 65 if any row is quarantined.")]
Named = Annotated[
    list[str] | None,
    typer.Option("--account", help="Only this account, by its account_id; repeatable."),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Write FILE.parquet or FILE.csv, a row per account.")
]
Empty = Annotated[bool, typer.Option("--allow-empty", help="Accept required tables with no row.")]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write all of it as one page, FILE.html.")
]
Signals = Annotated[
    bool, typer.Option("--signals", help="Show every signal, with the accounts that have it.")
]
Full = Annotated[
    bool, typer.Option("--full", help="Ask queries with a watermark whole, not newer rows alone.")
]


def check(
    html: Html = None,
    signals: Signals = False,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Read the book: what it can answer, how fresh it is, and every breach; change nothing."""
    from features.rehearsal import rehearsed  # heavy: duckdb
    from serving import terminal
    from serving.checkup import checked
    from serving.settings import load

    refuse_unwritable(html)
    settings = load(book, home)
    at = now()
    with (
        terminal.steps(json) as step,
        rehearsed(settings.workspace, at, lambda table: step(f"read {table}")) as found,
    ):
        step("signals")
        told = checked(found, settings.workspace, settings.rules, at.date())
    body = told.to_json()
    if html is not None:
        from serving.reports.check_page import check_page  # heavy: jinja

        write_page(html, check_page(body).encode())
    terminal.answer(body, json, terminal.checked)
    if signals and not json:
        terminal.each_signal(body["coverage"])
    leave(told.refusals)


def ingest(
    book: BookDir = None,
    home: Home = None,
    strict: Strict = False,
    allow_empty: Empty = False,
    full: Full = False,
    json: Json = False,
) -> None:
    """Check the book, then publish an immutable snapshot and set bad rows aside."""
    from features.book import open_book  # heavy: duckdb
    from features.ingest import attempt
    from serving import terminal
    from serving.coverage import covered
    from serving.settings import load

    settings = load(book, home)
    with terminal.steps(json) as step:
        report = attempt(
            settings.workspace,
            settings.home,
            now(),
            strict=strict,
            allow_empty=allow_empty,
            full=full,
            progress=lambda table: step(f"read {table}"),
        )
        step("signals")
        published = None if report.snapshot is None else open_book(settings.home, report.snapshot)
        report = covered(report, published, settings.rules, settings.home)
    terminal.answer(report.to_json(), json, terminal.ingested)
    leave(report.refusals)


def features(
    as_of: AsOf = None,
    account: Named = None,
    out: Out = None,
    engine: Engine = "duckdb",
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """The signals of every paying account on a date, as the models read them."""
    from features.export import signal_table  # heavy: duckdb
    from serving import signals, terminal
    from serving.batch import as_of_date
    from serving.settings import load

    if out is not None:
        signals.refuse_unwritable(out)
    settings = load(book, home)
    day = asked_day(as_of)
    named = list(dict.fromkeys(account or [])) or None
    with terminal.steps(json) as step:
        found = opened(settings, step, engine)
        if day is not None and day > found.facts.as_of:
            until = f"the book's own day is {found.facts.as_of}"
            terminal.say(f"perennial: --as-of {day}: {until}: what came since may not be in it")
        step("signals")
        rules = settings.rules.by_account()
        table = signal_table(found, as_of_date(found, day), named, rules)
        if out is not None:
            signals.write(table, out)
    terminal.answer(signals.told(table, out), json, terminal.signals)
