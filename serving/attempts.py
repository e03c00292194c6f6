"""Attempts: whoever guesses at keys has to wait; all others do not notice."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

__all__ = ["Attempts"]


class Attempts:
    """Failed attempts of the last minute, by address and by the key that they name.

    Parameters
    ----------
    per_key : int
        So many may fail from one address at one key within a window.
    per_address : int
        So many may fail from one address in all; keys that are good are not kept out by it.
    window : float
        Seconds.
    most : int
        So many pairs are remembered; the oldest is forgotten first.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> noon, tried = datetime(2025, 7, 1, 12, tzinfo=UTC), Attempts(per_key=2)
    >>> [tried.failed("10.0.0.9", "abc", noon) for _ in range(3)]
    [None, None, None]
    >>> tried.wait("10.0.0.9", "abc", noon), tried.wait("10.0.0.8", "abc", noon)
    (60, 0)
    >>> tried.wait("10.0.0.9", "abc", noon + timedelta(seconds=61))
    0
    """

    def __init__(
        self, per_key: int = 10, per_address: int = 100, window: float = 60.0, most: int = 10_000
    ) -> None:
        self._limits = (per_key, per_address)
        self._window, self._most = window, most
        self._seen: OrderedDict[tuple[str, str | None], tuple[datetime, int]] = OrderedDict()

    def failed(self, address: str, key: str, now: datetime) -> None:
        """Count an attempt that failed."""
        for pair in ((address, key), (address, None)):
            begun, count = self._seen.pop(pair, (now, 0))
            if (now - begun).total_seconds() >= self._window:
                begun, count = now, 0
            self._seen[pair] = (begun, count + 1)
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)

    def wait(self, address: str, key: str | None, now: datetime) -> int:
        """Give the seconds until an address may try a key again; without a key, any key."""
        begun, count = self._seen.get((address, key), (now, 0))
        left = self._window - (now - begun).total_seconds()
        limit = self._limits[0 if key is not None else 1]
        return max(1, round(left)) if count >= limit and left > 0 else 0
