"""Closing: a period's figures, frozen with the rules and the snapshot that made them.

A close is never rewritten. What is learned later shows as a restatement beside it
(`features.restatement`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.as_closed import as_closed_block
from features.book import Book
from features.closed_ledger import AMOUNTS, closed_ledger, differences, totals
from features.closed_store import (
    anonymised,
    closed_months,
    closing_month,
    period_folder,
    read_ledger,
    read_manifest,
    write_period,
)
from features.faults import DataRejected, UsageFault
from features.locking import held
from features.restatement import changed_keys, restatement, windows_told
from features.retention import last_closing
from features.rules import Rules

__all__ = ["anonymised", "as_closed_block", "close", "closed_periods", "restatement"]

_WAIT_SECONDS = 30


def close(book: Book, rules: Rules, month: str, home: Path) -> dict[str, Any]:
    """Freeze the ledger, the definition and the snapshot of a period.

    What is frozen is the latest knowledge in the snapshot: the ledger up to the month's end, and
    NRR and GRR of the month, the quarter (three months) and the twelve months that end there.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    rules : Rules
        The choices of ``[revenue]``.
    month : str
        YYYY-MM; it must have ended by the book's as-of date, its usage billed.
    home : Path
        Folder of the state; the period goes to ``closed/YYYY-MM`` in it.

    Returns
    -------
    dict
        ``status`` (``closed``, or ``already closed`` with this same content), ``folder``, and
        what `closed_periods` gives of a period.

    Raises
    ------
    UsageFault
        ``month.unknown``; ``close.not_ended``, naming the last month that can be closed;
        ``close.empty`` where nobody had paid by then.
    DataRejected
        ``close.differs`` if the month was closed with other content; ``closed.corrupt``.
    InternalFault
        ``identity.broken`` if the ledger does not hold its law.
    """
    closing = closing_month(month)
    _ended(book, rules, closing)
    with held(home / "close.lock", wait_seconds=_WAIT_SECONDS):
        known = closing in closed_months(home)
        frozen = read_ledger(home, closing) if known else None
        ledger = closed_ledger(book, rules, closing)
        if frozen is None:
            write_period(home, closing, ledger, _facts(book, rules, closing, ledger))
        else:
            _same(read_manifest(home, closing), frozen, ledger, rules, book)
    status = "already closed" if known else "closed"
    folder = str(period_folder(home, closing))
    return {"status": status, "folder": folder} | _told(home, closing)


def closed_periods(home: Path) -> list[dict[str, Any]]:
    """List the closed periods, the earliest first.

    Returns
    -------
    list of dict
        Per period ``month``, ``month_end``, ``snapshot``, ``book`` (currency, time zone, fiscal
        year, as-of date), ``definition``, ``totals`` (of the month: ``accounts`` that pay, and
        the amounts of the book in micro-units), ``windows`` (month, quarter, ttm: cohort, NRR and
        GRR, null with a ``reason`` where there are none), ``ledger`` (file, digest, rows).

    Raises
    ------
    DataRejected
        ``closed.corrupt`` if a manifest is not what was written.

    Examples
    --------
    >>> closed_periods(Path("no such folder"))
    []
    """
    return [_told(home, closing) for closing in closed_months(home)]


def _told(home: Path, closing: date) -> dict[str, Any]:
    manifest = read_manifest(home, closing)
    return {key: manifest[key] for key in manifest if key not in ("format", "id")}


def _ended(book: Book, rules: Rules, closing: date) -> None:
    last = last_closing(book, rules, None)
    if closing > last:
        found = f"{closing:%Y-%m} has not ended by {book.facts.as_of}, or its usage is not billed"
        cure = f"the last month that can be closed is {last:%Y-%m}"
        raise UsageFault("close.not_ended", found, cure)


def _facts(book: Book, rules: Rules, closing: date, ledger: pa.Table) -> dict[str, Any]:
    if not ledger.num_rows:
        raise UsageFault(
            "close.empty", f"{closing:%Y-%m}: nobody had paid by then", "close a later month"
        )
    return {
        "month": f"{closing:%Y-%m}",
        "month_end": str(closing),
        "snapshot": book.snapshot_id,
        "book": asdict(book.facts) | {"as_of": str(book.facts.as_of)},
        "definition": rules.stamp(),
        "totals": totals(ledger, closing),
        "windows": windows_told(book, rules, closing, None),
    }


def _same(
    manifest: dict[str, Any], frozen: pa.Table, ledger: pa.Table, rules: Rules, book: Book
) -> None:
    """Refuse a close that would not say what the first one said."""
    keys = [change["key"] for change in changed_keys(manifest, rules, book)]
    apart = differences(frozen, ledger)
    found = [f"the definition ({', '.join(keys)})"] if keys else []
    if apart.num_rows:
        found.append(_difference(apart))
    if found:
        cure = "a close is not rewritten: `perennial metrics` shows what changed as a restatement"
        message = f"{manifest['month']} was closed with other content: {'; '.join(found)}"
        raise DataRejected("close.differs", message, cure)


def _difference(apart: pa.Table) -> str:
    first = apart.slice(0, 1).to_pylist()[0]
    columns = [f"{name}_micros" for name in AMOUNTS if name != "closing"]
    largest = first["difference_micros"] or _first_of(first[name] for name in columns)
    return (
        f"the ledger, in {apart.num_rows} months of accounts (the first: {first['account_id']}, "
        f"{first['month_end']}, {largest} micro-units)"
    )


def _first_of(amounts: Iterable[int]) -> int:
    return next((amount for amount in amounts if amount), 0)
