"""Rate: how many requests of one key are taken a second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["Rate"]


class Rate:
    """A bucket of requests for each key, which fills at an even pace.

    Parameters
    ----------
    per_second : float
        How fast it fills; 0 for no limit.
    burst : int
        How much it holds.
    clock : callable
        Seconds that only go forward.

    Examples
    --------
    >>> moments = iter([0.0, 0.0, 0.0, 0.6])
    >>> rate = Rate(2.0, 2, lambda: next(moments))
    >>> [rate.wait("ada") for _ in range(4)]
    [0, 0, 1, 0]
    """

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._clock = per_second, float(burst), clock
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, key: str) -> int:
        """Take one request of a key; else say after how many seconds to come again."""
        if not self._per_second:
            return 0
        now = self._clock()
        left, since = self._left.get(key, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        if left < 1.0:
            self._left[key] = (left, now)
            return max(1, math.ceil((1.0 - left) / self._per_second))
        self._left[key] = (left - 1.0, now)
        return 0
