"""Random books: small companies by seed, with everything that a ledger has to get right.

A world is 5 to 12 accounts over 12 to 30 months: contracts that renew in time, late and never,
month-to-month lines with gaps, open ends, single days, trials, fees, usage, seats, plans,
discounts, ramps, pauses, notices, foreign currency, unpaid invoices, parents and mergers. It
knows nothing of the engine and nothing of the oracle: both are given the same rows.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

import pandas as pd

from features.book import Book, BookFacts
from features.contracts import canonical

__all__ = ["Row", "World", "random_world"]

Row = dict[str, Any]
PRODUCTS = ("core", "chat", "mail", None)
PLANS = ("basic", "pro", "max")
PRICES = (0, 1, 33_333_333, 99_990_000, 1_000_000_000, 12_345_678_901, 250_000_000_000)
RATES = {"EUR": 1.1, "JPY": 0.0067, "KWD": 3.25}
LARGEST = 10**18


@dataclass
class World:
    """The rows of some books by table, under their stored names, and what holds for all of them.

    The books lie side by side in one, told apart by the column ``book`` of accounts: the engine
    then answers for twenty at once.
    """

    facts: BookFacts
    tables: dict[str, list[Row]] = field(default_factory=dict)

    def book(self) -> Book:
        """Give the engine the rows."""
        frames = {name: pd.DataFrame(rows) for name, rows in self.tables.items() if rows}
        return Book.of({name: canonical(name, rows) for name, rows in frames.items()}, self.facts)


def random_world(seed: int, form: str = "subscriptions", books: int = 20) -> World:
    """Make the books of a seed, with revenue as ``subscriptions`` or ``mrr_by_month``."""
    rng = Random(f"{form}-{seed}")
    last = months_later(date(2023, 1, 1), rng.randint(12, 30))
    as_of = last + timedelta(days=rng.choice((0, 0, 13)))
    facts = BookFacts(as_of=as_of, fiscal_year_starts=rng.choice((1, 1, 4, 7)))
    tables: dict[str, list[Row]] = {form: [], "fx_rates": []}
    if rng.random() < 0.6:
        tables["fx_rates"] = _rates(rng, last)
    for n in range(books):
        for table, rows in _book(rng, f"b{n:02}", form, last, bool(tables["fx_rates"])).items():
            tables.setdefault(table, []).extend(rows)
    if form == "subscriptions":
        _write_down(Random(f"recorded-{seed}"), tables[form])
    return World(facts, tables)


def _write_down(rng: Random, lines: list[Row]) -> None:
    """Sign some lines before they start, and record some before or after."""
    for line in lines:
        start = date.fromisoformat(line["starts_on"])
        if rng.random() < 0.2:
            line["signed_on"] = str(start - timedelta(days=rng.choice((-3, 0, 10, 40))))
        if rng.random() < 0.1:
            line["recorded_at"] = f"{start + timedelta(days=rng.randint(-60, 90))} 00:00:00+00"


def _book(rng: Random, book: str, form: str, last: date, foreign: bool) -> dict[str, list[Row]]:
    first = months_later(last, -rng.randint(12, 30))
    names = [f"{book}a{n:02}" for n in range(rng.randint(5, 12))]
    streams = _monthly_figures if form == "mrr_by_month" else _contracts
    lines = []
    for name in names:
        code = _currency(rng) if foreign else "USD"
        own = (row | {"account_id": name, "currency": code} for row in streams(rng, first, last))
        lines += own if code == "USD" else map(_not_tiny, own)
    accounts = [row | {"book": book} for row in _accounts(rng, names)]
    tables = {"accounts": accounts, form: lines}
    if form == "subscriptions" and rng.random() < 0.1:
        _enlarge(rng, lines)
    if form == "subscriptions" and rng.random() < 0.5:
        tables["payments"] = _payments(rng, names, first, last)
    if rng.random() < 0.6:
        tables["account_history"] = _history(rng, names, first, last)
    return tables


def months_later(day: date, months: int) -> date:
    """Move a date by months, to the month's last day where it lacks the day."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _contracts(rng: Random, first: date, last: date) -> Iterator[Row]:
    """Give the lines of one account: one to four streams, each of a product."""
    kinds: list[Callable[[Random, date, date], Iterator[Row]]] = [
        _terms, _terms, _terms, _monthly, _monthly, _open, _brief, _decade, _unpaid, _usage, _odd,
    ]  # fmt: skip
    for stream in rng.choices(kinds, k=rng.randint(1, 4)):
        yield from stream(rng, first, last)


def _terms(rng: Random, first: date, last: date) -> Iterator[Row]:
    """Terms of three months and more, renewed in time, early, late or too late."""
    term = rng.choice((3, 6, 12, 12, 24))
    start, offer = _day(rng, months_later(first, -12), last), _offer(rng)
    for _ in range(rng.randint(1, 5)):
        end = months_later(start, term)
        named = rng.choice(({"term_months": term}, {"interval_months": term}, {}))
        yield _line(rng, offer, start, end) | named
        start = end + timedelta(days=rng.choice((0, 0, 0, 1, 20, 30, 31, 32, 45, 100, -10)))
        offer = _changed(rng, offer)
        if start > last:
            return


