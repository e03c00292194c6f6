"""Random companies with every table of the contract: what the signals are measured on, by seed.

A company is 4 to 9 accounts over some 500 days that end about 40 days after the day on which the
book is looked at, so that there is always something that was not known yet. Tables are there or
not at random; some carry ``recorded_at``, with late rows. Usage comes as events or as sums of a
day, a week or a month. Local times are those of the book's zone, drawn around the days on which
clocks change, leap days and the turns of years with a week 53. It knows nothing of the engine and
nothing of the oracle: both are given the same rows.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from features.book import Book, BookFacts
from features.contracts import TABLES, canonical
from tests.random_books import months_later

__all__ = ["FEEDS", "Company", "Row", "known_moment", "random_company"]

Row = dict[str, Any]
FEEDS = {
    "usage": "occurred_at",
    "events": "occurred_at",
    "tickets": "opened_at",
    "touchpoints": "occurred_at",
    "limits": "observed_on",
    "growth": "observed_on",
}
ZONES = ("UTC", "Europe/Berlin", "America/New_York")
# Days to look from: clocks change (Berlin, New York), leap days, ISO week 53, ends of years.
TURNS = tuple(
    date.fromisoformat(day)
    for day in (
        "2025-03-31", "2025-10-27", "2025-03-10", "2025-11-03", "2024-02-29", "2024-03-01",
        "2021-01-01", "2021-01-04", "2027-01-01", "2026-12-28", "2025-01-01", "2025-07-01",
        "2025-03-01", "2028-02-29",
    )
)  # fmt: skip
FEATURES = ("report", "search", "forecast", "api", "roles", "share", "unlisted")
TIERS = {
    "report": "core", "search": "core", "forecast": "advanced", "api": "integration",
    "roles": "admin", "share": "advocacy", "never_used": "core",
}  # fmt: skip
SEGMENTS = ("smb", "enterprise", None)
PRODUCTS = ("core", "chat", "mail", None)
BEFORE, AFTER = 520, 40
# Local times that the clock left out.
GAPS = {"Europe/Berlin": "2024-03-31 02:30:00", "America/New_York": "2024-03-10 02:30:00"}
GRAINS = {None: 0, "day": 1, "week": 7, "month": 0}


@dataclass
class Company:
    """The rows of a book by table, under their stored names, and what holds for all of them.

    Attributes
    ----------
    facts : BookFacts
        Currency, zone, and the day to look from.
    grain : str or None
        What one row of usage covers: an event (None), a day, a week or a month.
    days : list of date
        As-of dates worth a look.
    tables : dict of str to list of dict
        Times are aware, in UTC; dates are ISO text.
    """

    facts: BookFacts
    grain: str | None
    days: list[date]
    tables: dict[str, list[Row]] = field(default_factory=dict)

    def book(self, **options: Any) -> Book:
        """Give the engine the rows, in memory."""
        shaped = {name: self.table(name) for name, rows in self.tables.items() if rows}
        return Book.of(shaped, self.facts, **options)

    def table(self, name: str) -> Any:
        """Give one table in the shape of a snapshot."""
        frame = pd.DataFrame(self.tables[name])
        if name == "usage" and self.grain is not None:
            frame["known_at"] = [
                known_moment("usage", row, self.grain) for row in self.tables[name]
            ]
        return canonical(name, frame)

    def write(self, folder: Path) -> None:
        """Write the rows as CSV, times in the book's own zone, and a ``perennial.toml``.

        The files hold more than the book: rows told twice, rows of nobody's account, local times
        that no clock ever showed, and feeds that are empty but for their heads.
        """
        folder.mkdir(parents=True, exist_ok=True)
        rng, zone = Random(f"files-{self.facts.as_of}"), ZoneInfo(self.facts.timezone)
        for name, rows in self.tables.items():
            columns = list(dict.fromkeys(column for row in rows for column in row))
            if "list_mrr_micros" in columns:  # a source tells the price before discount
                columns.remove("mrr_micros")
            told = [[_text(row.get(column), zone, column) for column in columns] for row in rows]
            if name in FEEDS:
                told += rng.sample(told, len(told) // 10) + self._set_aside(name, columns, told[0])
            _file(folder / f"{name}.csv", [_head(column) for column in columns], told)
        for name in set(FEEDS) - set(self.tables):
            if rng.random() < 0.5:
                heads = [column.name for column in TABLES[name].columns if column.required]
                _file(folder / f"{name}.csv", heads, [])
        grain = f'[tables.usage]\ngrain = "{self.grain}"\n' if self.grain else ""
        settings = f'[book]\ntimezone = "{zone.key}"\nas_of = "{self.facts.as_of}"\n{grain}'
        (folder / "perennial.toml").write_text(settings, encoding="utf-8")

    def _set_aside(self, table: str, columns: list[str], row: list[str]) -> list[list[str]]:
        """Make rows that ingest sets aside: of nobody's account, at times that never were."""
        told = dict(zip(columns, row, strict=True)) | {"account_id": "nobody"}
        told |= {name: "strange" for name in ("event_id", "ticket_id", "touch_id") if name in told}
        gap = GAPS.get(self.facts.timezone) if FEEDS[table] != "observed_on" else None
        never = told | {"account_id": self.tables["accounts"][0]["account_id"], FEEDS[table]: gap}
        never |= {name: "never" for name in ("event_id", "ticket_id", "touch_id") if name in told}
        return [list(one.values()) for one in ([told, never] if gap else [told])]


