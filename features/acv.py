"""ACV: annual contract value, twelve times the MRR, and the segment that follows from it."""

from __future__ import annotations

__all__ = ["ACV_SEGMENTS", "acv_segment_sql"]

ACV_SEGMENTS = ((0, "smb"), (5_000, "mid-market"), (50_000, "enterprise"), (200_000, "strategic"))
"""Annual contract value from which each segment starts, in units of the book's currency."""


def acv_segment_sql(mrr_micros: str) -> str:
    """Write the segment of an amount of MRR, in micro-units.

    Examples
    --------
    >>> acv_segment_sql("mrr")
    "CASE WHEN mrr >= 16666666667 THEN 'strategic' WHEN mrr >= 4166666667 THEN 'enterprise' WHEN mrr >= 416666667 THEN 'mid-market' ELSE 'smb' END"
    """
    bands = [(-(-start * 1_000_000 // 12), name) for start, name in reversed(ACV_SEGMENTS)]
    cases = " ".join(f"WHEN {mrr_micros} >= {least} THEN '{name}'" for least, name in bands[:-1])
    return f"CASE {cases} ELSE '{bands[-1][1]}' END"
