"""Books in the shape of other systems: a shipped mapping over a hand-written sample of its exports."""

from __future__ import annotations

import re
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from features.chunks import examined_chunks, staged
from features.contracts import TABLES
from features.databases import extract
from features.mapping import Workspace, read_workspace
from features.rehearsal import rehearsed
from features.rollup import FEEDS
from features.sources import find_files

ROOT = Path(__file__).parents[1]
SAMPLES, MAPPINGS = ROOT / "tests" / "samples", ROOT / "features" / "mappings"
NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
ADA, BEE, CEE = (f"0015g00000{name}1AAAB" for name in ("Ada", "Bee", "Cee"))
PLAIN = {
    "accounts": "account_id\n{0}\n{1}\n{2}\n",
    "subscriptions": "account_id,starts_on,mrr\n{0},2025-01-01,10\n",
}


@dataclass(frozen=True)
class MappedBook:
    """What an ingest makes of a book under shipped mappings; nothing of it was set aside.

    Attributes
    ----------
    counts : dict of str to tuple of int
        Table → rows accepted, rows filtered out.
    rows : dict of str to list of dict
        Table → its accepted rows, before any is summed up.
    said : str
        The warnings.
    """

    counts: dict[str, tuple[int, int]]
    rows: dict[str, list[dict[str, object]]]
    said: str

    def told(self, table: str, *names: str) -> list[tuple[object, ...]]:
        """Give some columns of a table's rows."""
        return [tuple(row[name] for name in names) for row in self.rows[table]]


def mapped(
    folder: Path, *systems: str, book: str = "", ids: tuple[str, ...] = (ADA, BEE, CEE)
) -> MappedBook:
    """Ingest the samples of systems under their mappings; accounts and revenue are there at least."""
    workspace = laid_out(folder, *systems, book=book)
    for table in PLAIN.keys() - workspace.tables.keys():
        (folder / f"{table}.csv").write_text(PLAIN[table].format(*ids))
    with rehearsed(workspace, NOW) as rehearsal:
        assert rehearsal.book is not None, rehearsal.report.refusals
        reports, connection = rehearsal.report.tables, rehearsal.book.connection
        whole = {
            table: connection.execute(f"FROM {table}").to_arrow_table().to_pylist()
            for table in reports
            if table not in FEEDS
        }
    assert [error for each in reports.values() for error in each.errors] == []
    feeds = {table: _feed(workspace, table) for table in reports if table in FEEDS}
    counts = {name: (each.accepted, each.filtered) for name, each in reports.items()}
    said = "\n".join(line for each in reports.values() for line in each.warnings)
    return MappedBook(counts, whole | feeds, said)


def laid_out(folder: Path, *systems: str, book: str = "") -> Workspace:
    """Copy the samples of systems, and write their mappings as one perennial.toml."""
    parts = [f"[book]\n{book}", *((MAPPINGS / f"{name}.toml").read_text() for name in systems)]
    (folder / "perennial.toml").write_text("\n".join(parts))
    for system in systems:
        shutil.copytree(SAMPLES / system, folder / system, dirs_exist_ok=True)
    return read_workspace(folder / "perennial.toml")


def _feed(workspace: Workspace, table: str) -> list[dict[str, object]]:
    """Give the rows of a feed, which a snapshot keeps summed up alone."""
    asked = extract(workspace, workspace.directory / "asked")
    copies = workspace.directory / "copies"
    copies.mkdir(exist_ok=True)
    files = [staged(path, workspace.book_dir, copies) for path in find_files(workspace, table)]
    sources = [asked[table]] if table in asked else files
    return [
        row
        for source in sources
        for chunk in examined_chunks(source, workspace, TABLES[table], NOW)
        for row in chunk.rows.to_pylist()
    ]


def warehouse(folder: Path, system: str) -> str:
    """Make the database of a sample, and give its URL."""
    path = folder / f"{system}.db"
    with sqlite3.connect(path) as database:
        database.executescript((SAMPLES / system / "warehouse.sql").read_text())
    database.close()
    return f"sqlite:///{path}"


def commands(page: str) -> list[str]:
    """Give what Python a page of the docs tells to run."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"python - <<'END'\n(.*?)\nEND\n", text, re.DOTALL)
