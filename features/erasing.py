"""Erasing: an account taken out of every snapshot, each written anew under the name of what is left.

A snapshot is named by what it holds, so it has another name afterwards. Which name became which is
kept beside the snapshots, and whoever opens one by its old name is given the new one. What an ingest
remembers of its files goes with the old snapshot: the next ingest reads everything again.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.digest import content_digest
from features.durable import replace, sync, write
from features.erased import REFERENCES, Erased, without
from features.locking import held
from features.partitions import Kept, bring, keep_rows
from features.publication import name_of, sweep
from features.renamed import note_renamed

__all__ = ["names_of", "set_aside_without", "snapshots_without"]

_WAIT_SECONDS = 60.0
_NAMING = ("account_id", *REFERENCES)
Parts = dict[str, Any]
SNAPSHOTS, QUARANTINE = "snapshots", "quarantine"


def snapshots_without(home: Path, erased: Erased, mapping: str) -> dict[str, str]:
    """Write every snapshot that holds an erased account anew, and remove the old one.

    Killed at any moment, it is finished by the next call.

    Parameters
    ----------
    home : Path
    erased : Erased
    mapping : str
        ``features.current.mapping_digest`` of today: the latest snapshot stays current.

    Returns
    -------
    dict of str to str
        Old name → new name.

    Raises
    ------
    Busy
        ``busy`` if an ingest is at work (exit code 75).
    """
    moved: dict[str, str] = {}
    if not (home / SNAPSHOTS).is_dir():
        return moved
    with held(home / "ingest.lock", wait_seconds=_WAIT_SECONDS):
        sweep(home)
        pointer = home / SNAPSHOTS / "latest"
        latest = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else ""
        for folder in sorted(each for each in (home / SNAPSHOTS).iterdir() if each.is_dir()):
            if not _holds(folder, erased):
                continue
            new = _Rewriting(folder, erased, mapping if folder.name == latest else None).done()
            if folder.name == latest:
                replace(pointer, f"{new}\n".encode())
            moved[folder.name] = new
            _gone(home, folder.name, new)
    return moved


def names_of(home: Path, account_id: str) -> list[str]:
    """Give the names that snapshots know an account by; empty where none knows it."""
    found: set[str] = set()
    for path in sorted((home / SNAPSHOTS).glob("*/accounts.parquet")):
        rows = pq.ParquetFile(path).read()
        mine = rows.filter(pc.equal(rows["account_id"], account_id))
        names = mine["name"].to_pylist() if "name" in mine.column_names else []
        found |= {str(name) for name in names if name} or ({""} if mine.num_rows else set())
    return sorted(found)


def set_aside_without(home: Path, erased: Erased, words: tuple[str, ...]) -> int:
    """Take an erased account out of what was set aside; give how many rows that were.

    ``words`` are its id and its names: a line that says one of them goes too.
    """
    gone = 0
    for path in sorted((home / QUARANTINE).glob("*/*.parquet")):
        rows = pq.ParquetFile(path).read()
        left, _ = without(rows, erased)
        if "__raw" in left.column_names:
            there = [erased.named_in(raw or "") for raw in left["__raw"].to_pylist()]
            left = left.filter(pc.invert(pa.array(there, pa.bool_())))
        if left != rows:
            gone += rows.num_rows - left.num_rows
            _replaced(path, left)
    for path in sorted((home / QUARANTINE).glob("*/errors.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not any(word in line for word in words)]
        if len(kept) < len(lines):
            replace(path, "".join(kept).encode())
    return gone


def _holds(folder: Path, erased: Erased) -> bool:
    """Whether any file of a snapshot names an erased account."""
    for path in folder.rglob("*.parquet"):
        with pq.ParquetFile(path) as file:
            columns = [n for n in file.schema_arrow.names if n in _NAMING]
            rows = file.read(columns) if columns else None
        if rows is not None and without(rows, erased)[0] != rows:
            return True
    return False


@dataclass
class _Rewriting:
    """One snapshot, written anew."""

    folder: Path
    erased: Erased
    mapping: str | None

    def done(self) -> str:
        """Write what is left, and give its name."""
        manifest = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        staged = self.folder.with_name(f".tmp-erased-{self.folder.name}")
        staged.mkdir(mode=0o700)
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        entries = {}
        for table, entry in manifest["tables"].items():
            entries[table], before[table], after[table] = self._entry(entry, staged)
        name = self._name(manifest["book"], before, after)
        told = manifest | {"id": name, "tables": entries}
        if self.mapping is not None:
            told |= {"sources": manifest["sources"] | {"mapping": self.mapping}}
        self._place(staged, name, f"{json.dumps(told, indent=1, sort_keys=True)}\n".encode())
        return name

    def _name(self, book: dict[str, Any], before: Parts, after: Parts) -> str:
        """Name what is left as an ingest would: by the as-of date that was chosen then, if any."""
        chosen = [
            facts
            for facts in (book | {"as_of": None}, book)
            if name_of(before, facts) == self.folder.name
        ]
        return name_of(after, chosen[0] if chosen else book | {"as_of": None})

    def _place(self, staged: Path, name: str, manifest: bytes) -> None:
        target = self.folder.with_name(name)
        if target == self.folder:  # only what lies beside the content named the account
            replace(target / "manifest.json", manifest)
            (target / "feeds.json").unlink(missing_ok=True)
            for beside in target.glob("_*"):
                shutil.rmtree(beside)
        if target.exists():
            shutil.rmtree(staged)
            return
        write(staged / "manifest.json", manifest)
        for each in [path for path in staged.rglob("*") if path.is_dir()]:
            sync(each)
        sync(staged)
        staged.rename(target)
        sync(target.parent)

    def _entry(self, entry: dict[str, Any], staged: Path) -> tuple[dict[str, Any], Any, Any]:
        """Give an entry of what is left, and by what the table is named before and after."""
        if "rolled" not in entry:
            kept = Kept.of(entry, self.folder)
            digest = content_digest(pq.ParquetFile(kept.at).read())
            left = self._left(replaced(kept, digest=digest), staged)
            told = {"file": left.file, "sha256": left.sha256, "rows": left.rows}
            return entry | told, digest, left.digest
        rolled, then, now = {}, {}, {}
        for rollup, months in entry["rolled"].items():
            then[rollup] = {each["month"]: each["digest"] for each in months}
            left_of = [(m["month"], self._left(Kept.of(m, self.folder), staged)) for m in months]
            kept_of = [(month, left) for month, left in left_of if left.rows]
            now[rollup] = {month: left.digest for month, left in kept_of}
            rolled[rollup] = [{"month": month} | left.to_json() for month, left in kept_of]
        return entry | {"rolled": rolled}, then, now

    def _left(self, kept: Kept, staged: Path) -> Kept:
        """Write what is left of a file; one that does not name the account is linked."""
        rows = pq.ParquetFile(kept.at).read()
        left, _ = without(rows, self.erased)
        if left == rows:
            return replaced(bring(kept, staged), rows=rows.num_rows)
        return keep_rows(left, staged, kept.file.removesuffix(".parquet"))


def _gone(home: Path, old: str, new: str) -> None:
    """Note a snapshot's new name, and remove all that bore the old one."""
    if old == new:
        return
    note_renamed(home, old, new)
    aside = home / QUARANTINE / old
    if aside.is_dir():
        shutil.rmtree(home / QUARANTINE / new, ignore_errors=True)
        aside.rename(home / QUARANTINE / new)
        sync(aside.parent)
    shutil.rmtree(home / SNAPSHOTS / old)
    sync(home / SNAPSHOTS)


def _replaced(path: Path, rows: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    replace(path, sink.getvalue().to_pybytes())
