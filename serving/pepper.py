"""The pepper: the secret outside the database without which its keys are worth nothing."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path

from features.faults import ConfigurationRefused
from features.locking import held

__all__ = ["FILE", "Pepper", "made_pepper", "pepper"]

FILE = "pepper.key"
SHORTEST = 32
_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Pepper:
    """The secret that seals keys and sessions; it shows itself nowhere.

    Examples
    --------
    >>> Pepper(b"0" * 32)
    Pepper()
    >>> Pepper(b"0" * 32).mark == Pepper(b"1" * 32).mark
    False
    """

    secret: bytes = field(repr=False)

    @property
    def mark(self) -> str:
        """Name it, so that a key which another pepper sealed is told from a wrong one."""
        return self.seal("pepper", "")[:12]

    def seal(self, kind: str, text: str) -> str:
        """Seal a text (HMAC-SHA-256); one kind's seal is never another's."""
        return hmac.digest(self.secret, f"{kind}:{text}".encode(), hashlib.sha256).hex()


def pepper(home: Path, named: str | None = None) -> Pepper | None:
    """Read the pepper; None where none was made yet.

    Parameters
    ----------
    home : Path
        Its file ``pepper.key`` lies there.
    named : str, optional
        ``env:NAME``: an environment variable holds it instead, as several machines need.

    Raises
    ------
    ConfigurationRefused
        ``keys.pepper`` if the variable is not set or too short, or others may read the file (exit
        code 78).

    Examples
    --------
    >>> print(pepper(Path("nowhere")))
    None
    """
    if named is not None:
        return _of_environment(named.removeprefix("env:"))
    path = home / FILE
    if not path.is_file():
        return None
    if path.stat().st_mode & 0o077:
        cure = f"chmod 600 {path}"
        raise ConfigurationRefused("keys.pepper", f"{path}: others may read it", cure)
    secret = path.read_bytes()
    if len(secret) < SHORTEST:
        raise ConfigurationRefused("keys.pepper", f"{path}: too short", "restore it from a backup")
    return Pepper(secret)


def made_pepper(home: Path, named: str | None = None) -> Pepper:
    """Read the pepper, and make it on first use, for its owner alone to read.

    Examples
    --------
    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> made_pepper(home).mark == made_pepper(home).mark
    True
    >>> oct((home / FILE).stat().st_mode & 0o777)
    '0o600'
    """
    with held(home / "store.lock", wait_seconds=_WAIT_SECONDS):
        found = pepper(home, named)
        if found is not None:
            return found
        draft = (home / FILE).with_suffix(".draft")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_bytes(os.urandom(SHORTEST))
        draft.replace(home / FILE)
    return Pepper((home / FILE).read_bytes())


def _of_environment(name: str) -> Pepper:
    secret = os.environ.get(name, "").strip().encode()
    if len(secret) < SHORTEST:
        found = f"[serve] pepper: {name} is {'too short' if secret else 'not set'}"
        cure = f"set it to {SHORTEST} random characters or more, the same on every machine"
        raise ConfigurationRefused("keys.pepper", found, cure)
    return Pepper(secret)
