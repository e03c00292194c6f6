"""Patience: a transaction that the database undid is tried again whole, a few times."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from features.faults import DependencyDown

__all__ = ["Away", "patiently"]

RETRIES = 5
PAUSE = 0.2
T = TypeVar("T")


class Away(DependencyDown):
    """The database went away, or undid a transaction: the whole of it may be tried again."""


def patiently(work: Callable[[], T], pause: Callable[[float], None] = time.sleep) -> T:
    """Do the work, again at most five times, later each time and never in step with others.

    The work itself must find out first what became of the try before.

    Raises
    ------
    Away
        ``store.unavailable`` if the database is still away at the last try (exit code 69).

    Examples
    --------
    >>> tries = iter([Away("store.unavailable", "gone"), Away("store.unavailable", "gone"), None])
    >>> def work():
    ...     if (fault := next(tries)) is not None:
    ...         raise fault
    ...     return "done"
    >>> patiently(work, pause=lambda seconds: None)
    'done'
    """
    for tried in range(RETRIES):
        try:
            return work()
        except Away:
            pause(PAUSE * 2**tried * random.uniform(0.5, 1.5))
    return work()