def _monthly(rng: Random, first: date, last: date) -> Iterator[Row]:
    """Month-to-month lines, with months left out and days between."""
    start, offer = _day(rng, first, last), _offer(rng)
    for _ in range(rng.randint(1, 10)):
        end = months_later(start, 1)
        yield _line(rng, offer, start, end) | rng.choice(({"interval_months": 1}, {}))
        start = end + timedelta(days=rng.choice((0, 0, 0, 0, 3, 15, 31, 40, 95)))
        offer = _changed(rng, offer) if rng.random() < 0.3 else offer
        if start > last:
            return


def _open(rng: Random, first: date, last: date) -> Iterator[Row]:
    """An open end, and now and then a second line that is contracted to follow a first one."""
    start, offer = _day(rng, first, last), _offer(rng)
    if rng.random() < 0.4:
        step = months_later(start, rng.randint(1, 12))
        yield _line(rng, offer, start, step)
        start, offer = step, _changed(rng, offer) | {"ramp": True}
    yield _line(rng, offer, start, None)


def _brief(rng: Random, first: date, last: date) -> Iterator[Row]:
    """A line that may see no month-end at all."""
    start = _day(rng, first, last)
    yield _line(rng, _offer(rng), start, start + timedelta(days=rng.choice((0, 1, 5, 12, 27))))


def _decade(rng: Random, first: date, last: date) -> Iterator[Row]:
    start = _day(rng, months_later(first, -90), first)
    yield _line(rng, _offer(rng), start, months_later(start, 120)) | {"term_months": 120}


def _unpaid(rng: Random, first: date, last: date) -> Iterator[Row]:
    """A trial or a fee, with or without a contract after it."""
    start, offer = _day(rng, first, last), _offer(rng)
    end = months_later(start, rng.randint(1, 3))
    yield _line(rng, offer, start, end) | {"kind": rng.choice(("trial", "one_time"))}
    if rng.random() < 0.7:
        yield _line(rng, offer, end, None)


def _odd(rng: Random, first: date, last: date) -> Iterator[Row]:
    """Days at random, with or without a term that is not theirs."""
    for _ in range(rng.randint(1, 3)):
        start = _day(rng, first, last)
        named = rng.choice(({}, {}, {"term_months": rng.choice((1, 3, 12))}))
        end = start + timedelta(days=rng.randint(1, 400))
        yield _line(rng, _offer(rng), start, end) | named


def _usage(rng: Random, first: date, last: date) -> Iterator[Row]:
    """Bills by service month, some of nothing, some missing."""
    month, product = _day(rng, first, last).replace(day=1), rng.choice(PRODUCTS)
    for _ in range(rng.randint(1, 14)):
        after = months_later(month, 1)
        if after > last:
            return
        if rng.random() < 0.8:
            paid = rng.choice((0, 7, 10_000_000, 33_333_333, 1_000_000_001))
            yield {"kind": "usage", "product": product, "starts_on": str(month)} | {
                "ends_on": str(after),
                "mrr_micros": paid,
                "list_mrr_micros": paid,
            }
        month = after


def _offer(rng: Random) -> Row:
    """What is sold: product, plan, seats and the price of one."""
    return {
        "product": rng.choice(PRODUCTS),
        "plan": rng.choice((*PLANS, None)),
        "seats": rng.choice((None, None, rng.randint(1, 40))),
        "price": rng.choice(PRICES),
        "discount": rng.choice((0, 0, 0, 10, 25, 33)),
    }


def _changed(rng: Random, offer: Row) -> Row:
    """Sell something else at the renewal; what was not told stays untold."""
    new = dict(offer)
    for what in rng.choices(("plan", "seats", "price", "discount", "nothing"), k=rng.randint(0, 2)):
        if what == "plan" and offer["plan"]:
            new["plan"] = rng.choice(PLANS)
        elif what == "seats" and offer["seats"]:
            new["seats"] = rng.randint(1, 40)
        elif what == "price":
            new["price"] = offer["price"] * rng.choice((80, 95, 107, 133)) // 100
        elif what == "discount":
            new["discount"] = rng.choice((0, 10, 25))
    return new


def _line(rng: Random, offer: Row, start: date, end: date | None) -> Row:
    listed = offer["price"] * (offer["seats"] or 1)
    row = {name: offer[name] for name in ("product", "plan", "seats")} | {
        "kind": "recurring",
        "starts_on": str(start),
        "ends_on": None if end is None else str(end),
        "list_mrr_micros": listed,
        "mrr_micros": listed - listed * offer["discount"] // 100,
        "ramp": offer.get("ramp", False),
    }
    if rng.random() < 0.08:
        paused = start + timedelta(days=rng.randint(0, 120))
        row["paused_from"] = str(paused)
        row["paused_to"] = rng.choice((None, str(paused + timedelta(days=rng.randint(1, 150)))))
    if end is not None and rng.random() < 0.15:
        row["canceled_on"] = str(end - timedelta(days=rng.choice((0, 15, 40, 90))))
        row["loss_reason"] = rng.choice((None, "price", "involuntary"))
    return row


