"""The combination: weights by inverse error, and a shift that every account shares in."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.faults import DataRejected
from models.carried_form import refuse_other_form
from models.combined import LEAST_OWN, OURS, combination, combined, said_of
from models.flows import cohort_at, means
from models.forecast import forecast
from models.outcomes import LEADS, Outlook
from models.tilt import MOST_TILT, shifted
from serving.terminal import forecast as terminal
from tests.small_history import Law, carried_of, past_of

ETS, THETA = "ETS by segment", "theta by segment"


def outlook(n=60, seed=0, booked=True):
    """A book of all sizes, some of it booked."""
    rng = np.random.default_rng(seed)
    shape = (n, LEADS)
    accounts = pd.DataFrame(
        {
            "account_id": [f"a{at:03}" for at in range(n)],
            "segment": np.where(np.arange(n) % 3, "smb", "large"),
            "mrr_micros": np.rint(1e6 * rng.lognormal(6, 1, n)).astype(np.int64),
        }
    )
    amount, leaves = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    if booked:
        amount[:5, 2:] = accounts["mrr_micros"].to_numpy()[:5, None] * 1.1
        leaves[5:8, 1:] = True
    up, down = (
        np.stack([size**k * np.ones(shape) for k in (1, 2, 3)], axis=2) for size in (0.3, 0.2)
    )
    chances = [rng.uniform(0, top, shape) for top in (0.2, 0.1, 0.3)]
    return Outlook(accounts, *chances, up, down, leaves, amount, 0.01 * up, 0.01 * down)


def nrr(book, lead, who=slice(None)):
    cohort = cohort_at(book, lead)
    return float(means(cohort)["closing"][who].sum() / cohort.mrr[who].sum())


def periods(horizon=3, count=6, ours=0.0, **off):
    """Past periods in which everybody was off by a constant."""
    return [
        {
            "origin": date(2023 + at // 4, 1 + 3 * (at % 4), 1).isoformat(),
            "horizon_months": horizon,
            "uncombined": 1.0 + ours,
            "actual_nrr": 1.0,
            "baselines": {
                name.replace("_", " "): None if x is None else 1 + x for name, x in off.items()
            },
        }
        for at in range(count)
    ]


def test_who_was_nearer_gets_the_weight_by_inverse_error():
    past = periods(ours=0.04, **{"ETS_by_segment": 0.01, "theta_by_segment": 0.03})
    weights = combination(past)["3"]["weights"]
    assert weights[ETS] / weights[THETA] == pytest.approx(3.0)
    together = (0.75 * 0.01 + 0.25 * 0.03, 6 / 8)
    theirs = min(0.04 / (0.04 + together[0]) * together[1], 1 - LEAST_OWN)
    assert weights[OURS] == pytest.approx(1 - theirs)
    assert sum(weights.values()) == pytest.approx(1.0)


def test_nothing_is_combined_that_was_not_nearer_or_not_often_enough_seen():
    assert combination(periods(ours=0.01, ETS_by_segment=0.02)) == {}
    assert combination(periods(ours=0.01, ETS_by_segment=0.01)) == {}
    assert combination(periods(ours=0.01, ETS_by_segment=None)) == {}
    assert combination(periods(ours=0.01, calendar=0.0)) == {}
    assert combination(periods(ours=0.01, count=2, ETS_by_segment=0.0)) == {}


def test_a_rival_that_was_nearer_by_luck_alone_is_left_out():
    """Nearer by 3, 3, 3 and further by 8, 3: .2 in the mean, far within a standard error."""
    past = periods(ours=0.04, count=5, ETS_by_segment=0.01)
    lucky = [0.01, 0.01, 0.01, 0.12, 0.03]
    for one, off in zip(past, lucky, strict=True):
        one["baselines"][ETS] = 1 + off
    assert sum(lucky) / 5 < 0.04
    assert combination(past) == {}
    past[3]["baselines"][ETS] = 1.03
    assert ETS in combination(past)["3"]["weights"]


def test_periods_before_any_rival_had_a_past_are_left_out():
    early, late = periods(ours=0.5, ETS_by_segment=None), periods(ours=0.02, ETS_by_segment=0.01)
    assert combination(early + late) == combination(late) != {}
    assert combination(early + late[:2]) == {}


def test_few_periods_leave_the_weight_to_us_and_we_always_keep_a_third():
    kept = [
        combination(periods(12, count, ours=0.1, ETS_by_segment=0.0))["12"]["weights"][OURS]
        for count in (3, 6, 12, 80)
    ]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > 0.5
    assert kept[-1] == pytest.approx(LEAST_OWN)


WEIGHED = {
    str(h): {"weights": {OURS: 0.6, ETS: 0.3, THETA: 0.1}, "periods": 6, "n_eff": 4.0}
    for h in (3, 12)
}


def test_the_mean_of_the_book_is_the_combined_one():
    book = outlook()
    moved, told = combined(
        book, WEIGHED, {ETS: {"3": 1.02, "12": 1.1}, THETA: {"3": 1.0, "12": None}}
    )
    three = 0.6 * nrr(book, 3) + 0.3 * 1.02 + 0.1 * 1.0
    year = 0.7 * nrr(book, 12) + 0.3 * 1.1
    assert nrr(moved, 3) == pytest.approx(three, abs=1e-9)
    assert nrr(moved, 12) == pytest.approx(year, abs=1e-9)
    assert told["12"]["weights"] == pytest.approx({OURS: 0.7, ETS: 0.3})
    assert told["3"]["shift_points"] == pytest.approx(100 * (three - nrr(book, 3)), abs=1e-7)
    json.dumps(told, allow_nan=False)


def test_between_the_horizons_the_shift_is_interpolated():
    book = outlook()
    moved, _ = combined(book, WEIGHED, {ETS: {"3": 1.02, "12": 1.1}, THETA: {"3": 1.0, "12": 1.0}})
    by = [nrr(moved, lead) - nrr(book, lead) for lead in range(1, 13)]
    assert by[0] == pytest.approx(0.0, abs=1e-12)
    assert by[1] == pytest.approx(by[2] / 2, abs=1e-9)
    assert np.diff(by[2:]) == pytest.approx([(by[11] - by[2]) / 9] * 9, abs=1e-9)


def test_nothing_to_combine_leaves_the_outlook_as_it_is():
    book = outlook()
    assert combined(book, {}, {ETS: {"3": 2.0}}) == (book, {})
    assert combined(book, WEIGHED, {}) == (book, {})
    assert combined(book, WEIGHED, {ETS: {"3": None}}) == (book, {})


def test_what_is_booked_is_not_touched():
    book = outlook()
    moved = shifted(book, dict.fromkeys(range(1, 13), 0.02))
    cohorts = [cohort_at(one, 6) for one in (book, moved)]
    signed, notice = cohorts[0].signed, cohorts[0].notice
    assert signed.sum() == 5
    assert notice.sum() == 3
    for who in (signed, notice):
        one, other = (means(cohort)["closing"][who] for cohort in cohorts)
        assert one.tolist() == other.tolist()


def test_the_shift_is_shared_by_variance():
    """To first order each account's part of the shift is its part of the variance."""
    book = outlook(400, booked=False)
    step = 1e-5
    part = means(cohort_at(shifted(book, {3: step}), 3))["closing"]
    part = (part - means(cohort_at(book, 3))["closing"]) / part.sum()
    cohort = cohort_at(book, 3)
    p = np.stack([cohort.p_churn, cohort.p_contract, cohort.p_expand, cohort.p_flat], axis=1)
    drift = cohort.flat_up[:, 0] - cohort.flat_down[:, 0]
    worth = np.stack([-1 + 0 * drift, -cohort.down[:, 0], cohort.up[:, 0], drift], axis=1)
    worth *= cohort.mrr[:, None]
    variance = (p * worth**2).sum(axis=1) - (p * worth).sum(axis=1) ** 2
    assert part / part.sum() == pytest.approx(variance / variance.sum(), rel=0.02, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 50), st.floats(-0.9, 0.9), st.integers(1, 12))
