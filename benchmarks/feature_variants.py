"""The inputs of the signals' benchmark: the book, the same a week later, and the same as CSV.

What stands already is left alone; remove the folder to draw it anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

__all__ = ["prepare"]


def prepare(folder: Path, rows: int, accounts: int, as_csv: bool) -> None:
    """Make ``book``, ``grown`` (the book and the next week, of the same files) and ``csv``.

    All stand before the first ingest: a link changes a file's ctime, and then it is read again.
    """
    book = folder / "book"
    print(f"input: {rows:,} usage rows of {accounts:,} accounts in {book}", flush=True)
    command = [sys.executable, "-m", "benchmarks.feature_book", str(book)]
    subprocess.run([*command, str(rows), str(accounts)], check=True)
    _once(folder / "grown", partial(_grown, book))
    if as_csv:
        _once(folder / "csv", partial(_as_csv, book))


def _once(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder unless it is there; a half-filled one never bears its name."""
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        fill(unfinished)
        unfinished.rename(folder)


def _grown(book: Path, folder: Path) -> None:
    """Link a book and the week that comes after it."""
    shutil.copytree(book, folder, copy_function=os.link)
    for path in (folder / "next").iterdir():
        os.link(path, folder / "usage" / path.name)


def _as_csv(book: Path, folder: Path) -> None:
    """Write a book again with its usage as CSV, one file a week as before."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    (folder / "usage").mkdir(parents=True)
    for path in book.glob("*.parquet"):
        os.link(path, folder / path.name)
    for path in sorted((book / "usage").iterdir()):
        target = folder / "usage" / f"{path.stem}.csv"
        connection.execute(f"COPY (FROM '{path}') TO '{target}' (HEADER)")
    text = (book / "perennial.toml").read_text(encoding="utf-8")
    (folder / "perennial.toml").write_text(text.replace(".parquet", ".csv"), encoding="utf-8")
