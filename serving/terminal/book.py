"""Pages of the book: what a simulation wrote, what a check or an ingest found."""

from __future__ import annotations

from serving.terminal.paper import Body, show, tabulated, write
from serving.terminal.signals import known

__all__ = ["ingested", "simulated"]

SHOWN_ERRORS = 10


def simulated(body: Body) -> None:
    """Show what a simulation wrote."""
    table = tabulated(f"Simulated book in {body['directory']}", "table", "rows")
    for name, rows in body["tables"].items():
        table.add_row(name, f"{rows:,}")
    show(table)


def ingested(body: Body) -> None:
    """Show what check or ingest found, table by table, the first breaches, and what is known."""
    heads = ("table", "rows in", "accepted", "quarantined", "duplicates", "unmatched")
    day, snapshot = body["coverage"].get("as_of"), body["snapshot"]
    title = [f"Book: {body['status']}", *[f"snapshot {snapshot}"] * bool(snapshot)]
    table = tabulated(", ".join([*title, *[f"as of {day}"] * bool(day)]), *heads)
    keys = ("rows_in", "accepted", "quarantined", "duplicates", "unmatched")
    for name, one in body["tables"].items():
        table.add_row(name, *(f"{one[key]:,}" for key in keys))
    show(table)
    for name, one in body["tables"].items():
        for error in one["errors"][:SHOWN_ERRORS]:
            write(_breach(error))
        hidden = len(one["errors"]) - SHOWN_ERRORS
        if hidden > 0:
            write(f"… and {hidden:,} more in {name} (--json lists up to 1,000)")
    known(body["coverage"])
    _statements(body)


def _breach(error: Body) -> str:
    place = f"{error['file']}:{error['row']}" if error["row"] is not None else error["file"]
    column = f' column "{error["column"]}"' if error["column"] else ""
    return f"{place}:{column} {error['code']}: found {error['found']}: {error['cure']}"


def _statements(body: Body) -> None:
    told = body["coverage"].get("limits", [])
    for line in [*told, *body["warnings"]]:
        write(f"note: {line}")
