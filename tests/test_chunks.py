from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.chunks import MARKS, ExaminedChunk, examined_chunks, staged
from features.contracts import TABLES, stored_schema
from features.mapping import TableSettings, Workspace

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
USAGE = (
    "event_id,account_id,occurred_at,feature,count\n"
    "e1,a,2025-06-01T10:00:00Z,search,3\n"
    "e2,a,2025-06-02T10:00:00Z,search,many\n"
    "e3,b,2025-06-03T10:00:00Z,search,\n"
)


def chunks(
    folder: Path, name: str, content: bytes, settings: TableSettings | None = None
) -> list[ExaminedChunk]:
    """Examine one file as the usage of a book."""
    (folder / name).write_bytes(content)
    (folder / "copies").mkdir(exist_ok=True)
    workspace = Workspace(folder, folder, tables={"usage": settings or TableSettings()})
    source = staged(folder / name, folder, folder / "copies")
    return list(examined_chunks(source, workspace, TABLES["usage"], NOW))


def test_a_chunk_has_the_stored_columns_and_its_marks(tmp_path: Path) -> None:
    (chunk,) = chunks(tmp_path, "usage.csv", USAGE.encode())
    assert chunk.rows.schema == pa.schema([*stored_schema("usage"), *MARKS])
    assert chunk.rows["__line"].to_pylist() == [2, 4]
    assert chunk.rows["count"].to_pylist() == [3.0, 1.0]
    assert (chunk.report.rows_in, chunk.report.accepted, chunk.report.quarantined) == (3, 2, 1)
    assert chunk.aside is not None
    assert chunk.aside.bad["event_id"].to_pylist() == ["e2"]
    assert chunk.provided == ("event_id", "account_id", "occurred_at", "feature", "count")


def test_an_event_has_one_key_in_csv_and_in_parquet(tmp_path: Path) -> None:
    (text,) = chunks(tmp_path, "usage.csv", USAGE.encode())
    table = pa.table({"event_id": ["e1", "e3"], "account_id": ["a", "b"], "feature": ["s", "s"]})
    days = pa.array([datetime(2025, 6, 1, tzinfo=UTC)] * 2, pa.timestamp("us", tz="UTC"))
    pq.write_table(table.append_column("occurred_at", days), tmp_path / "x.parquet")
    (typed,) = chunks(tmp_path, "usage.parquet", (tmp_path / "x.parquet").read_bytes())
    assert text.rows["__key"].to_pylist() == typed.rows["__key"].to_pylist()
