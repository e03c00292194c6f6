"""Scored accounts: coherent figures, additive reasons on both axes, what is booked is certain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalog import CATALOG
from models.moves import split
from models.scoring import HORIZON, parts_by, score_accounts
from models.target import TARGETS
from tests.small_history import Law, latest, model_of, with_bookings

LAW = Law(accounts=180, months=21)
OTHER = Law(accounts=100, months=20, seed=5)


@pytest.fixture(scope="module")
def scored():
    frame = with_bookings(latest(LAW))
    return score_accounts(model_of(LAW), frame, CATALOG, {})


def total(reasons):
    return np.array([sum(line["effect"] for line in one) for one in reasons])


def test_retention_reasons_sum_to_the_probability_of_renewing(scored):
    table = scored.table
    assert total(table["reasons_retention"]) == pytest.approx(table["p_renew"].to_numpy(), abs=1e-6)


def test_expansion_reasons_sum_to_the_probability_of_expanding(scored):
    table = scored.table
    assert total(table["reasons_expansion"]) == pytest.approx(
        table["p_expand"].to_numpy(), abs=1e-6
    )


def shaken(seed, missing, width):
    """Give the last rows with signals of any size, some of them not known."""
    frame, rng = with_bookings(latest(LAW)), np.random.default_rng(seed)
    slugs = [signal.slug for signal in CATALOG]
    values = frame[slugs].to_numpy() + width * rng.normal(size=(len(frame), len(slugs)))
    values[rng.random(values.shape) < missing] = np.nan
    frame[slugs] = values
    return frame


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 10**6), st.floats(0, 1), st.sampled_from([0.1, 3.0, 1000.0]))
def test_reasons_and_parts_add_up_whatever_an_account_looks_like(seed, missing, width):
    model = model_of(LAW)
    assert model.targets["churn"].score.booster is not None
    table = score_accounts(model, shaken(seed, missing, width), CATALOG, {}).table
    for reasons, axis, p in (
        ("reasons_retention", "renew", "p_renew"),
        ("reasons_expansion", "expand", "p_expand"),
    ):
        expected = pytest.approx(table[p].to_numpy(), abs=1e-6)
        assert total(table[reasons]) == expected
        assert np.array([sum(one[axis].values()) for one in table["parts"]]) == expected


def test_a_change_between_runs_and_models_is_the_sum_of_its_parts():
    old, new = (model_of(law).served_by(dict.fromkeys(TARGETS, "score")) for law in (LAW, OTHER))
    monday, next_monday = shaken(1, 0.1, 0.5), shaken(2, 0.1, 0.5)
    before, between = (parts_by(old, frame, CATALOG) for frame in (monday, next_monday))
    then = score_accounts(old, monday, CATALOG, {}).table
    table = score_accounts(new, next_monday, CATALOG, {}).table
    for axis, p in (("renew", "p_renew"), ("expand", "p_expand")):
        told = [
            split(b[axis], now[axis], mid[axis])
            for b, now, mid in zip(before, table["parts"], between, strict=True)
        ]
        change = (table[p] - then[p]).to_numpy()
        assert np.array([sum(one.values()) for one in told]) == pytest.approx(change, abs=1e-6)
        assert max(abs(one["model"]) for one in told) > 0.01


def test_what_is_booked_is_a_line_of_its_own(scored):
    for row in (0, 1):
        assert scored.table["reasons_retention"][row][-1]["signal"] == "booked"
    names = [line["signal"] for line in scored.table["reasons_retention"][2]]
    assert "booked" not in names
    assert "leaves_first" in [line["signal"] for line in scored.table["reasons_expansion"][2]]


def test_the_calendar_alone_has_its_line_and_no_other(scored):
    bare = score_accounts(model_of(LAW).calendar_only(), latest(LAW), CATALOG, {}).table
    for reasons in bare["reasons_retention"]:
        assert [line["signal"] for line in reasons] == ["other", "calendar"]
        assert reasons[0]["effect"] == 0
    assert total(bare["reasons_retention"]) == pytest.approx(bare["p_renew"].to_numpy(), abs=1e-6)


def test_states_sum_to_one_and_retaining_is_not_churning(scored):
    table = scored.table
    states = table[["p_churn", "p_contract", "p_flat", "p_expand"]]
    assert states.sum(axis=1).to_numpy() == pytest.approx(1)
    assert (table["p_retain"] + table["p_churn"]).to_numpy() == pytest.approx(1)
    assert (table["risk"] + table["p_renew"]).to_numpy() == pytest.approx(1)
    assert (table["horizon_months"] == HORIZON).all()


def test_money_adds_up(scored):
    table = scored.table
    made = table["mrr"] + table["expected_expansion_mrr"] - table["expected_loss_mrr"]
    assert table["expected_mrr"].to_numpy() == pytest.approx(made.to_numpy(), abs=0.01)
    assert (table["mrr_p10"] <= table["mrr_p50"]).all()
    assert (table["mrr_p50"] <= table["mrr_p90"]).all()
    assert (table["expected_loss_mrr"] <= table["mrr"] * 1.0001).all()


def test_after_notice_all_of_it_is_lost(scored):
    row = scored.table.iloc[0]
    assert (row["p_renew"], row["p_churn"], row["p_expand"]) == (0, 1, 0)
    assert row["notice"]
    assert row["expected_mrr"] == pytest.approx(0, abs=0.01)
    assert row["mrr_p90"] == 0


def test_a_signed_amount_is_what_it_will_pay(scored):
    row = scored.table.iloc[1]
    assert row["p_renew"] == 1
    assert row["expected_mrr"] == pytest.approx(1.25 * row["mrr"], abs=0.01)
    for name in ("mrr_p10", "mrr_p50", "mrr_p90"):
        assert row[name] == pytest.approx(1.25 * row["mrr"], abs=0.01)


def test_an_account_is_scored_the_same_alone_and_in_its_book(scored):
    frame = latest(LAW)
    alone = score_accounts(model_of(LAW), frame.iloc[[5]].reset_index(drop=True), CATALOG, {}).table
    for name in ("p_renew", "p_expand", "p_churn", "expected_mrr"):
        assert alone[name][0] == pytest.approx(scored.table[name][5], rel=1e-12)
