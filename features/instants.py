"""Instants: the text of a day, a month or a point in time as a typed value, or what is wrong.

Nothing is guessed: ISO-8601, or the unit or format that the mapping declares.
"""

from __future__ import annotations

from datetime import timedelta

from features.columns import Column
from features.frame import Cast, Frame, full_match, literal

__all__ = [
    "FIRST_YEAR",
    "LAST_YEAR",
    "date_cast",
    "instant_cast",
    "last_day",
    "last_instant",
    "local_instant",
    "month_cast",
]

DAY = r"\d{4}-\d{2}-\d{2}"
CLOCK = r"[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)"
AMBIGUOUS = r"\d{1,2}[/.-]\d{1,2}[/.-](\d{4}|\d{2})([T ].*)?"
EPOCH = r"\d{10}|\d{13}"
SKEW = timedelta(minutes=15)
FIRST_YEAR, LAST_YEAR = 1990, 2100


def _iso(v: str, pattern: str) -> str:
    return (
        f"WHEN NOT {full_match(v, pattern)} THEN "
        f"CASE WHEN {full_match(v, AMBIGUOUS)} THEN 'timestamp.ambiguous' "
        f"WHEN {full_match(v, EPOCH)} THEN 'timestamp.unit' ELSE 'timestamp.format' END "
    )


def _in_time(column: Column, value: str, limit: str) -> str:
    code = (
        f"WHEN ({value}) IS NULL THEN 'timestamp.format' "
        f"WHEN year({value}) < {FIRST_YEAR} OR year({value}) >= {LAST_YEAR} "
        f"THEN 'timestamp.sentinel' "
    )
    return code + (f"WHEN {value} > {limit} THEN 'timestamp.future'" if column.past else "")


def _declared(column: Column, v: str, frame: Frame) -> str | None:
    """Give the SQL of an instant whose unit or format the mapping declares."""
    unit = frame.settings.units.get(column.name)
    if unit:
        digits, worth = (11, 1000) if unit == "epoch_s" else (14, 1)
        whole = rf"\d{{1,{digits}}}"
        number = f"CASE WHEN {full_match(v, whole)} THEN {v} END"
        return f"CAST(epoch_ms(CAST({number} AS BIGINT) * {worth}) AS TIMESTAMP)"
    form = frame.settings.formats.get(column.name)
    return f"TRY_STRPTIME({v}, {literal(form)})" if form else None


def _other_unit(column: Column, v: str, frame: Frame) -> str:
    """Give the SQL that finds seconds where milliseconds are declared, and the reverse."""
    unit = frame.settings.units.get(column.name)
    if unit is None:
        return ""
    digits = r"\d{12,14}" if unit == "epoch_s" else r"\d{9,10}"
    return f"WHEN {full_match(v, digits)} THEN 'timestamp.unit' "


def date_cast(column: Column, v: str, frame: Frame) -> Cast:
    """Give the expressions of a day."""
    declared = _declared(column, v, frame)
    limit = last_day(frame)
    if declared:
        value = f"CAST({declared} AS DATE)"
        return Cast(value, _other_unit(column, v, frame) + _in_time(column, value, limit))
    value = f"TRY_CAST(left({v}, 10) AS DATE)"
    return Cast(value, _iso(v, f"{DAY}({CLOCK} ?{OFFSET}?)?") + _in_time(column, value, limit))


def month_cast(column: Column, v: str, frame: Frame) -> Cast:
    """Give the expressions of a month, as its first day; a declared format may have no day."""
    whole = f"(CASE WHEN length({v}) = 7 THEN {v} || '-01' ELSE {v} END)"
    dayless = "%d" not in frame.settings.formats.get(column.name, "%d")
    made = date_cast(column, v if dayless else whole, frame)
    return Cast(f"CAST(date_trunc('month', {made.value}) AS DATE)", made.code)


def instant_cast(column: Column, v: str, frame: Frame) -> Cast:
    """Give the expressions of an instant; one without offset is local to the book's zone."""
    limit = last_instant(frame)
    declared, zone = _declared(column, v, frame), literal(frame.timezone)
    epoch = column.name in frame.settings.units
    if declared:
        value = f"timezone({literal('UTC') if epoch else zone}, {declared})"
        return Cast(value, _other_unit(column, v, frame) + _in_time(column, value, limit))
    if frame.timezone == "UTC":
        value, gap = f"TRY_CAST({v} AS TIMESTAMPTZ)", ""
    else:
        value, gap = _local(v, zone)
    return Cast(value, _iso(v, f"{DAY}({CLOCK}{OFFSET}?)?") + _in_time(column, value, limit) + gap)


def _local(v: str, zone: str) -> tuple[str, str]:
    """Read a text that may lack an offset."""
    aware = f"TRY_CAST({v} AS TIMESTAMPTZ)"
    value, there = local_instant(f"TRY_CAST({v} AS TIMESTAMP)", zone)
    has_offset = f"regexp_matches({v}, {literal(CLOCK + OFFSET + '$')})"
    gap = f" WHEN NOT {has_offset} AND NOT ({there}) THEN 'timestamp.nonexistent'"
    return f"CASE WHEN {has_offset} THEN {aware} ELSE {value} END", gap


def local_instant(naive: str, zone: str) -> tuple[str, str]:
    """Give the SQL of a local time's instant, and of whether its clock showed it at all.

    Of the two instants of a fold it is the earlier one; ``zone`` is a quoted literal.

    Examples
    --------
    >>> import duckdb
    >>> value, there = local_instant("TIMESTAMP '2025-03-30 02:30:00'", "'Europe/Berlin'")
    >>> duckdb.sql(f"SELECT {there}").fetchone()
    (False,)
    """
    late = f"timezone({zone}, {naive})"
    early = f"({late} - INTERVAL 1 HOUR)"
    value = f"CASE WHEN timezone({zone}, {early}) = {naive} THEN {early} ELSE {late} END"
    return value, f"timezone({zone}, {late}) = {naive}"


def last_day(frame: Frame) -> str:
    """Give the SQL of the last day that is not in the future."""
    return f"CAST({literal((frame.now + SKEW).date().isoformat())} AS DATE)"


def last_instant(frame: Frame) -> str:
    """Give the SQL of the last instant that is not in the future."""
    return f"CAST({literal((frame.now + SKEW).isoformat())} AS TIMESTAMPTZ)"
