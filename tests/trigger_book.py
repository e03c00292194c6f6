"""One small book in which every trigger fires on an account and stays quiet on its neighbour.

Each case is drawn twice: for the account that lies on the threshold ("… fires") and for the one
just short of it ("… quiet"). Seen from 2025-07-01.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

import pandas as pd

from features.snapshot import snapshot
from tests.small_books import AS_OF, ago, line, small_book

__all__ = ["CASES", "seen"]

CORE = [f"core{n}" for n in range(10)]
FEATURES = [*CORE, "extra", "more"]
PEERS = 9


class Draft:
    """The rows of one account, written into the tables of a book."""

    def __init__(self, tables: dict[str, list[dict[str, Any]]], account: str) -> None:
        self.tables, self.account = tables, account

    def line(self, mrr: float = 100, starts: str = "2024-01-01", **more: Any) -> None:
        """Add a contract line."""
        self.tables["subscriptions"].append(line(self.account, mrr, starts, **more))

    def add(self, table: str, days: int | Iterable[int], **row: Any) -> None:
        """Add a row so many days before the as-of date (for each of some days)."""
        stamp = {"tickets": "opened_at"}.get(table, "occurred_at")
        for day in [days] if isinstance(days, int) else days:
            self.tables[table].append({"account_id": self.account, stamp: ago(day), **row})

    def dated(self, table: str, days: int, **row: Any) -> None:
        """Add a reading of a day."""
        stamp = {"account_id": self.account, "observed_on": ago(days).date()}
        self.tables[table].append(stamp | row)

    def use(self, days: Iterable[int], users: int = 1, **row: Any) -> None:
        """Let so many people use a feature on some days."""
        for day in days:
            for number in range(users):
                self.add("usage", day, **{"feature": "extra", "user_id": f"u{number}", **row})


Case = Callable[[Draft, bool], None]
CASES: dict[str, Case] = {}
WEEKS_BEFORE = (8, 15, 22, 29)


def case(name: str) -> Callable[[Case], Case]:
    """Enter a case under the name of its trigger (and a word for another rule of the same)."""

    def enter(draw: Case) -> Case:
        CASES[name] = draw
        return draw

    return enter


def seen() -> pd.DataFrame:
    """Give the snapshot of the book, with an account per case and side."""
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name, draw in CASES.items():
        for side in ("fires", "quiet"):
            draft = Draft(tables, f"{name} {side}")
            before = len(tables["subscriptions"])
            draw(draft, side == "fires")
            if len(tables["subscriptions"]) == before:
                draft.line()
    _background(tables)
    for number, row in enumerate(tables["tickets"]):
        row |= {"ticket_id": f"t{number}", **({} if "severity" in row else {"severity": "normal"})}
    for number, row in enumerate(tables["payments"]):
        row["invoice_id"] = f"i{number}"
    return snapshot(small_book(tables.pop("subscriptions"), **tables), AS_OF)


def _background(tables: dict[str, list[dict[str, Any]]]) -> None:
    """Add steady accounts, so that no feed is behind and the usual change of a week is none."""
    for number in range(PEERS):
        peer = Draft(tables, f"peer {number}")
        peer.line()
        peer.use(range(1, 130, 7), users=5)
    peer.use(range(1, 130))
    peer.use(range(1, 480, 3))
    peer.add("events", 1, kind="page_view")
    peer.add("touchpoints", 1, kind="email_out")
    peer.add("tickets", 1)
    peer.dated("limits", 1, metric="storage", used=1, limit=100)
    peer.dated("growth", 1, kind="layoffs", value=1)
    tables["feature_catalog"] = [
        *({"feature": name, "tier": "core", "activation": name == "core0"} for name in CORE),
        {"feature": "extra", "tier": "advanced"},
        {"feature": "more", "tier": "advanced"},
    ]
    tables["plans"] = [{"plan": "small", "rank": 1}, {"plan": "large", "rank": 2}]


def before(days: int) -> str:
    """Name the day so many days before the as-of date."""
    return (AS_OF - timedelta(days=days)).isoformat()


def after(days: int) -> date:
    """Give the day so many days after the as-of date."""
    return AS_OF + timedelta(days=days)


@case("notice_given")
def _(a: Draft, fires: bool) -> None:
    canceled = {"canceled_on": "2025-06-30"} if fires else {"canceled_on": "2025-07-01"}
    a.line(starts="2025-01-01", ends_on="2026-01-01", term_months=12, **canceled)


@case("notice_given by word")
def _(a: Draft, fires: bool) -> None:
    a.add("touchpoints", 91 if fires else 92, kind="notice_given")


@case("champion_left")
def _(a: Draft, fires: bool) -> None:
    a.add("touchpoints", 91 if fires else 92, kind="champion_left")


@case("champion_left by contacts")
def _(a: Draft, fires: bool) -> None:
    left = {"role": "sponsor", "left_on": before(1 if fires else 0)}
    a.tables["contacts"].append({"account_id": a.account, "contact_id": a.account, **left})


@case("active_users_drop")
def _(a: Draft, fires: bool) -> None:
    a.use(WEEKS_BEFORE, users=10)
    a.use([1], users=6 if fires else 7)


@case("active_users_drop of few")
def _(a: Draft, fires: bool) -> None:
    a.use(WEEKS_BEFORE, users=5 if fires else 4)
    a.use([1], users=2)


@case("gone_quiet")
def _(a: Draft, fires: bool) -> None:
    last = 15 if fires else 14
    a.use(range(last, last + 28, 7))


@case("gone_quiet but seldom active")
def _(a: Draft, fires: bool) -> None:
    a.use([20, 27, 34] if fires else [20, 27])


@case("gone_quiet for half a year")
def _(a: Draft, fires: bool) -> None:
    a.use([183 if fires else 182])


def adopted(a: Draft, features: list[str]) -> None:
    """Use features on three days of 28."""
    for feature in features:
        a.use([2, 9, 16], feature=feature)


@case("key_features_not_adopted")
def _(a: Draft, fires: bool) -> None:
    adopted(a, CORE[:3] if fires else CORE[:4])


@case("key_features_not_adopted after 90 days")
def _(a: Draft, fires: bool) -> None:
    a.line(starts=before(91 if fires else 90))
    adopted(a, CORE[:1])


@case("not_activated")
def _(a: Draft, fires: bool) -> None:
    a.line(starts=before(31 if fires else 30))
    a.use([2])


@case("not_activated is no news after half a year")
def _(a: Draft, fires: bool) -> None:
    a.line(starts=before(180 if fires else 181))
    a.use([2])


@case("month_3_cliff")
def _(a: Draft, fires: bool) -> None:
    a.line(starts=before(60 if fires else 59))
    a.use([2])


@case("month_3_cliff ends")
def _(a: Draft, fires: bool) -> None:
    a.line(starts=before(90 if fires else 91))
    a.use([2])


@case("renewal_due")
def _(a: Draft, fires: bool) -> None:
    a.line(starts="2024-09-29" if fires else "2024-09-30", term_months=12)


@case("renewal_without_contact")
def _(a: Draft, fires: bool) -> None:
    a.line(starts="2024-09-01", term_months=12)
    a.add("touchpoints", 90 if fires else 89, kind="call")


@case("renewal_without_contact ever")
def _(a: Draft, fires: bool) -> None:
    a.line(starts="2024-09-01", term_months=12)
    a.add("touchpoints", 5, kind="email_out" if fires else "email_in")


@case("renewal_without_contact since onboarding")
def _(a: Draft, fires: bool) -> None:
    a.line(starts=before(62), term_months=3)
    a.add("touchpoints", 32 if fires else 31, kind="call")


def billed(a: Draft) -> None:
    """Bill six months of usage, and nothing else."""
    for month in range(1, 7):
        months = {"starts": f"2025-0{month}-01", "ends_on": f"2025-0{month + 1}-01"}
        a.line(kind="usage", interval_months=1, **months)


@case("bill_shock")
def _(a: Draft, fires: bool) -> None:
    billed(a)
    a.use(range(29, 113), quantity=10)
    a.use(range(1, 29), quantity=20 if fires else 19)


@case("ticket_burst")
def _(a: Draft, fires: bool) -> None:
    a.add("tickets", [1, 2, 3])
    a.add("tickets", range(20, 30 if fires else 31))


@case("ticket_burst of few")
def _(a: Draft, fires: bool) -> None:
    a.add("tickets", [1, 2, 3] if fires else [1, 2])


@case("urgent_ticket")
def _(a: Draft, fires: bool) -> None:
    a.add("tickets", 8 if fires else 7, severity="urgent")


@case("low_csat")
def _(a: Draft, fires: bool) -> None:
    a.add("tickets", 9, closed_at=ago(8), csat=2 if fires else 3)


@case("detractor")
def _(a: Draft, fires: bool) -> None:
    a.add("touchpoints", 40, kind="nps", value=6 if fires else 7)


@case("detractor by a drop")
def _(a: Draft, fires: bool) -> None:
    a.add("touchpoints", 200, kind="nps", value=10)
    a.add("touchpoints", 40, kind="nps", value=7 if fires else 8)


@case("no_meeting")
def _(a: Draft, fires: bool) -> None:
    a.line(mrr=4200)
    a.add("touchpoints", 100 if fires else 99, kind="qbr")


@case("no_meeting ever on a high-touch account")
def _(a: Draft, fires: bool) -> None:
    a.line(mrr=4200 if fires else 4100)


@case("payment_failed")
def _(a: Draft, fires: bool) -> None:
    a.add("events", 91 if fires else 92, kind="payment_failed")


@case("payment_overdue")
def _(a: Draft, fires: bool) -> None:
    due = {"due_on": before(8 if fires else 7), "amount_micros": 5_000_000}
    a.tables["payments"].append({"account_id": a.account, **due})


@case("payment_overdue though paid since")
def _(a: Draft, fires: bool) -> None:
    paid = {"due_on": before(8), "paid_on": before(0 if fires else 1), "amount_micros": 5_000_000}
    a.tables["payments"].append({"account_id": a.account, **paid})


@case("contraction")
def _(a: Draft, fires: bool) -> None:
    fell = "2025-04-01" if fires else "2025-03-31"
    a.line(100, ends_on=fell)
    a.line(99, starts=fell)


@case("contraction of seats")
def _(a: Draft, fires: bool) -> None:
    a.line(seats=10, ends_on="2025-06-01")
    a.line(starts="2025-06-01", seats=9 if fires else 10)


@case("contraction of tier")
def _(a: Draft, fires: bool) -> None:
    a.line(plan="large" if fires else "small", ends_on="2025-06-01")
    a.line(starts="2025-06-01", plan="small")


@case("billable_usage_falls")
def _(a: Draft, fires: bool) -> None:
    billed(a)
    a.use(range(29, 57), quantity=40)
    a.use(range(1, 29), quantity=30 if fires else 31)


@case("seats_idle")
def _(a: Draft, fires: bool) -> None:
    a.line(seats=10)
    a.use([3], users=3 if fires else 4)


@case("review_due")
def _(a: Draft, fires: bool) -> None:
    a.line(review_on=after(14 if fires else 15))


@case("review_due and reached")
def _(a: Draft, fires: bool) -> None:
    a.line(review_on=after(-14 if fires else -15))


@case("success_story")
def _(a: Draft, fires: bool) -> None:
    a.use([400], users=10)
    a.use([5], users=14 if fires else 13)


@case("success_story of quantity")
def _(a: Draft, fires: bool) -> None:
    a.use([400], quantity=100)
    a.use([5], quantity=140 if fires else 139)


@case("success_story of events")
def _(a: Draft, fires: bool) -> None:
    a.use([400], count=100)
    a.use([5], count=140 if fires else 139)


def reading(a: Draft, used: float, metric: str = "api_calls", limit: float = 100) -> None:
    """Read a limit that rises by one a day."""
    for day in range(10):
        a.dated("limits", 1 + day, metric=metric, used=used - day, limit=limit)


@case("limit_near")
def _(a: Draft, fires: bool) -> None:
    reading(a, 70 if fires else 69)


@case("limit_near to act")
def _(a: Draft, fires: bool) -> None:
    a.dated("limits", 1, metric="storage", used=80 if fires else 60, limit=100)


@case("limit_near and reached soon")
def _(a: Draft, fires: bool) -> None:
    reading(a, 88 if fires else 68)


@case("limit_near without growth")
def _(a: Draft, fires: bool) -> None:
    a.dated("limits", 1, metric="storage", used=70 if fires else 69, limit=100)


def gates(a: Draft, hits: int, last: int = 1) -> None:
    """Hit a locked feature so often."""
    a.add("events", [last] * hits, kind="gate_hit", feature="forecast")


@case("gate_hits")
def _(a: Draft, fires: bool) -> None:
    gates(a, 1, last=30 if fires else 31)


@case("gate_hits of intent")
def _(a: Draft, fires: bool) -> None:
    gates(a, 3 if fires else 0)


@case("gate_hits of a warm lead")
def _(a: Draft, fires: bool) -> None:
    gates(a, 5 if fires else 0)


@case("seats_near_limit")
def _(a: Draft, fires: bool) -> None:
    a.dated("limits", 2, metric="seats", used=45 if fires else 44, limit=50)


@case("seats_near_limit to act")
def _(a: Draft, fires: bool) -> None:
    a.line(seats=12)
    a.use([3], users=10 if fires else 6)


@case("seat_velocity")
def _(a: Draft, fires: bool) -> None:
    a.dated("limits", 31, metric="seats", used=30, limit=500)
    a.dated("limits", 1, metric="seats", used=38 if fires else 37, limit=500)


@case("seat_velocity of users")
def _(a: Draft, fires: bool) -> None:
    a.use([40], users=2)
    a.use([3], users=10 if fires else 9)


@case("external_sharing")
def _(a: Draft, fires: bool) -> None:
    a.add("events", [3, 4], kind="external_share")
    a.add("events", 5 if fires else 31, kind="invite_bounced")


@case("plan_interest")
def _(a: Draft, fires: bool) -> None:
    a.add("events", [3, 4, 5] if fires else [3, 4], kind="pricing_view")


@case("exploring_advanced")
def _(a: Draft, fires: bool) -> None:
    adopted(a, CORE[:7] if fires else CORE[:6])
    a.use([5], feature="extra")


@case("breadth")
def _(a: Draft, fires: bool) -> None:
    for feature in FEATURES[: 10 if fires else 9]:
        a.use([5], feature=feature)


@case("product_growth")
def _(a: Draft, fires: bool) -> None:
    a.use([40, 60], quantity=100)
    a.use([5], quantity=120 if fires else 119)


@case("product_growth of events")
def _(a: Draft, fires: bool) -> None:
    a.use([40, 60], count=100)
    a.use([5], count=120 if fires else 119)


@case("governance_interest")
def _(a: Draft, fires: bool) -> None:
    a.add("events", 30, kind="locked_search", feature="SSO login" if fires else "slack sync")


@case("cross_sell")
def _(a: Draft, fires: bool) -> None:
    others = [f"{a.account} {n}" for n in range(6 if fires else 7)]
    for place, name in enumerate([a.account, *others]):
        Draft(a.tables, name).line(product="desk")
        if 1 <= place <= 3:
            Draft(a.tables, name).line(product="mail")
        dated = {"account_id": name, "valid_from": "2024-01-01", "segment": a.account}
        a.tables["account_history"].append(dated)


@case("business_growth")
def _(a: Draft, fires: bool) -> None:
    a.dated("growth", 91 if fires else 92, kind="funding", value=1)


@case("anniversary")
def _(a: Draft, fires: bool) -> None:
    a.line(starts=before(90 if fires else 89))


@case("anniversary is over")
def _(a: Draft, fires: bool) -> None:
    a.line(starts=before(96 if fires else 97))


@case("long_since_expansion")
def _(a: Draft, fires: bool) -> None:
    a.line(starts=before(731 if fires else 730))


@case("long_since_expansion once")
def _(a: Draft, fires: bool) -> None:
    rose = before(731 if fires else 730)
    a.line(100, starts="2022-01-01", ends_on=rose)
    a.line(150, starts=rose)
