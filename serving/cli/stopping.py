"""Stopping: a process that is asked to end leaves what it was doing, and says that it did."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from features.faults import Busy

__all__ = ["Stopped", "stoppable"]


class Stopped(Busy):
    """The process was asked to end (SIGTERM) before it was done."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGTERM inside the block into a fault: what is open is closed, nothing half is kept.

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
        asked.append(Stopped("interrupted", "stopped by SIGTERM", "run it again"))
        raise asked[-1]

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except RuntimeError as other:
        if not asked:
            raise
        raise asked[-1] from other  # DuckDB ends its query, and says that instead of what we raised
    finally:
        signal.signal(signal.SIGTERM, before)
