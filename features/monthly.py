"""Monthly: a sheet with a month in every column, recognised, and the lines that read it."""

from __future__ import annotations

import re
from datetime import date

from features.composing import worded
from features.fitting import thousands, undecided
from features.heads import Head
from features.likeness import COLUMNS, plain
from features.reshaping import month_columns

__all__ = ["monthly_block", "monthly_gap"]

FORMATS = (
    "%b %Y", "%b-%Y", "%b %y", "%b-%y", "%b '%y", "%B %Y", "%Y-%m", "%Y/%m", "%Y%m", "%YM%m",
    "%m/%Y", "%m-%Y", "%m/%y", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y", "%m.%Y",
    "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y",
)  # fmt: skip
LEAST = 3
FEW = 12
REASONS = ("seats", "quantity", "licenses", "product", "plan")
DESCRIBED = ("segment", "industry", "region", "csm")
SUMS = (
    "total", "totals", "sum", "grand total", "all customers", "total mrr", "mrr total", "total:",
    "gesamt", "summe", "gesamtsumme", "total général", "suma",
)  # fmt: skip
SUM = re.compile(r"(grand )?(total|sum|gesamt|summe)\b")
LIKE = re.compile(r"[^\W\d_]{3,}[.]?[ '/-]*[0-9]{2,4}")
BARE = "regexp_replace(mrr, '[$€£\\s\\x{a0}]', '', 'g')"
POINT = rf"CASE WHEN regexp_full_match({BARE}, '-?[0-9]{{1,3}}(,[0-9]{{3}})+([.][0-9]+)?') THEN replace({BARE}, ',', '') ELSE {BARE} END"
COMMA = rf"CASE WHEN regexp_full_match({BARE}, '-?([0-9]{{1,3}}([.][0-9]{{3}})+|[0-9]+)(,[0-9]{{1,2}})?') THEN replace(replace({BARE}, '.', ''), ',', '.') ELSE {BARE} END"
"""An amount without its signs, of 1,200.50 and of 1.200,50; what is of the other kind is refused."""


def monthly_block(head: Head) -> list[tuple[str, str, str]]:
    """Give accounts and mrr_by_month of a sheet, each with its ground and lines; empty if it is none.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from features.source_rows import SourceRows
    >>> sheet = {"Client": ["Ada", "Total"], "2025-01": ["1", "1"], "2025-02": ["2", "2"]}
    >>> rows = pa.table(sheet | {"2025-03": ["3", "3"]})
    >>> found = monthly_block(Head("m.csv", SourceRows("m.csv", "", rows, pa.array([2, 3]))))
    >>> [(table, ground) for table, ground, _ in found][1]
    ('mrr_by_month', '3 columns read as months, "%Y-%m"')
    >>> print("\\n".join(each for each in found[1][2].splitlines() if each[0] != "#" and "computed" not in each))
    [tables.mrr_by_month]
    source = "m.csv"
    months = "%Y-%m"
    columns.account_id = "Client"   # the only column whose name says it
    columns.month = "month"
    where = "lower(trim(\\"Client\\")) not in ('', 'total') and trim(mrr) not in ('-', '–')"
    """
    forms, ways = _ways(head)
    if not ways:
        return []
    most = len(forms[ways[0]])
    rest = [name for name in head.header if name not in forms[ways[0]]]
    account, ground = _account(rest)
    if account is None:
        return []
    ground_of_sheet = f'{most} columns read as months, "{ways[0]}"'
    if len({tuple(forms[way].values()) for way in ways}) > 1:
        ground_of_sheet += f"; OPEN: or are they {' or '.join(worded(way) for way in ways[1:])}?"
    lines = [f"source = {worded(head.place)}", *head.declared]
    own = f"columns.account_id = {worded(account)}   # {ground}"
    outside = _outside(head, account)
    sheet = [
        "[tables.mrr_by_month]",
        *lines,
        f'months = "{ways[0]}"',
        own,
        'columns.month = "month"',
    ]
    named = worded(f"{outside} and trim(mrr) not in ('-', '–')")
    sheet += [*_amounts(head, list(forms[ways[0]])), *_doubtful(head, account)]
    sheet += [*_no_months(head, rest), f"where = {named}"]
    accounts = ["[tables.accounts]", *lines, own, f"where = {worded(outside)}"]
    accounts += _cuts(head, account, rest)
    return [
        ("accounts", "the rows of the same sheet", "\n".join(accounts)),
        ("mrr_by_month", ground_of_sheet, "\n".join(sheet)),
    ]


def monthly_gap(head: Head) -> str:
    """Say which months between a sheet's first and last have no column; nothing where all have.

    A month without a column would be read as one in which no customer paid.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from features.source_rows import SourceRows
    >>> rows = pa.table({name: ["1"] for name in ("Client", "Jan 25", "Feb 25", "Maa 25", "Apr 25")})
    >>> monthly_gap(Head("m.csv", SourceRows("m.csv", "", rows, pa.array([2]))))
    'as "%b %y" no column is 2025-03: call every month as 2025-03 is written here'
    """
    forms, ways = _ways(head)
    there = {each.year * 12 + each.month - 1 for way in ways[:1] for each in forms[way].values()}
    gone = [m for m in range(min(there, default=0), max(there, default=0)) if m not in there]
    if not gone:
        return ""
    words = [f"{month // 12}-{month % 12 + 1:02}" for month in gone]
    cure = f"call every month as {words[0]} is written here"
    more = f" and {len(words) - FEW} more" if len(words) > FEW else ""
    return f'as "{ways[0]}" no column is {", ".join(words[:FEW])}{more}: {cure}'