def test_whatever_is_asked_chances_stay_chances(seed, shift, lead):
    book = outlook(12, seed)
    moved = shifted(book, {lead: shift})
    parts = np.stack([moved.p_churn, moved.p_contract, moved.p_expand, moved.p_flat])
    assert (parts >= -1e-12).all()
    at = nrr(moved, lead) - nrr(book, lead)
    assert abs(at) <= abs(shift) + 1e-9
    assert at * shift >= -1e-12
    odds = np.log(np.maximum(moved.p_churn, 1e-300) / np.maximum(book.p_churn, 1e-300))
    assert np.abs(odds).max() <= 2 * MOST_TILT + 1e-9


def test_the_chance_of_having_left_falls_nowhere():
    book = outlook(40)
    rising = np.linspace(0.1, 1.0, 12) * book.p_churn[:, 11:]
    book = replace(book, p_churn=rising, p_contract=0.0 * rising, p_expand=0.1 * (1 - rising))
    moved = shifted(book, {lead: 0.006 * (lead - 2) for lead in range(3, 13)})
    left = np.diff(moved.p_churn, axis=1)
    assert (left >= -1e-12).all()
    assert (moved.p_churn[:, :2] == book.p_churn[:, :2]).all()
    for lead in range(3, 13):
        shift = nrr(moved, lead) - nrr(book, lead)
        assert shift == pytest.approx(0.006 * (lead - 2), abs=1e-9)


