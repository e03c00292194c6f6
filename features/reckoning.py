"""Reckoning: every row of a table accounted for, file by file, and its breaches described."""

from __future__ import annotations

import duckdb

from features.breaches import CURES, Breach, echo
from features.contracts import TableContract
from features.erased import CODE
from features.faults import InternalFault
from features.readers import SourceRows
from features.report import ERRORS_SHOWN, TableReport
from features.staging import Loaded

__all__ = ["COUNTS", "height", "reckon", "worth_knowing"]

COUNTS = ("rows_in", "accepted", "quarantined", "duplicates", "unmatched", "filtered")
LOUD = 0.05
REVENUE = frozenset({"subscriptions", "mrr_by_month"})


def height(source: SourceRows) -> int:
    """Count the rows of a file, well formed or not."""
    return source.rows.num_rows + len(source.breaches)


def reckon(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, files: list[Loaded]
) -> TableReport:
    """Count what became of every row, and describe the first breaches.

    Raises
    ------
    InternalFault
        ``conservation`` if a row of a file is not accounted for.
    """
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
    if gone := sum(file.erased for file in files):
        codes[CODE] = gone
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
    rows_in = height(file.source) - file.filtered
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
        found = ", ".join(
            f"{name} {echo(text[name], contract.column(name).personal)}"
            for name in contract.key
            if text.get(name)
        )
    else:
        found = echo(text[column], contract.column(column).personal)
    return Breach(label, line, column, code, found, CURES[code])


def worth_knowing(
    contract: TableContract, report: TableReport, finer: int, accepted: int
) -> tuple[str, ...]:
    """Say what a user should hear about a table although nothing is refused."""
    said = []
    if accepted == 0:
        said.append(f"{contract.name}: no row was accepted")
    if finer:
        said.append(f"{contract.name}: {finer} amounts have more decimals than the currency (kept)")
    money = contract.name in REVENUE and report.quarantined
    if money or report.quarantined > LOUD * report.rows_in:
        share = report.quarantined / report.rows_in
        said.append(
            f"{contract.name}: {report.quarantined} of {report.rows_in} rows "
            f"({share:.{0 if share >= 0.01 else 4}%}) are set aside: figures will lack them"
        )
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
