"""Together: pieces of work that do not depend on each other, two at a time, told in their order.

The arithmetic of arrays runs outside the interpreter's lock, so two threads use two cores. What
each piece gives does not depend on what runs beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["AT_ONCE", "together"]

AT_ONCE = 2
"""How many pieces are worked on at once; no more than one further is held in memory."""

Piece = TypeVar("Piece")
Told = TypeVar("Told")


def together(work: Callable[[Piece], Told], pieces: Iterable[Piece]) -> Iterator[Told]:
    """Give what comes of each piece, in their order; pieces are asked for as they are needed.

    Parameters
    ----------
    work : callable
        Takes a piece, and shares nothing with the others that it changes.
    pieces : iterable
        A list of one is worked on at once, without a thread.

    Examples
    --------
    >>> list(together(abs, (number for number in (-1, 2, -3))))
    [1, 2, 3]
    """
    if isinstance(pieces, list) and len(pieces) < AT_ONCE:
        yield from map(work, pieces)
        return
    waiting: deque[Future[Told]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for piece in pieces:
            if len(waiting) == AT_ONCE:
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, piece))
        while waiting:
            yield waiting.popleft().result()