def _ways(head: Head) -> tuple[dict[str, dict[str, date]], list[str]]:
    """Give what each form reads of the header, and the forms that read most months apart."""
    forms = {form: month_columns(head.header, form) for form in FORMATS}
    apart = {form: len(set(months.values())) for form, months in forms.items()}
    most = max(apart.values())
    return forms, [form for form in FORMATS if apart[form] == most] if most >= LEAST else []


def _amounts(head: Head, months: list[str]) -> list[str]:
    """Say how amounts are written: by the comma or the point before the last one or two digits."""
    cells = [re.sub(r"[^0-9.,]", "", cell) for name in months for cell in head.values(name)]
    comma = sum(bool(re.search(r",[0-9]{1,2}$", cell)) for cell in cells)
    point = sum(bool(re.search(r"[.][0-9]{1,2}$|,[0-9]{3}", cell)) for cell in cells)
    unsure = thousands([cell for cell in cells if not re.search(r"[.][0-9]{1,2}$", cell)])
    sql = COMMA if comma and not point else POINT
    if unsure and not comma:
        return [*undecided("mrr", BARE, unsure, POINT, COMMA), *_moves(head, sql)]
    lines = [f"computed.mrr = {worded(sql)}", *_moves(head, sql)]
    if comma and point:
        said = f"{comma} amounts have a decimal comma, {point} a decimal point"
        lines.append(f"# OPEN: {said}: those with a comma are set aside")
    return lines


def _moves(head: Head, sql: str) -> list[str]:
    """Leave open what a move of MRR is, where the sheet has neither seats nor products nor plans."""
    if any(plain(name) in REASONS for name in head.header):
        return []
    units = f"CAST(round(TRY_CAST({sql} AS DECIMAL(18, 2))) AS BIGINT)"
    return [
        "# OPEN: a sheet does not say why MRR moved: each move is called a price",
        "# Expansion is not learned from prices. If moves are mostly more or less of the product,",
        "# count in units of one:",
        f"# computed.seats = {worded(units)}",
    ]


def _account(rest: list[str]) -> tuple[str | None, str]:
    """Name the column of accounts: one whose name says it, else the first of the sheet."""
    names = {"account_id", "name", "customers", *COLUMNS["account_id"].split()}
    said = [name for name in rest if plain(name) in names]
    if len(said) == 1:
        return said[0], "the only column whose name says it"
    if said:
        others = " or ".join(f'"{name}"' for name in said[1:])
        return said[0], f"the first whose name says it; OPEN: or is the customer {others}?"
    return (
        (rest[0], f"the first column of the sheet; OPEN: is {worded(rest[0])} the customer?")
        if rest
        else (None, "")
    )


def _outside(head: Head, account: str) -> str:
    """Say which rows are customers: none without a name, no sum that the sheet has."""
    cells = {each.lower() for each in head.values(account)}
    words = ", ".join(f"'{word}'" for word in ("", *(each for each in SUMS if each in cells)))
    return f'lower(trim("{account}")) not in ({words})'


def _doubtful(head: Head, account: str) -> list[str]:
    """Ask of rows that may be sums and are read as customers."""
    cells = sorted({each for each in head.values(account) if SUM.match(each.lower())})
    names = [worded(each) for each in cells if each.lower() not in SUMS]
    return [f"# OPEN: read as customers; sums belong under where: {', '.join(names)}"] * bool(names)


def _no_months(head: Head, rest: list[str]) -> list[str]:
    """Ask of columns of figures that are called as a month may be and read as none."""
    called = [name for name in rest if LIKE.fullmatch(name.strip()) and not SUM.match(name.lower())]
    figures = [name for name in called if _figures(head.values(name))]
    said = "read as no month, so left out; if it is one, call it as the others are"
    return [f"# OPEN: {', '.join(map(worded, figures))}: {said}"] * bool(figures)


def _figures(cells: list[str]) -> bool:
    return bool(cells) and all(re.fullmatch(r"[^A-Za-z]*[0-9][^A-Za-z]*", cell) for cell in cells)


def _cuts(head: Head, account: str, rest: list[str]) -> list[str]:
    """Keep the sheet's other columns as cuts, unless one customer has several rows."""
    held = head.values(account)
    if len(set(held)) < len(held):
        return ["extra = []   # a customer has several rows: other columns may differ between them"]
    kept = [name for name in rest if name != account and len(set(head.values(name))) > 1]
    own = {name: column for name in kept if (column := _column(name))}
    if len(set(own.values())) < len(own):
        own = {}
    lines = [f"columns.{own[name]} = {worded(name)}   # its name" for name in own]
    cuts = [name for name in kept if name not in own]
    return [*lines, f"extra = {worded(cuts)}   # kept as cuts"]


def _column(name: str) -> str | None:
    """Give the column of accounts that a name says."""
    word = plain(name)
    found = [each for each in DESCRIBED if word in {each, *COLUMNS[each].split()}]
    return found[0] if found else None
