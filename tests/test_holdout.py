"""The holdout: who takes part, who is held, and that a quarter keeps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest

from models.contacts import Contacts
from models.holdout import Holdout, draw, eligible
from models.listing import listing
from models.outreach import OutreachSettings
from models.power import outcomes_needed, plan

AS_OF = date(2025, 7, 1)


def book(accounts: int = 200, **more: Any) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "account_id": [f"a{n:03d}" for n in range(accounts)],
            "cell": ["ML" if n % 2 else "LL" for n in range(accounts)],
            "segment": "smb",
            "csm": "kim",
            "mrr": [1_000.0 + n for n in range(accounts)],
            "p_churn_by_decision_or_12m": 0.4,
            "p_expand": 0.1,
            "expected_expansion_mrr": 1.0,
            "next_renewal_on": pd.Timestamp("2026-03-01"),
        }
    )
    return rows.assign(**more)


def test_whom_nobody_may_hold() -> None:
    rows = book(20)
    rows["triggers"] = [[{"trigger": "champion_left", "level": "hard"}]] + [[]] * 19
    rows["notice"] = [False, True] + [False] * 18
    rows.loc[2, "next_renewal_on"] = pd.Timestamp("2025-09-29")  # 90 days ahead
    rows.loc[3, "next_renewal_on"] = pd.Timestamp("2025-09-30")
    out = {"a000", "a001", "a002", "a018", "a019"}  # the last two: the top tenth by MRR
    assert set(rows.loc[~eligible(rows, AS_OF), "account_id"]) == out


def test_the_lowest_share_of_every_stratum_is_held_whatever_the_order_of_rows() -> None:
    drawn = draw(book(), 0.2, "2025-Q3", AS_OF)
    again = draw(book().sample(frac=1.0, random_state=3), 0.2, "2025-Q3", AS_OF)
    assert drawn == again
    for own in drawn.strata.values():
        assert len(drawn.held & {*own}) == pytest.approx(0.2 * len(own), abs=1)
    assert draw(book(), 0.2, "2025-Q4", AS_OF).held != drawn.held


@pytest.mark.ci
def test_everybody_s_chance_is_the_share_in_the_smallest_stratum_too() -> None:
    rows = book(4).assign(cell="ML", mrr=1.0)
    rows.loc[len(rows)] = rows.iloc[0].to_dict() | {"account_id": "big", "mrr": 9.0}
    held = sum(len(draw(rows, 0.1, f"{q}", AS_OF).held) for q in range(2_000))
    assert held / 8_000 == pytest.approx(0.1, abs=0.012)


def test_the_quarter_keeps_it_and_the_list_leaves_them_out() -> None:
    chosen = OutreachSettings(holdout=0.2, per_csm=50)
    first = listing(book(), chosen, AS_OF)
    assert first.holdout is not None
    kept = Holdout.from_json(first.holdout)
    assert not kept.held & {*first.rows["account_id"]}
    moved = book().assign(cell="MM")
    later = listing(moved, chosen, date(2025, 9, 20), Contacts(holdout=kept))
    assert Holdout.from_json(later.holdout or {}) == kept
    other = listing(moved, chosen, date(2025, 10, 1), Contacts(holdout=kept)).holdout
    assert other is not None
    assert other["quarter"] == "2025-Q4"
    plain = listing(book(), replace_holdout(chosen), AS_OF)
    assert plain.holdout is None
    assert set(plain.rows["propensity"]) == {0.0}


def replace_holdout(chosen: OutreachSettings) -> OutreachSettings:
    return chosen.model_copy(update={"holdout": 0.0})


def test_the_log_says_who_was_due_in_either_arm() -> None:
    chosen = OutreachSettings(holdout=0.3, per_csm=60)
    told = listing(book(), chosen, AS_OF)
    assert told.holdout is not None
    log = pd.DataFrame(told.holdout["log"])
    plain = listing(book(), replace_holdout(chosen), AS_OF).rows
    drawn = Holdout.from_json(told.holdout)
    due = [account for account in plain["account_id"] if account in drawn.stratum_of()]
    assert log["account_id"].tolist() == due  # the list as it would have been
    assert set(log.loc[log["arm"] == "holdout", "account_id"]) == drawn.held & {*due}
    assert set(log["propensity"]) == {0.3}
    assert len(told.rows) == 60  # the next in line take the free places
    assert replace(drawn, held=frozenset()) != drawn


def test_months_to_power_by_the_textbook() -> None:
    assert outcomes_needed(0.2, 0.5, 0.5) / 2 == pytest.approx(199, abs=1)  # 199 in each arm
    assert outcomes_needed(0.0, 0.5, 0.1) == float("inf")
    assert outcomes_needed(0.05, 0.1, 0.12) > outcomes_needed(0.05, 0.5, 0.12)
    none = plan(pd.DataFrame({"play": ["Investigate risk"], "p": [0.0]}), 0.1, 0.12)[0]
    assert none["months"] is None
