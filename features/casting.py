"""Casting: the text of a source column as a typed value, or the code of what is wrong with it.

Every column becomes two SQL expressions over its text: the value, and a code that is null where
the value is good. Money goes from text to exact decimals and never through a float.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from features.columns import Column, Kind
from features.currencies import CURRENCIES
from features.mapping import TableSettings
from features.units import factor, money_shift

__all__ = ["PICO", "Cast", "Frame", "cast", "literal", "more_decimals", "prepared", "quoted"]

NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
NOT_FINITE = r"(?i)([+-]?(nan|inf|infinity)|null|none|nil|n/?a|#n/?a|#ref!|#div/0!|#value!|-+)"
CONTROL = r"[\x00-\x1f\x7f\x{80}-\x{9f}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}\x{fffd}]"
MANGLED = r"(?i)\d+(\.\d+)?e\+\d+|\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)-\d{2}"
DAY = r"\d{4}-\d{2}-\d{2}"
CLOCK = r"[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)"
AMBIGUOUS = r"\d{1,2}[/.-]\d{1,2}[/.-](\d{4}|\d{2})([T ].*)?"
EPOCH = r"\d{10}|\d{13}"
PICO = 12
BOUND = 10**12
SKEW = timedelta(minutes=15)
FIRST_YEAR, LAST_YEAR = 1990, 2100


@dataclass(frozen=True)
class Frame:
    """What holds while a table is cast.

    Attributes
    ----------
    settings : TableSettings
        The table's mapping.
    currency : str
        The book's currency.
    timezone : str
        Zone of timestamps without offset.
    now : datetime
        Instant that "in the future" is judged by.
    """

    settings: TableSettings
    currency: str
    timezone: str
    now: datetime


@dataclass(frozen=True)
class Cast:
    """A column's two expressions, and what it is called in a snapshot.

    Attributes
    ----------
    value : str
        SQL of the typed value.
    code : str
        SQL of the breach's code; null where the value is good.
    """

    value: str
    code: str


def quoted(name: str) -> str:
    """Quote an identifier.

    Examples
    --------
    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text.

    Examples
    --------
    >>> literal("O'Hara")
    "'O''Hara'"
    """
    return "'" + text.replace("'", "''") + "'"


def prepared(column: Column, settings: TableSettings) -> str:
    """Give the SQL of a column's text: trimmed, empty as null, words and sentinels mapped."""
    text = f"nullif(trim({quoted(column.name)}, ' \t\r\n\u00a0'), '')"
    for sentinel in settings.sentinels if column.kind in ("date", "timestamp", "month") else []:
        found = " OR ".join(
            f"starts_with({text}, {literal(sentinel + mark)})" for mark in ("T", " ")
        )
        text = f"CASE WHEN {text} = {literal(sentinel)} OR {found} THEN NULL ELSE {text} END"
    words = settings.values.get(column.name)
    if words:
        cases = " ".join(f"WHEN {literal(a)} THEN {literal(b)}" for a, b in words.items())
        text = f"CASE {text} {cases} ELSE {text} END"
    return text


def cast(column: Column, frame: Frame) -> Cast:
    """Give the two expressions of a column over its prepared text.

    Examples
    --------
    >>> from datetime import UTC
    >>> frame = Frame(TableSettings(), "USD", "UTC", datetime(2025, 7, 1, tzinfo=UTC))
    >>> seats = cast(Column("seats", "integer", "seats", least=0), frame)
    >>> import duckdb
    >>> sql = f'SELECT {seats.value}, {seats.code} FROM (VALUES (?)) AS t("seats")'
    >>> [duckdb.execute(sql, [text]).fetchone() for text in ("12", "12.0", "-1", "a dozen")]
    [(12, None), (12, None), (-1, 'number.negative'), (None, 'number.format')]
    """
    made = CASTS[column.kind](column, quoted(column.name), frame)
    missing = "'value.missing'" if column.required else "NULL"
    code = f"CASE WHEN {quoted(column.name)} IS NULL THEN {missing} {made.code} END"
    value = made.value
    if column.default is not None:
        value = f"coalesce({value}, {literal(column.default)})"
    return Cast(value, code)


