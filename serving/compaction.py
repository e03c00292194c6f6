"""Old runs, packed: what is asked of them stays in narrow rows, the rest goes into packs.

A run of one of the newest dates has a wide row for each account, with its reasons and triggers, and
another with what it remembers. Of an older one there is a narrow row (``briefs``: what accounts
are filtered, sorted, counted and followed by), and packs of some hundred accounts (``packs``).
Whoever asks is answered the same (`serving.run_rows`), and the run's digest stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from features.faults import InternalFault
from serving import tables
from serving.columns import Columns, as_rows
from serving.database import reading, writing
from serving.packing import pack, unpack
from serving.rows import written
from serving.run_rows import FIRING, LISTED, MEMORIES, SCORES, RunRows, among, rows_of
from serving.schemas import BRIEF_TABLE, PACKED_COLUMNS

__all__ = ["compacted", "due", "forget", "unpack_all"]

ACCOUNTS = 256
"""Accounts of one pack: to read one of them, all are unpacked."""
ROWS = (tables.scores, tables.memories, tables.firing, tables.outreach)
"""Where a run's rows are while they are whole."""
READS_PACKS = "0010"
"""The oldest Perennial, by the revision it knows, that reads packs: before, they are not there."""

Row = dict[str, Any]
Packs = list[tuple[str, str, bytes]]


@dataclass(frozen=True)
class _Whole:
    """A run's rows as they were published."""

    scores: Columns
    memories: dict[str, str]
    firing: list[Row]
    listed: list[Row]

    @classmethod
    def of(cls, connection: sa.Connection, rows: RunRows) -> _Whole:
        return cls(
            rows.columns(connection),
            rows.memories(connection),
            rows.firing(connection),
            rows.listed(connection),
        )

    def briefs(self, number: int) -> list[Row]:
        kept = {column.name: self.scores[column.name] for column in BRIEF_TABLE}
        return [{"number": number} | row for row in as_rows(kept)]

    def packs(self) -> Packs:
        """Pack what is not brief: kind, first account, body."""
        scores = {name: self.scores[name] for name in ("account_id", *PACKED_COLUMNS)}
        told = {"account_id": list(self.memories), "body": list(self.memories.values())}
        return [
            *_in_packs(SCORES, scores),
            *_in_packs(MEMORIES, told),
            (FIRING, "", _of_rows(self.firing)),
            (LISTED, "", _of_rows(self.listed)),
        ]


def due(connection: sa.Connection, whole_dates: int) -> list[str]:
    """Name the runs that are to be packed, oldest first.

    They are of an older date than the newest ``whole_dates``; the one that serves is never due.
    """
    r = tables.runs.c
    dates = sa.select(r.as_of).distinct().order_by(r.as_of.desc()).limit(whole_dates)
    others = (tables.packed.c.run_id, tables.current.c.run_id)
    old = sa.select(r.run_id).where(
        r.as_of.not_in(dates), *(r.run_id.not_in(sa.select(column)) for column in others)
    )
    return list(connection.scalars(old.order_by(r.as_of, r.revision)))


def compacted(engine: sa.Engine, whole_dates: int, most: int | None = None) -> list[str]:
    """Pack the runs that are due, at most ``most`` of them, each in a transaction of its own.

    Killed at any moment, a run is either whole or packed.

    Returns
    -------
    list of str
        The runs that were packed.

    Raises
    ------
    InternalFault
        ``store.packing`` if a pack does not read back as it was written: the run stays whole.
    """
    with reading(engine) as connection:
        names = due(connection, whole_dates)[:most]
    return [name for name in names if _pack(engine, name)]


def forget(connection: sa.Connection, account_ids: Collection[str]) -> int:
    """Take accounts out of every packed run, in a transaction that is open for writing.

    The packs in which they were are written anew without them.

    Returns
    -------
    int
        How many rows, an account and a run each, were taken out.
    """
    b, gone = tables.briefs.c, set(account_ids)
    mine = among(connection, b.account_id, sorted(gone))
    numbers = connection.scalars(sa.select(b.number).where(mine).distinct()).all()
    for number in numbers:
        _forgotten(connection, number, gone)
    return connection.execute(sa.delete(tables.briefs).where(mine)).rowcount


