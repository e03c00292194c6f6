"""A proof: SQL that says of a typed row that its values are what a cast of its text would give.

Parquet has typed columns, and to write them as text and cast them back is most of the work of an
ingest. Where a row's values are plainly within the contract the text is never made. A row about
which there is any doubt goes the way of text, so both ways give the same.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from features.casting import PLAIN_ID, cast, prepared
from features.columns import ARROW, Column
from features.contracts import SQL_TYPES, TableContract
from features.digest import joined
from features.frame import Frame, full_match, literal, quoted
from features.instants import FIRST_YEAR, LAST_YEAR, last_day, last_instant, local_instant
from features.placement import Placement
from features.rollup import words_of

__all__ = ["Proof", "Proven", "are_plain", "proof_of"]

SHORT = 200
MARKS = (string.ascii_letters + string.digits + "_:.@/#").encode()
LONG_ENOUGH = 7
PLAIN_TEXT = rf"[!-~]([ -~]{{0,{SHORT - 2}}}[!-~])?"
WHOLE = re.compile(r"U?(TINY|SMALL|BIG)INT|U?INTEGER")
EXACT = re.compile(r"DECIMAL\((\d+),\d+\)")
LARGEST = "1e15"


@dataclass(frozen=True)
class Proven:
    """One column: its typed value, and when that is certain.

    Attributes
    ----------
    value : str
        SQL of the value.
    sound : str
        SQL that is true where the value is what the text would give, and good.
    there : str
        The same for a value that is not missing.
    """

    value: str
    sound: str
    there: str = "true"


@dataclass(frozen=True)
class Proof:
    """A table's columns, typed.

    Attributes
    ----------
    values : dict of str to str
        Contract column → SQL of its value.
    sound : str
        SQL of a row's soundness.
    words : dict of str to str
        Contract column of ids or of recurring texts → SQL of the soundness of one that is there.
    others : str
        SQL of a row's soundness if those texts are sound; they are short then.
    """

    values: dict[str, str]
    sound: str
    words: dict[str, str] = field(default_factory=dict)
    others: str = "true"


def proof_of(
    contract: TableContract, placement: Placement, frame: Frame, types: dict[str, str]
) -> Proof | None:
    """Give the proof of a table's rows; None where all of them must go the way of text.

    Parameters
    ----------
    contract : TableContract
        The table.
    placement : Placement
        Where its columns come from: the file's own names, of the relation ``t``.
    frame : Frame
        What holds while it is cast.
    types : dict of str to str
        Source column → DuckDB's type.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from features.contracts import TABLES
    >>> from features.mapping import TableSettings
    >>> frame = Frame(TableSettings(), "USD", "UTC", datetime(2025, 7, 1, tzinfo=UTC))
    >>> names = ("account_id", "occurred_at", "feature")
    >>> placement = Placement({name: name for name in names}, {}, ())
    >>> types = {"account_id": "BIGINT", "occurred_at": "TIMESTAMP", "feature": "VARCHAR"}
    >>> proof_of(TABLES["usage"], placement, frame, types).values["account_id"]
    'CAST(t."account_id" AS VARCHAR)'
    >>> proof_of(TABLES["usage"], placement, frame, types | {"feature": "DATE"}) is None
    True
    """
    settings = frame.settings
    if settings.where or placement.extras:
        return None
    values, sound, others = {}, [], []
    words, recurring = {}, words_of(contract.name)
    for column in contract.columns:
        theirs = placement.columns.get(column.name)
        proven = _absent(column) if theirs is None else _column(column, theirs, frame, types)
        if proven is None:
            return None
        values[column.name] = proven.value
        sound.append(proven.sound)
        listed = column.kind == "id" or column.name in recurring
        if theirs and listed and _is_bare(column, types[theirs]):
            words[column.name] = proven.there
            others.append(_short(column, theirs))
        else:
            others.append(proven.sound)
    return Proof(values, _all(sound), words, _all(others))


def _is_bare(column: Column, kind: str) -> bool:
    """Say whether the file's own texts are the values."""
    bare = kind == "VARCHAR" and column.default is None
    return bare and column.kind in ("id", "text")


def are_plain(words: pa.Array) -> bool:
    """Say whether all words are plainly sound, as ids and as texts, by one look at their bytes.

    Where they are not, each has to be looked at on its own.

    Examples
    --------
    >>> are_plain(pa.array(["acc-000001", None])), are_plain(pa.array(["2-Mar"]))
    (True, False)
    """
    sizes = pc.min_max(pc.binary_length(words)).as_py()
    if sizes["min"] is None:
        return True
    marks = MARKS + b"-" if sizes["min"] >= LONG_ENOUGH else MARKS
    short = sizes["min"] > 0 and sizes["max"] <= SHORT
    return short and not bytes(joined(words)).translate(None, marks)