def more_decimals(column: Column, frame: Frame) -> str:
    """Give the SQL that says whether an amount has more decimals than the currency."""
    unit = frame.settings.units.get(column.name, "major")
    places = -money_shift("minor", frame.currency) + money_shift(unit, frame.currency)
    fraction = f"rtrim(regexp_extract({quoted(column.name)}, '\\.(\\d+)', 1), '0')"
    return f"coalesce(length({fraction}) > {max(places, 0)}, false)"


def _full(v: str, pattern: str) -> str:
    return f"regexp_full_match({v}, {literal(pattern)})"


def _id(column: Column, v: str, frame: Frame) -> Cast:
    code = (
        f"WHEN regexp_matches({v}, {literal(CONTROL)}) THEN 'text.control' "
        f"WHEN {_full(v, MANGLED)} THEN 'id.excel_mangled'"
    )
    return Cast(v, code)


def _text(column: Column, v: str, frame: Frame) -> Cast:
    clean = f"nullif(trim(regexp_replace({v}, {literal(CONTROL)}, '', 'g')), '')"
    ascii_only = f"strlen({v}) = length({v}) AND NOT regexp_matches({v}, '[\\x00-\\x1f\\x7f]')"
    return Cast(f"CASE WHEN {ascii_only} THEN {v} ELSE nfc_normalize({clean}) END", "")


def _choice(column: Column, v: str, frame: Frame) -> Cast:
    words = ", ".join(literal(word) for word in column.allowed)
    return Cast(f"lower({v})", f"WHEN lower({v}) NOT IN ({words}) THEN 'value.unknown'")


def _currency(column: Column, v: str, frame: Frame) -> Cast:
    codes = ", ".join(literal(code) for code in sorted(CURRENCIES))
    value = f"upper({v})" if column.required else f"coalesce(upper({v}), {literal(frame.currency)})"
    return Cast(value, f"WHEN upper({v}) NOT IN ({codes}) THEN 'currency.unknown'")


def _boolean(column: Column, v: str, frame: Frame) -> Cast:
    yes, no = "('true', 't', 'yes', 'y', '1')", "('false', 'f', 'no', 'n', '0')"
    value = f"CASE WHEN lower({v}) IN {yes} THEN true WHEN lower({v}) IN {no} THEN false END"
    return Cast(value, f"WHEN ({value}) IS NULL THEN 'boolean.format'")


def _bounds(column: Column, value: str) -> str:
    code = ""
    if column.least == 0:
        code += f" WHEN {value} < 0 THEN 'number.negative'"
    elif column.least is not None:
        code += f" WHEN {value} < {column.least} THEN 'number.out_of_range'"
    if column.most is not None:
        code += f" WHEN {value} > {column.most} THEN 'number.out_of_range'"
    return code


def _numeric_code(v: str, value: str, tail: str) -> str:
    return (
        f"WHEN NOT {_full(v, NUMBER)} THEN "
        f"CASE WHEN {_full(v, NOT_FINITE)} THEN 'number.not_finite' ELSE 'number.format' END "
        f"WHEN ({value}) IS NULL OR length({v}) > 40 THEN 'number.out_of_range' {tail}"
    )


def _number(column: Column, v: str, frame: Frame) -> Cast:
    worth = factor(frame.settings.units.get(column.name))
    value = f"TRY_CAST({v} AS DOUBLE)"
    if worth != 1:
        value = f"({value} * {worth.numerator} / {worth.denominator})"
    huge = f"WHEN abs({value}) > 1e15 OR NOT isfinite({value}) THEN 'number.out_of_range'"
    return Cast(value, _numeric_code(v, value, huge + _bounds(column, value)))


def _integer(column: Column, v: str, frame: Frame) -> Cast:
    value = f"TRY_CAST(CASE WHEN {_full(v, NUMBER)} THEN {v} END AS DECIMAL(24, 6))"
    whole = f"CAST(CASE WHEN {value} = trunc({value}) THEN {value} END AS BIGINT)"
    tail = f"WHEN {value} <> trunc({value}) THEN 'number.format'" + _bounds(column, value)
    return Cast(whole, _numeric_code(v, value, tail))


