"""Desks of a feed: a DuckDB for every hand that makes a month."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from queue import Queue

import duckdb

from features.ahead import HANDS
from features.spool import Spool
from features.staging import desk

__all__ = ["Desks", "desks_of", "hands_for"]

TOGETHER = 4_000_000
Desks = Queue[duckdb.DuckDBPyConnection]


def hands_for(spool: Spool) -> int:
    """Say how many months are made at once: large ones one by one."""
    rows = sorted((sum(heights.values()) for heights in spool.heights.values()), reverse=True)
    return HANDS if sum(rows[:HANDS]) <= TOGETHER else 1


@contextmanager
def desks_of(first: duckdb.DuckDBPyConnection, hands: int) -> Iterator[Desks]:
    """Give every hand a desk of its own."""
    with ExitStack() as stack:
        desks: Desks = Queue(max(hands, 1))
        desks.put(first)
        for _ in range(hands - 1):
            desks.put(stack.enter_context(desk()))
        yield desks
