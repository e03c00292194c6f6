"""Canaries: what was not known on a day never changes what is told of that day.

Each canary sings on random companies with every table (`tests.random_feeds`): rows that were not
known are deleted, poisoned or multiplied, columns that were not known are blanked, rows arrive
late, come in another order, are read by more threads, in another zone. The snapshot of the day
must stay as it was, bit by bit.
"""

from __future__ import annotations

import copy
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest

from features.catalog import CATALOG
from features.faults import DataRejected
from features.ledger import mrr_on
from features.rules import Rules
from features.snapshot import snapshot
from tests.random_books import months_later
from tests.random_feeds import FEEDS, Company, Row, known_moment, random_company
from tests.small_books import AS_OF, ago, line, small_book

ROOT = Path(__file__).resolve().parents[1]
SLUGS = [signal.slug for signal in CATALOG]
OUTCOME = ("closed_at", "csat", "reopened", "escalated", "first_response_minutes")
TODAY_ONLY = ("name", "csm", "segment", "region", "employees")
IDENTITY = ("name", "segment", "csm")
LATER = datetime(2030, 1, 1, tzinfo=UTC)
WILD: dict[str, Any] = {
    "count": 1e6, "quantity": 1e6, "users": 1e6, "user_id": "wild", "feature": "sso",
    "used": 1e6, "limit": 1.0, "severity": "urgent", "csat": 1.0, "escalated": True,
    "reopened": True, "value": 0.0, "mrr_micros": 10**15, "list_mrr_micros": 10**15, "seats": 9_999,
    "plan": "pro", "product": "wild", "canceled_on": "2030-01-01", "amount_micros": 10**12,
    "segment": "wild", "csm": "Wild", "won": True,
}  # fmt: skip
Canary = Callable[[Company, date], Company]


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def day_of(value: Any) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC).date()


def moment_known(company: Company, table: str, row: Row) -> datetime | None:
    """Say from when a row counts; None for tables that carry no date."""
    if table in FEEDS:
        moment = known_moment(table, row, company.grain if table == "usage" else None)
        return max(moment, midnight(day_of(row[FEEDS[table]])))
    if row.get("recorded_at") is not None:
        return row["recorded_at"]  # type: ignore[no-any-return]
    dates = {
        "subscriptions": ("signed_on", "starts_on"), "payments": ("paid_on", "due_on"),
        "opportunities": ("opened_on",), "account_history": ("valid_from",),
    }  # fmt: skip
    if table == "mrr_by_month":
        return midnight(months_later(date.fromisoformat(row["month"]), 1)) - timedelta(seconds=1)
    days = [row[name] for name in dates.get(table, ()) if row.get(name)]
    return midnight(date.fromisoformat(min(days))) if days else None


def told(company: Company, change: Callable[[str, Row, bool], Row | None]) -> Company:
    """Give a company whose rows went through a change, which is told whether each was known."""
    tables: dict[str, list[Row]] = {}
    for table, rows in company.tables.items():
        for row in rows:
            moment = moment_known(company, table, row)
            changed = change(
                table, dict(row), moment is None or moment < midnight(company.facts.as_of)
            )
            tables.setdefault(table, []).extend([] if changed is None else [changed])
    return Company(company.facts, company.grain, company.days, tables)


def forgotten(company: Company) -> Company:
    """Delete every row that was not known."""
    return told(company, lambda table, row, known: row if known else None)


def poisoned(company: Company) -> Company:
    """Give every row that was not known the wildest values."""

    def change(table: str, row: Row, known: bool) -> Row:
        wild = {name: value for name, value in WILD.items() if name in row}
        return row if known else row | wild

    return told(company, change)


def multiplied(company: Company) -> Company:
    """Add to every known row of a feed one that is recorded later, with the wildest values."""
    more = copy.deepcopy(company)
    today = midnight(company.facts.as_of)
    for table in set(FEEDS) & set(company.tables):
        for n, row in enumerate(company.tables[table]):
            key = {
                name: f"more{n}" for name in ("event_id", "ticket_id", "touch_id") if name in row
            }
            wild = {name: value for name, value in WILD.items() if name in row}
            more.tables[table].append(
                row | wild | key | {"recorded_at": today + timedelta(hours=n)}
            )
    return more


