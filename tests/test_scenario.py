"""Scenarios: what is assumed arrives exactly, what is not assumed does not move, nothing is silent."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.faults import DataRejected
from models.basis import Basis
from models.change import Chance, Change, Macro, Price
from models.compared import assume
from models.compared import difference as minus
from models.flows import cohort_at, means
from models.outcomes import Outlook
from models.scenario import Scenario, compare, read_scenario

AS_OF = date(2025, 7, 1)
BASIS = Basis(AS_OF, tuple(np.linspace(0.2, 0.5, 12)), {"1": 4.0, "3": 4.0, "12": 2.0})
BASIS = Basis(AS_OF, BASIS.taus, BASIS.n_eff, cuts=("segment",), nrr_target=1.0)


def book(n: int = 60, seed: int = 0) -> Outlook:
    """Annual accounts that decide in month 1 to 14, some signed, some under notice."""
    rng = np.random.default_rng(seed)
    lead = rng.integers(1, 15, n)
    ends = [date(2025 + (5 + int(k)) // 12, (5 + int(k)) % 12 + 1, 28) for k in lead]
    accounts = pd.DataFrame(
        {
            "account_id": [f"a{i:04d}" for i in range(n)],
            "mrr_micros": rng.integers(10**8, 10**10, n),
            "segment": rng.choice(["smb", "mid"], n),
            "region": rng.choice(["emea", None], n),
            "as_of": pd.Timestamp(AS_OF),
            "term_months": 12.0,
            "tenure_days": 400.0,
            "next_renewal_on": ends,
            "decision": "term",
            "acv_segment": "smb",
        }
    )
    churn = np.cumsum(rng.uniform(0, 0.03, (n, 12)), axis=1)
    expand = (1 - churn) * rng.uniform(0.05, 0.3, (n, 1))
    contract = (1 - churn - expand) * rng.uniform(0.02, 0.2, (n, 1))
    up, down = np.array([0.2, 0.05, 0.016]), np.array([0.25, 0.09, 0.04])
    notice, signed = np.zeros((n, 12), dtype=bool), np.full((n, 12), np.nan)
    notice[: n // 10, 1:] = True
    signed[n // 10 : n // 5, 2:] = 5e8
    churn = np.where(notice, 1.0, np.where(np.isfinite(signed), 0.0, churn))
    expand, contract = (np.where(notice, 0.0, p) for p in (expand, contract))
    drift = np.tile([0.002, 0.00004, 8e-7], (n, 12, 1))
    wide = (np.tile(law, (n, 12, 1)) for law in (up, down))
    return Outlook(accounts, churn, contract, expand, *wide, notice, signed, drift, drift / 2)


BOOK = book()
SMB = (BOOK.accounts["segment"] == "smb").to_numpy()


def scenario(*changes: dict[str, Any], **more: Any) -> Scenario:
    return Scenario.model_validate({"changes": list(changes), **more})


def told_of(
    *changes: dict[str, Any], horizon: int = 3, outlook: Outlook = BOOK, **more: Any
) -> Any:
    return compare(outlook, scenario(*changes, **more), BASIS, horizon)


def run(*changes: dict[str, Any], horizon: int = 3, outlook: Outlook = BOOK, **more: Any) -> Any:
    """The expected flows alone, before and after: what a forecast's means are made of."""
    after, reports = assume(outlook, scenario(*changes, **more), BASIS.taus, horizon)
    return flows(outlook, horizon), flows(after, horizon), reports


def flows(outlook: Outlook, horizon: int = 3) -> dict[str, np.ndarray]:
    return means(cohort_at(outlook, horizon))


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [x for one in value.values() for x in numbers(one)]
    if isinstance(value, list):
        return [x for one in value for x in numbers(one)]
    return [value] if isinstance(value, float) else []


NULL = [
    {"churn": {"multiply": 1.0}},
    {"contraction": {"multiply": 1}, "expansion": {"multiply": 1.0}},
    {"expansion_size": {"multiply": 1.0}, "contraction_share": {"multiply": 1.0}},
    {"price_at_renewal": {"rise": 0.0}},
]


