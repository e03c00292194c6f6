"""The rows of one run, whether they are kept whole or packed (`serving.compaction`)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from features.faults import DataRejected
from serving import tables
from serving.columns import Columns, as_rows
from serving.database import POSTGRES
from serving.packing import unpack
from serving.schemas import OUTREACH_TABLE, PACKED_COLUMNS, SCORE_COLUMNS

__all__ = ["FIRING", "LISTED", "MEMORIES", "SCORES", "RunRows", "among", "rows_of"]

SCORES = "scores"
"""Packs of `PACKED_COLUMNS`, some hundred accounts each."""
MEMORIES = "memories"
"""Packs of what accounts remember (``account_id``, ``body``), some hundred each."""
FIRING = "firing"
"""The pack of what fires for whom: ``trigger``, ``account_id``."""
LISTED = "outreach"
"""The pack of the run's list, in its order."""

Row = dict[str, Any]

_NUMBERED = sa.select(
    tables.packed.c.number, tables.runs.c.run_id, tables.runs.c.as_of, tables.runs.c.model_version
).where(
    tables.packed.c.run_id == sa.bindparam("run"), tables.runs.c.run_id == tables.packed.c.run_id
)
_DAYS = tuple(column.name for column in OUTREACH_TABLE if column.kind == "date")


@dataclass(frozen=True)
class RunRows:
    """The rows of a run.

    Attributes
    ----------
    run : str or None
        Its id.
    table : sqlalchemy.FromClause
        Its scores to select from, columns of CONTRACT section 3; the condition ``run_id = run``
        is the caller's. Of a packed run ``PACKED_COLUMNS`` are null until they are `filled`.
    number : int or None
        Its number among the packed runs; None for one whose rows are whole.
    """

    run: str | None
    table: sa.FromClause
    number: int | None = None

    @property
    def c(self) -> sa.ColumnCollection[str, sa.ColumnElement[Any]]:
        """The columns of its scores."""
        return self.table.c

    def filled(self, connection: sa.Connection, rows: list[Row]) -> list[Row]:
        """Fill in what is packed of rows that were selected, each with its ``account_id``."""
        names = [name for name in PACKED_COLUMNS if rows and name in rows[0]]
        if self.number is None or not names:
            return rows
        by_id = {row["account_id"]: row for row in rows}
        for told in self._packed(connection, SCORES, by_id):
            for values in zip(told["account_id"], *(told[name] for name in names), strict=True):
                if values[0] in by_id:
                    by_id[values[0]] |= dict(zip(names, values[1:], strict=True))
        return rows

    def columns(self, connection: sa.Connection) -> Columns:
        """Give its scores whole, column by column in account order.

        Raises
        ------
        DataRejected
            ``store.pack`` where a pack is broken or missing (exit code 65).
        """
        chosen = sa.select(self.table).where(self.c.run_id == self.run)
        found = connection.execute(chosen.order_by(self.c.account_id)).all()
        columns = {name: [row[n] for row in found] for n, name in enumerate(SCORE_COLUMNS)}
        if self.number is not None:
            packs = list(self._packed(connection, SCORES))
            if [v for each in packs for v in each["account_id"]] != columns["account_id"]:
                cure = "restore the last backup of the store"
                raise DataRejected("store.pack", "packs of other accounts than its rows", cure)
            columns |= {n: [v for each in packs for v in each[n]] for n in PACKED_COLUMNS}
        return columns

    def memories(self, connection: sa.Connection) -> dict[str, str]:
        """Give what its accounts remember, in account order; without those that remember nothing."""
        if self.number is not None:
            packs = self._packed(connection, MEMORIES)
            both = (zip(each["account_id"], each["body"], strict=True) for each in packs)
            return {account: body for pairs in both for account, body in pairs}
        m = tables.memories.c
        kept = sa.select(m.account_id, m.body).where(m.run_id == self.run)
        found = connection.execute(kept.order_by(m.account_id))
        return {row.account_id: row.body for row in found}

    def firing(self, connection: sa.Connection) -> list[Row]:
        """List which trigger fires for which account, in order of both."""
        if self.number is not None:
            packs = self._packed(connection, FIRING)
            return [{"run_id": self.run} | row for each in packs for row in as_rows(each)]
        chosen = sa.select(tables.firing).where(tables.firing.c.run_id == self.run)
        found = [dict(row._mapping) for row in connection.execute(chosen)]
        return sorted(found, key=lambda row: (row["trigger"], row["account_id"]))

    def listed(self, connection: sa.Connection) -> list[Row]:
        """Give its outreach list in its order, with ``run_id`` and ``position``."""
        if self.number is None:
            o = tables.outreach.c
            chosen = sa.select(tables.outreach).where(o.run_id == self.run).order_by(o.position)
            return [dict(row._mapping) for row in connection.execute(chosen)]
        packs = self._packed(connection, LISTED)
        rows = [{"run_id": self.run} | row for each in packs for row in as_rows(each)]
        return [row | {name: _day(row[name]) for name in _DAYS} for row in rows]

    def _packed(
        self, connection: sa.Connection, kind: str, accounts: Collection[str] | None = None
    ) -> Iterator[Columns]:
        """Unpack one after another; only those in which these accounts would be."""
        p = tables.packs.c
        mine = (p.number == self.number, p.kind == kind)
        firsts = list(connection.scalars(sa.select(p.first).where(*mine).order_by(p.first)))
        chosen = firsts if accounts is None else _holding(firsts, accounts)
        for first in chosen:
            body = connection.scalar(sa.select(p.body).where(*mine, p.first == first))
            yield unpack(body or b"")


def rows_of(connection: sa.Connection, run: str | None) -> RunRows:
    """Find the rows of a run."""
    found = connection.execute(_NUMBERED, {"run": run}).first()
    if found is None:
        return RunRows(run, tables.scores)
    b, scores = tables.briefs.c, tables.scores.c
    told = {name: found._mapping[name] for name in ("run_id", "as_of", "model_version")}
    columns = [
        b[name] if name in b else _constant(told.get(name), scores[name].type).label(name)
        for name in SCORE_COLUMNS
    ]
    brief = sa.select(*columns).where(b.number == found.number).subquery("brief")
    return RunRows(run, brief, found.number)


def _constant(value: Any, kind: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
    """Write a value that is the same in every row; a null must say of what kind it is."""
    if value is None and not isinstance(kind, type(tables.TEXT)):
        return sa.cast(sa.null(), kind)
    return sa.literal(value, kind)


def among(
    connection: sa.Connection, column: sa.ColumnElement[Any], names: Sequence[str]
) -> sa.ColumnElement[bool]:
    """Write the condition that a column is one of many names: one parameter, however many."""
    told = sa.literal(list(names), sa.JSON)
    server = connection.dialect.name == POSTGRES
    each = (sa.func.json_array_elements_text if server else sa.func.json_each)(told)
    return column.in_(sa.select(each.table_valued("value").c.value))


def _holding(firsts: Sequence[str], accounts: Collection[str]) -> list[str]:
    at = sorted({bisect_right(firsts, account) - 1 for account in accounts})
    return [firsts[n] for n in at if n >= 0]


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