def blanked(company: Company) -> Company:
    """Blank every column that was not known yet."""
    as_of = company.facts.as_of

    def ahead(row: Row, name: str) -> bool:
        value = row.get(name)
        return value is not None and (
            value if isinstance(value, datetime) else midnight(day_of(value))
        ) >= midnight(as_of)

    def change(table: str, row: Row, known: bool) -> Row:
        blanks: tuple[str, ...] = ()
        if table == "tickets" and ahead(row, "closed_at"):
            blanks = OUTCOME
        elif table == "opportunities" and ahead(row, "closed_on"):
            blanks = ("closed_on", "won", "stage")
        elif table == "accounts":
            blanks = tuple(name for name in TODAY_ONLY if name in row)
        elif table == "subscriptions":
            blanks = ("ends_on",) * (not end_known(row, as_of)) + ("canceled_on",) * ahead(
                row, "canceled_on"
            )
        else:
            blanks = tuple(name for name in ("left_on", "paid_on") if ahead(row, name))
        return row | {name: "open" if name == "stage" else None for name in blanks}

    return told(company, change)


def end_known(row: Row, as_of: date) -> bool:
    """Say whether a line's end was known: passed, contracted, recorded or cancelled."""
    if row.get("ends_on") is None or row["ends_on"] < as_of.isoformat():
        return True
    start = date.fromisoformat(row["starts_on"])
    terms = [months_later(start, row[n]) for n in ("term_months", "interval_months") if row.get(n)]
    contracted = {str(day) for day in terms} | {row.get("renews_on")}
    canceled = row.get("canceled_on") is not None and row["canceled_on"] < as_of.isoformat()
    recorded = row.get("recorded_at") is not None and row["recorded_at"] < midnight(as_of)
    return row["ends_on"] in contracted or canceled or recorded


def seen(company: Company, as_of: date | None = None) -> pd.DataFrame:
    return snapshot(company.book(), as_of or company.facts.as_of)


def unchanged(before: pd.DataFrame, after: pd.DataFrame, *but: str) -> None:
    pd.testing.assert_frame_equal(
        before.drop(columns=list(but)), after.drop(columns=list(but)), check_exact=True
    )


def canaries(seed: int) -> None:
    company = random_company(seed, clocks=False)
    before = seen(company)
    for canary in (forgotten, poisoned, multiplied):
        unchanged(before, seen(canary(company)))
    unchanged(before, seen(blanked(company)), *IDENTITY)


@pytest.mark.ci
@pytest.mark.fault("F01")
def test_rows_that_were_not_known_change_nothing():
    company = random_company(7, clocks=False)
    unchanged(seen(company), seen(multiplied(poisoned(company))))


@pytest.mark.ci
@pytest.mark.fault("F01")
@pytest.mark.parametrize("seed", range(500, 506))
def test_canaries_on_many_companies(seed):
    canaries(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(2000, 2100, 10))
def test_canaries_on_sixty_companies(first):
    for seed in range(first, first + 6):
        canaries(seed)


@pytest.mark.ci
@pytest.mark.parametrize("table", FEEDS)
def test_a_row_that_arrives_late_changes_only_later_snapshots(table):
    company = next(c for c in map(random_company, range(600, 700)) if table in c.tables)
    as_of = company.facts.as_of
    late = copy.deepcopy(company)
    before = seen(company)
    for name in before["account_id"]:
        late.tables[table].append(arrived(table, name, as_of))
    unchanged(before, seen(late))
    after = as_of + timedelta(days=2)
    assert not seen(company, after)[SLUGS].equals(seen(late, after)[SLUGS])


def arrived(table: str, account: str, as_of: date) -> Row:
    """Make a row of three days ago that was recorded on the as-of date."""
    happened = midnight(as_of) - timedelta(days=3)
    row: Row = {"account_id": account, "recorded_at": midnight(as_of), FEEDS[table]: happened}
    row |= {"usage": {"event_id": f"late-{account}", "feature": "report", "count": 1e4, "user_id": "late"},
            "events": {"event_id": f"late-{account}", "kind": "pricing_view"},
            "tickets": {"ticket_id": f"late-{account}", "severity": "urgent"},
            "touchpoints": {"touch_id": f"late-{account}", "kind": "qbr"},
            "limits": {"metric": "late", "used": 1e4, "limit": 1.0},
            "growth": {"kind": "funding"}}[table]  # fmt: skip
    return row | (
        {FEEDS[table]: happened.date().isoformat()} if table in ("limits", "growth") else {}
    )


def shuffled(company: Company, seed: int) -> Company:
    """Put the rows of every table in another order."""
    rng, mixed = Random(seed), copy.deepcopy(company)
    for rows in mixed.tables.values():
        rng.shuffle(rows)
    return mixed


def digest(frame: pd.DataFrame) -> str:
    return hashlib.sha256(frame.to_csv(index=False, float_format="%.17g").encode()).hexdigest()


DIGEST = """
import sys
from tests.random_feeds import random_company
from tests.test_leaks import digest, shuffled
from features.snapshot import snapshot
company = random_company(int(sys.argv[1]), clocks=False)
book = shuffled(company, int(sys.argv[2])).book()
book.connection.execute(f"SET threads = {sys.argv[3]}")
print(digest(snapshot(book, company.facts.as_of)))
"""


