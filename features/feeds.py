"""Feeds: the dated tables, rolled up once, month by month, from what is new.

The story of ``examine_feed``: compare the files with the ledger, read those that are new or
changed, find the months that are no longer what they were and read again what touches them, judge
rows that share a key, roll each touched month up, and leave every other month as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from itertools import combinations
from pathlib import Path
from queue import Queue
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.ahead import HANDS, each
from features.drift import refuse_drift
from features.faults import InternalFault
from features.feed_aside import FeedAside
from features.feed_files import Changed, FeedFiles, Plan, Reading, plan_of
from features.feed_keys import Keys, MonthKeys, contested, distinct, month_keys, read_keys, shared
from features.feed_ledger import FeedLedger, FileEntry, MonthCounts, MonthEntry, Source
from features.feed_months import Losses, Made, Months, clashing
from features.keys import judged
from features.reckoning import COUNTS, worth_knowing
from features.report import ERRORS_SHOWN, TableReport
from features.rollup import HAPPENED, rolled, rollups_of
from features.spool import Spool
from features.staging import desk

__all__ = ["ExaminedFeed", "FeedReach", "LastFeed", "examine_feed", "terms_of"]


TOGETHER = 4_000_000
Desks = Queue[duckdb.DuckDBPyConnection]


@dataclass(frozen=True)
class LastFeed:
    """What the last ingest left of a feed.

    Attributes
    ----------
    ledger : FeedLedger
        Its files and months.
    accounts : pyarrow.Array
        The accounts that were known then.
    aside : Path
        Its bad rows (may be gone).
    """

    ledger: FeedLedger
    accounts: pa.Array
    aside: Path


@dataclass(frozen=True)
class FeedReach:
    """What a feed covers, counted over the rows of known accounts.

    Attributes
    ----------
    rows, accounts : int
        How many.
    first, last : date or None
        Days of the first and the last row.
    """

    rows: int = 0
    accounts: int = 0
    first: date | None = None
    last: date | None = None

    def to_json(self) -> dict[str, Any]:
        """Give what a manifest says of it."""
        days = {name: day.isoformat() if day else None for name, day in self._days.items()}
        return {"rows": self.rows, "accounts": self.accounts} | days

    @property
    def _days(self) -> dict[str, date | None]:
        return {"first": self.first, "last": self.last}


@dataclass(frozen=True)
class ExaminedFeed:
    """What an examination of a feed leaves.

    Attributes
    ----------
    report : TableReport
        Counts, breaches, refusals.
    ledger : FeedLedger or None
        Its files and months; None when the feed is refused.
    provided : tuple of str
        Stored columns that the source really had.
    reach : FeedReach
        What it covers.
    aside : Path or None
        Its bad rows, all in one file.
    sources : tuple of Source
        Its files.
    """

    report: TableReport
    ledger: FeedLedger | None = None
    provided: tuple[str, ...] = ()
    reach: FeedReach = field(default_factory=FeedReach)
    aside: Path | None = None
    sources: tuple[Source, ...] = ()


def terms_of(files: FeedFiles) -> str:
    """Digest what a feed is read by: where it changes, everything is read again."""
    contract, book = files.contract, files.workspace.book
    sql = [rolled(name, "rows") for name in rollups_of(contract.name)]
    settings = files.workspace.table(contract.name).model_dump(mode="json", exclude={"source"})
    said = repr((contract, sorted(settings.items()), book.currency, book.timezone, sql))
    return hashlib.sha256(said.encode()).hexdigest()


def examine_feed(
    files: FeedFiles, known: pa.Array, folder: Path, last: LastFeed | None
) -> ExaminedFeed:
    """Examine a feed, reading no more of it than is new.

    Parameters
    ----------
    files : FeedFiles
        Its files.
    known : pyarrow.Array
        Ids of the accounts of the book.
    folder : Path
        Where the feed's files are written; scratch lies under ``.scratch`` in it.
    last : LastFeed or None
        What the last ingest left; None to read everything.
    """
    terms = terms_of(files)
    if last is not None and (last.ledger.terms != terms or not last.ledger.whole):
        last = None
    forced: frozenset[str] = frozenset()
    while True:
        with desk() as connection:
            try:
                return _Feed(connection, files, known, folder, terms, last, forced).examined()
            except Changed as changed:
                forced |= {changed.place}


@dataclass
class _Feed:
    """One examination."""

    connection: duckdb.DuckDBPyConnection
    files: FeedFiles
    known: pa.Array
    folder: Path
    terms: str
    last: LastFeed | None
    forced: frozenset[str]

    def examined(self) -> ExaminedFeed:
        feed = self.files.contract.name
        before = self.last.ledger if self.last else FeedLedger(self.terms)
        plan = plan_of(self.files, before, self.forced)
        scratch = self.folder / ".scratch" / f"{feed}-{len(self.forced)}"
        aside = FeedAside(scratch / "aside.parquet", self.files.contract)
        spool = Spool(scratch / "spool", HAPPENED[feed])
        reading = Reading(self.files, spool, aside, scratch / "copies")
        reading.read(plan.fresh)
        if reading.refused:
            aside.close()
            return _refused(reading)
        ledger = self._months(plan, before, reading)
        if self.last is not None:
            _carry(aside, self.last, ledger, plan)
        return self._reported(ledger, aside)

    def _months(self, plan: Plan, before: FeedLedger, reading: Reading) -> FeedLedger:
        spool, contract = reading.spool, self.files.contract
        keys = {month: month_keys(spool, month, contract) for month in spool.parts}
        dirty = before.linked(plan.dirty | _struck(before, plan.dirty, keys)) & set(before.months)
        dirty |= plan.dirty
        touching = {p: entry for p, entry in plan.same.items() if dirty & set(entry.months)}
        reading.read_again(touching, dirty)
        keys |= {month: month_keys(spool, month, contract) for month in dirty & set(spool.parts)}
        entries = plan.same | reading.entries
        labels = [entries[place].label for place in self.files.places]
        clash = contested({month: each.ids for month, each in keys.items()})
        lost, pairs = self._clashes(spool, {m: each.all for m, each in keys.items()}, clash)
        months = {
            month: self._moved(spool, labels, month, entry)
            for month, entry in before.months.items()
            if month not in dirty | set(keys)
        }
        losses, news = Losses(), sorted(keys)
        with _desks(self.connection, min(_hands(spool), len(news))) as desks:
            kept = [None if month in dirty else before.months.get(month) for month in news]
            tasks = [
                partial(
                    self._month, spool, labels, month, keys[month], lost.get(month), held, desks
                )
                for month, held in zip(news, kept, strict=True)
            ]
            for month, made in zip(news, each(tasks, desks.maxsize), strict=True):
                losses.add(month, made.lost)
                reading.aside.add(made.aside)
                spool.drop(month)
                if made.entry is not None:
                    months[month] = made.entry
        links = {pair for pair in before.links if not dirty & set(pair)} | pairs
        files = self._entries(plan, reading, dirty, losses)
        return FeedLedger(self.terms, files, dict(sorted(months.items())), frozenset(links))

    def _month(
        self,
        spool: Spool,
        labels: list[str],
        month: str,
        found: MonthKeys,
        lost: pa.Table | None,
        before: MonthEntry | None,
        desks: Desks,
    ) -> Made:
        """Make one month, beside others."""
        if before is not None:
            lost = _delivered(spool, month, found, read_keys(before.keys.at), lost)
        connection = desks.get()
        try:
            desk_of = self._desk_of(connection, spool, labels)
            return desk_of.made(month, found.all, found.repeated, lost, before)
        finally:
            desks.put(connection)

    def _desk_of(
        self, connection: duckdb.DuckDBPyConnection, spool: Spool, labels: list[str]
    ) -> Months:
        return Months(connection, self.files.contract, spool, labels, self.known, self.folder)

    def _clashes(
        self, spool: Spool, keys: dict[str, Keys], clash: Keys
    ) -> tuple[dict[str, pa.Table], set[tuple[str, str]]]:
        """Judge the rows whose id stands in several months; give the lost ones by month."""
        if not len(clash):
            return {}, set()
        found = clashing(spool, keys, clash)
        rivals = pa.concat_tables(
            [
                rows.append_column("__month", pa.array([month] * rows.num_rows, pa.string()))
                for month, rows in found.items()
            ]
        )
        lost = judged(self.connection, self.files.contract, rivals)
        held = {month: distinct(np.sort(rows["__key"].to_numpy())) for month, rows in found.items()}
        pairs = {
            (one, other)
            for one, other in combinations(sorted(held), 2)
            if len(shared(held[one], held[other]))
        }
        return {
            month: lost.filter(pc.equal(lost["__month"], month)).drop_columns("__month")
            for month in found
        }, pairs

    def _moved(self, spool: Spool, labels: list[str], month: str, entry: MonthEntry) -> MonthEntry:
        """Let accounts of a month come in that are known now, and others go back out."""
        came_or_went = self._strangers
        if not len(came_or_went):
            return entry
        told = pq.ParquetFile(entry.tallies.at).read(["account_id"])["account_id"]
        touched = pc.any(pc.is_in(told, came_or_went)).as_py()
        desk_of = self._desk_of(self.connection, spool, labels)
        return desk_of.moved(month, entry) if touched else entry

    @cached_property
    def _strangers(self) -> pa.Array:
        """The accounts that were known then and are not now, or the reverse."""
        then = self.last.accounts if self.last else self.known
        came = self.known.filter(pc.invert(pc.is_in(self.known, then)))
        went = then.filter(pc.invert(pc.is_in(then, self.known)))
        return pa.concat_arrays([came, went])

    def _entries(
        self, plan: Plan, reading: Reading, dirty: set[str], losses: Losses
    ) -> dict[str, FileEntry]:
        """Give every file's entry, with what became of its rows of the months made now."""
        entries = {}
        for number, place in enumerate(self.files.places):
            fresh = reading.entries.get(place)
            entry = reading.finished(fresh or plan.same[place], place)
            judged_now = set(entry.months) if fresh else set(entry.months) & dirty
            months = {
                month: MonthCounts(entry.months[month].rows, *losses.of(month, number))
                for month in judged_now
            }
            entries[place] = replace(entry, months=dict(sorted((entry.months | months).items())))
        return entries

    def _reported(self, ledger: FeedLedger, aside: FeedAside) -> ExaminedFeed:
        contract = self.files.contract
        counts, reach = _reached(self.connection, ledger, self.known)
        report = _report(ledger, counts)
        report = replace(report, warnings=worth_knowing(contract, report, 0, report.accepted))
        refused = refuse_drift(contract, report)
        path = aside.close()
        read = tuple(entry.source for entry in ledger.files.values())
        if refused:
            refusal = replace(report, accepted=0, refused=tuple(refused))
            return ExaminedFeed(refusal, sources=read)
        had = {name for entry in ledger.files.values() for name in entry.provided}
        provided = tuple(each.stored_name for each in contract.stored if each.stored_name in had)
        return ExaminedFeed(report, ledger, provided, reach, path, read)


