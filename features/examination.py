"""Examination: one table's files, read, placed, cast and checked, every row accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.breaches import CURES
from features.casting import Frame
from features.checks import check_accounts, check_intervals, check_overlaps, refuse_base
from features.contracts import TableContract
from features.copies import Staged, staged
from features.drift import refuse_drift
from features.faults import DataRejected, Fault
from features.feed_ledger import Source
from features.keys import merge_duplicates
from features.known import settled
from features.mapping import Workspace
from features.oddities import oddities
from features.partitions import Kept, keep_rows
from features.placement import place
from features.quarantine import Aside, set_aside
from features.readers import read_whole
from features.reckoning import height, reckon, worth_knowing
from features.report import TableReport
from features.reshaping import reshaped
from features.staging import Loaded, load, stage

__all__ = ["Examined", "examine_table"]

REQUIRED = frozenset({"accounts", "subscriptions", "mrr_by_month"})


@dataclass(frozen=True)
class Examined:
    """What an examination leaves.

    Attributes
    ----------
    report : TableReport
        Counts, breaches, refusals.
    kept : Kept or None
        Accepted rows in canonical shape, as a file; None when the table is refused or absent.
    provided : tuple of str
        Contract columns (stored names) and extras that the source really had.
    aside : Aside or None
        Rows for quarantine.
    sources : tuple of Source
        The files that were read.
    terms : str
        What it was read by, as ``KeptTable`` says; empty where it is not remembered.
    """

    report: TableReport
    kept: Kept | None = None
    provided: tuple[str, ...] = ()
    aside: Aside | None = None
    sources: tuple[Source, ...] = ()
    terms: str = ""

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Read those of the columns that the table has; they tell its rows even if it has none."""
        if self.kept is None:
            return pa.table({})
        with pq.ParquetFile(self.kept.at) as file:
            return file.read([name for name in file.schema_arrow.names if name in names])


def examine_table(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    contract: TableContract,
    now: datetime,
    sources: Iterable[Path | Staged],
    folder: Path,
    *,
    allow_empty: bool = False,
    settle_seconds: float = 0.0,
) -> Examined:
    """Examine one table that is kept whole.

    ``connection`` holds ``known_accounts``, unless the table is accounts itself. What is kept is
    written into ``folder``; files are copied into a folder in it before they are read.
    """
    settings = workspace.table(contract.name)
    book = workspace.book
    frame = Frame(settings, book.currency, book.timezone, now, workspace.erased)

    def copied(source: Path | Staged) -> Staged:
        if isinstance(source, Staged):
            return source
        return staged(source, workspace.book_dir, copies, settle_seconds)

    copies = folder / "copies"
    copies.mkdir(mode=0o700, exist_ok=True)
    files, read, refused = _read_all(connection, sources, copied, contract, frame)
    rows_in = sum(height(file.source) - file.filtered for file in files)
    if refused:
        return Examined(TableReport(rows_in=rows_in, refused=tuple(refused)), sources=read)
    return _examine(connection, contract, frame, files, read, allow_empty, folder)


def _read_all(
    connection: duckdb.DuckDBPyConnection,
    sources: Iterable[Path | Staged],
    copied: Callable[[Path | Staged], Staged],
    contract: TableContract,
    frame: Frame,
) -> tuple[list[Loaded], tuple[Source, ...], list[Fault]]:
    files: list[Loaded] = []
    read: list[Source] = []
    refused: list[Fault] = []
    for source in sources:
        try:
            copy = copied(source)
            read.append(Source(copy.label, copy.sha256, copy.stat))
            rows = reshaped(read_whole(copy, frame.settings), frame.settings, contract.name)
            placement = place(contract, frame.settings, rows.rows.column_names, rows.label)
            files.append(load(connection, rows, placement, frame, contract.name))
        except Fault as fault:
            refused.append(fault)
    return files, tuple(read), refused


def _examine(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    frame: Frame,
    files: list[Loaded],
    read: tuple[Source, ...],
    allow_empty: bool,
    folder: Path,
) -> Examined:
    extras = sorted({name for file in files for name in file.placement.extras})
    finer = stage(connection, contract, frame, files)
    check_intervals(connection, contract, frame.settings.net_of_discount)
    check_accounts(connection, contract)
    merge_duplicates(connection, contract, extras)
    check_overlaps(connection, contract)
    rows = settled(connection, contract, frame.settings, extras)
    report = reckon(connection, contract, files)
    said = worth_knowing(contract, report, finer, rows.num_rows)
    report = replace(report, warnings=said + oddities(connection, contract))
    refused = refuse_base(connection, contract, frame.currency)
    refused += _refusals(contract, report, allow_empty)
    aside = set_aside(connection, contract, files)
    provided = _provided(contract, files) + tuple(extras)
    _clear(connection)
    if refused:
        return Examined(replace(report, accepted=0, refused=tuple(refused)), sources=read)
    return Examined(report, keep_rows(rows, folder, contract.name), provided, aside, read)


def _clear(connection: duckdb.DuckDBPyConnection) -> None:
    for table in ("typed", "bad", "apart", "twice"):
        connection.execute(f"DROP TABLE {table}")
    connection.unregister("text")


def _refusals(contract: TableContract, report: TableReport, allow_empty: bool) -> list[Fault]:
    refused = refuse_drift(contract, report)
    if report.accepted == 0 and contract.name in REQUIRED and not allow_empty and not refused:
        labels = ", ".join(report.files)
        message = f"{labels}: {report.rows_in} rows, none accepted"
        cure = "export the table again, or allow it with --allow-empty"
        if report.codes:
            most = max(report.codes, key=lambda code: report.codes[code])
            message, cure = f"{message}, mostly {most}", CURES[most]
        refused.append(DataRejected("feed.no_rows", message, cure))
    return refused


def _provided(contract: TableContract, files: list[Loaded]) -> tuple[str, ...]:
    had = {name for file in files for name in file.placement.columns}
    names = [column.stored_name for column in contract.stored if column.name in had]
    if contract.name == "subscriptions" and "mrr_micros" not in names:
        names.append("mrr_micros")
    return tuple(names)
