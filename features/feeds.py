"""Feeds: the dated tables, rolled up once, month by month, from what is new.

The story of ``examine_feed``: compare the files with the ledger, read those that are new or
changed, find the months that are no longer what they were and read again what touches them, judge
rows that share a key, roll each touched month up, and leave every other month as it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.ahead import each
from features.drift import refuse_drift
from features.feed_aside import FeedAside
from features.feed_desks import Desks, desks_of, hands_for
from features.feed_files import Changed, FeedFiles, Plan, Reading, plan_of
from features.feed_keys import MonthKeys, contested, month_keys, read_keys
from features.feed_ledger import FeedLedger, FileEntry, MonthCounts, MonthEntry, Source
from features.feed_months import Losses, Made, Months
from features.feed_reach import FeedReach, reached
from features.feed_report import feed_report
from features.feed_rivals import clashes, delivered, struck
from features.reckoning import worth_knowing
from features.report import TableReport
from features.rollup import HAPPENED, rolled, rollups_of
from features.spool import Spool
from features.staging import desk

__all__ = ["ExaminedFeed", "LastFeed", "examine_feed", "terms_of"]


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
    reader = duckdb.__version__
    said = repr((contract, sorted(settings.items()), book.currency, book.timezone, sql, reader))
    said += files.workspace.erased.terms
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
        keys = self._keys(spool, list(spool.parts))
        dirty = before.linked(plan.dirty | struck(before, plan.dirty, keys)) & set(before.months)
        dirty |= plan.dirty
        touching = {p: entry for p, entry in plan.same.items() if dirty & set(entry.months)}
        reading.read_again(touching, dirty)
        keys |= self._keys(spool, sorted(dirty & set(spool.parts)))
        entries = plan.same | reading.entries
        labels = [entries[place].label for place in self.files.places]
        clash = contested({month: each.ids for month, each in keys.items()})
        lost, pairs = clashes(self.connection, contract, spool, keys, clash)
        months = {
            month: self._moved(spool, labels, month, entry)
            for month, entry in before.months.items()
            if month not in dirty | set(keys)
        }
        losses, news = Losses(), sorted(keys)
        with desks_of(self.connection, min(hands_for(spool), len(news))) as desks:
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

    def _keys(self, spool: Spool, months: list[str]) -> dict[str, MonthKeys]:
        """Collect the keys of months, several at once."""
        tasks = [partial(month_keys, spool, month, self.files.contract) for month in months]
        return dict(zip(months, each(tasks), strict=True))

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
            lost = delivered(spool, month, found, read_keys(before.keys.at), lost)
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
        counts, reach = reached(ledger, self.known)
        report = feed_report(ledger, counts)
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