def _hands(spool: Spool) -> int:
    """Say how many months are made at once: large ones one by one."""
    rows = sorted((sum(heights.values()) for heights in spool.heights.values()), reverse=True)
    return HANDS if sum(rows[:HANDS]) <= TOGETHER else 1


@contextmanager
def _desks(first: duckdb.DuckDBPyConnection, hands: int) -> Iterator[Desks]:
    """Give every hand a desk of its own."""
    with ExitStack() as stack:
        desks: Desks = Queue(max(hands, 1))
        desks.put(first)
        for _ in range(hands - 1):
            desks.put(stack.enter_context(desk()))
        yield desks


def _struck(before: FeedLedger, dirty: set[str], keys: dict[str, MonthKeys]) -> set[str]:
    """Find the months that hold an id which was delivered again."""
    ids = [each.ids for each in keys.values() if len(each.ids)]
    if not ids or not before.months:
        return set()
    new = distinct(np.sort(np.concatenate(ids)))
    return {
        month
        for month, entry in before.months.items()
        if month not in dirty and len(shared(new, read_keys(entry.keys.at)))
    }


def _delivered(
    spool: Spool, month: str, found: MonthKeys, held: Keys, lost: pa.Table | None
) -> pa.Table | None:
    """Add the rows without an id that were delivered before: they are the very same."""
    again = shared(found.all, held)
    if not len(again):
        return lost
    rows = spool.rows(month)
    rows = rows.filter(pc.is_in(rows["__key"], pa.array(again)))
    gone = rows.append_column("fate", pa.array(["twice"] * rows.num_rows, pa.string()))
    return gone if lost is None else pa.concat_tables([lost, gone])