@pytest.mark.ci
@given(
    st.integers(0, 50), st.integers(1, 12), st.lists(st.sampled_from(NULL), max_size=3),
    st.sampled_from([1, 3, 12]), st.booleans(),
)  # fmt: skip
@settings(max_examples=5, deadline=None)
def test_a_null_scenario_differs_by_exactly_zero(seed, accounts, changes, horizon, published):
    outlook = book(accounts, seed)
    asked = scenario(*({"all": True, **one} for one in changes), macro={"shift": 0.0})
    assert asked.is_null
    given_ = BASIS.told(outlook, horizon) if published else None
    told = compare(outlook, asked, BASIS, horizon, published=given_)
    assert told["baseline"] == told["scenario"] == (given_ or told["scenario"])
    for name, value in told["difference"].items():
        left_out = {"month", "period_end", "cut"}
        rows = value if isinstance(value, list) else [value]
        shown = [{k: v for k, v in row.items() if k not in left_out} if isinstance(row, dict)
                 else row for row in rows]  # fmt: skip
        assert all(x == 0.0 for x in numbers(shown)), name


@pytest.mark.parametrize("change", NULL)
def test_what_changes_nothing_is_the_very_same_outlook(change):
    after, _ = assume(BOOK, scenario({"all": True, **change}), BASIS.taus, 3)
    assert after is BOOK


@pytest.mark.ci
def test_fewer_smb_leave_and_nobody_else_moves():
    told = told_of({"where": {"segment": "smb"}, "churn": {"multiply": 0.8}})
    before, after = told["baseline"], told["scenario"]
    gone = flows(BOOK)["churned"]
    open_ = ~(cohort_at(BOOK, 3).notice | cohort_at(BOOK, 3).signed)
    saved = 0.2 * gone[SMB & open_].sum()
    assert before["churned_mrr"]["mean"] - after["churned_mrr"]["mean"] == pytest.approx(saved)
    assert told["difference"]["churned_mrr"]["mean"] == pytest.approx(-saved)
    assert told["difference"]["nrr"]["mean"] > 0
    assert list(told["difference"]["nrr"]) == list(before["nrr"])
    mid = next(one for one in told["difference"]["by_cut"] if one["cut"] == {"segment": "mid"})
    assert numbers(mid["nrr"]) == [0.0] * 8
    assert told["changes"][0]["accounts"] == SMB.sum()
    assert told["changes"][0]["reached"] == (SMB & open_).sum()


@pytest.mark.ci
@pytest.mark.parametrize("horizon", [1, 3, 12])
def test_cuts_add_up_in_both_and_in_the_difference(horizon):
    changes = [
        {"where": {"segment": "smb"}, "churn": {"multiply": 1.5}},
        {"all": True, "price_at_renewal": {"rise": 0.05, "churn_multiply": 1.2}},
        {"accounts": ["a0030", "a0031"], "saved": True},
    ]
    told = told_of(*changes, horizon=horizon)
    for side in ("baseline", "scenario", "difference"):
        for name in ("closing_mrr", "churned_mrr", "expansion_mrr", "contraction_mrr"):
            parts = sum(one[name]["mean"] for one in told[side]["by_cut"])
            assert parts == pytest.approx(told[side][name]["mean"], abs=1e-6), (side, name)
    bridge = told["scenario"]["bridge"]
    assert bridge["closing_mrr"] == pytest.approx(told["scenario"]["closing_mrr"]["mean"])


@pytest.mark.parametrize("rise", [0.001, 0.01, 0.019, 0.05, 0.4, 1.0])
@pytest.mark.parametrize(("horizon", "end"), [(3, "2025-09-30"), (12, "2026-06-30")])
def test_a_price_rise_meets_those_who_decide_within_the_horizon(rise, horizon, end):
    change = {"all": True, "price_at_renewal": {"rise": rise}}
    before, after, (report,) = run(change, horizon=horizon)
    cohort = cohort_at(BOOK, horizon)
    ends = pd.to_datetime(BOOK.accounts["next_renewal_on"])
    meets = (ends <= pd.Timestamp(end)).to_numpy() & ~cohort.signed & ~cohort.notice
    extra = rise * np.where(meets, before["closing"], 0.0)
    assert after["closing"] - before["closing"] == pytest.approx(extra, rel=1e-9, abs=1e-7)
    assert (after["churned"] == before["churned"]).all()
    assert (after["contraction"][meets] < before["contraction"][meets]).all()
    assert report["reached"] == meets.sum() > 0


