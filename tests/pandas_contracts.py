"""The oracle's reading of contracts: the lines that were known, until when, on which terms.

A line was known when it was recorded, else signed, else begun. Its end is known ahead only if it
is the term's end, or was recorded or cancelled before the as-of date. The main line is the
recurring line in force with the largest MRR; in grace, the line that ended last.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tests.pandas_known import Known
from tests.pandas_page import remembered
from tests.random_books import months_later
from tests.random_feeds import Row

PAID = ("recurring", "usage")


def day(value: Any) -> date | None:
    return None if value is None else date.fromisoformat(value)


@remembered
def lines(known: Known, account: str) -> list[Row]:
    """Give the paid lines of an account that were known, with what was known of their ends."""
    if known.has("mrr_by_month"):
        return monthly_lines(known, account)
    own = [row for row in known.tables["subscriptions"] if row["account_id"] == account]
    return [
        read(known, row)
        for row in own
        if row["kind"] in PAID and row["mrr_micros"] > 0 and signed(known, row)
    ]


def monthly_lines(known: Known, account: str) -> list[Row]:
    """Read each month as a line of one month; its end is known, its term is not."""
    rows = []
    for row in known.tables["mrr_by_month"]:
        start = date.fromisoformat(row["month"])
        if (
            row["account_id"] == account
            and months_later(start, 1) <= known.as_of
            and row["mrr_micros"] > 0
        ):
            rows.append(
                {"kind": "recurring", "product": row["product"], "plan": None, "seats": None}
                | {
                    "start": start,
                    "end": months_later(start, 1),
                    "term": None,
                    "mrr": row["mrr_micros"],
                }
                | {
                    "listed": row["mrr_micros"],
                    "canceled": None,
                    "discount": None,
                    "auto_renew": None,
                }
            )
    return rows


def signed(known: Known, row: Row) -> bool:
    """Say whether a line was known: recorded, else signed or begun, before the as-of date."""
    if row.get("recorded_at") is not None:
        return bool(row["recorded_at"] < known.midnight)
    days = [date.fromisoformat(row[name]) for name in ("signed_on", "starts_on") if row.get(name)]
    return min(days) < known.as_of


def read(known: Known, row: Row) -> Row:
    """Read a line as it was known: an end ahead only if it is the term's, recorded or cancelled."""
    start, end = date.fromisoformat(row["starts_on"]), day(row.get("ends_on"))
    canceled = day(row.get("canceled_on"))
    canceled = canceled if canceled and canceled < known.as_of else None
    term = (
        row.get("term_months")
        or row.get("interval_months")
        or between(start, day(row.get("renews_on")))
    )
    contracted = [day(row.get("renews_on"))] + [
        months_later(start, n) for n in (row.get("term_months"), row.get("interval_months")) if n
    ]
    told = end is not None and (
        end < known.as_of
        or canceled is not None
        or end in contracted
        or row.get("recorded_at") is not None
    )
    return {
        "kind": row["kind"], "product": row["product"], "plan": row.get("plan"), "seats": row.get("seats"),
        "start": start, "end": end if told else None, "term": term, "canceled": canceled,
        "renews": day(row.get("renews_on")), "mrr": row["mrr_micros"], "listed": row["list_mrr_micros"],
        "discount": row.get("discount"), "auto_renew": row.get("auto_renew"), "review": day(row.get("review_on")),
    }  # fmt: skip


def between(start: date, end: date | None) -> int | None:
    """Give the months of a term that is told by its last day only."""
    return None if end is None else (end.year - start.year) * 12 + end.month - start.month


def alive(line: Row, at: date) -> bool:
    return bool(line["start"] <= at and (line["end"] is None or at < line["end"]))


def owned(known: Known, account: str) -> list[Row]:
    """Give the lines in force; of an account that is held in grace, the main line."""
    return in_force(known, account) or [main_line(known, account)]


def in_force(known: Known, account: str, days: int = 0) -> list[Row]:
    """Give the lines in force on the day before the as-of date (or some days earlier)."""
    at = known.as_of - timedelta(days=days + 1)
    return [line for line in lines(known, account) if alive(line, at)]


def main_line(known: Known, account: str) -> Row:
    """Give the recurring line in force with the largest MRR; held in grace, the line that ended last."""
    there = in_force(known, account)
    if not there:
        return max(lines(known, account), key=lambda line: (line["end"] or date.max, line["mrr"]))
    return max(there, key=lambda line: (line["kind"] == "recurring", line["mrr"]))


def first_paid(known: Known, account: str) -> date:
    return min(line["start"] for line in lines(known, account))


def due(known: Known, line: Row) -> date | None:
    """Give the next day on which a line is decided: its known end, else the end of the running term."""
    if line["end"] is not None:
        return line["end"]
    if line["term"] is None:
        return line["renews"] if line["renews"] and line["renews"] >= known.as_of else None
    periods = 1
    while months_later(line["start"], line["term"] * periods) < known.as_of:
        periods += 1
    return months_later(line["start"], line["term"] * periods)
