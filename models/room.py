"""Room in memory that a process keeps between one array and the next."""

from __future__ import annotations

from functools import cache

import numpy as np

__all__ = ["keep_room"]

BYTES = 16_000_000
"""More than any array that is made block by block, and less than glibc's most (32 MB)."""


@cache
def keep_room() -> None:
    """Let the process keep what its arrays free, once for all.

    glibc hands freed memory back to the system, and the system clears every page that it gives out
    again: of a scenario's time a fifth was that. How much glibc keeps follows the largest array that
    was freed so far (``man mallopt``, M_MMAP_THRESHOLD), so one is made here and freed; nothing is
    written into it, so it costs nothing. Other allocators take no notice.

    Examples
    --------
    >>> keep_room()
    """
    np.empty(BYTES, dtype=np.uint8)