def test_a_price_rise_agrees_with_brute_force():
    rise, rng = 0.05, np.random.default_rng(1)
    strength = 0.1875 / 0.0275 - 1
    fall = rng.beta(0.25 * strength, 0.75 * strength, 400_000)
    sure = _one(contract=1.0, down=[0.25, 0.09, np.mean(fall**3)])
    _, after, _ = run({"all": True, "price_at_renewal": {"rise": rise}}, outlook=sure)
    paid = (1 - fall) * (1 + rise)
    lost, won = np.maximum(1 - paid, 0).mean(), np.maximum(paid - 1, 0).mean()
    assert after["contraction"][0] == pytest.approx(100 * lost, rel=0.01)
    assert after["expansion"][0] == pytest.approx(100 * won, rel=0.05)


def _one(churn: float = 0.0, contract: float = 0.0, expand: float = 0.0, **more: Any) -> Outlook:
    first = BOOK.accounts.iloc[[0]]
    accounts = first.assign(mrr_micros=10**8, next_renewal_on=date(2025, 7, 20))
    wide = (np.full((1, 12), p) for p in (churn, contract, expand))
    up, down = more.pop("up", [0.2, 0.05, 0.016]), more.pop("down", [0.25, 0.09, 0.04])
    laws = (np.tile(law, (1, 12, 1)) for law in (up, down))
    return Outlook(
        accounts, *wide, *laws, np.zeros((1, 12), bool), np.full((1, 12), np.nan), **more
    )


def test_churn_answers_a_price_rise_from_the_decision_on():
    price = {"rise": 0.0, "churn_multiply": 2.0}
    _, after, _ = run({"all": True, "price_at_renewal": price}, outlook=_one(churn=0.1))
    assert after["churned"][0] == pytest.approx(20.0)
    late = BOOK.of(np.arange(20, 60))
    before, after, _ = run({"all": True, "price_at_renewal": price}, outlook=late, horizon=12)
    at_decision, moved, _ = run({"all": True, "price_at_renewal": price}, outlook=late)
    assert (after["churned"] >= before["churned"]).all()
    late_ones = (pd.to_datetime(late.accounts["next_renewal_on"]) > "2025-09-30").to_numpy()
    assert (moved["churned"][late_ones] == at_decision["churned"][late_ones]).all()


def test_ten_named_accounts_are_saved():
    names = [f"a{i:04d}" for i in range(20, 30)]
    before, after, reports = run({"accounts": names, "saved": True})
    assert (after["churned"][20:30] == 0.0).all()
    assert (after["churned"][30:] == before["churned"][30:]).all()
    opening = pytest.approx(BOOK.accounts["mrr_micros"][20:30].sum() / 1e6)
    assert reports == [{"accounts": 10, "opening_mrr": opening, "reached": 10, "capped": 0}]


def test_the_saved_leave_after_the_horizon_as_if_new():
    told, _ = assume(_one(churn=0.1), scenario({"all": True, "saved": True}), BASIS.taus, 3)
    assert told.p_churn[0].tolist() == [0.0] * 12
    rising = BOOK.of(np.array([30]))
    told, _ = assume(rising, scenario({"all": True, "saved": True}), BASIS.taus, 3)
    by_then, later = rising.p_churn[0, 2], rising.p_churn[0, 11]
    assert told.p_churn[0, 11] == pytest.approx((later - by_then) / (1 - by_then))


def test_notice_is_undone_only_when_asked():
    names = {"accounts": ["a0000", "a0030"], "saved": True}
    _, kept, (report,) = run(names)
    assert (report["reached"], kept["churned"][0] > 0.0) == (1, True)
    _, undone, (report,) = run({**names, "undo_notice": True})
    assert (report["reached"], undone["churned"][0]) == (2, 0.0)
    mrr = BOOK.accounts["mrr_micros"][0] / 1e6
    assert undone["closing"][0] == pytest.approx(1.001 * mrr)  # what counts as flat drifts
    assert cohort_at(BOOK, 3).notice.sum() == 6


