"""Ahead: work that is done by several hands, and taken in its order.

DuckDB and Arrow work outside Python's lock, so that two threads keep two cores busy. What comes
out does not depend on which of them was faster, and no hand is more than one piece ahead of who
takes them, so that memory stays bounded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Full, Queue
from threading import Event
from typing import Generic, TypeVar

__all__ = ["HANDS", "ahead", "each"]

HANDS = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
"""Each holds a chunk or a month of its own; a second one takes a fifth off the time."""

WAIT = 0.1
T = TypeVar("T")
Task = Callable[[], Iterator[T]]


@contextmanager
def ahead(tasks: Sequence[Task[T]], hands: int = HANDS) -> Iterator[Iterator[Iterator[T]]]:
    """Give what each task yields, task by task; the next ones are at work meanwhile.

    An exception of a task is raised where its pieces are taken. When the block ends the tasks
    that are still at work are closed, and have cleaned up.

    Parameters
    ----------
    tasks : sequence of callable
        Each gives an iterator; they share nothing.
    hands : int
        How many are at work at once; with one it is done here and now.

    Examples
    --------
    >>> tasks = [lambda: iter([1, 2]), lambda: iter([3])]
    >>> with ahead(tasks, hands=2) as found:
    ...     [list(pieces) for pieces in found]
    [[1, 2], [3]]
    """
    if min(hands, len(tasks)) < 2:
        yield (task() for task in tasks)
        return
    stop = Event()
    lines: list[_Line[T]] = [_Line(task, stop) for task in tasks]
    with ThreadPoolExecutor(hands, "ahead") as pool:
        try:
            done = [pool.submit(line.work) for line in lines]
            yield (line.pieces(future) for line, future in zip(lines, done, strict=True))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def each(tasks: Sequence[Callable[[], T]], hands: int = HANDS) -> Iterator[T]:
    """Give what each task returns, in the order of the tasks.

    Examples
    --------
    >>> list(each([lambda: 1, lambda: 2], hands=2))
    [1, 2]
    """

    def single(task: Callable[[], T]) -> Task[T]:
        return lambda: iter([task()])

    with ahead([single(task) for task in tasks], hands) as found:
        for pieces in found:
            yield from pieces


class _End:
    """What comes behind the last piece."""


@dataclass(frozen=True)
class _Line(Generic[T]):
    """The pieces of one task, on their way."""

    task: Task[T]
    stop: Event
    queue: Queue[T | _End] = field(default_factory=lambda: Queue(maxsize=1))

    def work(self) -> None:
        """Put every piece on the line, until nobody takes them any more."""
        try:
            pieces = self.task()
            for piece in pieces:
                self._put(piece)
                if self.stop.is_set():
                    break
            if isinstance(pieces, Generator):
                pieces.close()
        finally:
            self._put(_End())

    def _put(self, piece: T | _End) -> None:
        while not self.stop.is_set():
            try:
                self.queue.put(piece, timeout=WAIT)
            except Full:
                continue
            return

    def pieces(self, done: Future[None]) -> Iterator[T]:
        """Take every piece off the line, and raise what the task raised."""
        while not isinstance(piece := self.queue.get(), _End):
            yield piece
        done.result()
