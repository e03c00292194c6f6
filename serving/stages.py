"""The stages of a job: which one is under way, and how many seconds each took."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Stages"]


class Stages:
    """Called with the name of each stage as it begins; told on, and timed by a monotonic clock.

    Parameters
    ----------
    tell : callable
        Called with each name too.
    prefix : str
        Put before the names that are told on, not before those that are kept.

    Examples
    --------
    >>> told = []
    >>> stages = Stages(told.append, "score: ")
    >>> stages("signals")
    >>> stages("publish")
    >>> list(stages.ended()), told
    (['signals', 'publish'], ['score: signals', 'score: publish'])
    """

    def __init__(self, tell: Callable[[str], None] = lambda _: None, prefix: str = "") -> None:
        self._tell, self._prefix = tell, prefix
        self._seconds: dict[str, float] = {}
        self._running: tuple[str, float] | None = None

    def __call__(self, name: str) -> None:
        """End the stage before, and begin one."""
        self._end()
        self._running = (name, time.monotonic())
        self._tell(f"{self._prefix}{name}")

    def ended(self) -> dict[str, float]:
        """End the last stage, and give the seconds of all in their order."""
        self._end()
        return {name: round(seconds, 3) for name, seconds in self._seconds.items()}

    def _end(self) -> None:
        if self._running is not None:
            name, begun = self._running
            spent = time.monotonic() - begun
            self._seconds[name] = self._seconds.get(name, 0.0) + spent
        self._running = None