def told_elsewhere(order: int, threads: int, **environment: str) -> str:
    """Tell the digest of a snapshot from another process."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DIGEST, "7", str(order), str(threads)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.ci
@pytest.mark.fault("F09")
def test_order_threads_zone_locale_and_hash_seed_change_nothing():
    company = random_company(7, clocks=False)
    expected = digest(seen(company))
    assert told_elsewhere(1, 1, TZ="Asia/Tokyo", PYTHONHASHSEED="1", LC_ALL="C") == expected
    assert (
        told_elsewhere(2, 2, TZ="America/New_York", PYTHONHASHSEED="2", LC_ALL="de_DE.UTF-8")
        == expected
    )


@pytest.mark.fault("F05")
def test_a_value_beyond_all_bounds_is_refused_by_name():
    limits = [
        {
            "account_id": "a",
            "metric": "calls",
            "observed_on": ago(1).date(),
            "used": 1e300,
            "limit": 1e-300,
        }
    ]
    with pytest.raises(
        DataRejected, match="expansion_limit_share: not finite for 1 accounts"
    ) as held:
        snapshot(small_book([line("a")], limits=limits), AS_OF)
    assert held.value.code == "feature.not_finite"


@pytest.mark.fault("F02")
def test_silence_is_missing_and_never_zero():
    frame = snapshot(small_book([line("a")]), AS_OF)
    lacking = [
        signal.slug
        for signal in CATALOG
        if signal.family in ("usage", "adoption", "support", "relationship")
    ]
    assert frame[lacking].isna().all(axis=None)


@pytest.mark.fault("F03")
def test_no_seats_and_no_mrr_are_no_ratio():
    used = [
        {"account_id": "a", "occurred_at": ago(day), "feature": "f", "user_id": "u"}
        for day in range(1, 60)
    ]
    frame = snapshot(small_book([line("a", seats=0), line("b", 0)], usage=used), AS_OF)
    assert frame["account_id"].tolist() == ["a"]
    assert frame["commercial_seat_use"].isna().all()


@pytest.mark.ci
@pytest.mark.fault("F12")
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_what_a_merged_account_did_is_its_survivors(engine):
    def did(account, user):
        mine = {"account_id": account}
        used = {**mine, "feature": "f", "user_id": user}
        asked = [{**mine, "ticket_id": f"{account}{n}", "opened_at": ago(n)} for n in range(1, 6)]
        return [{**used, "occurred_at": ago(day)} for day in range(1, 60)], asked

    (old, old_tickets), (new, new_tickets) = did("old", "u"), did("new", "v")
    merged = [{"account_id": "old", "valid_from": "2025-06-01", "merged_into": "new"}]
    lines = [line("old", starts="2024-01-01"), line("new", 50, starts="2024-09-01")]
    book = small_book(
        lines, usage=old + new, tickets=old_tickets + new_tickets, account_history=merged
    )
    book = replace(book, engine=engine)
    survivor = snapshot(book, AS_OF).set_index("account_id").loc["new"]
    assert (survivor.usage_events_28d, survivor.usage_users_28d) == (56, 2)
    assert (survivor.usage_active_days_28d, survivor.support_tickets_30d) == (28, 10)
    assert (survivor.commercial_lines, survivor.first_paid_on.date()) == (2, date(2024, 1, 1))
    assert survivor.commercial_expansion_365d == pytest.approx(0.5)  # both together: 100 -> 150
    before = snapshot(book, date(2025, 6, 1)).set_index("account_id")
    assert before.loc["new", "usage_events_28d"] == before.loc["old", "usage_events_28d"] == 28


@pytest.mark.ci
@pytest.mark.fault("F12")
def test_a_merged_renamed_or_moved_account_pays_once():
    lines = [line("old"), line("new", 50)]
    accounts = [
        {"account_id": "old", "name": "Old"},
        {"account_id": "new", "name": "New", "parent_account_id": "old"},
    ]
    merged = [{"account_id": "old", "valid_from": "2025-06-01", "merged_into": "new"}]
    before = snapshot(small_book(lines, accounts=accounts), AS_OF)
    book = small_book(lines, accounts=accounts, account_history=merged)
    after = snapshot(book, AS_OF)
    assert after["mrr_micros"].sum() == before["mrr_micros"].sum() == 150_000_000
    assert (
        after["mrr_micros"].sum()
        == mrr_on(book, AS_OF - timedelta(days=1), Rules())["mrr_micros"].sum()
    )
    earlier = date(2025, 6, 1)
    unchanged(snapshot(small_book(lines, accounts=accounts), earlier), snapshot(book, earlier))