def _all(sound: list[str]) -> str:
    return " AND ".join(f"({each})" for each in sound if each != "true")


def _short(column: Column, theirs: str) -> str:
    """Leave the rest to who looks at the words; beyond memory is what is long."""
    v = f"t.{quoted(theirs)}"
    return f"coalesce(strlen({v}) <= {SHORT}, {'false' if column.required else 'true'})"


def _absent(column: Column) -> Proven:
    kind = SQL_TYPES[str(ARROW[column.kind])]
    default = "NULL" if column.default is None else literal(column.default)
    return Proven(f"CAST({default} AS {kind})", "true")


def _column(column: Column, theirs: str, frame: Frame, types: dict[str, str]) -> Proven | None:
    settings, dated = frame.settings, column.kind in ("date", "timestamp")
    mapped = any(
        column.name in each for each in (settings.values, settings.units, settings.formats)
    )
    prove = PROOFS.get(column.kind)
    if mapped or (dated and settings.sentinels) or prove is None:
        return None
    v = f"t.{quoted(theirs)}"
    proven = prove(column, v, types[theirs], frame)
    if proven is None:
        return None
    missing = "false" if column.required else "true"
    sound = f"CASE WHEN {v} IS NULL THEN {missing} ELSE {proven.sound} END"
    value = proven.value
    if column.default is not None:
        value = f"coalesce({value}, {literal(column.default)})"
    return Proven(value, sound, proven.sound)


def _text(column: Column, v: str, kind: str, frame: Frame) -> Proven | None:
    """Take plain words as they are; judge others by the very casts that text goes through."""
    if WHOLE.fullmatch(kind) and column.kind != "choice":
        return Proven(f"CAST({v} AS VARCHAR)", "true")
    if kind != "VARCHAR":
        return None
    made = cast(column, frame, f"({prepared(column, frame.settings, v)})")
    exact = f"({made.code}) IS NULL AND ({made.value}) IS NOT DISTINCT FROM {v}"
    short = f"strlen({v}) <= {SHORT}"
    return Proven(v, f"CASE WHEN {_plain(column, v)} THEN true ELSE {short} AND {exact} END")


def _plain(column: Column, v: str) -> str:
    if column.kind == "choice":
        return f"{v} IN ({', '.join(map(literal, column.allowed))})"
    return full_match(v, PLAIN_ID if column.kind == "id" else PLAIN_TEXT)


def _number(column: Column, v: str, kind: str, frame: Frame) -> Proven | None:
    exact = EXACT.fullmatch(kind)
    if kind == "FLOAT":
        value = f"CAST(CAST({v} AS VARCHAR) AS DOUBLE)"
    elif kind == "DOUBLE" or WHOLE.fullmatch(kind) or (exact and int(exact[1]) <= 15):
        value = f"CAST({v} AS DOUBLE)"
    else:
        return None
    sound = f"isfinite({value}) AND abs({value}) <= {LARGEST}"
    sound += f" AND {value} >= {column.least}" if column.least is not None else ""
    sound += f" AND {value} <= {column.most}" if column.most is not None else ""
    return Proven(value, sound)


def _boolean(column: Column, v: str, kind: str, frame: Frame) -> Proven | None:
    return Proven(v, "true") if kind == "BOOLEAN" else None


def _date(column: Column, v: str, kind: str, frame: Frame) -> Proven | None:
    if kind not in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        return None
    value = f"CAST({v} AS DATE)"
    return Proven(value, _in_time(column, value, "DATE", last_day(frame)))


def _instant(column: Column, v: str, kind: str, frame: Frame) -> Proven | None:
    if kind == "TIMESTAMP WITH TIME ZONE":
        value, there = v, "true"
    elif kind in ("DATE", "TIMESTAMP", "TIMESTAMP_NS"):
        naive = f"CAST({v} AS TIMESTAMP)"
        value, there = f"timezone('UTC', {naive})", "true"
        if frame.timezone != "UTC":
            value, there = local_instant(naive, literal(frame.timezone))
    else:
        return None
    if kind == "TIMESTAMP_NS":
        there += f" AND epoch_ns({v}) % 1000 = 0"
    in_time = _in_time(column, f"({value})", "TIMESTAMPTZ", last_instant(frame))
    return Proven(value, f"{in_time} AND {there}")


def _in_time(column: Column, value: str, kind: str, last: str) -> str:
    since, until = (f"{kind} '{year}-01-01'" for year in (FIRST_YEAR, LAST_YEAR))
    sound = f"{value} >= {since} AND {value} < {until}"
    return sound + (f" AND {value} <= {last}" if column.past else "")


PROOFS: dict[str, Callable[[Column, str, str, Frame], Proven | None]] = {
    "id": _text,
    "text": _text,
    "choice": _text,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _instant,
}
