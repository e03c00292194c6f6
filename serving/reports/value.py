"""What a customer got: facts for a review with the customer, read from the snapshot alone.

Nothing of a score, a list or a forecast is opened here, so none of it can reach the page: no
probability, no cell, no call, no price, and no other account.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from difflib import get_close_matches
from statistics import median
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.asof import add_months
from features.book import Book
from features.faults import InputMissing
from features.rollup import number_of
from features.rules import Rules
from features.view import View, view_of
from serving.digest.lines import plain
from serving.reports.value_usage import adoption, reached, usage

__all__ = ["value"]

Body = Mapping[str, Any]

MONTHS = 12
MOST = 14
TOLD = {"milestone": "Milestone reached together"}
TOGETHER = {"qbr": "business review", "training": "training session"}


def value(book: Book, rules: Rules, account: str, as_of: date | None = None) -> dict[str, Any]:
    """Gather what an account did with the product, and what was solved for it.

    Parameters
    ----------
    book : Book
        The latest snapshot.
    rules : Rules
        The revenue choices: they say who is a customer, and since when.
    account : str
        Its id.
    as_of : date, optional
        The book's own, unless given.

    Returns
    -------
    dict
        ``account_id``, ``name``, ``as_of``, ``customer_since`` (null where it pays nothing now),
        ``usage`` and ``adoption`` (`serving.reports.value_usage`), ``milestones`` (``on``,
        ``what``; the earliest first), ``tickets`` (by month, and of the last 91 days),
        ``together`` (reviews and training sessions of twelve months). What the book has no
        table for is null.

    Raises
    ------
    InputMissing
        ``account.unknown``; ``account.held`` for one whose rows count for another (exit 66).
    """
    day = as_of or book.facts.as_of
    name = _name(book, account)
    view = view_of(book, day, rules)
    try:
        _own(view, account)
        since = _since(view, account)
        told = usage(view, account)
        use = adoption(view, account)
        return {
            "account_id": account,
            "name": plain(name or account),
            "as_of": day.isoformat(),
            "customer_since": since,
            "usage": told,
            "adoption": use,
            "milestones": _milestones(view, account, since, use, told),
            "tickets": _tickets(view, account),
            "together": _together(view, account),
        }
    finally:
        view.forget()


def _name(book: Book, account: str) -> str | None:
    """Find the account, or say which id comes nearest."""
    columns = [name for name in ("account_id", "name") if name in book.provided["accounts"]]
    rows = book.connection.table("accounts").select(*columns).df().set_index("account_id")
    if account not in rows.index:
        near = get_close_matches(account, rows.index.astype(str), n=5)
        best = next((one for one in near if one.startswith(account[:-1])), near[0] if near else "")
        cure = f'did you mean "{plain(best)}"?' if best else "see the table accounts"
        raise InputMissing("account.unknown", f"{plain(account)}: not in the book", cure)
    found = rows.loc[account].get("name")
    return None if found is None or pd.isna(found) else str(found)


def _own(view: View, account: str) -> None:
    holder = view.book.holders.get(account)
    if holder is not None and holder != account:
        raise InputMissing(
            "account.held",
            f"{plain(account)}: its rows count for another account, {plain(holder)}",
            "ask for that one",
        )


def _since(view: View, account: str) -> str | None:
    """Give the first paid day of an account that pays now."""
    if account not in view.standing.index:
        return None
    return str(view.standing.loc[account, "first_paid_on"])[:10]


def _milestones(
    view: View, account: str, since: str | None, use: Body | None, told: Body | None
) -> list[dict[str, str]]:
    """List what was reached, the earliest first; the first of them is that it became a customer."""
    found = [{"on": since, "what": "You became a customer"}] if since else []
    later = [*reached(told), *_firsts(use), *_meetings(view, account)]
    later.sort(key=lambda one: (one["on"], one["what"]))
    return [*found, *later[-MOST:]]


def _firsts(use: Body | None) -> list[dict[str, str]]:
    """Tell when a feature was used for the first time, where usage reaches back before it."""
    return [
        {"on": one["first_used_on"], "what": f"“{one['feature']}” used for the first time"}
        for one in (use or {}).get("features", ())
        if one["first_used_on"] is not None
    ]


def _meetings(view: View, account: str) -> list[dict[str, str]]:
    rows = _touches(view, account)
    return [
        {"on": _day(row.day), "what": TOLD[row.kind]}
        for row in rows.itertuples()
        if row.kind in TOLD
    ]


def _touches(view: View, account: str) -> pd.DataFrame:
    """Read kind and day alone: what was said and by whom stays inside."""
    if "touchpoints" not in view.feeds:
        return pd.DataFrame({"kind": [], "day": []})
    rows = view.rows("touchpoints").filter(nw.col("account_id") == account).select("kind", "day")
    found: pd.DataFrame = rows.collect("pandas").to_native()
    return found.sort_values("day")


def _together(view: View, account: str) -> dict[str, int] | None:
    """Count reviews and training sessions of twelve months."""
    if "touchpoints" not in view.feeds:
        return None
    rows = _touches(view, account)
    recent = rows[rows["day"] >= number_of(add_months(view.as_of, -MONTHS))]
    return {words: int((recent["kind"] == kind).sum()) for kind, words in TOGETHER.items()}


def _tickets(view: View, account: str) -> dict[str, Any] | None:
    """Count what was opened and solved: by month, and in the last 91 days."""
    if "tickets" not in view.feeds or not view.gives("tickets", "closed_at"):
        return None
    rows = view.rows("tickets").filter(nw.col("account_id") == account).select("day", "closed_day")
    found: pd.DataFrame = rows.collect("pandas").to_native()
    since = view.today - 91
    solved = found[found["closed_day"] >= since]
    took = (solved["closed_day"] - solved["day"]).tolist()
    return {
        "opened_91d": int((found["day"] >= since).sum()),
        "solved_91d": len(solved),
        "open": int(found["closed_day"].isna().sum()),
        "median_days_91d": float(median(took)) if took else None,
        "months": _by_month(found, view.as_of),
    }


def _by_month(found: pd.DataFrame, as_of: date) -> list[dict[str, Any]]:
    first = as_of.replace(day=1)
    starts = [add_months(first, -back) for back in range(MONTHS, 0, -1)]
    return [
        {
            "month": f"{start:%Y-%m}",
            "opened": _between(found["day"], start),
            "solved": _between(found["closed_day"], start),
        }
        for start in starts
    ]


def _between(days: pd.Series, start: date) -> int:
    return int(((days >= number_of(start)) & (days < number_of(add_months(start, 1)))).sum())


def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=int(number))).isoformat()
