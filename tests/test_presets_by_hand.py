"""Presets by hand: twelve customers, one year, five definitions, every figure worked on paper.

Independent of the engine and of the oracle: the amounts below were added up by a person, from
the wording of the presets in `features.presets`. The window is 2024-12-31 to 2025-12-31.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from features.asof import month_ends
from features.book import Book, BookFacts
from features.contracts import canonical
from features.presets import PRESETS
from features.retention import metrics
from features.rules import Rules

pytestmark = pytest.mark.ci

MONTHS = [str(day) for day in month_ends(date(2024, 1, 1), date(2026, 1, 1))]


def line(account: str, starts: str, ends: str | None, mrr: int, **more: Any) -> dict[str, Any]:
    amounts = {"mrr_micros": mrr * 1_000_000, "list_mrr_micros": more.pop("list", mrr) * 1_000_000}
    return {"account_id": account, "starts_on": starts, "ends_on": ends} | amounts | more


def bill(month: str, amount: int) -> dict[str, Any]:
    first = f"{month}-01"
    after = str((pd.Timestamp(first) + pd.DateOffset(months=1)).date())
    return line("usage", first, after, amount, kind="usage")


LINES = [
    # 20 % off until July: 800, then 1,000.
    line("discount", "2024-01-01", "2025-07-01", 800, list=1000),
    line("discount", "2025-07-01", None, 1000),
    # Paused over the closing.
    line("pause", "2024-01-01", None, 500, paused_from="2025-11-01", paused_to="2026-03-01"),
    # Its invoice of 10 December stays unpaid: 14 days end on the 24th, 15 on the 25th, 30 in January.
    line("pastdue", "2024-01-01", None, 400),
    # Month to month, away from May to July, back inside the window.
    line("back", "2024-01-01", "2025-05-01", 300, interval_months=1),
    line("back", "2025-08-01", None, 300, interval_months=1),
    # 200 committed; usage billed 100 a month, 400 in the last one.
    line("usage", "2024-01-01", None, 200),
    *(bill(day[:7], 400 if day == "2025-12-31" else 100) for day in MONTHS[9:24]),
    # A yearly contract over on 20 December, renewed 20 days late.
    line("annual", "2024-12-20", "2025-12-20", 600, term_months=12),
    line("annual", "2026-01-09", "2027-01-09", 600, term_months=12),
    # +100 in March, −100 in June.
    line("updown", "2024-01-01", "2025-03-01", 1000),
    line("updown", "2025-03-01", "2025-06-01", 1100),
    line("updown", "2025-06-01", None, 1000),
    # A customer, and its subsidiary that signs in April.
    line("parent", "2024-01-01", None, 2000),
    line("child", "2025-04-01", None, 300),
    # 1,000 euro.
    line("euro", "2024-01-01", None, 1000, currency="EUR"),
    # Notice on 20 November, paid until June.
    line("notice", "2024-01-01", "2026-06-01", 700, canceled_on="2025-11-20"),
    # Left before the window, back inside it.
    line("returner", "2024-01-01", "2024-09-01", 150, interval_months=1),
    line("returner", "2025-10-01", None, 150, interval_months=1),
]
# A euro: 1.20 in 2024 and at its end, 1.10 in 2025 from its first day, 1.00 at its end.
RATES = (
    [{"date": "2024-01-01", "rate": 1.2}, {"date": "2025-01-01", "rate": 1.1}]
    + [{"date": day, "rate": 1.2} for day in MONTHS[:12]]
    + [{"date": day, "rate": 1.1} for day in MONTHS[12:23]]
    + [{"date": day, "rate": 1.0} for day in MONTHS[23:]]
)


def book() -> Book:
    names = sorted({row["account_id"] for row in LINES})
    tables = {
        "accounts": [
            {"account_id": name, "parent_account_id": "parent" if name == "child" else None}
            for name in names
        ],
        "subscriptions": [{"currency": "USD", "kind": "recurring"} | row for row in LINES],
        "fx_rates": [{"currency": "EUR"} | row for row in RATES],
        "payments": [
            {"invoice_id": "i", "account_id": "pastdue", "due_on": "2025-12-10"}
            | {"paid_on": None, "amount_micros": 400_000_000, "kind": "invoice"}
        ],
    }
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items()}
    shaped = {name: canonical(name, frame) for name, frame in frames.items()}
    return Book.of(shaped, BookFacts(as_of=date(2026, 2, 1)))


# preset: cohort's opening, expansion, contraction, churned; returns of others; NRR, GRR, lost of 10
BY_HAND: dict[str, tuple[int, int, int, int, int, float, float, int]] = {
    # opening  discount 800, pause 500, pastdue 400, back 300, usage 200 + 100, annual 600,
    #          updown 1000, parent 2000, euro at 1.10 1100 (one rate set, 2025's), notice 700
    # up       discount 200, usage 100 (mean of 100, 100, 400 is 200)
    # lost     pause 500; annual is in grace, pastdue within 30 days, notice still paid
    "default": (7700, 300, 0, 500, 0, 7500 / 7700, 7200 / 7700, 1),
    # no usage: opening 100 less, 100 less expansion; the child is its parent's expansion: 300
    "board-ttm": (7600, 500, 0, 500, 0, 7600 / 7600, 7100 / 7600, 1),
    # no usage; euro at each month-end's rate: opening 1200
    # up       discount 200, back's return 300, updown 100
    # down     updown 100, euro 200 (1200 to 1100 in January, to 1000 in December)
    # lost     pastdue 400 (24 December), back 300, annual 600 (no grace), notice 700 (at once)
    "stripe-like": (7700, 600, 300, 2000, 0, 6000 / 7700, 5400 / 7700, 3),
    # usage as billed: opening 100, closing 400; euro 1200 at the opening
    # up       discount 200, back's return 300, usage 300, updown 100
    # down     updown 100, euro 200
    # lost     back 300; the returner's 150 are added to NRR
    "chartmogul-like": (7800, 900, 300, 300, 150, 8250 / 7800, 7200 / 7800, 0),
    # usage as billed; euro at the opening's rate at both ends
    # up       discount 200, back's return 300, usage 300, updown 100
    # down     updown 100
    # lost     pause 500, pastdue 400 (25 December), back 300, annual 600 (no grace)
    "profitwell-like": (7800, 900, 100, 1800, 0, 6800 / 7800, 5900 / 7800, 3),
}


def test_every_preset_is_worked_by_hand() -> None:
    assert set(BY_HAND) == set(PRESETS)


@pytest.mark.parametrize("preset", BY_HAND)
def test_the_preset_gives_what_was_worked_by_hand(preset: str) -> None:
    rules = Rules.model_validate({"preset": preset})
    row = metrics(book(), rules, "2024-12:2025-12", [], None)["windows"][0]
    opening, up, down, lost, others, nrr, grr, logos = BY_HAND[preset]
    cohort = row["cohort"]
    parts = ("opening", "expansion", "contraction", "churned", "closing")
    assert [cohort[f"{name}_mrr"] for name in parts] == [
        opening,
        up,
        down,
        lost,
        opening + up - down - lost,
    ]
    assert cohort.get("reactivation_mrr", 0) == others
    assert (row["nrr"], row["grr"]) == (pytest.approx(nrr), pytest.approx(grr))
    assert (row["accounts"], row["logo_churn"]) == (10, pytest.approx(logos / 10))
