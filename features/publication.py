"""Publication: a snapshot is a folder of Parquet, named by its content, published by one rename.

The name is a digest of what the tables hold and of the book's facts: no clock, no path, no order
of rows. A process that dies half-way leaves a temporary folder, which the next one removes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.durable import disk_watched, replace, sync, write, writing

__all__ = ["content_digest", "publish", "read_manifest", "snapshot_id", "sweep"]

FORMAT = 1
POINTER = "latest"


def content_digest(table: pa.Table) -> str:
    """Digest the names, types and values of a table, in its order of rows.

    Examples
    --------
    >>> one = pa.table({"a": [1, None]})
    >>> content_digest(one) == content_digest(pa.concat_tables([one[:1], one[1:]]))
    True
    >>> content_digest(one) == content_digest(one.rename_columns(["b"]))
    False
    """
    digest = hashlib.sha256()
    for column in table.schema:
        digest.update(f"{column.name}\x1f{column.type}\x1f{table.num_rows}\x1e".encode())
        values = table[column.name].combine_chunks()
        digest.update(_bytes(pc.is_valid(values).cast(pa.uint8())))
        if pa.types.is_string(column.type):
            digest.update(_bytes(pc.binary_length(values).fill_null(0)))
            digest.update("".join(_texts(values)).encode("utf-8", "surrogatepass"))
        else:
            digest.update(_bytes(_numbers(values)))
    return digest.hexdigest()


def _texts(values: pa.Array) -> list[str]:
    return [text for text in values.to_pylist() if text is not None]


def _numbers(values: pa.Array) -> pa.Array:
    if pa.types.is_boolean(values.type):
        return values.cast(pa.uint8()).fill_null(0)
    if pa.types.is_date32(values.type):
        return values.cast(pa.int32()).fill_null(0)
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.int64()).fill_null(0)
    return values.fill_null(0)


def _bytes(values: pa.Array) -> bytes:
    return bytes(values.to_numpy(zero_copy_only=False).tobytes())


def snapshot_id(tables: dict[str, pa.Table], facts: dict[str, Any]) -> str:
    """Name a snapshot by what it holds (20 hexadecimal digits)."""
    parts = {name: content_digest(table) for name, table in sorted(tables.items())}
    text = json.dumps({"format": FORMAT, "book": facts, "tables": parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def sweep(home: Path) -> None:
    """Remove what a process that died left behind. The caller holds the lock."""
    for left in (home / "snapshots").glob(".tmp-*"):
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


def publish(
    home: Path,
    name: str,
    tables: dict[str, pa.Table],
    manifest: dict[str, Any],
) -> bool:
    """Write a snapshot and let ``latest`` point at it; say whether it was new.

    A snapshot that is there whole is not written again: only its manifest (source digests,
    default as-of date) is renewed, and the pointer moved. One that was damaged is replaced.

    Raises
    ------
    CannotWrite
        ``disk.full`` if the disk refuses; the last good snapshot keeps serving.
    """
    with disk_watched(home):
        try:
            return _publish(home, name, tables, manifest)
        except OSError:
            sweep(home)
            raise


def _publish(home: Path, name: str, tables: dict[str, pa.Table], manifest: dict[str, Any]) -> bool:
    folder = home / "snapshots"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target, staged = folder / name, folder / f".tmp-{name}"
    fresh = not _whole(target)
    if fresh:
        if target.exists():
            target.rename(folder / f".tmp-broken-{name}")
            sweep(home)
        staged.mkdir(mode=0o700)
        files = {table: _write(staged / f"{table}.parquet", rows) for table, rows in tables.items()}
        write(staged / "manifest.json", _manifest(name, manifest, files))
        sync(staged)
        staged.rename(target)
    else:
        kept = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
        digests = {table: entry["sha256"] for table, entry in kept["tables"].items()}
        replace(target / "manifest.json", _manifest(name, manifest, digests))
    sync(folder)
    replace(folder / POINTER, f"{name}\n".encode())
    return fresh


def _whole(target: Path) -> bool:
    """Say whether a snapshot holds what was written."""
    manifest = _read(target / "manifest.json")
    if manifest is None:
        return False
    entries = manifest["tables"].values()
    return all(_digest(target / entry["file"]) == entry["sha256"] for entry in entries)


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    """Read a manifest; None where there is none, or none that can be read."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None


def _manifest(name: str, manifest: dict[str, Any], digests: dict[str, str]) -> bytes:
    tables = {
        table: entry | {"file": f"{table}.parquet", "sha256": digests[table]}
        for table, entry in manifest["tables"].items()
    }
    whole = {"format": FORMAT, "id": name} | manifest | {"tables": tables}
    return f"{json.dumps(whole, indent=1, sort_keys=True)}\n".encode()


def _write(path: Path, rows: pa.Table) -> str:
    with writing(path, once=True) as sink:
        pq.write_table(rows, sink, compression="zstd", row_group_size=1 << 17)
    return _digest(path) or ""


def read_manifest(home: Path) -> dict[str, Any] | None:
    """Give the manifest of the snapshot that serves; None when there is none to read."""
    pointer = home / "snapshots" / POINTER
    if not pointer.is_file():
        return None
    name = pointer.read_text(encoding="utf-8").strip()
    return _read(home / "snapshots" / name / "manifest.json")