@pytest.mark.parametrize("horizon", [1, 3, 12])
def test_a_replaced_probability_holds_at_the_horizon(horizon):
    one = _one(churn=0.05, contract=0.1, expand=0.2)
    before, after, _ = run({"all": True, "churn": {"replace": 0.3}}, outlook=one, horizon=horizon)
    assert after["churned"][0] == pytest.approx(30.0, rel=1e-12)
    assert after["expansion"] / before["expansion"] == pytest.approx(0.7 / 0.95)
    half = {"all": True, "expansion": {"replace": 0.5}, "contraction": {"replace": 0.0}}
    _, after, _ = run(half, outlook=one, horizon=horizon)
    assert after["expansion"][0] == pytest.approx(100 * 0.5 * 0.2)
    assert after["contraction"][0] == 0.0


def test_amounts_are_multiplied_and_replaced():
    one = _one(contract=0.1, expand=0.2)
    change = {"expansion_size": {"multiply": 1.5}, "contraction_share": {"replace": 0.6}}
    _, after, _ = run({"all": True, **change}, outlook=one)
    assert after["expansion"][0] == pytest.approx(100 * 0.2 * 0.3)
    assert after["contraction"][0] == pytest.approx(100 * 0.1 * 0.6)
    _, after, (report,) = run({"all": True, "contraction_share": {"multiply": 5.0}}, outlook=one)
    assert after["contraction"][0] == pytest.approx(100 * 0.1)
    assert report["capped"] == 1


def test_what_exceeds_certainty_is_counted():
    _, after, (report,) = run({"all": True, "churn": {"multiply": 10.0}}, outlook=_one(churn=0.2))
    assert (report["capped"], after["closing"][0]) == (1, 0.0)


def test_changes_act_in_the_order_written():
    half, fixed = ({"all": True, "churn": one} for one in ({"multiply": 0.5}, {"replace": 0.2}))
    assert run(half, fixed, outlook=_one(churn=0.1))[1]["churned"][0] == pytest.approx(20.0)
    assert run(fixed, half, outlook=_one(churn=0.1))[1]["churned"][0] == pytest.approx(10.0)


def test_a_bad_time_is_worse():
    for kind in ("shift", "fixed"):
        bad, good = (run(macro={kind: z}) for z in (1.0, -1.0))
        assert bad[1]["closing"].sum() < bad[0]["closing"].sum() < good[1]["closing"].sum()
    assert assume(BOOK, scenario(macro={"shift": 0.0}), BASIS.taus, 3)[0] is BOOK


@pytest.mark.ci
def test_a_known_time_is_narrower():
    known = told_of(macro={"fixed": 0.0})
    sides = [known[side]["nrr"] for side in ("baseline", "scenario")]
    wide, narrow = (one["p90"] - one["p10"] for one in sides)
    assert narrow < wide


def test_the_mean_over_fixed_factors_is_the_forecast():
    z = np.linspace(-4, 4, 17)
    told = [run(macro={"fixed": float(one)})[1]["closing"].sum() for one in z]
    whole = flows(BOOK)["closing"].sum()
    assert np.average(told, weights=np.exp(-0.5 * z**2)) == pytest.approx(whole, rel=2e-4)


CHANCE = st.one_of(
    st.fixed_dictionaries({"multiply": st.floats(0, 10)}),
    st.fixed_dictionaries({"replace": st.floats(0, 1)}),
)
CHANGE = st.fixed_dictionaries(
    {"all": st.just(True)},
    optional={
        "contraction": CHANCE, "expansion": CHANCE, "expansion_size": CHANCE,
        "contraction_share": CHANCE, "churn": CHANCE,
        "price_at_renewal": st.fixed_dictionaries(
            {"rise": st.floats(0, 1), "churn_multiply": st.floats(0, 10)}
        ),
    },
).filter(lambda change: len(change) > 1)  # fmt: skip


