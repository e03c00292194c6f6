"""Closed periods on disk: HOME/closed/YYYY-MM, a frozen ledger and the manifest that vouches for it.

A period appears by one rename and is never rewritten. Its manifest carries the digest of the
ledger and one of itself; whatever does not match them is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.asof import month_end
from features.durable import disk_watched, replace, sync, write
from features.faults import DataRejected, UsageFault
from features.locking import held

__all__ = [
    "anonymised",
    "closed_months",
    "closing_month",
    "period_folder",
    "read_ledger",
    "read_manifest",
    "write_period",
]

FORMAT = 1
MANIFEST = "manifest.json"

_MONTH = re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])")
_WAIT_SECONDS = 30


def closing_month(text: str) -> date:
    """Read a month, and give its last day.

    Raises
    ------
    UsageFault
        ``month.unknown`` for anything but YYYY-MM.

    Examples
    --------
    >>> closing_month("2024-02")
    datetime.date(2024, 2, 29)
    """
    found = _MONTH.fullmatch(text)
    if found is None:
        raise UsageFault("month.unknown", f'month "{text}"', "use a month as 2025-05")
    return month_end(date(int(found[1]), int(found[2]), 1))


def period_folder(home: Path, closing: date) -> Path:
    """Give the folder of a period that closes on a month-end."""
    return home / "closed" / f"{closing:%Y-%m}"


def closed_months(home: Path) -> list[date]:
    """List the month-ends that were closed, the earliest first."""
    folders = (home / "closed").glob("*") if (home / "closed").is_dir() else ()
    return sorted(closing_month(path.name) for path in folders if _MONTH.fullmatch(path.name))


def write_period(home: Path, closing: date, ledger: pa.Table, facts: dict[str, Any]) -> None:
    """Publish a frozen period by one rename: whole, or not at all. The caller holds the lock.

    Raises
    ------
    CannotWrite
        ``disk.full`` if the disk refuses; nothing is left behind.
    """
    target = period_folder(home, closing)
    staged = target.with_name(f".tmp-{target.name}")
    _sweep(target.parent)
    with disk_watched(home):
        try:
            staged.mkdir(mode=0o700, parents=True)
            _store(staged, ledger, facts)
            staged.rename(target)
            sync(target.parent)
        except OSError:
            _sweep(target.parent)
            raise


def read_manifest(home: Path, closing: date) -> dict[str, Any]:
    """Give the manifest of a closed period.

    Raises
    ------
    UsageFault
        ``closed.none`` if the month was not closed.
    DataRejected
        ``closed.corrupt`` if the manifest is gone, or not what was written.
    """
    folder = period_folder(home, closing)
    if not folder.is_dir():
        months = ", ".join(f"{month:%Y-%m}" for month in closed_months(home)) or "none"
        cure = f"closed so far: {months}; run `perennial close {folder.name}`"
        raise UsageFault("closed.none", f"{folder.name} was not closed", cure)
    try:
        manifest = dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError) as gone:
        raise _corrupt(folder / MANIFEST, "gone, or not JSON") from gone
    if manifest.get("id") != _identity(manifest):
        raise _corrupt(folder / MANIFEST, "not what was written at closing")
    return manifest


def read_ledger(home: Path, closing: date) -> pa.Table:
    """Give the frozen ledger of a closed period.

    Raises
    ------
    UsageFault
        ``closed.none`` if the month was not closed.
    DataRejected
        ``closed.corrupt`` if a file of the period is gone, or not what was written.
    """
    entry = read_manifest(home, closing)["ledger"]
    path = period_folder(home, closing) / entry["file"]
    if not path.is_file():
        raise _corrupt(path, "gone")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise _corrupt(path, "its digest is not the one taken at closing")
    return pq.read_table(pa.BufferReader(content))


def anonymised(home: Path, old_id: str, new_id: str) -> list[str]:
    """Put an id that leads nowhere in an account's place, in every closed period.

    Every amount stays, so closed figures stand. The manifest moves to the new ledger in one
    rename and then the old ledger goes: a call that died half-way is finished by the next.

    Parameters
    ----------
    home : Path
        Folder of the state.
    old_id, new_id : str
        The account's id, and the one that stands for it from now on (of no other account).

    Returns
    -------
    list of str
        The months whose ledger was rewritten.
    """
    months = closed_months(home)
    if not months:
        return []
    with held(home / "close.lock", wait_seconds=_WAIT_SECONDS):
        _sweep(home / "closed")
        return [f"{month:%Y-%m}" for month in months if _renamed(home, month, old_id, new_id)]


def _renamed(home: Path, closing: date, old_id: str, new_id: str) -> bool:
    folder, manifest = period_folder(home, closing), read_manifest(home, closing)
    ledger = read_ledger(home, closing)
    here = pc.equal(ledger["account_id"], old_id)
    found = bool(pc.any(here).as_py())
    if found:
        ids = pc.if_else(here, new_id, ledger["account_id"])
        ledger = ledger.set_column(ledger.column_names.index("account_id"), "account_id", ids)
        ledger = ledger.sort_by([("account_id", "ascending"), ("month_end", "ascending")])
        with disk_watched(home):
            _store(folder, ledger, manifest)
    _keep_only(folder, read_manifest(home, closing)["ledger"]["file"])
    return found


def _store(folder: Path, ledger: pa.Table, facts: dict[str, Any]) -> None:
    """Write a ledger under its digest's name, then the manifest that points to it."""
    sink = pa.BufferOutputStream()
    pq.write_table(ledger, sink, compression="zstd", row_group_size=1 << 17)
    content = sink.getvalue().to_pybytes()
    digest = hashlib.sha256(content).hexdigest()
    name = f"ledger-{digest[:16]}.parquet"
    write(folder / name, content)
    entry = {"file": name, "sha256": digest, "rows": ledger.num_rows}
    manifest = {"format": FORMAT} | facts | {"ledger": entry}
    text = json.dumps(manifest | {"id": _identity(manifest)}, indent=1, sort_keys=True) + "\n"
    replace(folder / MANIFEST, text.encode())


def _identity(manifest: dict[str, Any]) -> str:
    text = json.dumps({key: manifest[key] for key in manifest if key != "id"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _keep_only(folder: Path, ledger: str) -> None:
    for path in folder.iterdir():
        if path.name not in (MANIFEST, ledger):
            path.unlink()
    sync(folder)


def _sweep(closed: Path) -> None:
    """Remove what a process that died left behind."""
    for left in closed.glob(".tmp-*"):
        shutil.rmtree(left, ignore_errors=True)


def _corrupt(path: Path, found: str) -> DataRejected:
    cure = f"restore {path.parent} from a backup, or move it away and close the month again"
    return DataRejected("closed.corrupt", f"{path}: {found}", cure)
