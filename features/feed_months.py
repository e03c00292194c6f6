"""The months of a feed: each judged, rolled up and written on its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.breaches import Breach
from features.contracts import TableContract
from features.feed_aside import conflicts
from features.feed_keys import Keys, distinct, read_keys
from features.feed_ledger import MonthEntry
from features.keys import judged
from features.numbering import numbered_rows
from features.partitions import Kept, keep_bytes, keep_rows
from features.report import ERRORS_SHOWN
from features.rollup import ROLLUPS, merged, numbered, rollups_of
from features.spool import Spool, spelled
from features.summing import Coded, coded, gathered, summed

__all__ = ["Losses", "Made", "Months"]

SOURCES = {"usage_by_day": "usage_by_feature"}
FATES = ("twice", "conflict")
TALLY = {"rows": ("sum", "one"), "first": ("min", "day"), "last": ("max", "day")}
TOLD = pa.schema(
    [
        ("file", pa.string()),
        ("account_id", pa.string()),
        ("rows", pa.int64()),
        ("first", pa.date32()),
        ("last", pa.date32()),
    ]
)


@dataclass
class Losses:
    """Rows that do not count, by month and file number.

    Attributes
    ----------
    counts : dict
        Month → (file number, fate) → rows.
    """

    counts: dict[str, dict[tuple[int, str], int]] = field(default_factory=dict)

    def add(self, month: str, lost: pa.Table) -> None:
        """Count the rows of a month that were lost."""
        counted = self.counts.setdefault(month, {})
        found = lost.group_by(["__f", "fate"]).aggregate([([], "count_all")]).to_pylist()
        for each in found:
            mark = (each["__f"], each["fate"])
            counted[mark] = counted.get(mark, 0) + each["count_all"]

    def of(self, month: str, number: int) -> tuple[int, int]:
        """Give duplicates and conflicts of a file in a month."""
        counted = self.counts.get(month, {})
        twice, conflict = (counted.get((number, fate), 0) for fate in FATES)
        return twice, conflict


@dataclass(frozen=True)
class Made:
    """A month that was made.

    Attributes
    ----------
    entry : MonthEntry or None
        What is kept of it; None if nothing is left.
    lost : pyarrow.Table
        Its rows that do not count.
    aside : pyarrow.Table
        Those that contradict one another, as they are set aside.
    """

    entry: MonthEntry | None
    lost: pa.Table
    aside: pa.Table


@dataclass(frozen=True)
class Months:
    """The desk at which months are made.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
        Reaches no file; nobody else uses it meanwhile.
    contract : TableContract
        The feed.
    spool : Spool
        The rows that were read.
    labels : list of str
        How messages name the files, by number.
    known : pyarrow.Array
        Ids of the accounts.
    folder : Path
        Where the months' files are written.
    """

    connection: duckdb.DuckDBPyConnection
    contract: TableContract
    spool: Spool
    labels: list[str]
    known: pa.Array
    folder: Path

    def judge(self, month: str, keys: Keys, lost: pa.Table | None) -> tuple[pa.Table, pa.Table]:
        """Give a month's rows that count, and those that do not.

        ``keys`` are those that several of its rows bear; ``lost`` is what was judged already,
        because its key stands in several months.
        """
        rows = self.spool.rows(month)
        if lost is not None:
            keys = np.setdiff1d(keys, lost.column("__key").to_numpy())
        parts = [lost] if lost is not None else []
        if len(keys):
            rivals = spelled(rows.filter(pc.is_in(rows["__key"], pa.array(keys))))
            parts.append(judged(self.connection, self.contract, rivals))
        if not parts:
            none = spelled(rows.schema.empty_table())
            return rows, none.append_column("fate", pa.array([], pa.string()))
        gone = pa.concat_tables(parts)
        return rows.filter(pa.array(~np.isin(_marks(rows), _marks(gone)))), gone

    def made(
        self, month: str, found: Keys, keys: Keys, lost: pa.Table | None, before: MonthEntry | None
    ) -> Made:
        """Make a month of its rows, and of what was there before.

        Parameters
        ----------
        month : str
            Which.
        found, keys : array
            The keys of all its rows; those that several of them bear.
        lost : pyarrow.Table or None
            Rows that were judged already, as for ``judge``.
        before : MonthEntry or None
            What is merged with it.
        """
        numbers, gone = self._numbers(month, keys, lost)
        contrary = gone.filter(pc.equal(gone["fate"], "conflict"))
        text, errors = conflicts(self.contract, contrary, self.labels, month)
        return Made(self._made(month, numbers, found, errors, before), gone, text)

    def _made(
        self,
        month: str,
        numbers: Coded,
        keys: Keys,
        errors: list[Breach],
        before: MonthEntry | None,
    ) -> MonthEntry | None:
        made, tallies = self._rolled(numbers)
        if before is not None:
            made = {name: self._merged(name, before, held.table) for name, held in made.items()}
            keys = distinct(np.sort(np.concatenate([read_keys(before.keys.at), keys])))
            errors = [*before.errors, *errors]
            tallies = pa.concat_tables([pq.ParquetFile(before.tallies.at).read(), tallies])
        if not len(keys):
            return None
        return self._written(month, made, tallies, keys, errors)

    def moved(self, month: str, before: MonthEntry) -> MonthEntry:
        """Make a month again of what it holds, because accounts came or went."""
        made = {
            name: self._merged(name, before, None)
            for name in rollups_of(self.contract.name)
            if name in before.partitions or name in before.waiting
        }
        parts, waiting = self._divided(month, made)
        return MonthEntry(parts, waiting, before.keys, before.tallies, before.errors)

    def _written(
        self,
        month: str,
        made: dict[str, Coded],
        tallies: pa.Table,
        keys: Keys,
        errors: list[Breach],
    ) -> MonthEntry:
        feed = self.contract.name
        parts, waiting = self._divided(month, made)
        content = np.ascontiguousarray(keys, dtype="<u8").data.cast("B")
        held = keep_bytes(content, self.folder, f"_keys/{feed}/{month}", ".u64")
        told = keep_rows(tallies, self.folder, f"_tallies/{feed}/{month}", named=False)
        return MonthEntry(parts, waiting, held, told, tuple(errors[:ERRORS_SHOWN]))

    def _divided(
        self, month: str, made: dict[str, Coded]
    ) -> tuple[dict[str, Kept], dict[str, Kept]]:
        """Write the rows of known accounts into the snapshot, the others beside it."""
        parts, waiting = {}, {}
        for name, held in made.items():
            mine, strange = held.parted("account_id", self.known)
            if mine.num_rows:
                parts[name] = keep_rows(mine, self.folder, f"{name}/{month}")
            if strange.num_rows:
                stem = f"_waiting/{name}/{month}"
                waiting[name] = keep_rows(strange, self.folder, stem, named=False)
        return parts, waiting

    def _numbers(self, month: str, keys: Keys, lost: pa.Table | None) -> tuple[Coded, pa.Table]:
        """Number a month's rows that count, and give those that do not; the spool is let go."""
        rows, gone = self.judge(month, keys, lost)
        feed = self.contract.name
        summing = all(ROLLUPS[name].keys for name in rollups_of(feed))
        held = coded(rows.drop_columns(list(self.contract.key)) if summing else rows)
        numbers = numbered_rows(feed, held.rows) if summing else self._numbered(held.rows)
        return Coded(numbers, held.texts), gone

    def _rolled(self, held: Coded) -> tuple[dict[str, Coded], pa.Table]:
        """Roll a month's rows up, and count those of each file and account."""
        made: dict[str, pa.Table] = {}
        for name in rollups_of(self.contract.name):
            finer = made.get(SOURCES.get(name, ""))
            made[name] = self._gathered(name, self._counted(name, held.rows, finer))
        told = self._tallied(held)
        return {name: Coded(table, held.texts) for name, table in made.items()}, told

    def _numbered(self, rows: pa.Table) -> pa.Table:
        self.connection.register("rows", rows)
        return self.connection.sql(numbered(self.contract.name, "rows")).to_arrow_table()

    def _counted(self, name: str, numbers: pa.Table, finer: pa.Table | None) -> pa.Table:
        """Give the rows that a roll-up is made of: a finer one's, else those that count in it."""
        where = ROLLUPS[name].where
        if finer is not None or where == "true":
            return numbers if finer is None else finer
        self.connection.register("numbers", numbers)
        sql = f"SELECT coalesce({where}, false) AS counts FROM numbers"
        counts = self.connection.sql(sql).to_arrow_table()["counts"]
        return numbers if pc.all(counts).as_py() else numbers.filter(counts)

    def _gathered(self, name: str, rows: pa.Table) -> pa.Table:
        """Sum rows of equal keys: at once where they are plain numbers, else in SQL."""
        made = summed(name, rows)
        if made is not None:
            return made
        self.connection.register("part", rows)
        return self.connection.sql(merged(name, ["part"])).to_arrow_table()

    def _merged(self, name: str, before: MonthEntry, new: pa.Table | None) -> Coded:
        old = [kept for each in (before.partitions, before.waiting) if (kept := each.get(name))]
        sources = [pq.ParquetFile(kept.at).read() for kept in old]
        sources += [new] if new is not None else []
        held = coded(pa.concat_tables(sources))
        return Coded(self._gathered(name, held.rows), held.texts)

    def _tallied(self, held: Coded) -> pa.Table:
        """Count the rows of each file and account, with their first and last day."""
        rows = held.rows
        one = pa.array(np.ones(rows.num_rows, np.int64))
        marked = rows.select(["__f", "account_id", "day"]).append_column("one", one)
        made = gathered(marked, ["__f", "account_id"], TALLY)
        if made is None:
            return TOLD.empty_table()
        files = pa.array(self.labels, pa.string()).take(made["__f"].combine_chunks())
        named = Coded(made.drop_columns("__f"), held.texts).table
        days = [named[name].cast(pa.int32()).cast(pa.date32()) for name in ("first", "last")]
        return pa.table([files, named["account_id"], named["rows"], *days], schema=TOLD)


def _marks(rows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Give one number per row: its file and its line."""
    line = rows["__line"].to_numpy()
    return np.asarray((rows["__f"].to_numpy().astype(np.int64) << 44) | line)