@given(
    st.lists(CHANGE, min_size=1, max_size=3), st.sampled_from([1, 3, 12]), st.booleans(),
    st.floats(-4, 4),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_probabilities_stay_coherent(changes, horizon, fixed, z):
    macro = {"fixed" if fixed else "shift": z}
    told, _ = assume(BOOK, scenario(*changes, macro=macro), BASIS.taus, horizon)
    parts = (told.p_churn, told.p_contract, told.p_expand, told.p_flat)
    assert all((p >= -1e-9).all() and (p <= 1 + 1e-9).all() for p in parts)
    open_ = ~(told.booked_churn | np.isfinite(told.booked_mrr_micros))
    course = np.maximum.accumulate(np.where(open_, told.p_churn, 0.0), axis=1)
    assert (np.where(open_, told.p_churn, course) >= course - 1e-12).all()
    assert (told.down_moments[:, :, 0] <= 1 + 1e-9).all()
    assert all(np.isfinite(x).all() for x in (told.up_moments, told.down_moments, told.drift_up))
    booked = ~open_
    assert (told.p_churn[booked] == BOOK.p_churn[booked]).all()


REFUSED = [
    ({"changes": [{"all": True, "chrun": {"multiply": 1}}]}, "/changes/0/chrun", '"churn"?'),
    ({"changes": [{"where": {}, "saved": True}]}, "/changes/0/where", "at least 1"),
    ({"changes": [{"all": True}]}, "/changes/0", "say what is assumed"),
    ({"changes": [{"saved": True}]}, "/changes/0", "say once whom"),
    ({"changes": [{"all": True, "where": {"a": "b"}, "saved": True}]}, "/changes/0", "once whom"),
    ({"changes": [{"all": True, "churn": {}}]}, "/changes/0/churn", "give one of"),
    ({"changes": [{"all": True, "churn": {"multiply": 1, "replace": 0}}]}, "/churn", "one of"),
    ({"changes": [{"all": True, "churn": {"multiply": -0.1}}]}, "multiply", "greater than"),
    ({"changes": [{"all": True, "churn": {"multiply": 10.1}}]}, "multiply", "less than"),
    ({"changes": [{"all": True, "churn": {"replace": 1.1}}]}, "replace", "less than"),
    ({"changes": [{"all": True, "churn": {"multiply": "5"}}]}, "multiply", "number"),
    ({"changes": [{"all": True, "churn": {"multiply": True}}]}, "multiply", "number"),
    ({"changes": [{"all": True, "price_at_renewal": {"rise": 5}}]}, "rise", "less than"),
    ({"changes": [{"all": True, "undo_notice": True, "churn": {"multiply": 1}}]}, "/0", "saved"),
    ({"changes": [{"accounts": ["a", "a"], "saved": True}]}, "/changes/0", "twice"),
    ({"changes": {}}, "/changes", "list"),
    ({"changed": []}, "/changed", '"changes"?'),
    ({"macro": {"fixed": 5}}, "/macro/fixed", "less than"),
    ([], "/", "dictionary"),
]


@pytest.mark.fault("S01")
@pytest.mark.fault("S03")
@pytest.mark.parametrize(("value", "place", "said"), REFUSED)
def test_what_cannot_be_is_refused_with_its_place(value, place, said):
    with pytest.raises(DataRejected) as refused:
        read_scenario(json.dumps(value), "json")
    assert place in refused.value.message
    assert said in refused.value.cure
    assert refused.value.exit_code == 65


@pytest.mark.parametrize(
    "text", ["", "{", '{"changes": [], "changes": []}', '{"macro": {"fixed": NaN}}',
             '{"macro": {"fixed": 1e999}}', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_strict_json_is_refused(text):
    with pytest.raises(DataRejected, match=r"scenario\.form"):
        read_scenario(text, "json")


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"where": {"segmnt": "smb"}}, "scenario.unknown_cut", 'did you mean "segment"?'),
        ({"where": {"tenure_days": "400.0"}}, "scenario.unknown_cut", "known: "),
        ({"where": {"segment": "smbs"}}, "scenario.nobody", 'did you mean "smb"?'),
        ({"accounts": ["a0001", "x"]}, "scenario.unknown_account", "of the book"),
    ],
)
def test_a_selection_of_nobody_is_refused(change, code, said):
    with pytest.raises(DataRejected) as refused:
        assume(BOOK, scenario({**change, "churn": {"multiply": 1.0}}), BASIS.taus, 3)
    assert refused.value.code == code
    assert said in refused.value.cure
    assert refused.value.message.startswith("/changes/0/")


