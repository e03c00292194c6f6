"""Holders: to whom a line's revenue counts, where accounts merge or roll up to a parent.

An account that merged into another is held by it from that day on, or for all time where
history is restated. Under a roll-up, every account is held by its ultimate parent.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import pyarrow as pa

from features.asof import instant, opening_day
from features.book import Book
from features.fx import has_foreign
from features.rules import Rules

__all__ = ["Holding", "held_by", "holdings", "turning_days", "varies"]

_MERGED = "merged_into"
_ALWAYS, _NEVER = date(1, 1, 1), date(9999, 12, 31)
_SCHEMA = pa.schema(
    [
        ("account_id", pa.string()),
        ("since", pa.date32()),
        ("till", pa.date32()),
        ("holder", pa.string()),
        ("heir", pa.string()),
    ]
)


@dataclass(frozen=True)
class Holding:
    """Who holds an account's revenue, on the days ``[since, till)``.

    Where that ends with a merger, ``heir`` is who holds it next.
    """

    account_id: str
    since: date
    till: date
    holder: str
    heir: str | None = None


def varies(book: Book, rules: Rules) -> bool:
    """Say whether the ledger depends on the opening of the window that it is read for.

    So it does under the window's opening rates, and under a hierarchy that has changed.
    """
    moved = "parent_account_id" in book.provided.get("account_history", frozenset())
    at_opening = rules.fx == "window_opening" and has_foreign(book)
    return at_opening or (rules.rollup == "parent" and moved)


def holdings(
    book: Book, rules: Rules, *, as_of: date | None, opening: date | None
) -> pa.Table | None:
    """List who holds the revenue of accounts that do not hold their own.

    Parameters
    ----------
    book : Book
        ``account_history`` (``merged_into``, ``parent_account_id``) and ``accounts``
        (``parent_account_id``) are read where the book has them.
    rules : Rules
        ``merger`` and ``rollup``.
    as_of : date, optional
        Only what was known before it counts.
    opening : date, optional
        The hierarchy is that of this day; None for the latest one.

    Returns
    -------
    pyarrow.Table or None
        ``account_id``, ``since``, ``till``, ``holder``, ``heir``; None if every
        account holds its own.

    Examples
    --------
    >>> import pandas as pd
    >>> from features.contracts import canonical
    >>> book = Book.of({"account_history": canonical("account_history", pd.DataFrame([
    ...     {"account_id": "b", "valid_from": "2025-06-01", "merged_into": "a"}]))})
    >>> found = holdings(book, Rules(), as_of=None, opening=None)
    >>> [(row["holder"], str(row["since"])) for row in found.to_pylist()]
    [('b', '0001-01-01'), ('a', '2025-06-01')]
    """
    spans = _merged(book, rules, as_of)
    if rules.rollup == "parent":
        spans = _under_parents(spans, _parents(book, as_of, opening))
    own = [s for s in spans if s.holder != s.account_id or s.heir]
    if not own:
        return None
    mine = {s.account_id for s in own}
    return pa.Table.from_pylist([vars(s) for s in spans if s.account_id in mine], schema=_SCHEMA)


def held_by(book: Book, rules: Rules, as_of: date) -> dict[str, str]:
    """Tell who holds the accounts that do not hold their own, on the day before an as-of date.

    Examples
    --------
    >>> held_by(Book.of({}), Rules(), date(2025, 7, 1))
    {}
    """
    day = opening_day(as_of)
    spans = holdings(book, rules, as_of=as_of, opening=day)
    rows = [] if spans is None else spans.to_pylist()
    now = [row for row in rows if row["since"] <= day < row["till"]]
    return {row["account_id"]: row["holder"] for row in now if row["holder"] != row["account_id"]}


def _merged(book: Book, rules: Rules, as_of: date | None) -> list[Holding]:
    merges: dict[str, tuple[date, str]] = {}
    for row in _history(book, _MERGED, as_of):
        if row[_MERGED] != row["account_id"]:
            merges.setdefault(row["account_id"], (row["valid_from"], row[_MERGED]))
    found: list[Holding] = []
    for account in merges:
        found += _chain(account, merges, restated=rules.merger == "restated")
    return found


def _chain(account: str, merges: dict[str, tuple[date, str]], *, restated: bool) -> list[Holding]:
    """Follow an account from survivor to survivor; each merger later than the one before.

    An account that survives into a circle stays with the last one before it closes.
    """
    held, holder, since, seen = [(_ALWAYS, account)], account, _ALWAYS, {account}
    while holder in merges and merges[holder][1] not in seen:
        day, holder = merges[holder]
        since = max(day, since)
        seen.add(holder)
        if held[-1][0] == since:
            held.pop()
        held.append((since, holder))
    if restated:
        return [Holding(account, _ALWAYS, _NEVER, holder)]
    turns = pairwise(held)
    spans = [Holding(account, start, till, who, heir) for (start, who), (till, heir) in turns]
    return [*spans, Holding(account, held[-1][0], _NEVER, held[-1][1])]


def _under_parents(spans: list[Holding], parents: dict[str, str]) -> list[Holding]:
    tops = {account: _top(account, parents) for account in parents}
    merged = {span.account_id for span in spans}
    raised = [
        Holding(
            s.account_id,
            s.since,
            s.till,
            tops.get(s.holder, s.holder),
            s.heir and tops.get(s.heir, s.heir),
        )
        for s in spans
    ]
    plain = [Holding(a, _ALWAYS, _NEVER, top) for a, top in tops.items() if a not in merged]
    return raised + plain


def _top(account: str, parents: dict[str, str]) -> str:
    """Climb to the ultimate parent; for a circle of parents its least id stands."""
    path = [account]
    while (parent := parents.get(path[-1])) is not None and parent not in path:
        path.append(parent)
    above = parents.get(path[-1])
    return min(path[path.index(above) :]) if above in path else path[-1]


def _parents(book: Book, as_of: date | None, opening: date | None) -> dict[str, str]:
    """Read each account's parent on the opening day.

    The dated history wins over the table of accounts. An account that had not paid by then
    takes the first parent that is known of it: it signs as a subsidiary.
    """
    day = opening or as_of or book.facts.as_of
    found: dict[str, str] = {}
    if "parent_account_id" in book.provided.get("accounts", frozenset()):
        query = (
            "SELECT account_id, parent_account_id FROM accounts WHERE parent_account_id IS NOT NULL"
        )
        found = dict(book.connection.execute(query).fetchall())
    history = _dated_parents(book, as_of)
    paid = _first_paid(book, as_of) if history else {}
    for account, rows in history.items():
        before = [parent for since, parent in rows if since <= day]
        found.pop(account, None)
        if before:
            found[account] = before[-1]
        elif paid.get(account, _NEVER) > day:
            found[account] = rows[0][1]
    return {account: parent for account, parent in found.items() if parent != account}


def turning_days(book: Book, rules: Rules, as_of: date | None) -> tuple[date, ...]:
    """List the days on which the hierarchy becomes another one; between two it is the same.

    An account's parent changes with each dated row that names another one, and, where the first
    row is later than its first paid day, on that day too.

    Examples
    --------
    >>> turning_days(Book.of({}), Rules(rollup="parent"), None)
    ()
    """
    history = _dated_parents(book, as_of) if rules.rollup == "parent" else {}
    paid = _first_paid(book, as_of) if history else {}
    days: set[date] = set()
    for account, rows in history.items():
        started = paid.get(account, _NEVER)
        if rows[0][0] > started:
            days |= {started, rows[0][0]}
        days |= {now[0] for last, now in pairwise(rows) if now[1] != last[1]}
    return tuple(sorted(days))


def _dated_parents(book: Book, as_of: date | None) -> dict[str, list[tuple[date, str]]]:
    history: dict[str, list[tuple[date, str]]] = defaultdict(list)
    for row in _history(book, "parent_account_id", as_of):
        history[row["account_id"]].append((row["valid_from"], row["parent_account_id"]))
    return history


def _history(book: Book, column: str, as_of: date | None) -> list[dict[str, Any]]:
    """List the dated rows that say something in a column, in order of date."""
    if column not in book.provided.get("account_history", frozenset()):
        return []
    known = "AND known_at < ?" if as_of else ""
    query = f"""
    SELECT account_id, CAST(valid_from AS DATE) AS valid_from, {column} FROM account_history
    WHERE {column} IS NOT NULL {known} ORDER BY valid_from, account_id, {column}"""
    asked = book.connection.execute(query, [instant(as_of)] if as_of else [])
    return list(asked.to_arrow_table().to_pylist())


def _first_paid(book: Book, as_of: date | None) -> dict[str, date]:
    """Give the day on which the first paid line of each account started."""
    known = f"AND known_at < TIMESTAMPTZ '{instant(as_of)}'" if as_of else ""
    source, started = (
        ("subscriptions", "starts_on") if book.has("subscriptions") else ("mrr_by_month", "month")
    )
    query = f"""
    SELECT account_id, min(CAST({started} AS DATE)) FROM {source}
    WHERE mrr_micros > 0
        AND coalesce(kind, 'recurring') NOT IN ('trial', 'one_time') {known} GROUP BY account_id"""
    return dict(book.connection.execute(query).fetchall())
