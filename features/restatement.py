"""Restatement: a closed period as it was closed, and as it would read today, account by account.

Today's figures are made with the rules of the close; where today's rules are others, their keys
are named. The differences by account and month add up to the difference of the totals, exactly.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.amounts import money
from features.book import Book
from features.closed_ledger import (
    AMOUNTS,
    by_account,
    closed_ledger,
    differences,
    totals,
    trailing,
)
from features.closed_store import closing_month, read_ledger, read_manifest
from features.configuration import read_section
from features.faults import InternalFault
from features.ratios import Ratios, points_apart, ratios
from features.rules import Rules
from features.windows import LENGTHS

__all__ = ["changed_keys", "restatement", "windows_told"]


def restatement(
    book: Book,
    rules: Rules,
    home: Path,
    month: str,
    *,
    as_of: date | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Lay a closed period beside what is known of it now.

    Parameters
    ----------
    book : Book
        Today's snapshot.
    rules : Rules
        Today's choices; only named where they are not those of the close.
    home : Path
        Folder of the state.
    month : str
        YYYY-MM of a closed period.
    as_of : date, optional
        Only what was known before it counts as known now; None for the latest knowledge.
    limit : int, optional
        How many accounts, and how many rows, ``difference`` gives at most.

    Returns
    -------
    dict
        ``month``, ``month_end``, ``currency``, ``definition`` (of the close),
        ``definition_changed`` (key, closed, today), ``snapshot`` (closed, today), ``as_closed``
        and ``as_restated`` (``accounts`` and amounts of the month's book in micro-units,
        ``closing_mrr``, ``nrr`` and ``grr`` of the trailing twelve months, ``windows``) and
        ``difference``: ``closing_micros``, ``closing_mrr``, ``nrr_points``, ``grr_points``,
        ``months`` (every month that reads differently), ``accounts`` (every account that reads
        differently in any month: ``status`` added, removed or changed, its closing MRR in the
        period's own month, the number of ``months``), ``rows`` (the same by account and month,
        with the movements that differ), and how many of the last two were ``left_off``. Null
        with a ``reason`` where the book's currency is another one now.

    Raises
    ------
    UsageFault
        ``month.unknown``; ``closed.none`` if the month was not closed.
    DataRejected
        ``closed.corrupt`` if a file of the period is not what was written.
    InternalFault
        ``identity.broken`` if the differences do not add up.
    """
    closing = closing_month(month)
    manifest, frozen = read_manifest(home, closing), read_ledger(home, closing)
    told = _heading(book, rules, manifest) | {"as_closed": _as_closed(manifest)}
    if manifest["book"]["currency"] != book.facts.currency:
        reason = f"closed in {manifest['book']['currency']}, the book is in {book.facts.currency}"
        return told | {"as_restated": None, "difference": None, "reason": reason}
    then, closed_rules = _then(book, manifest), _rules(manifest)
    today = closed_ledger(then, closed_rules, closing, as_of=as_of)
    windows = windows_told(then, closed_rules, closing, as_of)
    restated = _figures(totals(today, closing), windows)
    apart = differences(frozen, today)
    _adds_up(apart, frozen, today)
    return told | {
        "as_restated": restated,
        "difference": _difference(told["as_closed"], restated, apart, limit),
    }


def changed_keys(manifest: dict[str, Any], rules: Rules, book: Book) -> list[dict[str, Any]]:
    """List the keys in which today's definition is not that of a closed period.

    The name of a preset is not among them: only what it chooses counts.
    """
    closed = manifest["definition"] | _book_keys(manifest["book"])
    today = rules.stamp() | _book_keys(vars(book.facts))
    return [
        {"key": key, "closed": closed.get(key), "today": today.get(key)}
        for key in dict.fromkeys((*today, *closed))
        if key != "preset" and closed.get(key) != today.get(key)
    ]


