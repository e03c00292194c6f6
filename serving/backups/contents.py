"""What of a workspace is in a backup: everything under the home but what is named here.

The pepper is not: who has a backup must not have the secret that seals its keys too.
"""

from __future__ import annotations

from pathlib import Path

from serving.database import FILE as DATABASE_FILE
from serving.pepper import FILE as PEPPER
from serving.tombstones import FILE as TOMBSTONES

__all__ = ["CARRIED", "DATABASE", "LEFT_OUT", "MLFLOW", "NOTE", "SNAPSHOTS", "is_kept"]

DATABASE = f"home/{DATABASE_FILE}"
"""The store, in a backup."""

MLFLOW = "mlruns/mlflow.db"
"""The database of the registry of models, in a backup and in a workspace."""

SNAPSHOTS = "snapshots"
NOTE = "backup.json"
"""The file of the home that says when and where the last backup was taken."""

CARRIED = (PEPPER, "cursor.key", NOTE, TOMBSTONES)
"""Files that a home keeps when the rest of it is put back from a backup: of these the home's own
are the newer ones, and whom it erased stays erased."""

LEFT_OUT = {
    PEPPER: "the secret that seals keys is kept apart: --pepper FILE",
    "cursor.key": "it is made anew; who turns pages meanwhile begins again",
    "exports/*/*.csv": "scores.parquet beside it says the same, and the list is in the store",
    "the book": "yours; the snapshots hold what was read of it",
}
"""What is not in a backup, and why."""


def is_kept(path: Path) -> bool:
    """Whether a file of the home is copied as a file; the store and the snapshots go their own way.

    Parameters
    ----------
    path : Path
        Within the home.

    Examples
    --------
    >>> names = ("closed/2026-01/ledger.parquet", "exports/r1/scores.csv", "pepper.key")
    >>> [is_kept(Path(name)) for name in names]
    [True, False, False]
    """
    if len(path.parts) == 1:
        own = path.suffix == ".lock" or path.name.startswith(DATABASE_FILE)
        return not own and path.name not in CARRIED
    exported = path.parts[0] == "exports" and path.suffix == ".csv"
    return not exported and path.parts[0] != SNAPSHOTS
