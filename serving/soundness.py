"""Soundness: everything under a home that vouches for itself by a digest, digested again."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from features.closed_store import closed_months, read_ledger
from features.faults import DataRejected
from features.publication import verified

if TYPE_CHECKING:
    from serving.store import Store

__all__ = ["closed", "kept_models", "outlooks", "snapshots"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


def snapshots(home: Path) -> list[str]:
    """Hold every file of every snapshot beside its manifest; give the snapshots.

    Raises
    ------
    DataRejected
        ``snapshot.corrupt`` with the file (exit code 65).

    Examples
    --------
    >>> snapshots(Path("a-home-without-any"))
    []
    """
    found = sorted((home / "snapshots").glob("[!.]*/manifest.json"))
    for path in found:
        try:
            manifest = json.loads(path.read_bytes())
        except ValueError as broken:
            cure = "run `perennial ingest` again"
            raise DataRejected("snapshot.corrupt", f"{path}: not a manifest", cure) from broken
        verified(path.parent, manifest)
    return [path.parent.name for path in found]


def kept_models(home: Path) -> list[str]:
    """Hold every file of every kept model beside its digest; give the digests.

    Raises
    ------
    DataRejected
        ``model.digest`` and its like (exit code 65).

    Examples
    --------
    >>> kept_models(Path("a-home-without-any"))
    []
    """
    from models.bundle import read_contract  # heavy: numerical libraries

    folder = home / "bundles"
    names = sorted(one.name for one in folder.glob("*") if _DIGEST.fullmatch(one.name))
    for name in names:
        read_contract(folder / name, name)
    return names


def closed(home: Path) -> list[str]:
    """Hold every closed period beside the digests taken at closing; give the months.

    Raises
    ------
    DataRejected
        ``closed.corrupt`` (exit code 65).

    Examples
    --------
    >>> closed(Path("a-home-without-any"))
    []
    """
    months = closed_months(home)
    for month in months:
        read_ledger(home, month)
    return [f"{month:%Y-%m}" for month in months]


def outlooks(store: Store, runs: list[str]) -> int:
    """Hold the kept outlooks of runs beside the store's digest of each; give how many there are.

    One that was removed with its exports is no damage: nothing but a scenario of that run lacks it.

    Raises
    ------
    DataRejected
        ``outlook.damaged`` with the file (exit code 65).
    """
    count = 0
    for run in runs:
        told = store.document(run, "outlook")
        if told is None:
            continue
        path = store.home / "exports" / run / f"outlook-{told['sha256'][:16]}.parquet"
        if not path.is_file():
            continue
        with path.open("rb") as found:
            if hashlib.file_digest(found, "sha256").hexdigest() != told["sha256"]:
                cure = "restore the last backup, or score that date again"
                raise DataRejected("outlook.damaged", f"{path}: not what was published", cure)
        count += 1
    return count