def _carry(aside: FeedAside, last: LastFeed, ledger: FeedLedger, plan: Plan) -> None:
    """Keep what was set aside of files and months that are as they were."""
    same = {entry.label for entry in plan.same.values()}
    still = {
        month
        for month, entry in ledger.months.items()
        if month in last.ledger.months and month not in plan.dirty
    }
    aside.carry(last.aside, lambda file, month: file in same and (month is None or month in still))


def _refused(reading: Reading) -> ExaminedFeed:
    rows_in = sum(entry.rows_in for entry in reading.entries.values())
    report = TableReport(rows_in=rows_in, refused=tuple(reading.refused))
    return ExaminedFeed(report, sources=tuple(e.source for e in reading.entries.values()))


def _reached(
    connection: duckdb.DuckDBPyConnection, ledger: FeedLedger, known: pa.Array
) -> tuple[dict[str, tuple[int, int]], FeedReach]:
    """Count each file's rows of known and of unknown accounts, and what the known ones cover."""
    connection.register("known", pa.table({"account_id": known}))
    connection.execute("CREATE OR REPLACE TEMP TABLE covered (account_id VARCHAR)")
    counts: dict[str, tuple[int, int]] = {}
    days: list[date] = []
    for entry in ledger.months.values():
        connection.register("tallies", pq.ParquetFile(entry.tallies.at).read())
        found = connection.execute(
            """
            SELECT file, coalesce(sum(rows) FILTER (ours), 0),
                coalesce(sum(rows) FILTER (NOT ours), 0),
                min(first) FILTER (ours), max(last) FILTER (ours)
            FROM (SELECT *, account_id IN (SELECT account_id FROM known) AS ours FROM tallies)
            GROUP BY file
            """
        ).fetchall()
        for file, ours, strange, first, last in found:
            mine, others = counts.get(file, (0, 0))
            counts[file] = (mine + int(ours), others + int(strange))
            days += [day for day in (first, last) if day]
        connection.execute(
            "INSERT INTO covered SELECT DISTINCT account_id FROM tallies SEMI JOIN known USING (account_id)"
        )
    accounts = connection.execute("SELECT count(DISTINCT account_id) FROM covered").fetchall()
    rows = sum(ours for ours, _ in counts.values())
    reach = FeedReach(rows, accounts[0][0], min(days, default=None), max(days, default=None))
    return counts, reach


