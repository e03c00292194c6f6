"""Windows: from one month-end to a later one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from features.asof import add_months, month_end, month_ends, month_index, months_between
from features.faults import UsageFault

__all__ = ["LENGTHS", "Window", "windows"]

LENGTHS = {"month": 1, "quarter": 3, "ttm": 12}
"""Name of a window to its months."""

_PAIR = re.compile(r"(\d{4})-(0[1-9]|1[0-2]):(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Window:
    """From the month-end ``opening`` to the month-end ``closing``.

    Examples
    --------
    >>> Window(date(2024, 12, 31), date(2025, 12, 31)).months
    12
    """

    opening: date
    closing: date

    @property
    def months(self) -> int:
        """Number of months from opening to closing."""
        return months_between(self.opening, self.closing)

    @property
    def b(self) -> int:
        """Number of the opening's month: 12 times the year, plus the month less one."""
        return month_index(self.opening)

    @property
    def e(self) -> int:
        """Number of the closing's month."""
        return month_index(self.closing)


def windows(kind: str, last: date, fiscal_year_starts: int = 1) -> list[Window]:
    """List the windows of a kind, from the latest back over fifty years.

    Parameters
    ----------
    kind : str
        ``month``, ``quarter`` (fiscal), ``ttm``, or ``FROM:TO`` as months, which is one window
        from the end of FROM to the end of TO.
    last : date
        Last closed month-end.
    fiscal_year_starts : int
        Month in which the fiscal year starts.

    Raises
    ------
    UsageFault
        ``window.unknown`` for anything else, or if TO does not come after FROM.

    Examples
    --------
    >>> windows("quarter", date(2025, 7, 31))[0]
    Window(opening=datetime.date(2025, 3, 31), closing=datetime.date(2025, 6, 30))
    >>> windows("2025-01:2025-12", date(2026, 7, 31))
    [Window(opening=datetime.date(2025, 1, 31), closing=datetime.date(2025, 12, 31))]
    """
    if kind not in LENGTHS:
        return [_pair(kind)]
    ends = [
        end
        for end in reversed(month_ends(add_months(last, -600), last))
        if kind != "quarter" or (end.month - fiscal_year_starts + 1) % 3 == 0
    ]
    return [Window(month_end(add_months(end.replace(day=1), -LENGTHS[kind])), end) for end in ends]


def _pair(text: str) -> Window:
    found = _PAIR.fullmatch(text)
    if found is None:
        cure = "use month, quarter, ttm, or FROM:TO in months, as 2024-12:2025-12 for the year 2025"
        raise UsageFault("window.unknown", f'window "{text}"', cure)
    years = [int(part) for part in found.groups()]
    window = Window(month_end(date(years[0], years[1], 1)), month_end(date(years[2], years[3], 1)))
    if window.months < 1:
        raise UsageFault("window.unknown", f'window "{text}"', "TO must come after FROM")
    return window
