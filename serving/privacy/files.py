"""An account taken out of the files of runs: exports, outlooks, digests."""

from __future__ import annotations

import csv
import hashlib
import html
import io
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.durable import replace, write
from features.faults import Fault
from serving.digest.files import FILES, digested
from serving.exports import csv_rows, safe_cell
from serving.privacy.who import Who
from serving.store import Store

__all__ = ["clear_outlooks", "exports_without", "outlook_without"]


def outlook_without(home: Path, run: str, digest: str, account_id: str) -> str | None:
    """Write a run's outlook anew beside the old one, and give its digest.

    None where there is none, where it is not the one that was published, and where it does not
    hold the account.
    """
    path = _outlook(home, run, digest)
    if not path.is_file():
        return None
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        return None
    rows = pq.read_table(pa.BufferReader(content))
    left = rows.filter(pc.not_equal(rows["account_id"], account_id))
    if left.num_rows == rows.num_rows:
        return None
    written = _parquet(left)
    new = hashlib.sha256(written).hexdigest()
    write(_outlook(home, run, new), written)
    return new


def clear_outlooks(home: Path, run: str, digest: str | None) -> None:
    """Remove every outlook of a run but the one that its document names."""
    kept = _outlook(home, run, digest).name if digest else ""
    for path in (home / "exports" / run).glob("outlook-*.parquet"):
        if path.name != kept:
            path.unlink()


def exports_without(store: Store, who: Who) -> int:
    """Take an account out of the files of every run; give how many were written anew."""
    changed = 0
    for folder in sorted((store.home / "exports").glob("[!.]*")):
        for path in sorted(folder.glob("*")):
            left = _left(path, who)
            if left is not None:
                replace(path, left)
                changed += 1
        changed += _digest(store, folder, who)
        told = store.document(folder.name, "outlook")
        clear_outlooks(store.home, folder.name, told["sha256"] if told else None)
    return changed


def _left(path: Path, who: Who) -> bytes | None:
    """Give what is left of a file; None where it does not name the account."""
    if path.name == "scores.parquet":
        rows = pq.ParquetFile(path).read()
        left = rows.filter(pc.not_equal(rows["account_id"], who.account_id))
        return _parquet(left) if left.num_rows < rows.num_rows else None
    if path.suffix == ".csv":
        return _csv(path.read_bytes(), who)
    if path.suffix == ".json":
        body = orjson.loads(path.read_bytes())
        left_of = who.left(body)
        option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        return orjson.dumps(left_of, option=option) if left_of != body else None
    return None


def _csv(content: bytes, who: Who) -> bytes | None:
    rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))
    at = rows[0].index("account_id") if rows and "account_id" in rows[0] else None
    named = safe_cell(who.account_id)
    left = [row for row in rows if at is None or row[at] != named]
    return csv_rows(left) if len(left) < len(rows) else None


def _digest(store: Store, folder: Path, who: Who) -> int:
    """Write a run's digest again where it speaks of the account."""
    texts = [folder / name for name in FILES if (folder / name).is_file()]
    if not any(who.said_in(html.unescape(path.read_text(encoding="utf-8"))) for path in texts):
        return 0
    for path in texts:
        path.unlink()
    try:
        digested(store, folder.name)
    except Fault:
        return len(texts)  # what it was made of is no longer there: it is gone for good
    return len(texts)


def _outlook(home: Path, run: str, digest: str) -> Path:
    return home / "exports" / run / f"outlook-{digest[:16]}.parquet"


def _parquet(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content
