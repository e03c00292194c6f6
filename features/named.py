"""Named: the lines of a ``perennial.toml`` for a table that was recognised by its names."""

from __future__ import annotations

import re

from features.casting import quoted
from features.composing import worded
from features.contracts import TABLES
from features.heads import Head
from features.recognition import Recognised

__all__ = ["named_block"]

DAY = re.compile(r"[0-9./-]{8,10}([T ]00:00(:00)?\S*)?")
FEW = 20


def named_block(head: Head, found: Recognised) -> str:
    """Write the lines of a table, each with its ground; what is left to decide as ``OPEN``.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from features.recognition import Placed
    >>> from features.source_rows import SourceRows
    >>> rows = SourceRows("u.csv", "", pa.table({"Who": ["a", ""]}), pa.array([2, 3]))
    >>> found = Recognised("usage", (Placed("account_id", "Who", "its name"),), (), (), ())
    >>> print(named_block(Head("u.csv", rows), found))
    [tables.usage]
    source = "u.csv"
    columns.account_id = "Who"   # its name
    where = "\\"Who\\" <> ''"   # 1 of the first 2 rows name no account
    """
    lines = [f"[tables.{found.table}]", f"source = {worded(head.place)}", *head.declared]
    for each in found.placed:
        if each.written:
            lines += each.written
            continue
        line = f"columns.{each.column} = {worded(each.source)}"
        lines.append(f"{line}   # {each.ground}")
        if len(each.declared) == 1:
            lines.append(f"{each.declared[0]}   # the only way in which it reads")
        elif each.declared:
            lines.append(f"# OPEN: {each.column} reads in {len(each.declared)} ways; keep one:")
            lines += [f"# {way}" for way in each.declared]
    lines += [f"# OPEN: {each}" for each in (*found.open, *_summed(head, found))]
    lines += [*_nobodys(head, found), *_rest(head, found)]
    return "\n".join(lines)


def _summed(head: Head, found: Recognised) -> list[str]:
    """Ask for the grain of usage of which no row has a time of day."""
    times = [each.source for each in found.placed if each.column == "occurred_at"]
    values = head.values(times[0]) if times and found.table == "usage" else []
    if not values or not all(DAY.fullmatch(value) for value in values):
        return []
    return ['every time is a day: if a row is a sum, say so: grain = "day", "week" or "month"']


def _nobodys(head: Head, found: Recognised) -> list[str]:
    """Leave out usage that names no account."""
    column = next((each.source for each in found.placed if each.column == "account_id"), "")
    rows, told = head.rows.rows.num_rows, len(head.values(column)) if column else 0
    if found.table != "usage" or told == rows:
        return []
    where = worded(f"{quoted(column)} <> ''")
    return [f"where = {where}   # {rows - told} of the first {rows} rows name no account"]


def _rest(head: Head, found: Recognised) -> list[str]:
    """Say what is not taken; of accounts, which columns of few words stay as cuts."""
    contract = {column.name for column in TABLES[found.table].columns}
    own = [name for name in found.left if name.casefold() in contract]
    left = [name for name in found.left if name not in own]
    cuts: list[str] = []
    if found.table == "accounts":
        words = {name: set(head.values(name)) for name in left}
        height = head.rows.rows.num_rows
        cuts = [name for name, held in words.items() if 1 < len(held) <= min(FEW, height // 2)]
    rest = [name for name in left if name not in cuts]
    said = "   # called as the contract calls one, and it does not read as that"
    lines = [f"ignore = {worded(own)}{said}"] if own else []
    lines += [f"# not taken: {', '.join(map(worded, rest))}"] if rest else []
    if found.table == "accounts":
        lines.append(f"extra = {worded(cuts)}   # kept as cuts: columns of 2 to {FEW} words")
    return lines
