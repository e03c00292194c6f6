"""Drift: when so many rows are bad that the file is not what it was, and is refused whole."""

from __future__ import annotations

from features.contracts import TableContract
from features.faults import DataRejected, Fault
from features.report import TableReport

__all__ = ["refuse_drift"]

TYPE_SHARE, TYPE_ROWS = 0.01, 50
BAD_SHARE, BAD_ROWS = 0.05, 100
NONE_GOOD = 10
_MAP = "map the column, or mend the export"
CAST = ("number.format", "number.not_finite", "boolean.format", "timestamp.format")


def refuse_drift(contract: TableContract, report: TableReport) -> list[Fault]:
    """Give the faults that refuse a table for what its rows have in common.

    A column of epoch numbers (``timestamp.unit``, more than half of the rows), more than 1 % of
    rows whose type has changed (``schema.type_drift``, from 50 such values on), more than 5 % of
    bad rows (``feed.bad_rows``, from 100 on), or nothing but bad rows (from 10 on).

    Examples
    --------
    >>> from features.contracts import TABLES
    >>> report = TableReport(rows_in=4, quarantined=3, codes={"timestamp.unit": 3})
    >>> refuse_drift(TABLES["usage"], report)[0].code
    'timestamp.unit'
    """
    label = ", ".join(report.files) or contract.name
    epochs = report.codes.get("timestamp.unit", 0)
    if 2 * epochs > report.rows_in:
        cure = 'declare units = "epoch_s" or "epoch_ms" for the column'
        return [DataRejected("timestamp.unit", f"{label}: {epochs} numbers for dates", cure)]
    drifted = sum(report.codes.get(code, 0) for code in CAST)
    if drifted >= TYPE_ROWS and drifted > TYPE_SHARE * report.rows_in:
        message = f"{drifted} values of {report.rows_in} rows are of another type"
        return [DataRejected("schema.type_drift", f"{_where(report)}: {message}", _MAP)]
    share = report.quarantined / report.rows_in if report.rows_in else 0.0
    many = report.quarantined >= BAD_ROWS and share > BAD_SHARE
    if many or (report.quarantined >= NONE_GOOD and share == 1):
        most = max(report.codes, key=lambda code: report.codes[code])
        message = f"{label}: {report.quarantined} of {report.rows_in} rows, mostly {most}"
        return [DataRejected("feed.bad_rows", message, "see the errors; mend the export")]
    return []


def _where(report: TableReport) -> str:
    """Name the file and column of the first such value, what it holds, and its first lines."""
    told = [each for each in report.errors if each.code in CAST]
    if not told:
        return ", ".join(report.files)
    first = told[0]
    lines = [str(e.row) for e in told if (e.file, e.column) == (first.file, first.column)]
    return f"{first.file}: {first.column} holds {first.found}, lines {', '.join(lines[:10])}"