def _head(column: str) -> str:
    """Give a stored column the name that a source has for it."""
    return column.replace("list_", "", column == "list_mrr_micros").replace("_micros", "")


def _file(path: Path, heads: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heads, *rows])


def _text(value: Any, zone: ZoneInfo, column: str) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(zone).replace(tzinfo=None).isoformat(" ")
    if column.endswith("_micros"):
        return f"{value / 1e6:.6f}"
    return str(value)


def known_moment(table: str, row: Row, grain: str | None = None) -> datetime:
    """Give the moment from which a row of a feed counts: recorded, else complete, else happened."""
    if row.get("recorded_at") is not None:
        return row["recorded_at"]  # type: ignore[no-any-return]
    happened = row[FEEDS[table]]
    if isinstance(happened, str):
        return datetime.combine(date.fromisoformat(happened), time.min, tzinfo=UTC)
    if table != "usage" or grain is None:
        return happened  # type: ignore[no-any-return]
    return grain_end(happened, grain) - timedelta(microseconds=1)


def grain_end(start: datetime, grain: str) -> datetime:
    """Give the first moment after the day, week or month that starts at a moment (UTC)."""
    if grain == "month":
        after = months_later(start.date(), 1)
        return datetime.combine(after, start.timetz())
    return start + timedelta(days=GRAINS[grain])


def random_company(
    seed: int, *, form: str | None = None, grain: str | None = "any", clocks: bool = True
) -> Company:
    """Make the company of a seed.

    Parameters
    ----------
    seed : int
        Every seed gives another company, always the same one.
    form : str, optional
        ``"subscriptions"`` or ``"mrr_by_month"``; by default one in eight is the latter.
    grain : str, optional
        What a row of usage covers; ``"any"`` draws it.
    clocks : bool
        Whether the zone is drawn; else it is UTC.
    """
    rng = Random(f"feeds-{seed}")
    zone = rng.choice(ZONES) if clocks else "UTC"
    turn = (
        rng.choice(TURNS)
        if rng.random() < 0.6
        else date(2024, 1, 1) + timedelta(rng.randint(0, 900))
    )
    form = form or rng.choice(("subscriptions",) * 7 + ("mrr_by_month",))
    grain = rng.choice((None, None, None, "day", "week", "month")) if grain == "any" else grain
    if form == "mrr_by_month":
        turn = turn.replace(day=1)
    days = [
        turn,
        turn + timedelta(days=rng.choice((1, 7, 31))),
        turn - timedelta(rng.randint(1, 90)),
    ]
    if form == "mrr_by_month":
        days = [day.replace(day=1) for day in days]
    draft = _Draft(rng, zone, turn, grain)
    company = Company(BookFacts(as_of=turn, timezone=zone), grain, sorted(set(days)))
    company.tables = draft.tables(form)
    return company


