"""Tombstones: the seals of erased accounts, in the store and in a file that a restore leaves alone.

A tombstone says that an account was erased here without saying which: it is an HMAC of the id under
the pepper, which lies outside the database. A backup of an earlier day knows nothing of it; so the
same seals stand in a file of the home, by which ingests drop what comes again, and by which what a
restore brings back is erased once more.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from features.durable import replace
from features.erased import NOBODY, Erased
from features.faults import ConfigurationRefused, DataRejected
from serving.pepper import Pepper, pepper

__all__ = ["FILE", "erased_of", "noted", "seal_of", "written"]

FILE = "tombstones.json"
KIND = "account"


def seal_of(secret: Pepper, account_id: str) -> str:
    """Seal an account's id.

    Examples
    --------
    >>> len(seal_of(Pepper(b"0" * 32), "a"))
    64
    """
    return secret.seal(KIND, account_id.strip())


def erased_of(home: Path, named: str | None = None) -> Erased:
    """Give the accounts that were erased, as far as this home's file knows them.

    Raises
    ------
    ConfigurationRefused
        ``privacy.pepper`` if another pepper sealed them: nobody could tell when one comes again
        (exit code 78).

    Examples
    --------
    >>> bool(erased_of(Path("nowhere")))
    False
    """
    marks = written(home)
    if not marks:
        return NOBODY
    secret = pepper(home, named)
    others = [seal for seal, mark in marks.items() if secret is None or mark != secret.mark]
    if others or secret is None:
        found = f"{home / FILE}: {len(others)} accounts were erased under another pepper"
        cure = "restore the pepper that sealed them: without it an erased account comes back"
        raise ConfigurationRefused("privacy.pepper", found, cure)
    return Erased(frozenset(marks), partial(seal_of, secret))


def written(home: Path) -> dict[str, str]:
    """Give the file's seals, each with the mark of its pepper; none where nobody was erased.

    Raises
    ------
    DataRejected
        ``privacy.damaged`` if the file is not what was written (exit code 65).
    """
    path = home / FILE
    if not path.is_file():
        return {}
    try:
        told = json.loads(path.read_bytes())["tombstones"]
        return {str(seal): str(mark) for seal, mark in sorted(told.items())}
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        cure = "remove it and run `perennial erase --again`: the store knows its tombstones too"
        raise DataRejected("privacy.damaged", f"{path}: not what was written", cure) from broken


def noted(home: Path, seals: dict[str, str]) -> None:
    """Add seals to the file; what stands there stays.

    Examples
    --------
    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> noted(home, {"s1": "m"}), noted(home, {"s2": "m"})
    (None, None)
    >>> written(home)
    {'s1': 'm', 's2': 'm'}
    """
    before = written(home)
    if seals.keys() - before.keys():
        text = json.dumps({"tombstones": before | seals}, indent=1, sort_keys=True)
        replace(home / FILE, f"{text}\n".encode())