def test_a_missing_value_is_unknown():
    _, _, (report,) = run({"where": {"region": "unknown"}, "churn": {"multiply": 0.5}})
    assert report["accounts"] == BOOK.accounts["region"].isna().sum()


@pytest.mark.ci
def test_another_cut_is_taken_of_both():
    told = compare(BOOK, scenario(), BASIS, 3, by="region", published={"nrr": 1})
    assert [one["cut"]["region"] for one in told["baseline"]["by_cut"]] == ["emea", "unknown"]


def test_toml_and_json_say_the_same():
    toml = '[[changes]]\nwhere = { segment = "smb" }\nchurn = { multiply = 0.8 }\n'
    text = '{"changes": [{"where": {"segment": "smb"}, "churn": {"multiply": 0.8}}]}'
    assert read_scenario(toml, "toml") == read_scenario(text, "json")


def test_a_difference_keeps_labels():
    one = {"by_cut": [{"cut": {"segment": "smb"}, "nrr": None, "opening_mrr": 5.0}]}
    zero = {"cut": {"segment": "smb"}, "nrr": None, "opening_mrr": 0.0}
    assert minus(one, one) == {"by_cut": [zero]}


PAGE = (Path(__file__).resolve().parents[1] / "docs" / "scenarios.md").read_text("utf-8")
FILES = re.findall(r"```(toml|json)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("kind", "text"), FILES)
def test_the_files_of_the_page_work(kind, text):
    asked = read_scenario(text, kind)
    told, reports = assume(BOOK, asked, BASIS.taus, 3)
    assert told is not BOOK
    assert all(one["reached"] > 0 for one in reports)


def test_the_page_tells_of_every_key():
    assert read_scenario(FILES[0][1], "toml") == read_scenario(FILES[-1][1], "json")
    kinds = (Change, Chance, Price, Macro)
    for name in (field.alias or key for kind in kinds for key, field in kind.model_fields.items()):
        assert re.search(rf"`[^`]*\b{name}\b[^`]*`", PAGE), name


def test_a_cut_into_too_many_parts_is_refused():
    many = book(20)
    many.accounts["csm"] = [f"c{n}" for n in range(20)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.compared.MOST_PARTS", 10)
        with pytest.raises(DataRejected, match=r"scenario\.too_many_parts"):
            compare(many, scenario(), BASIS, 3, by="csm")


def dipping() -> Outlook:
    """A book whose chance of having left falls at month 3, as a combined forecast's may."""
    churn = BOOK.p_churn.copy()
    open_ = ~(BOOK.booked_churn | np.isfinite(BOOK.booked_mrr_micros))[:, 2]
    churn[open_, 2] = 0.8 * churn[open_, 1]
    return replace(BOOK, p_churn=churn)


@pytest.mark.parametrize("times", [0.8, 1.5])
def test_churn_times_a_factor_is_exact_where_a_combined_forecast_dips(times):
    """Twenty per cent less is that, whatever the months before say."""
    before, after, _ = run({"all": True, "churn": {"multiply": times}}, outlook=dipping())
    free = ~(BOOK.booked_churn | np.isfinite(BOOK.booked_mrr_micros))[:, 2]
    assert after["churned"][free] == pytest.approx(times * before["churned"][free], rel=1e-12)


@pytest.mark.parametrize(
    "little",
    [
        {"changes": [{"all": True, "churn": {"multiply": 1 - 1e-9}}]},
        {"changes": [{"all": True, "price_at_renewal": {"rise": 0.0, "churn_multiply": 1 + 1e-9}}]},
        {"macro": {"shift": 1e-9}},
    ],
)
def test_next_to_nothing_changes_next_to_nothing_where_a_combined_forecast_dips(little):
    """A dip of the baseline is no part of the difference."""
    book = dipping()
    after, _ = assume(book, Scenario.model_validate(little), (0.0,) * 12, 3)
    assert flows(after)["churned"] == pytest.approx(flows(book)["churned"], rel=1e-6)