class _Draft:
    """One company while it is being drawn."""

    def __init__(self, rng: Random, zone: str, turn: date, grain: str | None) -> None:
        self.rng, self.zone, self.turn, self.grain = rng, ZoneInfo(zone), turn, grain
        self.names = [f"a{n:02}" for n in range(rng.choice((4, 5, 6, 7, 8, 9, 14)))]
        self.first, self.last = turn - timedelta(days=BEFORE), turn + timedelta(days=AFTER)
        self.now = datetime.combine(self.last, time.max, tzinfo=UTC)

    def tables(self, form: str) -> dict[str, list[Row]]:
        """Draw the required tables, and some of the others.

        Accounts that merge have no meters and no invoices: nobody says what two series of one
        metric are together, or what an account is that is silenced for the debt of another.
        """
        tables = {"accounts": self.accounts(), form: getattr(self, form)()}
        others: dict[str, Callable[[], list[Row]]] = {
            "usage": self.usage, "feature_catalog": self.feature_catalog, "limits": self.limits,
            "events": self.events, "tickets": self.tickets, "touchpoints": self.touchpoints,
            "growth": self.growth, "contacts": self.contacts, "payments": self.payments,
            "account_history": self.account_history, "opportunities": self.opportunities,
            "plans": self.plans,
        }  # fmt: skip
        for name, draw in others.items():
            if self.rng.random() < 0.8:
                tables[name] = self.recorded(name, draw())
        history = tables.get("account_history", [])
        pairs = [
            (row["account_id"], row["merged_into"]) for row in history if row.get("merged_into")
        ]
        merged = {name for pair in pairs for name in pair}
        for name in ("limits", "payments"):
            tables[name] = [row for row in tables.get(name, []) if row["account_id"] not in merged]
        return {name: rows for name, rows in tables.items() if rows}

    def recorded(self, table: str, rows: list[Row]) -> list[Row]:
        """Let the source say when it held the row: for no row, for some, or for all of them."""
        share = self.rng.choice((0, 0, 0.3, 1)) if table in FEEDS else 0
        for row in rows:
            if self.rng.random() < share:
                late = timedelta(minutes=self.rng.choice((0, 1, 600, 5_000, 40_000)))
                row["recorded_at"] = min(known_moment(table, row, self.grain) + late, self.now)
        return rows

    def at(self, day: date) -> datetime:
        """Draw a local time of a day, as its text would be read: the earlier of two, never in a gap."""
        clock = self.rng.choice(
            (time(0, 0), time(23, 59, 59, 999_999), time(1, 30), time(2, 30), None)
        )
        seconds = self.rng.randint(0, 86_399)
        local = datetime.combine(day, clock or time.min) + timedelta(
            seconds=0 if clock else seconds
        )
        moment = local.replace(tzinfo=self.zone).astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) != local:
            return self.at(day)
        return moment

    def day(self, first: int = -BEFORE, last: int = AFTER) -> date:
        """Draw a day, near the day to look from more often than far from it."""
        rng = self.rng
        low = rng.choice((first, max(first, -100), max(first, -35), max(first, -8)))
        return self.turn + timedelta(days=rng.randint(min(low, last), last))

    def iso(self, day: date | None) -> str | None:
        return None if day is None else day.isoformat()

    def accounts(self) -> list[Row]:
        rng, known = self.rng, self.rng.random() < 0.8
        rows = [
            {"account_id": name, "name": name.upper(), "csm": rng.choice(("Ada", "Bo"))}
            for name in self.names
        ]
        for row in rows:
            row |= {"segment": rng.choice(SEGMENTS)} if known else {}
            row |= {"region": rng.choice(("east", "west")), "employees": rng.randint(1, 900)}
        return rows

    def subscriptions(self) -> list[Row]:
        """Draw one to three streams of lines per account, each of a product and a kind of term."""
        rng, rows = self.rng, []
        for name in self.names:
            products = rng.sample(PRODUCTS, rng.randint(1, 3))
            for product in products:
                stream = rng.choice(
                    (self.terms, self.terms, self.open, self.open, self.monthly, self.billed)
                )
                rows += [line | {"account_id": name, "product": product} for line in stream()]
        for n, row in enumerate(rows):
            row |= {"subscription_id": f"s{n}", "currency": "USD"}
        return rows

    def offer(self) -> Row:
        rng = self.rng
        seats = rng.choice((None, None, 0, rng.randint(1, 30)))
        price = rng.choice((0, 10_000_000, 99_990_000, 1_000_000_000, 4_000_000_000)) * (seats or 1)
        price += rng.randint(1, 9_999) * 10_000 if price else 0  # no two lines pay the same
        return {
            "plan": rng.choice(("basic", "pro", None)), "seats": seats, "kind": "recurring",
            "list_mrr_micros": price, "discount": rng.choice((None, 0.0, 0.1, 0.25)),
            "auto_renew": rng.choice((None, True, False)),
        }  # fmt: skip

    def line(self, offer: Row, start: date, end: date | None) -> Row:
        listed, off = offer["list_mrr_micros"], offer["discount"] or 0.0
        row = dict(offer) | {"mrr_micros": round(listed * (1 - off))}
        row |= {"starts_on": self.iso(start), "ends_on": self.iso(end)}
        if self.rng.random() < 0.2:
            row["signed_on"] = self.iso(start - timedelta(days=self.rng.choice((-3, 0, 10, 60))))
        if self.rng.random() < 0.1:
            late = timedelta(days=self.rng.randint(-40, 60), hours=self.rng.randint(0, 23))
            row["recorded_at"] = min(datetime.combine(start, time.min, tzinfo=UTC) + late, self.now)
        if self.rng.random() < 0.15:
            row["review_on"] = self.iso(self.day(-60, 120))
        return row

    def terms(self) -> Iterable[Row]:
        """Terms that follow one another, renewed in time, late or never, some cancelled."""
        rng, offer, term = self.rng, self.offer(), self.rng.choice((1, 3, 6, 12, 12, 24))
        start = self.first + timedelta(days=rng.randint(0, 500))
        for _ in range(rng.randint(1, 6)):
            end = months_later(start, term)
            told = rng.choice(
                ({"term_months": term}, {"interval_months": term}, {"renews_on": self.iso(end)}, {})
            )
            row = self.line(offer, start, end) | told
            if rng.random() < 0.2:
                row["canceled_on"] = self.iso(end - timedelta(days=rng.choice((0, 20, 90))))
            yield row
            start = end + timedelta(days=rng.choice((0, 0, 0, 0, 10, 31, 60)))
            offer = self.changed(offer)
            if start > self.last:
                return

    def monthly(self) -> Iterable[Row]:
        start, offer = self.first + timedelta(days=self.rng.randint(0, 540)), self.offer()
        for _ in range(self.rng.randint(1, 12)):
            end = months_later(start, 1)
            yield self.line(offer, start, end) | self.rng.choice(({"interval_months": 1}, {}))
            start, offer = end, self.changed(offer)
            if start > self.last:
                return

    def open(self) -> Iterable[Row]:
        """One line that goes on, or ends at any time, known beforehand or not."""
        rng = self.rng
        start = self.first + timedelta(days=rng.randint(-400, 500))
        end = rng.choice((None, None, start + timedelta(days=rng.randint(20, 900))))
        row = self.line(self.offer(), start, end)
        row |= rng.choice(({}, {"term_months": 12}, {"term_months": 1}, {"interval_months": 3}))
        if end is not None and rng.random() < 0.5:
            row["canceled_on"] = self.iso(end - timedelta(days=rng.choice((0, 30, 90))))
        yield row

    def billed(self) -> Iterable[Row]:
        """A contract that stands, a line priced by usage, and perhaps a trial or a fee."""
        rng, start = self.rng, self.first + timedelta(days=self.rng.randint(0, 300))
        yield self.line(self.offer(), start, None)
        month = start.replace(day=1)
        for _ in range(rng.randint(0, 16)):
            after = months_later(month, 1)
            paid = rng.choice((0, 50_000_000, 75_000_000))
            bill = {"kind": "usage", "mrr_micros": paid, "list_mrr_micros": paid}
            yield bill | {"starts_on": self.iso(month), "ends_on": self.iso(after)}
            month = after
        if rng.random() < 0.3:
            free = self.line(self.offer(), start, months_later(start, 2))
            yield free | {"kind": rng.choice(("trial", "one_time"))}

    def changed(self, offer: Row) -> Row:
        rng, new = self.rng, dict(offer)
        if rng.random() < 0.5:
            new["list_mrr_micros"] = (
                offer["list_mrr_micros"] * rng.choice((80, 101, 102, 107, 150)) // 100
            )
        if offer["seats"] and rng.random() < 0.3:
            new["seats"] = rng.randint(1, 30)
        if offer["plan"] and rng.random() < 0.1:
            new["plan"] = rng.choice(("basic", "pro"))
        return new

    def mrr_by_month(self) -> list[Row]:
        rng, rows = self.rng, []
        for name in self.names:
            for product in rng.sample(PRODUCTS, rng.randint(1, 2)):
                month, paid = self.first.replace(day=1), rng.choice((10_000_000, 99_990_000))
                for _ in range(19):
                    if rng.random() < 0.9:
                        rows.append(
                            {
                                "account_id": name,
                                "product": product,
                                "month": self.iso(month),
                                "mrr_micros": paid,
                            }
                        )
                    month = months_later(month, 1)
                    paid = paid * rng.choice((100, 100, 100, 80, 101, 130)) // 100
        return rows

    def usage(self) -> list[Row]:
        """Draw most accounts' activity: how many, how often, since when, and whether they stopped."""
        users = self.rng.choice(("named", "named", "nobody", "mixed"))
        rows: list[Row] = []
        for name in self.names:
            if self.rng.random() < 0.85:
                rows += (
                    self.events_of_use(name, users)
                    if self.grain is None
                    else self.sums_of_use(name)
                )
        if self.rng.random() < 0.15:
            rows = [
                row for row in rows if row["occurred_at"].date() < self.turn - timedelta(days=9)
            ]
        return [row | {"event_id": f"u{n}"} for n, row in enumerate(rows)]

    def reach(self) -> tuple[int, int]:
        """Draw the first and last day of an account's activity, counted from the day to look from."""
        rng = self.rng
        first = rng.choice((-BEFORE, -BEFORE, -200, -60, -20, 3))
        return first, rng.choice((AFTER, AFTER, AFTER, 0, -3, -20, -100))

    def events_of_use(self, name: str, users: str) -> list[Row]:
        rng, (first, last) = self.rng, self.reach()
        step, people = rng.choice((1, 2, 5, 9)), [f"p{n}" for n in range(rng.randint(1, 6))]
        rows = []
        for ago in range(first, last, step):
            for _ in range(rng.choice((0, 1, 1, 2))):
                who = (
                    rng.choice(people)
                    if users == "named" or (users == "mixed" and rng.random() < 0.5)
                    else None
                )
                rows.append(
                    {"account_id": name, "occurred_at": self.at(self.turn + timedelta(days=ago))}
                    | self.use()
                    | {"user_id": who}
                )
        return rows

    def use(self) -> Row:
        rng = self.rng
        return {
            "feature": rng.choice(FEATURES), "count": rng.choice((None, 1.0, 2.5, 0.001, 0.0, 40.0)),
            "quantity": rng.choice((None, 1.0, 12.345)),
        }  # fmt: skip

    def sums_of_use(self, name: str) -> list[Row]:
        """Draw sums per day, week or month and feature; days start at midnight UTC."""
        rng, (first, last) = self.rng, self.reach()
        rows, start = [], self.turn + timedelta(days=first)
        start = start - timedelta(days=start.weekday()) if self.grain == "week" else start
        start = start.replace(day=1) if self.grain == "month" else start
        while start < self.turn + timedelta(days=last):
            for feature in rng.sample(FEATURES, rng.choice((0, 1, 2))):
                row = {
                    "account_id": name,
                    "occurred_at": datetime.combine(start, time.min, tzinfo=UTC),
                }
                rows.append(
                    row
                    | self.use()
                    | {"feature": feature, "users": rng.choice((None, 3.0, 7.0, 0.0))}
                )
            start = grain_end(
                datetime.combine(start, time.min, tzinfo=UTC), self.grain or "day"
            ).date()
        return rows

    def feature_catalog(self) -> list[Row]:
        rng = self.rng
        milestone = rng.choice(("report", "report", "forecast", None))
        return [
            {"feature": feature, "tier": tier, "activation": feature == milestone}
            | {"product": rng.choice(PRODUCTS), "min_plan": rng.choice((None, "basic", "pro"))}
            for feature, tier in TIERS.items()
        ]

    def each(self, most: int) -> Iterable[str]:
        """Name the accounts of some rows: most have some, some have none."""
        for name in self.names:
            yield from [name] * (self.rng.randint(0, most) if self.rng.random() < 0.8 else 0)

    def limits(self) -> list[Row]:
        """Draw readings of meters: some rise to their limit, some are reset, some have no limit."""
        rng, rows = self.rng, []
        for name in self.names:
            for metric in rng.sample(
                ("seats", "api_calls", "storage", "commit", "prepaid"), rng.randint(0, 4)
            ):
                limit, used = rng.choice((0.0, 10.0, 100.0, 100.0)), rng.uniform(0, 40)
                for ago in range(rng.choice((-130, -60, -20)), AFTER, rng.choice((1, 3, 7, 30))):
                    used = (
                        rng.choice((0.0, 1.0))
                        if rng.random() < 0.05
                        else used + rng.choice((0, 0, 1.5, 4.0))
                    )
                    day = self.iso(self.turn + timedelta(days=ago))
                    rows.append(
                        {
                            "account_id": name,
                            "metric": metric,
                            "observed_on": day,
                            "used": used,
                            "limit": limit,
                        }
                    )
        return rows

    def events(self) -> list[Row]:
        kinds = (
            "gate_hit", "gate_hit", "limit_hit", "limit_notice", "limit_notice", "pricing_view", "locked_search", "invite_sent",
            "invite_bounced", "external_share", "payment_failed", "something_else",
        )  # fmt: skip
        features = (
            "SSO_login",
            "audit_log",
            "user_roles",
            "data-retention",
            "sla",
            "report",
            "slack",
            None,
        )
        return [
            {"event_id": f"e{n}", "account_id": name, "occurred_at": self.at(self.day())}
            | {"kind": self.rng.choice(kinds), "feature": self.rng.choice(features)}
            | {"user_id": self.rng.choice(("p1", "p2", None))}
            for n, name in enumerate(self.each(25))
        ]

    def tickets(self) -> list[Row]:
        rng, rows = self.rng, []
        for n, name in enumerate(self.each(12)):
            opened = self.at(self.day())
            hours = rng.choice((None, 1, 30, 200, 1000))
            closed = None if hours is None else opened + timedelta(hours=hours)
            row = {"ticket_id": f"t{n}", "account_id": name, "opened_at": opened}
            row |= {"closed_at": None if closed is None or closed > self.now else closed}
            row |= {"severity": rng.choice(("low", "normal", "high", "urgent", None))}
            row |= {
                "category": rng.choice(
                    ("bug", "Outage", "login", "data_loss", "question", "billing", None)
                )
            }
            row |= {
                "first_response_minutes": rng.choice((None, 5.0, 61.5)),
                "csat": rng.choice((None, 1.0, 4.0, 5.0)),
            }
            row |= {
                "reopened": rng.choice((None, True, False)),
                "escalated": rng.choice((None, True, False)),
            }
            rows.append(row)
        return rows

    def touchpoints(self) -> list[Row]:
        kinds = (
            "qbr", "meeting", "call", "email_in", "email_out", "training", "nps", "nps", "executive_meeting", "champion_left",
            "sponsor_changed", "notice_given", "milestone", "reference", "review", "other",
        )  # fmt: skip
        return [
            {"touch_id": f"c{n}", "account_id": name, "occurred_at": self.at(self.day())}
            | {
                "kind": self.rng.choice(kinds),
                "value": self.rng.choice((None, 0.0, 6.0, 9.0, 10.0)),
            }
            | {"contact": self.rng.choice(("Eva", "Finn", "Gus", None))}
            for n, name in enumerate(self.each(14))
        ]

    def growth(self) -> list[Row]:
        kinds = ("headcount", "funding", "hiring", "region", "intent", "layoffs")
        keys = {(name, self.iso(self.day()), self.rng.choice(kinds)) for name in self.each(5)}
        return [
            {
                "account_id": name,
                "observed_on": day,
                "kind": kind,
                "value": self.rng.choice((None, -3.0, 0.0, 12.0)),
            }
            for name, day, kind in sorted(keys, key=str)
        ]

    def contacts(self) -> list[Row]:
        roles = ("champion", "sponsor", "admin", "user", None)
        return [
            {"contact_id": f"k{n}", "account_id": name, "role": self.rng.choice(roles)}
            | {
                "area": self.rng.choice(PRODUCTS),
                "left_on": self.rng.choice((None, self.iso(self.day(-200)))),
            }
            for n, name in enumerate(self.each(4))
        ]

    def payments(self) -> list[Row]:
        rng, rows = self.rng, []
        for n, name in enumerate(self.each(6)):
            due = self.day()
            late = rng.choice((0, 0, -4, 5, 29, 45, None))
            paid = None if late is None else due + timedelta(days=late)
            row = {
                "invoice_id": f"i{n}",
                "account_id": name,
                "due_on": self.iso(due),
                "currency": "USD",
            }
            row |= {"paid_on": None if paid is None or paid > self.last else self.iso(paid)}
            row |= {"amount_micros": rng.choice((50_000_000, 400_000_000, -10_000_000))}
            rows.append(
                row | {"kind": rng.choice(("invoice", "invoice", "invoice", "refund", "credit"))}
            )
        return rows

    def account_history(self) -> list[Row]:
        keys = {(name, self.iso(self.day())) for name in self.each(2)}
        return [
            {
                "account_id": name,
                "valid_from": day,
                "segment": self.rng.choice(("smb", "enterprise")),
                "csm": "Cy",
            }
            for name, day in sorted(keys, key=str)
        ] + self.mergers()

    def mergers(self) -> list[Row]:
        """Let an account be taken over by the one before it, now and then, on a day of its own."""
        told = {"segment": None, "csm": None}
        return [
            {"account_id": name, "valid_from": self.iso(day), "merged_into": survivor} | told
            for survivor, name in zip(self.names[:-1], self.names[1:], strict=True)
            for day in [self.day(-300) + timedelta(days=1)]
            if self.rng.random() < 0.1
        ]

    def opportunities(self) -> list[Row]:
        rng, rows = self.rng, []
        for n, name in enumerate(self.each(2)):
            opened = self.day()
            closed = rng.choice((None, min(opened + timedelta(days=rng.randint(1, 90)), self.last)))
            row = {
                "opportunity_id": f"o{n}",
                "account_id": name,
                "opened_on": self.iso(opened),
                "currency": "USD",
            }
            row |= {"stage": "open" if closed is None else "closed", "closed_on": self.iso(closed)}
            row |= {
                "won": None if closed is None else rng.random() < 0.5,
                "lever": rng.choice(("seat", None)),
            }
            rows.append(row | {"amount_mrr_micros": 100_000_000})
        return rows

    def plans(self) -> list[Row]:
        prices: Sequence[tuple[str, int]] = (("basic", 10_000_000), ("pro", 99_990_000))
        return [
            {
                "plan": plan,
                "product": "core",
                "rank": n + 1,
                "list_price_micros": price,
                "currency": "USD",
            }
            for n, (plan, price) in enumerate(prices)
        ]
