"""Admission: who is let in, by a key, a session or a proxy's word; quick, and never for long.

What was found about a key counts for two seconds, so that a revoked one opens nothing soon after
in every process that serves. What was found about a session counts until anything at all is
written to the store; where that cannot be told, it is looked up each time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import sqlalchemy as sa

from features.faults import ConfigurationRefused
from serving import keyring, sessions
from serving.attempts import Attempts
from serving.database import reading
from serving.keys import PATTERN, Key, key_of, marks
from serving.pepper import Pepper, pepper
from serving.roles import Who

__all__ = ["Admission", "AdmissionSettings", "Guessing"]

KNOWN_SECONDS = 2.0
"""How long an answer about a key counts."""

_MOST_KNOWN = 10_000


class Guessing(Exception):
    """Too many attempts failed; ``seconds`` until the next may be made."""

    def __init__(self, seconds: int) -> None:
        super().__init__("guessing")
        self.seconds = seconds


@dataclass(frozen=True)
class AdmissionSettings:
    """What admission goes by.

    Attributes
    ----------
    pepper : str or None
        ``env:NAME``; the home's file without it.
    closed : bool
        Never open, even while no key was made: others than this machine may ask.
    session : timedelta
        How long a session lasts.
    """

    pepper: str | None = None
    closed: bool = False
    session: timedelta = timedelta(hours=12)


class Admission:
    """Who is let in by one serving process.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    home : Path
        Where the pepper lies.
    now : callable, optional
        Tells the time; needed once a key was made.
    settings : AdmissionSettings, optional
    ticks : callable, optional
        Seconds that only ever grow.

    Raises
    ------
    ConfigurationRefused
        ``keys.pepper`` if keys were made with a pepper that is not at hand (exit code 78).
    """

    def __init__(
        self,
        engine: sa.Engine,
        home: Path,
        now: Callable[[], datetime] | None = None,
        settings: AdmissionSettings | None = None,
        ticks: Callable[[], float] = monotonic,
    ) -> None:
        self.engine, self.home, self.ticks = engine, home, ticks
        self.now = now or _no_clock
        self.settings = settings or AdmissionSettings()
        self.attempts = Attempts()
        self._known: OrderedDict[str, tuple[Key, float]] = OrderedDict()
        self._sessions: OrderedDict[str, tuple[Key, int, datetime]] = OrderedDict()
        self._pepper: Pepper | None = None
        self.closed = self.settings.closed
        self._open_until = 0.0
        self.open()
        self.pepper()

    @property
    def open_still(self) -> bool:
        """Whether it was open a moment ago, without asking the store."""
        return not self.closed and self.ticks() < self._open_until

    def open(self) -> bool:
        """Say whether everybody of this machine is let in, as no key was ever made."""
        if not self.closed:
            self.closed = bool(marks(self.engine))
            self._open_until = self.ticks() + KNOWN_SECONDS
        return not self.closed

    def pepper(self) -> Pepper | None:
        """Read the pepper, once it is there.

        Raises
        ------
        ConfigurationRefused
            ``keys.pepper`` if keys were made with another one, or it is gone (exit code 78).
        """
        if self._pepper is None:
            found = pepper(self.home, self.settings.pepper)
            made_with = marks(self.engine)
            if made_with and (found is None or found.mark not in made_with):
                cure = "restore pepper.key from a backup of the home, or name it in [serve] pepper"
                said = "not at hand" if found is None else "another one"
                raise ConfigurationRefused("keys.pepper", f"the pepper of the keys is {said}", cure)
            self._pepper = found
        return self._pepper

    def known(self, text: str) -> Who | None:
        """Give who asks with a key that was found good a moment ago; nothing is read for it."""
        if self._pepper is None:
            return None
        found = self._known.get(self._pepper.seal("key", text))
        if found is None:
            return None
        key, until = found
        return key.who if self.ticks() < until and key.good(self.now()) else None

    def by_key(self, text: str, address: str) -> Key | None:
        """Give the key that is good; None for any other text.

        Raises
        ------
        Guessing
            If too many attempts from this address failed. A good key is never kept out by them.
        """
        now, named = self.now(), _named(text)
        key = self._found(text)
        if key is not None and key.kind == "key" and key.good(now):
            self._keep(text, key)
            self.closed = True
            return key
        if seconds := self.attempts.wait(address, named, now):
            raise Guessing(seconds)
        self.attempts.failed(address, named, now)
        if seconds := self.attempts.wait(address, None, now):
            raise Guessing(seconds)
        return None

    def known_session(self, token: str, state: int | None) -> Who | None:
        """Give who asks in a session that was found good in the same state of the store."""
        if self._pepper is None or state is None:
            return None
        found = self._sessions.get(self._pepper.seal("session", token))
        if found is None or found[1] != state:
            return None
        key, now = found[0], self.now()
        return key.who if now < found[2] and key.good(now) else None

    def by_session(self, token: str, state: int | None = None) -> Who | None:
        """Give who asks in a session that is good.

        Parameters
        ----------
        token : str
        state : int, optional
            Number of the store's state, read before; the answer is kept for as long as it is this.
        """
        own = self.pepper()
        if own is None:
            return None
        with reading(self.engine) as connection:
            found = sessions.session_key(connection, own, token, self.now())
        if found is None:
            return None
        if state is not None:
            self._sessions[own.seal("session", token)] = (found.key, state, found.until)
        while len(self._sessions) > _MOST_KNOWN:
            self._sessions.popitem(last=False)
        return found.key.who

    def sign_in(self, key: Key) -> str:
        """Begin a session of a key, and give its token."""
        own = self.pepper()
        if own is None:
            raise ConfigurationRefused("keys.pepper", "no pepper", "run `perennial keys create`")
        return sessions.begin(self.engine, own, key, now=self.now(), lasts=self.settings.session)

    def sign_out(self, token: str) -> None:
        """End a session."""
        own = self.pepper()
        if own is not None:
            sessions.end(self.engine, own, token, now=self.now())

    def exchange(self, text: str) -> keyring.MadeKey | None:
        """Give an admin's key for the token of ``keys bootstrap``, once."""
        own = self.pepper()
        if own is None or PATTERN.fullmatch(text) is None:
            return None
        return keyring.exchange(self.engine, own, text, now=self.now())

    def exposed(self, text: str) -> None:
        """Flag the key of a text that others could read, if it is one."""
        key = self._found(text)
        if key is not None:
            keyring.flag(self.engine, key.key_id, now=self.now())

    def _found(self, text: str) -> Key | None:
        own = self.pepper()
        if own is None or PATTERN.fullmatch(text) is None:
            return None
        with reading(self.engine) as connection:
            return key_of(connection, own, text)

    def _keep(self, text: str, key: Key) -> None:
        own = self.pepper()
        if own is not None:
            self._known[own.seal("key", text)] = (key, self.ticks() + KNOWN_SECONDS)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)


def _no_clock() -> datetime:
    raise ConfigurationRefused(
        "serve.clock", "keys need to know the time", "give create_app a clock"
    )


def _named(text: str) -> str:
    found = PATTERN.fullmatch(text)
    return found[1] if found else ""
