"""Duty: what one serving process knows of its own work: its limits, its counts, whether it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from serving.operation.measures import Measures
from serving.operation.rate import Rate
from serving.operation.settings import ServeSettings
from serving.problems import Problem

__all__ = ["ALWAYS", "LIGHT", "Duty"]

ALWAYS = frozenset({b"/livez", b"/readyz", b"/metrics"})
"""Paths that are answered however much there is to do."""

LIGHT = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that read what is kept; all others are computed."""

App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass
class Duty:
    """The state of one serving process.

    Attributes
    ----------
    settings : ServeSettings
    measures : Measures
    draining : bool
        Whether it was asked to end: it answers still, and says that it is not ready.
    heavy : int
        Requests being computed.

    Examples
    --------
    >>> duty = Duty(ServeSettings(at_once=2, heavy_at_once=1), heavy=1)
    >>> duty.full("GET", at_work=1), duty.full("POST", at_work=1), duty.full("GET", at_work=2)
    (None, 'heavy', 'overload')
    """

    settings: ServeSettings = field(default_factory=ServeSettings)
    measures: Measures = field(default_factory=Measures)
    draining: bool = False
    heavy: int = 0

    def __post_init__(self) -> None:
        """Make the buckets of the keys."""
        self.rate = Rate(self.settings.per_second, self.settings.burst)

    def take(self, key: str) -> None:
        """Count a request against its key.

        Raises
        ------
        Problem
            429 ``rate_limited`` where the key asks more than its share.
        """
        seconds = self.rate.wait(key)
        if seconds:
            self.measures.rejects.labels("rate").inc()
            later = {"Retry-After": str(seconds)}
            raise Problem(429, "rate_limited", "this key asks too much at once", headers=later)

    def full(self, method: str, at_work: int) -> str | None:
        """Say why one more request cannot be taken; None where it can."""
        if at_work >= self.settings.at_once:
            return "overload"
        if method not in LIGHT and self.heavy >= self.settings.heavy_at_once:
            return "heavy"
        return None

    def counted(self, app: App) -> App:
        """Give an app that counts its requests as computed while they are worked at."""

        async def worked(scope: Scope, receive: Receive, send: Send) -> None:
            self.heavy += 1
            try:
                await app(scope, receive, send)
            finally:
                self.heavy -= 1

        return worked