def _money(column: Column, v: str, frame: Frame) -> Cast:
    """Read an amount exactly, as a whole number of pico-units (10⁻¹² of the major unit)."""
    shift = money_shift(frame.settings.units.get(column.name, "major"), frame.currency)
    scale = PICO + shift
    exact = f"TRY_CAST({v} AS DECIMAL({16 + scale}, {scale}))"
    bound = BOUND * 10**-shift if shift < 0 else BOUND // 10**shift
    whole = f"CAST(replace(CAST({exact} AS VARCHAR), '.', '') AS HUGEINT)"
    value = f"CASE WHEN abs({exact}) <= {bound} THEN {whole} END"
    return Cast(value, _numeric_code(v, value, _bounds(column, exact)))


def _iso(v: str, pattern: str) -> str:
    return (
        f"WHEN {_full(v, AMBIGUOUS)} THEN 'timestamp.ambiguous' "
        f"WHEN {_full(v, EPOCH)} THEN 'timestamp.unit' "
        f"WHEN NOT {_full(v, pattern)} THEN 'timestamp.format' "
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
        number = f"CASE WHEN {_full(v, whole)} THEN {v} END"
        return f"CAST(epoch_ms(CAST({number} AS BIGINT) * {worth}) AS TIMESTAMP)"
    form = frame.settings.formats.get(column.name)
    return f"TRY_STRPTIME({v}, {literal(form)})" if form else None


def _other_unit(column: Column, v: str, frame: Frame) -> str:
    """Give the SQL that finds seconds where milliseconds are declared, and the reverse."""
    unit = frame.settings.units.get(column.name)
    if unit is None:
        return ""
    digits = r"\d{12,14}" if unit == "epoch_s" else r"\d{9,10}"
    return f"WHEN {_full(v, digits)} THEN 'timestamp.unit' "


def _date(column: Column, v: str, frame: Frame) -> Cast:
    declared = _declared(column, v, frame)
    limit = f"CAST({literal((frame.now + SKEW).date().isoformat())} AS DATE)"
    if declared:
        value = f"CAST({declared} AS DATE)"
        return Cast(value, _other_unit(column, v, frame) + _in_time(column, value, limit))
    value = f"TRY_CAST(left({v}, 10) AS DATE)"
    return Cast(value, _iso(v, f"{DAY}({CLOCK} ?{OFFSET}?)?") + _in_time(column, value, limit))


def _month(column: Column, v: str, frame: Frame) -> Cast:
    whole = f"(CASE WHEN length({v}) = 7 THEN {v} || '-01' ELSE {v} END)"
    made = _date(column, whole, frame)
    return Cast(f"CAST(date_trunc('month', {made.value}) AS DATE)", made.code)


def _timestamp(column: Column, v: str, frame: Frame) -> Cast:
    limit = f"CAST({literal((frame.now + SKEW).isoformat())} AS TIMESTAMPTZ)"
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
    """Read a naive local time; of the two instants of a fold the earlier, none in a gap."""
    aware = f"TRY_CAST({v} AS TIMESTAMPTZ)"
    naive = f"TRY_CAST({v} AS TIMESTAMP)"
    late = f"timezone({zone}, {naive})"
    early = f"({late} - INTERVAL 1 HOUR)"
    folded = f"CASE WHEN timezone({zone}, {early}) = {naive} THEN {early} ELSE {late} END"
    has_offset = f"regexp_matches({v}, {literal(CLOCK + OFFSET + '$')})"
    gap = f" WHEN NOT {has_offset} AND timezone({zone}, {late}) <> {naive} THEN 'timestamp.nonexistent'"
    return f"CASE WHEN {has_offset} THEN {aware} ELSE {folded} END", gap


CASTS: dict[Kind, Callable[[Column, str, Frame], Cast]] = {
    "id": _id,
    "text": _text,
    "choice": _choice,
    "currency": _currency,
    "date": _date,
    "month": _month,
    "timestamp": _timestamp,
    "number": _number,
    "share": _number,
    "integer": _integer,
    "money": _money,
    "boolean": _boolean,
}