def windows_told(book: Book, rules: Rules, closing: date, as_of: date | None) -> dict[str, Any]:
    """Give NRR and GRR of the month, the quarter and the twelve months that end at a month-end."""
    lengths = dict(sorted(LENGTHS.items(), key=lambda item: -item[1]))
    spans = [trailing(closing, months) for months in lengths.values()]
    found = ratios(book, rules, spans, as_of)
    return {name: one.told() for name, one in zip(lengths, found, strict=True)}


def _heading(book: Book, rules: Rules, manifest: dict[str, Any]) -> dict[str, Any]:
    kept = {key: manifest[key] for key in ("month", "month_end")}
    return kept | {
        "currency": manifest["book"]["currency"],
        "definition": manifest["definition"],
        "definition_changed": changed_keys(manifest, rules, book),
        "snapshot": {"closed": manifest["snapshot"], "today": book.snapshot_id},
    }


def _book_keys(facts: dict[str, Any]) -> dict[str, Any]:
    return {f"book.{key}": facts[key] for key in ("currency", "fiscal_year_starts")}


def _then(book: Book, manifest: dict[str, Any]) -> Book:
    """Give today's book with the fiscal year of the close."""
    starts = manifest["book"]["fiscal_year_starts"]
    return replace(book, facts=replace(book.facts, fiscal_year_starts=starts))


def _rules(manifest: dict[str, Any]) -> Rules:
    return read_section(Rules, manifest["definition"], f"closed/{manifest['month']} definition")


def _as_closed(manifest: dict[str, Any]) -> dict[str, Any]:
    return _figures(manifest["totals"], manifest["windows"])


def _figures(sums: dict[str, int], windows: dict[str, Any]) -> dict[str, Any]:
    year = windows["ttm"]
    figures = sums | {
        "closing_mrr": money(sums["closing_micros"]),
        "nrr": year["nrr"],
        "grr": year["grr"],
        "windows": windows,
    }
    return figures | ({"reason": year["reason"]} if "reason" in year else {})


def _difference(
    closed: dict[str, Any], restated: dict[str, Any], apart: pa.Table, limit: int | None
) -> dict[str, Any]:
    micros = restated["closing_micros"] - closed["closing_micros"]
    accounts = by_account(apart, date.fromisoformat(closed["windows"]["ttm"]["to"]))
    windows = [Ratios.of(figures["windows"]["ttm"]) for figures in (closed, restated)]
    shown = {
        "accounts": accounts.slice(0, limit).to_pylist(),
        "rows": [_row(row) for row in apart.slice(0, limit).to_pylist()],
    }
    return {
        "closing_micros": micros,
        "closing_mrr": money(micros),
        **points_apart(*windows),
        "months": _by_month(apart),
        **shown,
        "left_off": {
            "accounts": accounts.num_rows - len(shown["accounts"]),
            "rows": apart.num_rows - len(shown["rows"]),
        },
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Tell one account and month; of its movements, only those that differ."""
    keys = ("account_id", "status", "closed_micros", "restated_micros", "difference_micros")
    moved = {name: row[f"{name}_micros"] for name in AMOUNTS if name != "closing"}
    differing = {f"{name}_micros": micros for name, micros in moved.items() if micros}
    return {"month_end": str(row["month_end"]), **{key: row[key] for key in keys}} | {
        "movements": differing
    }


def _by_month(apart: pa.Table) -> list[dict[str, Any]]:
    sums = apart.group_by("month_end").aggregate([("difference_micros", "sum")])
    return [
        {"month_end": str(row["month_end"]), "difference_micros": row["difference_micros_sum"]}
        for row in sums.sort_by("month_end").to_pylist()
    ]


def _adds_up(apart: pa.Table, closed: pa.Table, today: pa.Table) -> None:
    for name in ("closing_micros", *(f"{name}_micros" for name in AMOUNTS if name != "closing")):
        column = "difference_micros" if name == "closing_micros" else name
        rows = pc.sum(apart[column]).as_py() or 0
        sums = (pc.sum(today[name]).as_py() or 0) - (pc.sum(closed[name]).as_py() or 0)
        if rows != sums:
            message = f"{name}: the differences make {rows}, the totals differ by {sums}"
            raise InternalFault("identity.broken", message)