def _monthly_figures(rng: Random, first: date, last: date) -> Iterator[Row]:
    """Give one account's figures by month: one to three products, with gaps and zeros."""
    for product in rng.sample(PRODUCTS, rng.randint(1, 3)):
        month, offer = _day(rng, first, last).replace(day=1), _offer(rng)
        kind = rng.choice(("recurring",) * 5 + ("usage", "trial"))
        while month < last:
            if rng.random() < 0.85:
                paid = offer["price"] * (offer["seats"] or 1)
                yield {"month": str(month), "product": product, "kind": kind} | {
                    "mrr_micros": rng.choice((paid, paid, paid, paid, 0)),
                    "plan": offer["plan"],
                    "seats": offer["seats"],
                }
            month = months_later(month, 1)
            offer = _changed(rng, offer) if rng.random() < 0.2 else offer
            if rng.random() < 0.05:
                return


def _enlarge(rng: Random, lines: list[Row]) -> None:
    """Let one line pay a thousand billion a month, the most that a book may hold."""
    if lines:
        rng.choice(lines).update(mrr_micros=LARGEST, list_mrr_micros=LARGEST, currency="USD")


def _not_tiny(line: Row) -> Row:
    """Let no amount round to nothing in the book's currency."""
    paid = {name: line[name] for name in ("mrr_micros", "list_mrr_micros") if line.get(name)}
    return line | {name: max(amount, 5_000) for name, amount in paid.items()}


def _accounts(rng: Random, names: list[str]) -> list[Row]:
    """Give the accounts, some below another one that stands before them."""
    return [
        {"account_id": name, "segment": rng.choice(("smb", "enterprise", None))}
        | {"region": rng.choice(("east", "west")), "parent_account_id": _above(rng, names, n)}
        | {"own": name}
        for n, name in enumerate(names)
    ]


def _above(rng: Random, names: list[str], n: int) -> str | None:
    return rng.choice(names[:n]) if n and rng.random() < 0.3 else None


def _history(rng: Random, names: list[str], first: date, last: date) -> list[Row]:
    """Move accounts between segments and parents, and let some be taken over for good."""
    rows = []
    for n, name in enumerate(names):
        days = sorted({_day(rng, first, last) for _ in range(rng.randint(0, 2))})
        for day in days:
            change = rng.choice(("segment", "parent_account_id"))
            value = (
                rng.choice(("smb", "enterprise")) if change == "segment" else _above(rng, names, n)
            )
            rows.append({"account_id": name, "valid_from": str(day), change: value})
        if n and rng.random() < 0.12:
            day = _day(rng, days[-1] + timedelta(days=1) if days else first, last)
            rows.append({"account_id": name, "valid_from": str(day), "merged_into": names[n - 1]})
    columns = ("account_id", "valid_from", "segment", "parent_account_id", "merged_into")
    return [{column: row.get(column) for column in columns} for row in rows]


def _payments(rng: Random, names: list[str], first: date, last: date) -> list[Row]:
    """Give invoices by account, most paid in time, some late, some never; and a credit or two."""
    rows = []
    for name in rng.sample(names, len(names) // 2):
        for n in range(rng.randint(1, 4)):
            due = _day(rng, first, last)
            paid = rng.choice((0, 0, 5, 29, 30, 31, 50, 90, None))
            settled = None if paid is None else due + timedelta(days=paid)
            rows.append(
                {
                    "invoice_id": f"{name}-{n}",
                    "account_id": name,
                    "due_on": str(due),
                    "paid_on": None if settled is None or settled >= last else str(settled),
                    "amount_micros": rng.choice((50_000_000, 50_000_000, 0, -10_000_000)),
                    "kind": rng.choice(("invoice", "invoice", "invoice", "refund", "credit")),
                }
            )
    return rows


def _rates(rng: Random, last: date) -> list[Row]:
    """Quote each currency up to five days before each month-end, and on other days besides."""
    rows: dict[tuple[str, str], Row] = {}
    for code, middle in RATES.items():
        for n in range(12 * (last.year - 2012) + last.month):
            turn = months_later(date(2012, 1, 1), n)
            for days in (rng.randint(1, 6), rng.randint(7, 20)):
                quoted = str(turn - timedelta(days=days))
                rate = round(middle * rng.uniform(0.8, 1.25), 6)
                rows[code, quoted] = {"currency": code, "date": quoted, "rate": rate}
    return list(rows.values())


def _currency(rng: Random) -> str:
    return rng.choice(("USD", "USD", "EUR", "JPY", "KWD"))


def _day(rng: Random, first: date, last: date) -> date:
    return first + timedelta(days=rng.randint(0, max((last - first).days - 1, 0)))
