"""Paper: what every page is written on. Lines, tables, and how a figure is spelled."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

__all__ = [
    "Body",
    "answer",
    "effect",
    "emit",
    "figures",
    "interval",
    "money",
    "number",
    "percent",
    "points",
    "say",
    "show",
    "steps",
    "tabulated",
    "tell",
    "width",
    "write",
]

Body = Mapping[str, Any]
WIDTH = 110


def emit(body: Body) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.buffer.write(orjson.dumps(body, default=str) + b"\n")
    sys.stdout.flush()


def say(line: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write(f"{line}\n")


def answer(body: Body, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print a result as JSON, or show it to a person."""
    if as_json:
        emit(body)
    else:
        show(body)


@contextmanager
def steps(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what is being done: a spinner on a terminal, nothing in a pipe or beside JSON."""
    console = Console(stderr=True, width=WIDTH)
    if quiet or not console.is_terminal:
        yield lambda _: None
    else:
        with console.status("starting") as status:
            yield lambda what: status.update(what)


def width() -> int:
    """Give the columns that a page may take: the terminal's, at most 110; in a pipe 110.

    ``COLUMNS`` in the environment is obeyed in both.
    """
    if _measured():
        return min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    return WIDTH


def _measured() -> bool:
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def tabulated(title: str, *heads: str) -> Table:
    """Start a table with a title and its heads."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def figures(title: str, *heads: str, texts: int = 1) -> Table:
    """Start a table of numbers: they stand to the right and are never folded, texts are.

    A line break in a head is where it may break. Where a page is too narrow, a number that does
    not fit ends in "…": half a number would be read as one.
    """
    table = tabulated(title, *heads)
    for column in table.columns[texts:]:
        column.justify = "right"
        column.no_wrap, column.overflow = True, "ellipsis"
    return table


def show(table: Table) -> None:
    """Print a table."""
    _console().print(table)


def write(line: str) -> None:
    """Print a line: folded at the terminal's edge, whole in a pipe."""
    _console(soft_wrap=not _measured()).print(line)


def tell(text: str) -> None:
    """Print prose: folded at the edge of the page, in a pipe too."""
    _console().print(text)


def _console(soft_wrap: bool = False) -> Console:
    return Console(width=width(), highlight=False, markup=False, emoji=False, soft_wrap=soft_wrap)


def percent(value: float | None) -> str:
    """Spell a fraction in per cent; a dash where there is none.

    Examples
    --------
    >>> percent(1.031), percent(None)
    ('103.1 %', '–')
    """
    return "–" if value is None else f"{100 * value:.1f} %"


def points(value: float | None) -> str:
    """Spell an effect in percentage points, four decimals, its sign before it.

    Examples
    --------
    >>> points(-0.25), points(0), points(None)
    ('−0.2500', '0', '–')
    """
    if value is None:
        return "–"
    sign = "+" if value > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(value):.4f}" if round(value, 4) else "0"


def effect(share: float) -> str:
    """Spell what a reason adds to a chance or takes from it, in points with their sign.

    Examples
    --------
    >>> effect(0.1206), effect(-0.044), effect(-0.00001)
    ('+12.1', '−4.4', '0.0')
    """
    told = f"{abs(100 * share):.1f}"
    if told == "0.0":
        return told
    sign = "+" if share > 0 else "\N{MINUS SIGN}"
    return f"{sign}{told}"


def number(value: float | None) -> str:
    """Spell a number with three decimals.

    Examples
    --------
    >>> number(0.12345)
    '0.123'
    """
    return "–" if value is None else f"{value:.3f}"


def interval(figure: Body) -> str:
    """Spell an 80 % interval of fractions in per cent.

    Examples
    --------
    >>> interval({"p10": 0.9, "p90": 1.1})
    '90.0–110.0 %'
    """
    return f"{100 * figure['p10']:.1f}–{100 * figure['p90']:.1f} %"


def money(value: float | None) -> str:
    """Spell an amount in whole units.

    Examples
    --------
    >>> money(1234.4), money(None)
    ('1,234', '–')
    """
    return "–" if value is None else f"{float(value):,.0f}"
