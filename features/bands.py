"""Bands: cuts that follow from the ledger itself, by size, age, quarter of arrival and rank."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from features.acv import ACV_SEGMENTS, acv_segment_sql

__all__ = ["ACCOUNT_AGES", "ARR_BANDS", "ARR_RANKS", "BANDS", "Band", "fiscal_quarter_sql", "rank"]

ARR_BANDS = (
    (0, "<1k"),
    (1_000, "1-5k"),
    (5_000, "5-10k"),
    (10_000, "10-25k"),
    (25_000, "25-50k"),
    (50_000, "50-100k"),
    (100_000, "100-250k"),
    (250_000, "250k+"),
)
"""ARR (twelve times the opening MRR) from which each band starts, in the book's currency."""

ACCOUNT_AGES = (
    (0, "<3 months"),
    (3, "3-12 months"),
    (12, "1-2 years"),
    (24, "2-3 years"),
    (36, "3+ years"),
)
"""Months from the first paid month to the opening from which each age starts."""

ARR_RANKS = ("top 20 %", "other 80 %")
"""The fifth of the paying accounts that pays most at the opening, rounded up, and the rest."""


@dataclass(frozen=True)
class Band:
    """A cut that is read off the ledger.

    Attributes
    ----------
    labels : tuple of str
        Its values in their order; empty where text sorts them well.
    phrase : str
        What it says of an account.
    """

    labels: tuple[str, ...]
    phrase: str

    def sql(self, name: str, fiscal_year_starts: int) -> str:
        """Write its value for an account: of ``mrr``, ``paying``, ``first``, ``b``, ``account``."""
        if name == "acquisition_cohort":
            return fiscal_quarter_sql("first", fiscal_year_starts)
        return _SQL[name]


BANDS: Mapping[str, Band] = {
    "acv_segment": Band(
        tuple(name for _, name in ACV_SEGMENTS), "segment by ACV, twelve times its opening MRR"
    ),
    "arr_band": Band(tuple(name for _, name in ARR_BANDS), "band of its ARR at the opening"),
    "acquisition_cohort": Band((), "fiscal quarter of its first paid month"),
    "account_age": Band(
        tuple(name for _, name in ACCOUNT_AGES), "time from its first paid month to the opening"
    ),
    "arr_rank": Band(ARR_RANKS, "whether it is of the fifth that pays most at the opening"),
}
"""An account that joins after the opening has the size of its first movement, and neither age
nor rank."""


def fiscal_quarter_sql(month: str, starts: int) -> str:
    """Write the fiscal quarter of a month given by its number; a year is named by its first day.

    Examples
    --------
    >>> fiscal_quarter_sql("first", 2)
    "((first - 1) // 12) || '-Q' || ((first - 1) % 12 // 3 + 1)"
    """
    moved = f"({month} - {starts - 1})"
    return f"({moved} // 12) || '-Q' || ({moved} % 12 // 3 + 1)"


def rank(name: str, value: str | None) -> tuple[bool, int, float, str]:
    """Give the place of a value in its cut: bands and numbers by size, then names, null last.

    Examples
    --------
    >>> sorted(["1-5k", "<1k", "250k+", "10-25k"], key=lambda value: rank("arr_band", value))
    ['<1k', '1-5k', '10-25k', '250k+']
    >>> sorted(["100", "eu", "9"], key=lambda value: rank("region", value))
    ['9', '100', 'eu']
    """
    labels = BANDS["acv_segment" if name == "segment" else name].labels if _banded(name) else ()
    place = labels.index(value) if value in labels else len(labels)
    number = float(value) if value and _NUMBER.fullmatch(value) else inf
    return (value is None, place, number, value or "")


_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def _banded(name: str) -> bool:
    return name == "segment" or name in BANDS


def _steps_sql(column: str, steps: tuple[tuple[int, str], ...]) -> str:
    """Write the band of a number: the last one that starts at or below it."""
    cases = " ".join(f"WHEN {column} >= {least} THEN '{label}'" for least, label in steps[::-1])
    return f"CASE {cases} END"


_TOP, _OTHERS = ARR_RANKS
_SQL = {
    "acv_segment": f"CASE WHEN mrr IS NOT NULL THEN {acv_segment_sql('mrr')} END",
    # Micro-units a month against units a year.
    "arr_band": _steps_sql(
        "12 * mrr::HUGEINT", tuple((least * 10**6, label) for least, label in ARR_BANDS)
    ),
    "account_age": _steps_sql("(b - first)", ACCOUNT_AGES),
    "arr_rank": f"""CASE WHEN paying IS NULL THEN NULL
        WHEN row_number() OVER (PARTITION BY b ORDER BY paying DESC NULLS LAST, account)
            <= ceil(count(paying) OVER (PARTITION BY b) / 5) THEN '{_TOP}' ELSE '{_OTHERS}' END""",
}
