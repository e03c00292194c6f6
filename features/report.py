"""A report: what check and ingest found, table by table, in the shape that scripts rely on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from features.breaches import Breach
from features.faults import Fault

__all__ = ["ERRORS_SHOWN", "IngestReport", "TableReport"]

ERRORS_SHOWN = 1000


@dataclass(frozen=True)
class TableReport:
    """What became of the rows of one table.

    ``rows_in = accepted + quarantined + duplicates + unmatched`` for every file that is not
    refused; rows that ``where`` leaves out are counted apart, under ``filtered``.

    Attributes
    ----------
    rows_in, accepted, quarantined, duplicates, unmatched, filtered : int
        Counts of rows.
    refused : tuple of Fault
        Files (or the whole table) that were refused.
    errors : tuple of Breach
        The first 1,000 breaches.
    codes : dict of str to int
        How often each code occurs, over all rows.
    files : dict of str to dict
        The same counts per file.
    ignored_columns : tuple of str
        Source columns that were not taken.
    warnings : tuple of str
        What is worth knowing and refuses nothing.
    """

    rows_in: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    unmatched: int = 0
    filtered: int = 0
    refused: tuple[Fault, ...] = ()
    errors: tuple[Breach, ...] = ()
    codes: dict[str, int] = field(default_factory=dict)
    files: dict[str, dict[str, int]] = field(default_factory=dict)
    ignored_columns: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the shape of CONTRACT §2, with further keys."""
        refusals = [
            {"code": fault.code, "message": fault.message, "cure": fault.cure}
            for fault in self.refused
        ]
        return {
            "rows_in": self.rows_in,
            "accepted": self.accepted,
            "quarantined": self.quarantined,
            "duplicates": self.duplicates,
            "unmatched": self.unmatched,
            "filtered": self.filtered,
            "refused": len(self.refused),
            "refusals": refusals,
            "errors": [breach.to_json() for breach in self.errors],
            "codes": self.codes,
            "files": self.files,
            "ignored_columns": list(self.ignored_columns),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class IngestReport:
    """What check or ingest found.

    Attributes
    ----------
    status : str
        ``checked``, ``published``, ``already_ingested`` or ``refused``.
    snapshot : str or None
        Id of the snapshot that now serves; None when nothing was published.
    tables : dict of str to TableReport
        Per table.
    coverage : dict
        Rows, accounts covered, first and last date per table; statements about the book.
    refusals : tuple of Fault
        What refused the book, the first one first; each carries its exit code.
    warnings : tuple of str
        What is worth knowing and refuses nothing.

    Examples
    --------
    >>> report = IngestReport("checked", None, {"usage": TableReport(rows_in=2, accepted=2)})
    >>> report.exit_code, report.to_json()["tables"]["usage"]["accepted"]
    (0, 2)
    """

    status: str
    snapshot: str | None
    tables: dict[str, TableReport]
    coverage: dict[str, Any] = field(default_factory=dict)
    refusals: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or the exit code of the first refusal."""
        return self.refusals[0].exit_code if self.refusals else 0

    def raise_refusal(self) -> None:
        """Raise the first refusal, if there is one."""
        if self.refusals:
            raise self.refusals[0]

    def to_json(self) -> dict[str, Any]:
        """Give the shape of CONTRACT §2, with further keys."""
        return {
            "status": self.status,
            "snapshot": self.snapshot,
            "tables": {name: table.to_json() for name, table in self.tables.items()},
            "coverage": self.coverage,
            "refusals": [str(fault) for fault in self.refusals],
            "warnings": list(self.warnings),
        }
