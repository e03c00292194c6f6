"""A feed's report: what became of the rows of every file, added up from its ledger."""

from __future__ import annotations

from features.faults import InternalFault
from features.feed_ledger import FeedLedger, FileEntry
from features.reckoning import COUNTS
from features.report import ERRORS_SHOWN, TableReport

__all__ = ["feed_report"]


def feed_report(ledger: FeedLedger, counts: dict[str, tuple[int, int]]) -> TableReport:
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
