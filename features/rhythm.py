"""Rhythm: on which days an account was active, how long its gaps are, and how busy its last weeks.

The active days of 52 weeks are summed to a few whole numbers per account on the book's engine, one
bit a day; what follows from them is worked out here, so that no row crosses over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from features.signal import Rows
from features.usage_rows import FEED, HALF_YEAR, YEAR, known_usage
from features.view import View

__all__ = ["RHYTHM", "rhythm"]

WORD = 52  # days whose bits a float adds up exactly
WORDS = YEAR // WORD
WEEKS = 4
AT_ONCE = 8192
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


def _rhythm(view: View) -> nw.LazyFrame[Any]:
    days = known_usage(view, "usage_by_day", YEAR).filter(nw.col("count") > 0)
    active = days.select("account_id", "age")
    if view.feeds["usage"].mixed:
        active = active.unique()
    age = nw.col("age").cast(nw.Int64)
    bits = active.with_columns(bit=nw.lit(2.0) ** (age % WORD), word=age - age % WORD)
    words = bits.group_by("account_id", "word").agg(nw.col("bit").sum())
    return view.book.laid(rhythm(words.collect("pyarrow").to_native()))


RHYTHM = Rows("gaps between active days", FEED, _rhythm)
"""One row per account: gaps (their number), shorter, longer, between, weeks."""


def rhythm(words: pa.Table) -> pa.Table:
    """Read the rhythm of each account from the bits of its active days.

    Parameters
    ----------
    words : Table
        account_id, word (the age of its first day), bit (2 to the power of each active day of it).

    Returns
    -------
    Table
        account_id; gaps: how many lie between active days of 182; shorter, longer: those around
        the 95th percentile, and ``between``, how far it lies from the one to the other; weeks:
        active ones among the four that end with the last active day.

    Examples
    --------
    >>> days = {"account_id": ["a"], "word": [0], "bit": [2.0**1 + 2.0**3 + 2.0**8]}
    >>> rhythm(pa.table(days)).to_pylist()[0]
    {'account_id': 'a', 'gaps': 2.0, 'shorter': 2.0, 'longer': 5.0, 'between': 0.95, 'weeks': 2.0}
    """
    names = words["account_id"].cast(pa.string()).combine_chunks().dictionary_encode()
    bits = np.zeros((len(names.dictionary), WORDS), dtype=np.int64)
    place = words["word"].to_numpy().astype(np.int64) // WORD
    bits[names.indices.to_numpy(), place] = words["bit"].to_numpy().astype(np.int64)
    parts = [{**_gaps(seen), "weeks": _weeks(seen)} for seen in _days(bits)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return pa.table(
        {"account_id": names.dictionary}
        | {name: values.astype(np.float64) for name, values in columns.items()}
    )


def _days(bits: Numbers) -> Iterator[Flags]:
    """Spread the bits over a column per day, the last one first; some accounts at once."""
    for start in range(0, max(len(bits), 1), AT_ONCE):
        some = bits[start : start + AT_ONCE].astype("<i8").view(np.uint8).reshape(-1, WORDS, 8)
        each = np.unpackbits(some, axis=2, bitorder="little")[:, :, :WORD]
        yield each.reshape(-1, YEAR).view(np.bool_)


def _gaps(seen: Flags) -> dict[str, np.ndarray[Any, Any]]:
    """Find the gaps around the 95th percentile, when all gaps of an account are in order."""
    account, age = np.nonzero(seen[:, :HALF_YEAR])
    within = account[1:] == account[:-1]
    key = account[1:][within] * HALF_YEAR + (age[1:] - age[:-1])[within]
    often = np.bincount(key, minlength=len(seen) * HALF_YEAR).reshape(-1, HALF_YEAR)
    through = often.cumsum(axis=1, dtype=np.int32)
    many = through[:, -1].astype(np.int64)
    place = 95 * (many - 1)  # hundredths, counted from the first of all gaps in order
    return {
        "gaps": many,
        "shorter": (through > (place // 100)[:, None]).argmax(axis=1),
        "longer": (through > ((place + 99) // 100)[:, None]).argmax(axis=1),
        "between": place % 100 / 100,
    }


def _weeks(seen: Flags) -> Numbers:
    """Count the active weeks among the four that end with the last active day."""
    last = seen.argmax(axis=1)[:, None]
    up_to = np.zeros((len(seen), YEAR + 1), dtype=np.int16)
    seen.cumsum(axis=1, dtype=np.int16, out=up_to[:, 1:])
    ends = np.minimum(last + 7 * np.arange(WEEKS + 1), YEAR)
    found: Numbers = (np.diff(np.take_along_axis(up_to, ends, axis=1), axis=1) > 0).sum(axis=1)
    return found
