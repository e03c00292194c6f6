"""Casting: the text of a source column as a typed value, or the code of what is wrong with it.

Every column becomes two SQL expressions over its text: the value, and a code that is null where
the value is good. Money goes from text to exact decimals and never through a float.
"""

from __future__ import annotations

from collections.abc import Callable

from features.columns import Column, Kind
from features.currencies import CURRENCIES
from features.frame import Cast, Frame, full_match, literal, quoted
from features.instants import date_cast, instant_cast, month_cast
from features.mapping import TableSettings
from features.units import factor, money_shift

__all__ = [
    "PICO",
    "PLAIN_ID",
    "Cast",
    "Frame",
    "cast",
    "literal",
    "more_decimals",
    "prepared",
    "quoted",
]

NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
NOT_FINITE = r"(?i)([+-]?(nan|inf|infinity)|null|none|nil|n/?a|#n/?a|#ref!|#div/0!|#value!|-+)"
CONTROL = r"[\x00-\x1f\x7f\x{80}-\x{9f}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}\x{fffd}]"
MANGLED = r"(?i)\d+(\.\d+)?e\+\d+|\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)-\d{2}"
PLAIN_ID = r"[A-Za-z0-9_:.@/#]{1,200}|[A-Za-z0-9_:.@/#-]{7,200}"
PICO = 12
AMOUNT_DIGITS, CENTS = 9, 2
AMOUNT = rf"\d{{1,{AMOUNT_DIGITS}}}(\.\d{{1,{CENTS}}})?"
WHOLE = r"\d{1,15}"
BOUND = 10**12


def prepared(column: Column, settings: TableSettings, source: str | None = None) -> str:
    """Give the SQL of a column's text: trimmed, empty as null, words and sentinels mapped."""
    text = f"nullif(trim({source or quoted(column.name)}, ' \t\r\n\u00a0'), '')"
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


def cast(column: Column, frame: Frame, text: str | None = None) -> Cast:
    """Give the two expressions of a column over its prepared text (the SQL ``text``).

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> frame = Frame(TableSettings(), "USD", "UTC", datetime(2025, 7, 1, tzinfo=UTC))
    >>> seats = cast(Column("seats", "integer", "seats", least=0), frame)
    >>> import duckdb
    >>> sql = f'SELECT {seats.value}, {seats.code} FROM (VALUES (?)) AS t("seats")'
    >>> [duckdb.execute(sql, [text]).fetchone() for text in ("12", "12.0", "-1", "a dozen")]
    [(12, None), (12, None), (-1, 'number.negative'), (None, 'number.format')]
    """
    text = text or quoted(column.name)
    made = CASTS[column.kind](column, text, frame)
    missing = "'value.missing'" if column.required else "NULL"
    code = f"CASE WHEN {text} IS NULL THEN {missing} {made.code} END"
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


def _id(column: Column, v: str, frame: Frame) -> Cast:
    code = (
        f"WHEN {full_match(v, PLAIN_ID)} THEN NULL "
        f"WHEN regexp_matches({v}, {literal(CONTROL)}) THEN 'text.control' "
        f"WHEN {full_match(v, MANGLED)} THEN 'id.excel_mangled'"
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
        f"WHEN NOT {full_match(v, NUMBER)} THEN "
        f"CASE WHEN {full_match(v, NOT_FINITE)} THEN 'number.not_finite' ELSE 'number.format' END "
        f"WHEN ({value}) IS NULL OR length({v}) > 40 THEN 'number.out_of_range' {tail}"
    )


def _number(column: Column, v: str, frame: Frame) -> Cast:
    worth = factor(frame.settings.units.get(column.name))
    value = f"TRY_CAST({v} AS DOUBLE)"
    if worth != 1:
        value = f"({value} * {worth.numerator} / {worth.denominator})"
    huge = f"WHEN abs({value}) > 1e15 OR NOT isfinite({value}) THEN 'number.out_of_range'"
    return Cast(value, _numeric_code(v, value, huge + _bounds(column, value)))


def _quick(plain: str, value: str, column: Column) -> str:
    """Give the SQL of the commonest case of a code: plain digits within bounds."""
    least, most = column.least, column.most
    bounds = f" AND {value} >= {least}" if least is not None else ""
    bounds += f" AND {value} <= {most}" if most is not None else ""
    return f"WHEN {plain}{bounds} THEN NULL "


def _integer(column: Column, v: str, frame: Frame) -> Cast:
    """Read a whole number; plain digits by themselves, all else by way of decimals."""
    plain, digits = full_match(v, WHOLE), f"TRY_CAST({v} AS BIGINT)"
    value = f"TRY_CAST(CASE WHEN {full_match(v, NUMBER)} THEN {v} END AS DECIMAL(24, 6))"
    whole = f"CAST(CASE WHEN {value} = trunc({value}) THEN {value} END AS BIGINT)"
    tail = f"WHEN {value} <> trunc({value}) THEN 'number.format'" + _bounds(column, value)
    code = _quick(plain, digits, column) + _numeric_code(v, value, tail)
    return Cast(f"CASE WHEN {plain} THEN {digits} ELSE {whole} END", code)


def _money(column: Column, v: str, frame: Frame) -> Cast:
    """Read an amount exactly, as a whole number of pico-units (10⁻¹² of the major unit).

    An amount of few digits is read as hundredths, which is several times faster.
    """
    shift = money_shift(frame.settings.units.get(column.name, "major"), frame.currency)
    scale = PICO + shift
    exact = f"TRY_CAST({v} AS DECIMAL({16 + scale}, {scale}))"
    bound = BOUND * 10**-shift if shift < 0 else BOUND // 10**shift
    whole = f"CAST(replace(CAST({exact} AS VARCHAR), '.', '') AS HUGEINT)"
    value = f"CASE WHEN abs({exact}) <= {bound} THEN {whole} END"
    code = _numeric_code(v, value, _bounds(column, exact))
    if bound < 10**AMOUNT_DIGITS or scale < CENTS:
        return Cast(value, code)
    plain, cents = (
        full_match(v, AMOUNT),
        f"TRY_CAST({v} AS DECIMAL({AMOUNT_DIGITS + CENTS}, {CENTS}))",
    )
    hundredths = f"CAST({cents} * CAST({10**CENTS} AS DECIMAL(3, 0)) AS HUGEINT)"
    quick = f"{hundredths} * {10 ** (scale - CENTS)}::HUGEINT"
    return Cast(
        f"CASE WHEN {plain} THEN {quick} ELSE {value} END", _quick(plain, cents, column) + code
    )


CASTS: dict[Kind, Callable[[Column, str, Frame], Cast]] = {
    "id": _id,
    "text": _text,
    "choice": _choice,
    "currency": _currency,
    "date": date_cast,
    "month": month_cast,
    "timestamp": instant_cast,
    "number": _number,
    "share": _number,
    "integer": _integer,
    "money": _money,
    "boolean": _boolean,
}
