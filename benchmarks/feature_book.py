"""The book around the usage events: every other table that the catalogue of signals reads.

Usage: ``python -m benchmarks.feature_book FOLDER ROWS ACCOUNTS [TABLE ...]`` writes a whole book as
Parquet (or beside the usage these tables alone), with the week that comes after it in ``next/``; what
stands already is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.feature_input import (
    FEATURES,
    SEED,
    SEGMENTS,
    WEEKS,
    Crowd,
    crowd_of,
    epoch_micros,
    features,
    increment,
    named,
    once,
    write_usage,
)

__all__ = ["CONFIGURATION", "write"]

DAYS = 7 * (WEEKS + 1)
TIERS = ("core",) * 12 + ("advanced",) * 14 + ("integration",) * 8 + ("admin",) * 6
CONFIGURATION = """[book]
currency = "USD"
as_of = "2026-01-01"

[tables.usage]
source = "usage/*.parquet"
"""
Numbers = np.ndarray[Any, Any]
Rng = np.random.Generator


def write(folder: Path, rows: int, accounts: int, asked: Collection[str] = ()) -> None:
    """Write the whole book (or the tables asked for), its configuration and the next week."""
    crowd = crowd_of(accounts)
    write_usage(folder / "usage", rows, crowd)
    increment(folder / "next", rows, crowd)
    for number, (name, made) in enumerate(TABLES.items()):
        if asked and name not in asked:
            continue
        rng = np.random.default_rng([SEED, accounts, 10_000 + number])
        once(folder / f"{name}.parquet", partial(made, crowd, rng))
    (folder / "perennial.toml").write_text(CONFIGURATION, encoding="utf-8")


def _accounts(crowd: Crowd, rng: Rng) -> pa.Table:
    many = len(crowd.ids)
    return pa.table(
        {
            "account_id": crowd.ids,
            "name": named("Account ", np.arange(many), 6),
            "segment": np.array(SEGMENTS)[crowd.size],
            "region": rng.choice(["amer", "emea", "apac"], many),
            "csm": named("csm-", rng.integers(0, 1 + many // 80, many), 4),
            "employees": crowd.how_many * rng.integers(2, 9, many),
            "signed_on": _day(crowd.starts),
        }
    )


def _subscriptions(crowd: Crowd, rng: Rng) -> pa.Table:
    """Draw yearly terms one after the other; the last one is cut short where an account leaves."""
    last = np.minimum(crowd.ends, DAYS)
    terms = np.maximum(1, -(-(last - crowd.starts) // 365))
    owner = np.repeat(np.arange(len(terms)), terms)
    turn = np.arange(len(owner)) - np.repeat(np.cumsum(terms) - terms, terms)
    starts = crowd.starts[owner] + 365 * turn
    seats = np.maximum(1, np.round(crowd.how_many[owner] * (1.1 + 0.1 * turn))).astype(np.int64)
    return pa.table(
        {
            "subscription_id": named("sub-", np.arange(len(owner)), 8),
            "account_id": crowd.ids.take(pa.array(owner)),
            "product": np.where(owner % 7 == 0, "analytics", "core"),
            "plan": np.array(["team", "business", "enterprise", "enterprise"])[crowd.size[owner]],
            "seats": seats,
            "currency": np.full(len(owner), "USD"),
            "starts_on": _day(starts),
            "ends_on": _day(np.minimum(starts + 365, crowd.ends[owner])),
            "mrr": np.round(seats * rng.choice([20.0, 35.0, 50.0], len(owner)), 2),
            "discount": rng.choice([0.0, 0.1, 0.2], len(owner), p=[0.8, 0.12, 0.08]),
            "term_months": np.full(len(owner), 12),
            "auto_renew": rng.random(len(owner)) < 0.6,
        }
    )


def _tickets(crowd: Crowd, rng: Rng) -> pa.Table:
    owner, day = _moments(crowd, rng, 6)
    opened = _micros(day, rng)
    took = rng.lognormal(10.5, 1.5, len(owner)) * 1e6
    closed = np.where(rng.random(len(owner)) < 0.96, opened + took.astype(np.int64), -1)
    closed = np.where(closed < epoch_micros(np.array(DAYS)), closed, -1)
    csat = rng.integers(1, 6, len(owner)).astype(np.float64)
    return pa.table(
        {
            "ticket_id": named("t-", np.arange(len(owner)), 8),
            "account_id": crowd.ids.take(pa.array(owner)),
            "opened_at": _stamp(opened),
            "closed_at": _stamp(closed),
            "severity": rng.choice(["low", "normal", "high", "urgent"], len(owner)),
            "category": rng.choice(["bug", "how_to", "billing", "outage", "login"], len(owner)),
            "first_response_minutes": np.round(rng.lognormal(4, 1, len(owner)), 1),
            "csat": pa.array(csat, mask=(rng.random(len(owner)) < 0.6) | (closed < 0)),
            "reopened": rng.random(len(owner)) < 0.05,
            "escalated": rng.random(len(owner)) < 0.04,
        }
    )


def _events(crowd: Crowd, rng: Rng) -> pa.Table:
    owner, day = _moments(crowd, rng, 20)
    kinds = [
        "gate_hit", "limit_hit", "pricing_view", "locked_search", "invite_sent", "invite_bounced",
        "external_share", "payment_failed",
    ]  # fmt: skip
    user = crowd.first_user[owner] + rng.integers(0, crowd.how_many[owner])
    return pa.table(
        {
            "event_id": named("v-", np.arange(len(owner)), 9),
            "account_id": crowd.ids.take(pa.array(owner)),
            "occurred_at": _stamp(_micros(day, rng)),
            "kind": rng.choice(kinds, len(owner)),
            "user_id": crowd.users.take(pa.array(user)),
            "feature": features().take(pa.array(rng.integers(0, FEATURES, len(owner)))),
        }
    )


def _touchpoints(crowd: Crowd, rng: Rng) -> pa.Table:
    owner, day = _moments(crowd, rng, 10)
    kinds = [
        "qbr", "meeting", "call", "email_in", "email_out", "training", "nps", "champion_left",
        "milestone", "reference",
    ]  # fmt: skip
    kind = rng.choice(
        kinds, len(owner), p=[0.08, 0.15, 0.15, 0.2, 0.2, 0.05, 0.12, 0.01, 0.03, 0.01]
    )
    answer = rng.integers(0, 11, len(owner)).astype(np.float64)
    return pa.table(
        {
            "touch_id": named("p-", np.arange(len(owner)), 8),
            "account_id": crowd.ids.take(pa.array(owner)),
            "occurred_at": _stamp(_micros(day, rng)),
            "kind": kind,
            "value": pa.array(answer, mask=kind != "nps"),
            "contact": named("c-", owner * 3 + rng.integers(0, 3, len(owner)), 7),
        }
    )


def _limits(crowd: Crowd, rng: Rng) -> pa.Table:
    """Read two metrics of every account in every fourth week."""
    readings = np.arange(0, DAYS, 28)
    owner = np.repeat(np.arange(len(crowd.ids)), 2 * len(readings))
    day = np.tile(np.repeat(readings, 2), len(crowd.ids))
    metric = np.tile(["seats", "api_calls"], len(owner) // 2)
    allowed = np.where(metric == "seats", np.round(1.2 * crowd.how_many[owner]) + 1, 10_000.0)
    alive = (day >= crowd.starts[owner]) & (day < crowd.ends[owner])
    table = pa.table(
        {
            "account_id": crowd.ids.take(pa.array(owner)),
            "metric": metric,
            "observed_on": _day(day),
            "used": np.round(allowed * rng.uniform(0.2, 1.0, len(owner)) * (0.7 + day / 1500)),
            "limit": allowed,
        }
    )
    return table.filter(pa.array(alive))


def _growth(crowd: Crowd, rng: Rng) -> pa.Table:
    owner, day = _moments(crowd, rng, 1.5)
    kinds = ["headcount", "funding", "hiring", "region", "intent", "layoffs"]
    rows = {
        "account_id": crowd.ids.take(pa.array(owner)),
        "observed_on": _day(day),
        "kind": pa.array(rng.choice(kinds, len(owner))),
    }
    distinct = (
        pa.table(rows).group_by(list(rows)).aggregate([]).sort_by([(c, "ascending") for c in rows])
    )
    return distinct.append_column("value", pa.array(rng.normal(0.05, 0.1, len(distinct)).round(3)))


def _contacts(crowd: Crowd, rng: Rng) -> pa.Table:
    many = len(crowd.ids)
    left = rng.integers(0, DAYS, 3 * many)
    return pa.table(
        {
            "contact_id": named("c-", np.arange(3 * many), 7),
            "account_id": crowd.ids.take(pa.array(np.repeat(np.arange(many), 3))),
            "area": rng.choice(["operations", "finance", "engineering"], 3 * many),
            "role": np.tile(["champion", "sponsor", "user"], many),
            "left_on": _day(left, rng.random(3 * many) < 0.93),
        }
    )


def _payments(crowd: Crowd, rng: Rng) -> pa.Table:
    """Bill every account on every thirtieth day of its stay; one in 200 is paid late."""
    due = np.arange(0, DAYS, 30)
    owner, day = np.repeat(np.arange(len(crowd.ids)), len(due)), np.tile(due, len(crowd.ids))
    late = np.where(rng.random(len(owner)) < 0.005, 40, 0)
    paid = day + late + rng.integers(0, 25, len(owner))
    table = pa.table(
        {
            "invoice_id": named("i-", np.arange(len(owner)), 9),
            "account_id": crowd.ids.take(pa.array(owner)),
            "due_on": _day(day),
            "paid_on": _day(paid, paid >= DAYS),
            "amount": np.round(30.0 * crowd.how_many[owner], 2),
            "currency": np.full(len(owner), "USD"),
            "kind": np.full(len(owner), "invoice"),
        }
    )
    return table.filter(pa.array((day >= crowd.starts[owner]) & (day < crowd.ends[owner])))


def _opportunities(crowd: Crowd, rng: Rng) -> pa.Table:
    owner, day = _moments(crowd, rng, 0.6)
    closed = day + rng.integers(10, 150, len(owner))
    is_open = closed >= DAYS
    return pa.table(
        {
            "opportunity_id": named("o-", np.arange(len(owner)), 7),
            "account_id": crowd.ids.take(pa.array(owner)),
            "opened_on": _day(day),
            "stage": np.where(is_open, "proposal", "closed"),
            "amount_mrr": np.round(5.0 * crowd.how_many[owner], 2),
            "closed_on": _day(closed, is_open),
            "won": pa.array(rng.random(len(owner)) < 0.4, mask=is_open),
            "lever": rng.choice(["seat", "tier", "cross_sell"], len(owner)),
        }
    )


def _feature_catalog(crowd: Crowd, rng: Rng) -> pa.Table:
    return pa.table(
        {
            "feature": features(),
            "tier": list(TIERS),
            "product": np.where(np.arange(FEATURES) % 5 == 4, "analytics", "core"),
            "activation": np.arange(FEATURES) == 3,
        }
    )


def _plans(crowd: Crowd, rng: Rng) -> pa.Table:
    plans = ["team", "business", "enterprise"]
    prices = [20.0, 35.0, 50.0]
    return pa.table({"plan": plans, "rank": [1, 2, 3], "list_price": prices})


def _moments(crowd: Crowd, rng: Rng, each: float) -> tuple[Numbers, Numbers]:
    """Draw moments of accounts, so many each on average, within the days of their stay."""
    many = len(crowd.ids)
    owner = rng.integers(0, many, int(each * many))
    lowest, highest = np.maximum(crowd.starts[owner], 0), np.minimum(crowd.ends[owner], DAYS)
    return owner, lowest + (rng.random(len(owner)) * (highest - lowest)).astype(np.int64)


def _day(days: Numbers, missing: Numbers | None = None) -> pa.Array:
    numbers = (epoch_micros(days) // 86_400_000_000).astype(np.int32)
    return pa.array(numbers, mask=missing).cast(pa.date32())


def _micros(days: Numbers, rng: Rng) -> Numbers:
    micros: Numbers = epoch_micros(days) + rng.integers(0, 86_400_000_000, len(days))
    return micros


def _stamp(micros: Numbers) -> pa.Array:
    """Give instants; a negative one is missing."""
    return pa.array(micros, mask=micros < 0).cast(pa.timestamp("us", "UTC"))


TABLES = {
    "accounts": _accounts,
    "subscriptions": _subscriptions,
    "tickets": _tickets,
    "events": _events,
    "touchpoints": _touchpoints,
    "limits": _limits,
    "growth": _growth,
    "contacts": _contacts,
    "payments": _payments,
    "opportunities": _opportunities,
    "feature_catalog": _feature_catalog,
    "plans": _plans,
}


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
