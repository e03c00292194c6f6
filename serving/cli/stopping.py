"""Stopping: a process that is asked to end leaves what it was doing, and says that it did."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from features.faults import Busy

__all__ = ["Stopped", "stoppable"]


AGAIN = 0.5
"""Seconds after which a fault that nobody has felt is raised again."""


class Stopped(Busy):
    """The process was asked to end (SIGTERM) before it was done."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGTERM inside the block into a fault: what is open is closed, nothing half is kept.

    Python drops what is raised while it tidies up an object (a destructor, a weak reference's
    callback). So an alarm raises the fault again until it is under way.

    Raises
    ------
    Stopped
        ``interrupted`` (exit code 75).

    Examples
    --------
    >>> with stoppable():
    ...     signal.raise_signal(signal.SIGTERM)
    Traceback (most recent call last):
    ...
    serving.cli.stopping.Stopped: stopped by SIGTERM: interrupted: run it again
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    asked: list[Stopped] = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        if not asked:
            asked.append(Stopped("interrupted", "stopped by SIGTERM", "run it again"))
            signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
        if not _under_way(asked[0]):
            raise asked[0]

    before = {which: signal.signal(which, stop) for which in (signal.SIGTERM, signal.SIGALRM)}
    try:
        yield
    except RuntimeError as other:
        if not asked:
            raise
        raise asked[0] from other  # DuckDB ends its query, and says that instead of what we raised
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for which, handler in before.items():
            signal.signal(which, handler)


def _under_way(fault: Stopped) -> bool:
    """Tell whether a fault is on its way up: what it passes through is being closed."""
    one = sys.exception()
    while one is not None and one is not fault:
        one = one.__cause__ or one.__context__
    return one is fault
