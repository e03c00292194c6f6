"""What a published account remembers until next week: its bands, counters, and what it was told by.

One compact JSON text per account, stored with the run and handed back at the next. It keeps the
state after this week and the state that this week started from, so that a rerun within the ISO
week counts once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import Any

__all__ = ["Memory", "iso_week", "recall", "scored_by", "short", "week_before"]


@dataclass(frozen=True)
class Memory:
    """One account after one weekly scoring.

    Attributes
    ----------
    week : str
        ISO week of the scoring, e.g. ``"2025-W27"``.
    cell : str
        Published cell.
    risk, expansion : list of int
        Level, then the counters up (two cut-offs) and back (two cut-offs).
    p : list of float
        p_renew and p_expand.
    renewal : str or None
        The next renewal as it was then, ISO date.
    waits_since : str or None
        First published week of Retention Medium with Expansion High, ISO date.
    triggers : list of str
        Names of the triggers that fired.
    parts : dict of str to dict of str to float
        What p_renew (``renew``) and p_expand (``expand``) were made of: every group of signals,
        the calendar and what is booked. The parts of each add up to it.
    model : str
        The start of the digest of the model that said so; empty where it is not known.
    before : dict or None
        The memory that this week started from, without its own past.
    """

    week: str
    cell: str
    risk: list[int]
    expansion: list[int]
    p: list[float]
    renewal: str | None = None
    waits_since: str | None = None
    triggers: list[str] = field(default_factory=list)
    parts: dict[str, dict[str, float]] = field(default_factory=dict)
    model: str = ""
    before: dict[str, Any] | None = None

    def text(self) -> str:
        """Write the memory as compact JSON.

        Examples
        --------
        >>> memory = Memory("2025-W27", "HL", [0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0.95, 0.02])
        >>> recall(memory.text(), "2025-W28") == memory
        True
        >>> recall(memory.text(), "2025-W27") is None
        True
        """
        return json.dumps(vars(self), separators=(",", ":"), sort_keys=True)

    def without_past(self) -> dict[str, Any]:
        """Give the memory as next week's past."""
        return vars(self) | {"before": None}


def recall(text: str | None, week: str) -> Memory | None:
    """Read what held when ``week`` started: nothing for a new account or a later memory.

    A memory of an earlier version of the program may say more or less: what is not known here is
    left out.
    """
    if not isinstance(text, str) or not text:
        return None
    memory: Memory | None = _read(json.loads(text))
    while memory is not None and memory.week >= week:
        memory = None if memory.before is None else _read(memory.before)
    return memory


def _read(kept: dict[str, Any]) -> Memory:
    return Memory(**{name: value for name, value in kept.items() if name in FIELDS})


FIELDS = {each.name for each in fields(Memory)}


def scored_by(texts: Iterable[str | None]) -> str:
    """Name the model of the last run: the digest's start, as the first account remembers it.

    Examples
    --------
    >>> scored_by([None, '{"model":"0a1b2c"}']), scored_by([])
    ('0a1b2c', '')
    """
    kept = (json.loads(text).get("model") for text in texts if text)
    return str(next(kept, "") or "")


def short(digest: str) -> str:
    """Give as much of a model's digest as is remembered."""
    return digest[:12]


def iso_week(day: date) -> str:
    """Name a day's ISO week.

    Examples
    --------
    >>> iso_week(date(2025, 7, 1)), iso_week(date(2027, 1, 1))
    ('2025-W27', '2026-W53')
    """
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def week_before(day: date) -> str:
    """Name the ISO week before a day's.

    Examples
    --------
    >>> week_before(date(2027, 1, 4))
    '2026-W53'
    """
    return iso_week(day - timedelta(days=7))
