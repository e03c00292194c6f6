"""Plays beyond the cell: when each is due, which one an account is listed with, what rests."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from models.contacts import Call, Contacts
from models.outreach import OutreachSettings, rank
from models.plays import PLAYS, named, qualified

AS_OF = date(2025, 7, 1)
FALL = {
    "trigger": "contraction",
    "side": "retention",
    "level": "red",
    "evidence": "4 seats removed",
}
SILENT = {
    "trigger": "renewal_without_contact",
    "side": "retention",
    "level": "red",
    "evidence": "renewal in 45 days, and no two-way contact for 120 days",
}
ASKS = {"trigger": "gate_hits", "side": "expansion", "level": "act", "evidence": "9 hits"}


def account(name: str = "a", cell: str = "HL", **more: Any) -> dict[str, Any]:
    row = {
        "account_id": name,
        "csm": "kim",
        "cell": cell,
        "mrr": 10_000.0,
        "p_expand": 0.1,
        "p_churn_by_decision_or_12m": 0.1,
        "p_churn": 0.1,
        "expected_expansion_mrr": 50.0,
        "expected_loss_mrr": 1_500.0,
        "next_renewal_on": pd.Timestamp("2026-06-01"),
        "expansion_held": False,
        "guard": None,
        "triggers": [],
    }
    return row | more


def listed(*rows: dict[str, Any], **more: Any) -> pd.DataFrame:
    settings = more.pop("settings", OutreachSettings())
    return rank(pd.DataFrame(list(rows)), settings, as_of=AS_OF, **more)


NEAR = {"next_renewal_on": pd.Timestamp("2025-08-15")}


@pytest.mark.parametrize(
    ("facts", "play", "evidence"),
    [
        (NEAR | {"triggers": [FALL]}, "Contraction ahead", "renewal in 45 days; 4 seats removed"),
        (NEAR | {"triggers": [SILENT]}, "Renewal brief", SILENT["evidence"]),
        (NEAR, "Secure the renewal", "renewal in 45 days"),
        ({"renew_basis": "horizon"}, "Secure the renewal", "a decision every month"),
        (
            {"days_to_review": -3.0},
            "Re-expansion review",
            "the review agreed for 2025-06-28 is due",
        ),
        ({"triggers": [ASKS]}, "Product-qualified", "9 hits"),
    ],
)
def test_each_play_has_its_name_evidence_and_how(
    facts: dict[str, Any], play: str, evidence: str
) -> None:
    row = listed(account(**facts)).iloc[0]
    assert (row["play"], row["evidence"]) == (play, evidence)
    assert row["how"] == PLAYS[play.casefold()].how
    assert row["kind"] == PLAYS[play.casefold()].kind


@pytest.mark.parametrize(
    "facts",
    [
        {"triggers": [FALL]},  # the renewal is far
        {"days_to_review": 2.0},
        {"days_to_review": -91.0},
        {"triggers": [ASKS], "expansion_held": True, "guard": "no expansion play: x"},
    ],
)
def test_a_play_that_is_not_due_lists_nobody(facts: dict[str, Any]) -> None:
    assert listed(account(**facts)).empty


def test_an_account_stands_once_with_the_others_beside() -> None:
    both = account(cell="MH", triggers=[FALL, ASKS], **NEAR)
    found = listed(both)
    assert found["play"].tolist() == ["Contraction ahead"]  # it saves what would shrink, too
    assert [other["play"] for other in found["others"][0]] == [
        "Stabilise first",
        "Product-qualified",
    ]
    assert found["expected_value"][0] > found["others"][0][0]["expected_value"]


def test_what_may_wait_counts_a_tenth() -> None:
    soon, late = account("soon", "ML"), account("late", "ML", p_churn=0.0)
    found = listed(soon, late).set_index("account_id")
    assert found.loc["soon", "expected_value"] == pytest.approx(0.1 * 1e4 * 12 * 0.12 - 200)
    assert "late" not in found.index  # .01 x 10,000 x 12 x .12 < 200
    whole = listed(soon, late, settings=OutreachSettings(may_wait=1.0))
    assert whole["expected_value"].nunique() == 1


def test_a_contact_rests_its_play_for_thirty_days_and_no_other() -> None:
    row = account(cell="ML", **NEAR, triggers=[FALL])
    for day, plays in (
        (date(2025, 6, 1), ["Contraction ahead"]),  # 30 days ago
        (date(2025, 6, 2), ["Investigate risk"]),
    ):
        known = Contacts({("a", "Contraction ahead"): day})
        found = listed(row, contacts=known)
        assert found["play"].tolist() == plays
    assert found["others"][0][0]["held"] == "contacted for it on 2025-06-02"
    assert listed(row, contacts=known, cool_down_days=7)["play"].tolist() == ["Contraction ahead"]


def test_a_review_that_was_held_rests_the_quarterly_one() -> None:
    assert listed(account(cell="MM", days_since_review=12.0)).empty
    assert len(listed(account(cell="MM", days_since_review=30.0))) == 1


def test_being_listed_alone_rests_nothing_and_is_said() -> None:
    known = Contacts(listed={("a", "Investigate risk"): 3}, calls={"a": Call("High", csm="kim")})
    row = listed(account(cell="ML"), contacts=known).iloc[0]
    assert row["note"] == "listed 3 times in a row before for this play, and no contact was logged"
    assert row["csm_call"] == "Retention High (kim)"


def test_every_csm_has_places_of_their_own() -> None:
    rows = [account(f"{csm}{n}", "ML", csm=csm) for csm in ("Ana", "Ben", "Cy") for n in range(12)]
    chosen = OutreachSettings(capacity={"Ana": 6}, hours={"Ben": 8.0, "Ana": 2.0})
    found = listed(*rows, settings=chosen)["csm"].value_counts().to_dict()
    assert found == {"Cy": 10, "Ana": 6, "Ben": 4}
    assert len(listed(*rows, settings=chosen, capacity=2)) == 6


def test_product_qualified_is_a_trigger_at_act_and_no_guard() -> None:
    assert qualified({"triggers": [ASKS], "expansion_held": False})
    assert not qualified({"triggers": [ASKS | {"level": "attention"}]})
    assert not qualified({"triggers": [FALL]})
    assert named(" renewal  BRIEF ") is PLAYS["renewal brief"]
