"""The ranked list: what a play is worth, which play, and who fits in the week."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.configuration import read_section
from features.faults import ConfigurationRefused
from models.outreach import COLUMNS, UNASSIGNED, OutreachSettings, rank

AS_OF = date(2025, 7, 1)
PLAIN = OutreachSettings()


def account(name: str, cell: str = "LL", **more: Any) -> dict[str, Any]:
    row = {
        "account_id": name,
        "name": name.upper(),
        "segment": "mid",
        "csm": "kim",
        "cell": cell,
        "mrr": 1000.0,
        "p_expand": 0.4,
        "p_churn_by_decision_or_12m": 0.5,
        "expected_expansion_mrr": 100.0,
        "next_renewal_on": pd.Timestamp("2025-12-01"),
        "notice": False,
        "guard": None,
        "expansion_held": False,
        "triggers": [],
        "reasons_retention": ["r"],
        "reasons_expansion": ["e"],
    }
    return row | more


def listed(*rows: dict[str, Any], capacity: int | None = None, **more: Any) -> pd.DataFrame:
    return rank(pd.DataFrame(list(rows)), PLAIN, capacity, as_of=AS_OF, **more)


@pytest.mark.parametrize(
    ("facts", "share"),
    [
        ({}, 0.12),
        ({"next_renewal_on": pd.Timestamp("2025-07-30")}, 0.06),  # 29 days
        ({"next_renewal_on": pd.Timestamp("2025-07-31")}, 0.12),  # 30 days
        ({"next_renewal_on": pd.NaT}, 0.12),
        ({"p_churn_by_decision_or_12m": 0.61}, 0.06),
        ({"notice": True}, 0.06),
        ({"notice": True, "p_churn_by_decision_or_12m": 0.9}, 0.06),  # halved once
        ({"notice": True, "next_renewal_on": pd.Timestamp("2025-07-10")}, 0.03),
    ],
)
def test_what_a_save_is_worth(facts: dict[str, Any], share: float) -> None:
    row = account("a", mrr=2000.0, **facts)
    found = listed(row)
    p = row["p_churn_by_decision_or_12m"]
    assert found["expected_value"].tolist() == [pytest.approx(p * 2000 * 12 * share - 200)]
    assert found["p_event"][0] == p
    assert (found["kind"][0], found["play"][0]) == ("save", "Intervene at once")
    assert found["reasons"][0] == ["r"]


def test_what_an_expansion_is_worth() -> None:
    found = listed(account("a", "HH"))
    assert found["expected_value"].tolist() == [1000.0]  # 100 x 12 - 200
    assert found["p_event"][0] == 0.4
    assert found["kind"][0] == "expansion"
    assert found["action"][0] == "Priority expansion outreach; bring in sales"
    assert found["reasons"][0] == ["e"]


def test_the_cell_picks_the_play() -> None:
    cells = ["HH", "HM", "HL", "MH", "MM", "ML", "LH", "LM", "LL"]
    act = [{"trigger": "seat_velocity", "side": "expansion", "level": "act"}]
    found = listed(*[account(cell, cell, triggers=act) for cell in cells])
    kinds = dict(zip(found["account_id"], found["kind"], strict=True))
    assert kinds == {
        "HH": "expansion",
        "HM": "expansion",
        "HL": "expansion",  # its cell has no play: it is product-qualified
        **dict.fromkeys(["MH", "MM", "ML", "LH", "LM", "LL"], "save"),
    }


def test_medium_readiness_waits_for_a_trigger() -> None:
    mild = [{"trigger": "anniversary", "side": "expansion", "level": "attention"}]
    assert listed(account("a", "HM"), account("b", "HM", triggers=mild)).empty
    act = [{"trigger": "plan_interest", "side": "expansion", "level": "act"}]
    assert len(listed(account("a", "HM", triggers=act))) == 1


def test_a_guard_holds_an_expansion_and_never_a_save() -> None:
    held = {"guard": "no expansion play: a payment is past due", "expansion_held": True}
    found = listed(account("a", "HH", **held), account("b", "LL", **held))
    assert found["account_id"].tolist() == ["b"]
    assert found["guard"][0] == held["guard"]
    said = account("c", "HH", guard="no contact is known for the adjacent area")
    assert len(listed(said)) == 1
    bare = {k: v for k, v in said.items() if k != "expansion_held"}
    assert listed(bare).empty  # without the column every guard holds
    assert listed(account("d", "LL", save_held=True)).empty


def test_a_play_that_costs_more_than_it_brings_is_not_listed() -> None:
    assert listed(account("a", mrr=100.0), account("b", "HH", expected_expansion_mrr=16.0)).empty


def test_places_are_kept_for_both_kinds() -> None:
    saves = [account(f"s{i:02d}", mrr=1000.0 + i) for i in range(20)]
    grows = [account(f"e{i:02d}", "HH", expected_expansion_mrr=900.0 + i) for i in range(20)]
    found = listed(*saves, *grows)
    assert len(found) == 10
    assert found["kind"].value_counts().to_dict() == {"expansion": 7, "save": 3}
    assert found[found["kind"] == "save"]["account_id"].tolist() == ["s19", "s18", "s17"]
    poor = [account(f"e{i}", "HH", expected_expansion_mrr=20.0) for i in range(5)]
    kinds = listed(*saves, *poor)["kind"].value_counts().to_dict()
    assert kinds == {"save": 8, "expansion": 2}
    few = listed(*saves, grows[0])["kind"].value_counts().to_dict()
    assert few == {"save": 9, "expansion": 1}


@pytest.mark.parametrize(("places", "saves"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 3)])
def test_few_places_are_kept_by_share_and_the_rest_go_by_value(places: int, saves: int) -> None:
    small = [account(f"s{i}", mrr=1000.0 + i) for i in range(6)]
    large = [account(f"e{i}", "HH", expected_expansion_mrr=900.0 + i) for i in range(6)]
    found = listed(*small, *large, capacity=places)
    assert (found["kind"] == "save").sum() == saves


@pytest.mark.parametrize(("capacity", "places"), [(0, 0), (1, 1), (2, 2), (4, 4), (50, 40)])
def test_capacity_is_the_cut(capacity: int, places: int) -> None:
    saves = [account(f"s{i:02d}", mrr=1000.0 + i) for i in range(20)]
    grows = [account(f"e{i:02d}", "HH") for i in range(20)]
    assert len(listed(*saves, *grows, capacity=capacity)) == places


def test_every_csm_has_a_list_and_nobody_s_accounts_have_one() -> None:
    rows = [account(f"{csm}{i:02d}", csm=csm) for csm in ("kim", "lee") for i in range(12)]
    rows += [account(f"n{i:02d}", csm=None) for i in range(12)]
    found = listed(*rows)
    assert found["csm"].value_counts().to_dict() == {"kim": 10, "lee": 10, UNASSIGNED: 10}
    assert found["rank"].tolist() == list(range(1, 31))
    only = listed(*[{k: v for k, v in row.items() if k != "csm"} for row in rows])
    assert set(only["csm"]) == {UNASSIGNED}


def test_ties_go_by_account_and_rows_may_come_in_any_order() -> None:
    rows = [account(f"a{i:02d}") for i in range(15)]
    forward, backward = listed(*rows), listed(*rows[::-1])
    pd.testing.assert_frame_equal(forward, backward)
    assert forward["account_id"].tolist() == [f"a{i:02d}" for i in range(10)]


def test_held_out_accounts_are_not_listed() -> None:
    assert listed(account("a"), account("b"), held_out={"a"})["account_id"].tolist() == ["b"]


def test_nothing_to_do() -> None:
    found = listed(account("a", "HL"))
    assert found.empty
    assert tuple(found.columns) == COLUMNS
    none = pd.DataFrame([account("a")]).iloc[:0]
    assert tuple(rank(none, PLAIN, as_of=AS_OF).columns) == COLUMNS


rows = st.tuples(
    st.sampled_from(["HH", "HL", "MM", "LL"]),
    st.floats(0, 1e5),
    st.floats(0, 1),
    st.sampled_from(["kim", "lee", None]),
)


@pytest.mark.ci
@given(st.lists(rows, max_size=40), st.integers(0, 12))
def test_laws_of_every_list(drawn: list[tuple[Any, ...]], places: int) -> None:
    scores = pd.DataFrame(
        [
            account(
                f"a{i}",
                cell,
                mrr=mrr,
                csm=csm,
                p_churn_by_decision_or_12m=p,
                expected_expansion_mrr=mrr * p,
            )
            for i, (cell, mrr, p, csm) in enumerate(drawn)
        ],
        columns=list(account("a")),
    )
    found = rank(scores, PLAIN, places, as_of=AS_OF)
    assert (found["expected_value"] > 0).all()
    assert found["expected_value"].is_monotonic_decreasing
    assert found["account_id"].is_unique
    assert (found.groupby("csm").size() <= places).all()
    everything = rank(scores, PLAIN, 10_000, as_of=AS_OF)
    for csm, worth in everything.groupby("csm"):
        assert (found["csm"] == csm).sum() == min(places, len(worth))
        if places >= 5:
            mine = found[found["csm"] == csm]["kind"]
            for kind, kept in (("save", 3), ("expansion", 2)):
                assert (mine == kind).sum() >= min(kept, (worth["kind"] == kind).sum())


def test_the_section_refuses_what_it_does_not_know() -> None:
    chosen = read_section(OutreachSettings, {"hour_cost": 80, "per_csm": 5}, "[outreach]")
    assert chosen.cost == 160.0
    for bad in ({"per_cms": 5}, {"holdout": 1.0}, {"hour_cost": -1}):
        with pytest.raises(ConfigurationRefused):
            read_section(OutreachSettings, bad, "[outreach]")
