"""Cursors: where the next page starts, signed so that nobody can make one up."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from features.locking import held

__all__ = ["Cursor", "opened_cursor", "secret", "sealed"]

_SEAL = 16


class Cursor(NamedTuple):
    """A place in a listing.

    Attributes
    ----------
    run_id : str
        The run that is listed, so that pages fit although another run is published meanwhile.
    question : str
        Digest of sort and filters: a cursor answers only the question that it came from.
    value, account_id : object, str
        Sort value and account of the last row seen.
    """

    run_id: str
    question: str
    value: Any
    account_id: str


def secret(home: Path) -> bytes:
    """Give the home's signing key, made on first use, readable by its owner alone."""
    path = home / "cursor.key"
    with held(home / "store.lock", wait_seconds=60):
        if not path.is_file():
            draft = path.with_suffix(".draft")
            draft.touch(mode=0o600)
            draft.write_bytes(os.urandom(32))
            draft.replace(path)
    return path.read_bytes()


def sealed(cursor: Cursor, key: bytes) -> str:
    """Write a cursor as text, with its seal.

    Examples
    --------
    >>> text = sealed(Cursor("r1", "q", 9.5, "a"), b"key")
    >>> opened_cursor(text, b"key")
    Cursor(run_id='r1', question='q', value=9.5, account_id='a')
    >>> print(opened_cursor(text, b"another key"))
    None
    """
    content = orjson.dumps(list(cursor))
    return base64.urlsafe_b64encode(_seal(content, key) + content).decode()


def opened_cursor(text: str, key: bytes) -> Cursor | None:
    """Read a cursor, or None if its seal is not ours."""
    try:
        whole = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    seal, content = whole[:_SEAL], whole[_SEAL:]
    if not hmac.compare_digest(seal, _seal(content, key)):
        return None
    return Cursor(*orjson.loads(content))


def as_sort_value(value: Any, *, is_date: bool) -> Any:
    """Give back a cursor's value in its column's type."""
    return date.fromisoformat(value) if is_date and value is not None else value


def _seal(content: bytes, key: bytes) -> bytes:
    return hmac.digest(key, content, hashlib.sha256)[:_SEAL]
