"""The program: a digest of this floor's code, for whatever must not outlive an upgrade."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__all__ = ["program_digest"]


@cache
def program_digest() -> str:
    """Digest the source of every file of this floor, in hex.

    Examples
    --------
    >>> len(program_digest())
    64
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