def _report(ledger: FeedLedger, counts: dict[str, tuple[int, int]]) -> TableReport:
    """Add up what became of the rows of every file.

    Raises
    ------
    InternalFault
        ``conservation`` if a row of a file is not accounted for.
    """
    files = {
        entry.label: _file_counts(entry, *counts.get(entry.label, (0, 0)))
        for entry in ledger.files.values()
    }
    codes: dict[str, int] = {}
    for entry in ledger.files.values():
        for code, rows in entry.codes.items():
            codes[code] = codes.get(code, 0) + rows
    contrary = sum(each.conflicts for e in ledger.files.values() for each in e.months.values())
    if contrary:
        codes["key.conflict"] = contrary
    errors = [each for entry in ledger.files.values() for each in entry.errors]
    errors += [each for month in ledger.months.values() for each in month.errors]
    errors.sort(key=lambda each: (each.file, each.row or 0, each.column or ""))
    ignored = sorted({name for entry in ledger.files.values() for name in entry.ignored})
    total = {name: sum(each[name] for each in files.values()) for name in COUNTS}
    return TableReport(
        rows_in=total["rows_in"],
        accepted=total["accepted"],
        quarantined=total["quarantined"],
        duplicates=total["duplicates"],
        unmatched=total["unmatched"],
        filtered=total["filtered"],
        errors=tuple(errors[:ERRORS_SHOWN]),
        codes=dict(sorted(codes.items())),
        files=files,
        ignored_columns=tuple(ignored),
    )


def _file_counts(entry: FileEntry, accepted: int, unmatched: int) -> dict[str, int]:
    months = entry.months.values()
    quarantined = entry.quarantined + sum(each.conflicts for each in months)
    duplicates = sum(each.duplicates for each in months)
    kept = accepted + quarantined + duplicates + unmatched
    if kept != entry.rows_in:
        message = f"{entry.label}: {entry.rows_in} rows in, {kept} accounted for"
        raise InternalFault("conservation", message, "report this as a bug")
    values = (entry.rows_in, accepted, quarantined, duplicates, unmatched, entry.filtered)
    return dict(zip(COUNTS, values, strict=True))