def test_cuts_add_up_and_grr_stays_below_one():
    book = shifted(outlook(), {3: 0.05})
    told = forecast(
        book, 3, 0.2, as_of=date(2025, 7, 1), definition={}, n_eff=4.0, cuts=("segment",)
    )
    whole = sum(one["closing_mrr"]["mean"] for one in told["by_cut"])
    assert whole == pytest.approx(told["closing_mrr"]["mean"])
    assert all(one["grr"]["p95"] <= 1 for one in (told, *told["by_cut"]))
    flows = [told[name]["mean"] for name in ("expansion_mrr", "contraction_mrr", "churned_mrr")]
    closing = told["opening_mrr"] + flows[0] - flows[1] - flows[2]
    assert closing == pytest.approx(told["closing_mrr"]["mean"])


def test_the_order_of_accounts_changes_nothing():
    book = outlook()
    order = np.random.default_rng(1).permutation(len(book))
    one, other = shifted(book, {3: 0.02}).p_churn[order], shifted(book.of(order), {3: 0.02}).p_churn
    assert one == pytest.approx(other, abs=1e-12)


def test_a_book_that_cannot_move_does_not():
    still = outlook()
    zero = np.zeros_like(still.p_churn)
    frozen = replace(still, p_churn=zero, p_contract=zero, p_expand=zero)
    assert nrr(shifted(frozen, {3: 0.1}), 3) == pytest.approx(nrr(frozen, 3))


def test_what_was_published_can_be_combined_again():
    book, rivals = outlook(), {ETS: {"3": 1.02, "12": 1.1}, THETA: {"3": 1.0, "12": None}}
    moved, told = combined(book, WEIGHED, rivals)
    again, _ = combined(book, WEIGHED, said_of({h: {"combined": one} for h, one in told.items()}))
    assert again.p_churn.tolist() == moved.p_churn.tolist()


ASTRAY = {
    "combined.3.weights": lambda one: one["weights"].update({"a rival": 0.0}),
    "combined.3.weights.forecast": lambda one: one["weights"].update(forecast=-0.5),
    "combined.3.n_eff": lambda one: one.update(n_eff=0.0),
    "combined.3.periods": lambda one: one.pop("periods"),
}


@pytest.mark.ci
@pytest.mark.fault("R13")
@pytest.mark.parametrize("where", ASTRAY)
def test_a_bundle_whose_weights_are_astray_is_refused_by_name(where):
    said = carried_of(Law(accounts=400, months=24)).contract()
    said = json.loads(json.dumps(said)) | {"combined": {"3": json.loads(json.dumps(WEIGHED["3"]))}}
    refuse_other_form(said)
    ASTRAY[where](said["combined"]["3"])
    with pytest.raises(DataRejected, match=rf"contract: {where}:"):
        refuse_other_form(said)
    said["combined"] = {"3": WEIGHED["3"] | {"weights": {OURS: 0.5, ETS: 0.4}}}
    with pytest.raises(DataRejected, match="do not sum to 1"):
        refuse_other_form(said)


@pytest.mark.ci
def test_every_period_is_combined_by_what_had_closed_before():
    past = past_of(Law(accounts=400, months=24))
    for period in past.periods:
        known = [
            one
            for one in past.periods
            if one["horizon_months"] == period["horizon_months"]
            and date.fromisoformat(one["period_end"]).toordinal() + 31
            < date.fromisoformat(period["origin"]).toordinal()
        ]
        weighed = combination(known)
        weights = weighed[str(period["horizon_months"])]["weights"] if weighed else None
        assert (period["combined"] is None) == (weights is None)
        if weights is None:
            assert period["nrr"]["mean"] == pytest.approx(period["uncombined"], abs=1e-9)


def test_the_terminal_says_what_was_combined(capsys: pytest.CaptureFixture[str]) -> None:
    """The page of a forecast names each weight, our mean alone, and what was added."""
    book = outlook()
    moved, told = combined(book, WEIGHED, {ETS: {"3": 1.2, "12": None}, THETA: {"3": None}})
    body = forecast(moved, 3, 0.2, as_of=date(2025, 7, 1), definition={}, n_eff=4.0)
    terminal.forecast(body | {"combined": told["3"]})
    out = " ".join(capsys.readouterr().out.split())
    assert "combined with ETS by segment (30.0 %)" in out
    assert f"{told['3']['shift_points']:+.1f} points" in out
    terminal.forecast(body | {"combined": None})
    assert "combined" not in capsys.readouterr().out
