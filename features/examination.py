"""Examination: one table's files, read, placed, cast and checked, every row accounted for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from features.breaches import CURES, Breach, echo
from features.casting import Frame
from features.checks import check_accounts, check_intervals, check_overlaps
from features.contracts import TableContract
from features.drift import refuse_drift
from features.faults import DataRejected, Fault, InternalFault
from features.keys import merge_duplicates
from features.known import settled
from features.mapping import Workspace
from features.placement import place
from features.quarantine import Aside, set_aside
from features.readers import SourceRows, read_rows
from features.report import ERRORS_SHOWN, TableReport
from features.sources import find_files, read_bytes
from features.staging import Loaded, load, stage

__all__ = ["Examined", "examine_table"]

COUNTS = ("rows_in", "accepted", "quarantined", "duplicates", "unmatched", "filtered")
REQUIRED = frozenset({"accounts", "subscriptions", "mrr_by_month"})


@dataclass(frozen=True)
class Examined:
    """What an examination leaves.

    Attributes
    ----------
    report : TableReport
        Counts, breaches, refusals.
    rows : pyarrow.Table or None
        Accepted rows in canonical shape; None when the table is refused or absent.
    provided : tuple of str
        Contract columns (stored names) and extras that the source really had.
    aside : Aside or None
        Rows for quarantine.
    digests : dict of str to str
        File → sha256 of its bytes.
    """

    report: TableReport
    rows: pa.Table | None = None
    provided: tuple[str, ...] = ()
    aside: Aside | None = None
    digests: dict[str, str] = field(default_factory=dict)


def examine_table(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    contract: TableContract,
    now: datetime,
    *,
    allow_empty: bool = False,
    settle_seconds: float = 0.0,
) -> Examined | None:
    """Examine one table; None when the book has no such table.

    ``connection`` holds ``known_accounts``, unless the table is accounts itself, which makes it.
    """
    settings = workspace.table(contract.name)
    frame = Frame(settings, workspace.book.currency, workspace.book.timezone, now)
    try:
        paths = find_files(workspace, contract.name)
    except Fault as fault:
        return Examined(TableReport(refused=(fault,)))
    if not paths:
        return None
    files, digests, refused = _read_all(
        connection, paths, workspace, contract, frame, settle_seconds
    )
    rows_in = sum(_height(file.source) - file.filtered for file in files)
    if refused:
        return Examined(TableReport(rows_in=rows_in, refused=tuple(refused)), digests=digests)
    return _examine(connection, contract, frame, files, digests, allow_empty)


def _height(source: SourceRows) -> int:
    return source.rows.num_rows + len(source.breaches)


def _read_all(
    connection: duckdb.DuckDBPyConnection,
    paths: list[Path],
    workspace: Workspace,
    contract: TableContract,
    frame: Frame,
    settle_seconds: float,
) -> tuple[list[Loaded], dict[str, str], list[Fault]]:
    files, digests, refused = [], {}, []
    for path in paths:
        try:
            held = read_bytes(path, workspace.book_dir, settle_seconds)
            digests[held.label] = held.sha256
            source = read_rows(held, frame.settings)
            placement = place(contract, frame.settings, source.rows.column_names, source.label)
            files.append(load(connection, source, placement, frame, contract.name))
        except Fault as fault:
            refused.append(fault)
    return files, digests, refused


def _examine(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    frame: Frame,
    files: list[Loaded],
    digests: dict[str, str],
    allow_empty: bool,
) -> Examined:
    extras = sorted({name for file in files for name in file.placement.extras})
    finer = stage(connection, contract, frame, files)
    check_intervals(connection, contract)
    check_accounts(connection, contract)
    merge_duplicates(connection, contract, extras)
    check_overlaps(connection, contract)
    rows = settled(connection, contract, frame.settings, extras)
    report = _report(connection, contract, files)
    report = replace(report, warnings=_warnings(contract, report, finer, rows.num_rows))
    refused = _refusals(contract, report, allow_empty)
    aside = set_aside(connection, contract, files)
    provided = _provided(contract, files) + tuple(extras)
    _clear(connection, contract)
    if refused:
        return Examined(replace(report, accepted=0, refused=tuple(refused)), digests=digests)
    return Examined(report, rows, provided, aside, digests)


def _clear(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> None:
    if contract.name == "accounts":
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE known_accounts AS SELECT DISTINCT account_id FROM typed "
            "WHERE __i NOT IN (SELECT __i FROM bad)"
        )
    for table in ("typed", "bad", "apart", "twice"):
        connection.execute(f"DROP TABLE {table}")
    connection.unregister("text")


def _report(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, files: list[Loaded]
) -> TableReport:
    fates = connection.execute(
        """
        SELECT __f, CASE WHEN __i IN (SELECT __i FROM bad) THEN 'quarantined'
            WHEN __i IN (SELECT __i FROM apart) THEN 'unmatched'
            WHEN __i IN (SELECT __i FROM twice) THEN 'duplicates' ELSE 'accepted' END AS fate,
            count(*)
        FROM typed GROUP BY ALL
        """
    ).fetchall()
    counts = {(number, fate): rows for number, fate, rows in fates}
    per_file = {
        file.source.label: _file_counts(counts, number, file) for number, file in enumerate(files)
    }
    _conserve(per_file)
    codes = dict(
        connection.execute("SELECT code, count(*) FROM bad GROUP BY 1 ORDER BY 1").fetchall()
    )
    for breach in (each for file in files for each in file.source.breaches):
        codes[breach.code] = codes.get(breach.code, 0) + 1
    ignored = sorted({name for file in files for name in file.placement.ignored})
    rows_in, accepted, quarantined, duplicates, unmatched, filtered = (
        sum(each[name] for each in per_file.values()) for name in COUNTS
    )
    return TableReport(
        rows_in=rows_in,
        accepted=accepted,
        quarantined=quarantined,
        duplicates=duplicates,
        unmatched=unmatched,
        filtered=filtered,
        errors=_errors(connection, contract, files),
        codes=codes,
        files=per_file,
        ignored_columns=tuple(ignored),
    )


def _file_counts(counts: dict[tuple[int, str], int], number: int, file: Loaded) -> dict[str, int]:
    broken = len(file.source.breaches)
    fates = {fate: counts.get((number, fate), 0) for fate in COUNTS[1:5]}
    fates["quarantined"] += broken
    rows_in = _height(file.source) - file.filtered
    return {"rows_in": rows_in, **fates, "filtered": file.filtered}


def _conserve(files: dict[str, dict[str, int]]) -> None:
    for label, counts in files.items():
        kept = sum(counts[fate] for fate in COUNTS[1:5])
        if kept != counts["rows_in"]:
            message = f"{label}: {counts['rows_in']} rows in, {kept} accounted for"
            raise InternalFault("conservation", message, "report this as a bug")


def _errors(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, files: list[Loaded]
) -> tuple[Breach, ...]:
    found = connection.execute(
        f"""
        SELECT text.__f, text.__r, col, code, text.* EXCLUDE (__f, __r, __i, __row)
        FROM (SELECT * FROM bad ORDER BY __i, col LIMIT {ERRORS_SHOWN}) JOIN text USING (__i)
        ORDER BY text.__f, text.__r, col
        """
    )
    names = [each[0] for each in found.description][4:]
    breaches = [
        _breach(
            contract,
            files[row[0]].source.label,
            row[1],
            row[2],
            row[3],
            dict(zip(names, row[4:], strict=True)),
        )
        for row in found.fetchall()
    ]
    broken = [each for file in files for each in file.source.breaches]
    ordered = sorted(
        broken + breaches, key=lambda each: (each.file, each.row or 0, each.column or "")
    )
    return tuple(ordered[:ERRORS_SHOWN])


def _breach(
    contract: TableContract,
    label: str,
    line: int,
    column: str | None,
    code: str,
    text: dict[str, str | None],
) -> Breach:
    if column is None:
        found = ", ".join(f"{name} {echo(text[name])}" for name in contract.key if text.get(name))
    else:
        found = echo(text[column], contract.column(column).personal)
    return Breach(label, line, column, code, found, CURES[code])


def _warnings(
    contract: TableContract, report: TableReport, finer: int, accepted: int
) -> tuple[str, ...]:
    said = []
    if accepted == 0:
        said.append(f"{contract.name}: no row was accepted")
    if finer:
        said.append(f"{contract.name}: {finer} amounts have more decimals than the currency (kept)")
    strange = report.codes.get("key.unknown_account", 0)
    if strange:
        said.append(
            f"{contract.name}: {strange} rows of money are of accounts that accounts does not have: set aside, not counted"
        )
    if report.unmatched:
        said.append(f"{contract.name}: {report.unmatched} rows of unknown accounts set aside")
    if report.ignored_columns:
        said.append(f"{contract.name}: columns not taken: {', '.join(report.ignored_columns)}")
    return tuple(said)


def _refusals(contract: TableContract, report: TableReport, allow_empty: bool) -> list[Fault]:
    refused = refuse_drift(contract, report)
    if report.accepted == 0 and contract.name in REQUIRED and not allow_empty and not refused:
        labels = ", ".join(report.files)
        message = f"{labels}: {report.rows_in} rows, none accepted"
        cure = "export the table again, or allow it with --allow-empty"
        refused.append(DataRejected("feed.no_rows", message, cure))
    return refused


def _provided(contract: TableContract, files: list[Loaded]) -> tuple[str, ...]:
    had = {name for file in files for name in file.placement.columns}
    names = [column.stored_name for column in contract.stored if column.name in had]
    if contract.name == "subscriptions" and "mrr_micros" not in names:
        names.append("mrr_micros")
    return tuple(names)
