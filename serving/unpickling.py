"""Unpickling: what never happens in a process of ours, and ends it where it does.

A pickle can run any code when it is read. Nothing here writes or reads one: tables are Parquet,
models are text, the rest is JSON. A library that reads one after all, from a file that somebody
changed, is stopped before the first of its objects is looked up.
"""

from __future__ import annotations

import os
import sys

__all__ = ["forbid_pickles"]

_EVENT = "pickle.find_class"
_CODE = 70


def forbid_pickles() -> None:
    """End this process with exit code 70 as soon as a pickle names a class, in any thread.

    It cannot be taken back. The process is ended at once: what it was writing is whole or absent,
    as after a loss of power.
    """
    sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[object, ...]) -> None:
    if event == _EVENT:
        _end(".".join(map(str, args)))


def _end(named: str) -> None:
    """Say what a pickle asked for, and end: an exception could be swallowed on its way."""
    told = f"perennial: {named}: pickle.refused: a library read a pickle; nothing of ours is one\n"
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, told.encode())
    os._exit(_CODE)
