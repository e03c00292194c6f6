"""Volume: whether the tables of a snapshot have the rows, and the gaps, that they usually have.

What is usual is the median of the snapshots that were scored before, from four on. Only ``score``
judges it: a check of one export cannot know what the last ones held.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.book import Book
from features.faults import DataRejected
from features.rollup import FEEDS
from serving.store import Store

__all__ = ["Odd", "Volume", "judged", "odd_tables", "volumes"]

REQUIRED = ("accounts", "subscriptions", "mrr_by_month")
FEWEST, MOST = 4, 8
OFF = 0.3
LEAST_ROWS = 20


@dataclass(frozen=True)
class Volume:
    """How much a table holds.

    Attributes
    ----------
    rows : int
    empty : mapping of str to float
        Per column, the share of rows that have no value.
    """

    rows: int
    empty: Mapping[str, float]


@dataclass(frozen=True)
class Odd:
    """A table that is not what it usually is.

    Attributes
    ----------
    table : str
    said : str
        What was found, and what is usual.
    """

    table: str
    said: str


def judged(home: Path, book: Book, store: Store, accept: bool) -> tuple[Book, list[str]]:
    """Hold a book whose required tables are off; take feeds that are off as if behind.

    Parameters
    ----------
    home : Path
        Where the snapshots are.
    book : Book
        The snapshot to be scored.
    store : Store
        Its runs say which snapshots were scored before this one was first.
    accept : bool
        Whether required tables may be off (``--accept-volume``).

    Returns
    -------
    Book, list of str
        The book, without the feeds that are off: their signals are missing, not wrong; and what
        has to be said.

    Raises
    ------
    DataRejected
        ``volume.anomaly`` (exit code 65).
    """
    earlier = [run.snapshot_id for run in sorted(store.runs(), key=lambda run: run.published_at)]
    if book.snapshot_id in earlier:
        earlier = earlier[: earlier.index(book.snapshot_id)]
    past = [volumes(home, name) for name in list(dict.fromkeys(earlier))[-MOST - FEWEST :]]
    now = volumes(home, book.snapshot_id)
    odd = odd_tables(past, now) if now else []
    held = [each.said for each in odd if each.table in REQUIRED]
    if held and not accept:
        cure = "mend the export, or take it as it is with --accept-volume"
        raise DataRejected("volume.anomaly", "; ".join(held), cure)
    behind = {each.table for each in odd} & set(FEEDS)
    provided = {name: has for name, has in book.provided.items() if name not in behind}
    marks = {name: ": its signals are left out" if name in behind else "" for name in FEEDS}
    said = [each.said + marks.get(each.table, "") for each in odd]
    return (replace(book, provided=provided) if behind else book), said


def odd_tables(past: Sequence[Mapping[str, Volume]], now: Mapping[str, Volume]) -> list[Odd]:
    """Name the tables whose rows are off by 30 %, or a column's gaps by 30 points.

    Parameters
    ----------
    past : sequence of mapping of str to Volume
        Earlier snapshots, oldest first; the last eight count. A required table that was off and
        was scored all the same was accepted: what is usual begins anew with it.
    now : mapping of str to Volume
        The snapshot to judge.

    Examples
    --------
    >>> weeks = [{"usage": Volume(rows, {})} for rows in (1000, 1010, 1020, 1030)]
    >>> odd_tables(weeks, {"usage": Volume(600, {})})[0].said
    'usage: 600 rows, usually 1015'
    >>> odd_tables(weeks, {"usage": Volume(1100, {})}), odd_tables(weeks[1:], {})
    ([], [])
    """
    odd = []
    for table in sorted({*now, *(name for each in past for name in each)}):
        usual: list[Volume] = []
        for volume in (each[table] for each in past if table in each):
            accepted = table in REQUIRED and _off(usual, volume)
            usual = [volume] if accepted else [*usual[1 - MOST :], volume]
        if said := _off(usual, now.get(table, Volume(0, {}))):
            odd.append(Odd(table, f"{table}: {said}"))
    return odd


def _off(usual: Sequence[Volume], volume: Volume) -> str:
    """Say in what a volume is off; empty if it is as usual, or if too little is known."""
    rows = median(each.rows for each in usual) if len(usual) >= FEWEST else 0
    if rows < LEAST_ROWS:
        return ""
    if abs(volume.rows - rows) > OFF * rows:
        return f"{volume.rows} rows, usually {rows:.0f}"
    for column, share in volume.empty.items():
        known = [each.empty[column] for each in usual if column in each.empty]
        if len(known) >= FEWEST and abs(share - median(known)) > OFF:
            return f"{column} is empty in {share:.0%} of the rows, usually in {median(known):.0%}"
    return ""


def volumes(home: Path, snapshot_id: str) -> dict[str, Volume]:
    """Read the volumes of a snapshot from its manifest and the feet of its files.

    Empty for a snapshot that is not there any more, or not whole.
    """
    try:
        return _volumes(home / "snapshots" / snapshot_id)
    except (FileNotFoundError, json.JSONDecodeError, pa.ArrowInvalid):
        return {}


@lru_cache(maxsize=64)
def _volumes(folder: Path) -> dict[str, Volume]:
    """Read a snapshot's volumes once per process: what it is named by never changes."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return {name: _volume(folder, entry) for name, entry in manifest["tables"].items()}


def _volume(folder: Path, entry: Mapping[str, Any]) -> Volume:
    months = [month for each in entry.get("rolled", {}).values() for month in each]
    gaps: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for each in [entry] if "file" in entry else months:
        _count(folder / each["file"], gaps, rows)
    return Volume(int(entry["rows"]), {name: gaps[name] / rows[name] for name in rows})


def _count(path: Path, gaps: Counter[str], rows: Counter[str]) -> None:
    foot = pq.read_metadata(path)
    for group in map(foot.row_group, range(foot.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.statistics is not None and column.statistics.has_null_count:
                gaps[column.path_in_schema] += column.statistics.null_count
                rows[column.path_in_schema] += group.num_rows
