"""A kept table: a whole table as an ingest left it, taken over by the next where all is as it was.

Its files must be as they were, it must be read in the same way, and no account that matters to its
rows may have come or gone. Then the snapshot's file is linked, and the report told again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.breaches import Breach
from features.contracts import TableContract
from features.copies import Staged
from features.examination import Examined
from features.feed_ledger import Source
from features.mapping import Workspace
from features.partitions import Kept
from features.program import program_digest
from features.quarantine import Aside
from features.report import TableReport

__all__ = ["KeptTable", "LastTable", "table_terms"]

STRANGE = ("key.unknown_account", "merger.survivor")
COUNTS = ("rows_in", "accepted", "quarantined", "duplicates", "unmatched", "filtered")


@dataclass(frozen=True)
class KeptTable:
    """What is remembered of a whole table.

    Attributes
    ----------
    kept : Kept
        Its rows.
    report : TableReport
        What became of the rows of its files.
    provided : tuple of str
        Columns that the source really had.
    sources : tuple of Source
        Its files.
    terms : str
        ``table_terms`` under which it was read.
    """

    kept: Kept
    report: TableReport = field(default_factory=TableReport)
    provided: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    terms: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give what ``of`` reads; what has an order of its own is told as pairs."""
        report = self.report
        return {
            "kept": self.kept.to_json(),
            "counts": [getattr(report, name) for name in COUNTS],
            "errors": [each.to_json() for each in report.errors],
            "codes": list(report.codes.items()),
            "files": [[label, list(told.items())] for label, told in report.files.items()],
            "ignored": list(report.ignored_columns),
            "warnings": list(report.warnings),
            "provided": list(self.provided),
            "sources": [[each.label, each.to_json()] for each in self.sources],
            "terms": self.terms,
        }

    @classmethod
    def of(cls, entry: dict[str, Any], folder: Path) -> KeptTable:
        """Read what ``to_json`` gave; its file lies in ``folder``."""
        report = TableReport(
            **dict(zip(COUNTS, entry["counts"], strict=True)),
            errors=tuple(Breach(**each) for each in entry["errors"]),
            codes=dict(entry["codes"]),
            files={label: dict(told) for label, told in entry["files"]},
            ignored_columns=tuple(entry["ignored"]),
            warnings=tuple(entry["warnings"]),
        )
        sources = tuple(
            Source(label, each["sha256"], tuple(each["stat"]) if each["stat"] else None)
            for label, each in entry["sources"]
        )
        kept, provided = Kept.of(entry["kept"], folder), tuple(entry["provided"])
        return cls(kept, report, provided, sources, entry["terms"])


@dataclass(frozen=True)
class LastTable:
    """What the last ingest left of a whole table.

    Attributes
    ----------
    table : KeptTable
        The table.
    accounts : pyarrow.Array
        The accounts that were known then.
    aside : Path
        The folder of the rows that were set aside (may be gone).
    """

    table: KeptTable
    accounts: pa.Array
    aside: Path

    def taken_over(
        self,
        contract: TableContract,
        terms: str,
        sources: Mapping[str, Path | Staged],
        known: pa.Array | None,
    ) -> Examined | None:
        """Give the table as an examination would leave it; None where it has to be examined.

        A table without a row is read again, for it may be refused; so is one of which a row lay in
        the future, and one whose rows set aside were cleared away.
        """
        held = self.table
        if held.terms != terms or not held.report.accepted or not self._stands(sources):
            return None
        if held.report.codes.get("timestamp.future") or not self._judged_alike(contract, known):
            return None
        try:
            aside = self._aside(contract.name)
        except (FileNotFoundError, pa.ArrowInvalid):
            return None
        if not held.kept.whole:
            return None
        return Examined(held.report, held.kept, held.provided, aside, held.sources, terms)

    def _stands(self, sources: Mapping[str, Path | Staged]) -> bool:
        before = {each.label: each for each in self.table.sources}
        return list(before) == list(sources) and all(
            before[place].stands(source) for place, source in sources.items()
        )

    def _judged_alike(self, contract: TableContract, known: pa.Array | None) -> bool:
        """Say whether its rows are of the same accounts, known and unknown."""
        if contract.stranger == "none":
            return True
        if known is None or not pc.all(pc.is_in(self.accounts, known), min_count=0).as_py():
            return False
        report = self.table.report
        strange = report.unmatched or any(report.codes.get(code) for code in STRANGE)
        return len(known) == len(self.accounts) or not strange

    def _aside(self, name: str) -> Aside | None:
        report = self.table.report
        if not report.quarantined and not report.unmatched:
            return None
        told = {
            f"{name}.parquet": report.quarantined,
            f"{name}.unmatched.parquet": report.unmatched,
        }
        found = {file: self._rows(file, rows) for file, rows in told.items() if rows}
        empty = next(iter(found.values())).slice(0, 0)
        return Aside(*(found.get(file, empty) for file in told))

    def _rows(self, file: str, there: int) -> pa.Table:
        """Read rows that were set aside; all of them must still be there."""
        rows = pq.ParquetFile(self.aside / file).read()
        if rows.num_rows != there:
            raise FileNotFoundError(file)
        return rows


def table_terms(contract: TableContract, workspace: Workspace) -> str:
    """Digest what a whole table is read by: its contract, the mapping, and the code that reads."""
    book, settings = workspace.book, workspace.table(contract.name)
    said = sorted(settings.model_dump(mode="json", exclude={"source"}).items())
    words = repr(
        (contract, said, book.currency, book.timezone, duckdb.__version__, program_digest())
    )
    return hashlib.sha256((words + workspace.erased.terms).encode()).hexdigest()