def unpack_all(connection: sa.Connection) -> list[str]:
    """Write the rows of every packed run out again, in a transaction that is open for writing."""
    p = tables.packed.c
    names = list(connection.scalars(sa.select(p.run_id).order_by(p.number)))
    for name in names:
        _unpack(connection, name)
    return names


def _pack(engine: sa.Engine, name: str) -> bool:
    """Pack a run; whether it was whole. It is read and compressed while others may write."""
    with reading(engine) as connection:
        rows = rows_of(connection, name)
        if rows.number is not None:
            return False
        whole = _Whole.of(connection, rows)
    packs = whole.packs()
    with writing(engine) as connection:
        if not _stands(connection, name, whole):
            return False  # packed, or an account was erased, meanwhile
        _replace(connection, name, whole, packs)
    return True


def _stands(connection: sa.Connection, name: str, whole: _Whole) -> bool:
    s = tables.scores.c
    accounts = sa.select(s.account_id).where(s.run_id == name).order_by(s.account_id)
    return (
        rows_of(connection, name).number is None
        and list(connection.scalars(accounts)) == whole.scores["account_id"]
    )


def _replace(connection: sa.Connection, name: str, whole: _Whole, packs: Packs) -> None:
    """Put briefs and packs in the place of a run's rows; they are read back before these go."""
    connection.execute(sa.update(tables.reach).values(oldest=READS_PACKS))
    last = connection.scalar(sa.select(sa.func.max(tables.packed.c.number)))
    number = (last or 0) + 1
    connection.execute(sa.insert(tables.packed).values(number=number, run_id=name))
    written(connection, tables.briefs, whole.briefs(number))
    _keep(connection, number, packs)
    if _Whole.of(connection, rows_of(connection, name)) != whole:
        raise InternalFault("store.packing", f"run {name} does not read back as it was")
    for table in ROWS:
        connection.execute(sa.delete(table).where(table.c.run_id == name))


def _unpack(connection: sa.Connection, name: str) -> None:
    rows = rows_of(connection, name)
    whole = _Whole.of(connection, rows)
    memories = [
        {"run_id": name, "account_id": account, "body": body}
        for account, body in whole.memories.items()
    ]
    for table in (tables.briefs, tables.packs, tables.packed):
        connection.execute(sa.delete(table).where(table.c.number == rows.number))
    every = (as_rows(whole.scores), memories, whole.firing, whole.listed)
    for table, told in zip(ROWS, every, strict=True):
        written(connection, table, told)


def _forgotten(connection: sa.Connection, number: int, gone: set[str]) -> None:
    """Write the packs of one run anew in which one of these accounts is."""
    p = tables.packs.c
    firsts = connection.execute(sa.select(p.kind, p.first).where(p.number == number)).all()
    for kind, first in firsts:
        one = (p.number == number, p.kind == kind, p.first == first)
        columns = unpack(connection.scalar(sa.select(p.body).where(*one)) or b"")
        accounts = columns.get("account_id", [])
        stay = [n for n, account in enumerate(accounts) if account not in gone]
        if len(stay) == len(accounts):
            continue
        connection.execute(sa.delete(tables.packs).where(*one))
        left = {name: [values[n] for n in stay] for name, values in columns.items()}
        begins = left["account_id"][0] if stay and first else ""
        if stay or not first:
            _keep(connection, number, [(kind, begins, pack(left))])


def _keep(connection: sa.Connection, number: int, packs: Packs) -> None:
    for kind, first, body in packs:
        row = {"number": number, "kind": kind, "first": first, "body": body}
        connection.execute(sa.insert(tables.packs).values(row))


def _in_packs(kind: str, columns: Columns) -> Iterator[tuple[str, str, bytes]]:
    """Pack columns in account order, some hundred accounts each."""
    accounts = columns["account_id"]
    for start in range(0, len(accounts), ACCOUNTS):
        piece = {name: values[start : start + ACCOUNTS] for name, values in columns.items()}
        yield kind, accounts[start], pack(piece)


def _of_rows(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Pack rows of one run whole."""
    names = [str(name) for name in rows[0] if name != "run_id"] if rows else []
    return pack({name: [row[name] for row in rows] for name in names})
