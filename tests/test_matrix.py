"""Cut-offs, hysteresis, cells and what is said of a move."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.configuration import read_section
from features.faults import ConfigurationRefused, InternalFault
from models.bands import Bands, BandSettings, Cut, carry_over, fit_bands, log_odds
from models.census import summary
from models.matrix import ACTIONS, CELLS, MatrixSettings, place

MONDAY = date(2025, 6, 30)
BANDS = Bands({"pooled": Cut(0.1, 0.3)}, Cut(0.1, 0.3), "2025-Q3")


def beyond(cut: float, distance: float) -> float:
    """Give the probability that lies ``distance`` log odds beyond a cut-off."""
    odds = np.exp(log_odds(np.array([cut]))[0] + distance)
    return float(odds / (1 + odds))


def score(risk: float, expand: float = 0.01, **more: Any) -> pd.DataFrame:
    row = {"account_id": "a", "p_renew": 1 - risk, "renew_basis": "decision", "p_expand": expand}
    return pd.DataFrame([row | more])


def weekly(risks: list[float], first: date = MONDAY, **more: Any) -> list[str]:
    """Publish one account week after week; give its retention letters."""
    previous, letters = None, []
    for week, risk in enumerate(risks):
        placed = place(score(risk, **more), BANDS, previous, first + timedelta(weeks=week))
        previous, letters = placed[["account_id", "memory"]], [*letters, placed["cell"][0][0]]
    return letters


def test_nine_cells_and_their_actions() -> None:
    assert CELLS == ("HH", "HM", "HL", "MH", "MM", "ML", "LH", "LM", "LL")
    assert ACTIONS["MH"] == "Stabilise retention first; expansion can wait 60 days"
    assert ACTIONS["LL"] == "Immediate intervention required"


def test_high_starts_at_the_larger_of_two() -> None:
    risk, basis = np.full(200, 0.02), np.array(["decision"] * 200)
    plain = fit_bands(risk, basis, risk)
    assert plain.risk["decision"].high == pytest.approx(0.06 / 1.04)  # 3 x odds .02 / .98
    assert plain.risk["decision"].medium == pytest.approx(0.03 / 1.01)
    risk[:80] = 0.4  # more than the capacity share stand at .4
    found = fit_bands(risk, basis, risk, base_risk={"decision": 0.02})
    assert found.risk["decision"].high == pytest.approx(0.4)


def test_the_floors_hold_whatever_the_base_rate() -> None:
    basis = np.array(["horizon"] * 10)
    high = fit_bands(np.full(10, 0.5), basis, np.full(10, 0.5))
    assert high.risk["horizon"].medium == pytest.approx(0.15)  # never High below .85
    low = fit_bands(np.full(10, 0.001), basis, np.full(10, 0.001))
    assert low.risk["horizon"].high == pytest.approx(0.05)  # never Low above .95
    assert low.expansion.high == pytest.approx(0.05)
    assert high.expansion.medium == pytest.approx(0.5)


def test_cut_offs_are_per_basis_and_can_be_set_by_hand() -> None:
    risk = np.array([0.02] * 50 + [0.06] * 50)
    basis = np.array(["decision"] * 50 + ["horizon"] * 50)
    found = fit_bands(risk, basis, risk)
    assert found.risk["decision"].medium < found.risk["horizon"].medium
    assert set(found.risk) == {"decision", "horizon", "pooled"}
    hand = fit_bands(risk, basis, risk, settings=BandSettings(risk_medium=0.2, risk_high=0.4))
    assert hand.risk["decision"] == Cut(0.2, 0.4)
    other = place(score(0.25).assign(renew_basis="extrapolated"), hand, None, MONDAY)
    assert other["retention_health"][0] == "Medium"  # an unseen basis takes the pooled cut-offs


def test_an_empty_book_has_bands_too() -> None:
    none = np.array([])
    assert Bands.from_json(fit_bands(none, np.array([], dtype=str), none).to_json()).risk["pooled"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_any_book_gives_ordered_bands_that_survive_json(risk: list[float]) -> None:
    p = np.array(risk)
    found = fit_bands(p, np.array(["decision"] * len(p)), p)
    assert Bands.from_json(json.loads(json.dumps(found.to_json()))) == found
    cut = found.risk["decision"]
    assert 0 < cut.medium <= 0.15 + 1e-12
    assert 0.05 - 1e-12 <= cut.high < 1


def test_a_retrained_model_keeps_the_share_beyond_each_cut_off() -> None:
    rng = np.random.default_rng(1)
    old = rng.beta(1, 9, 4000)
    new = old**1.3  # the same order, other levels
    basis = np.array(["decision"] * 4000)
    bands = fit_bands(old, basis, old)
    kept = carry_over(bands, (old, basis, old), (new, basis, new))
    for before, after in (
        (bands.risk["decision"], kept.risk["decision"]),
        (bands.expansion, kept.expansion),
    ):
        assert np.mean(new >= after.high) == pytest.approx(np.mean(old >= before.high), abs=0.002)
        assert np.mean(new >= after.medium) == pytest.approx(
            np.mean(old >= before.medium), abs=0.002
        )


def test_a_model_that_says_the_same_keeps_the_cut_offs_to_the_last_digit() -> None:
    risk, basis = np.random.default_rng(2).beta(1, 9, 333), np.array(["decision"] * 333)
    bands = fit_bands(risk, basis, risk)
    rounded = np.round(risk, 10)
    kept = carry_over(bands, (risk, basis, risk), (rounded, basis, rounded))
    assert (kept.risk, kept.expansion) == (bands.risk, bands.expansion)


def test_mapped_cut_offs_keep_the_floors_and_what_was_set_by_hand() -> None:
    risk, basis = np.linspace(0.01, 0.3, 200), np.array(["decision"] * 200)
    bands = fit_bands(risk, basis, risk)
    worse = carry_over(bands, (risk, basis, risk), (3 * risk, basis, 3 * risk))
    assert worse.risk["decision"].medium == pytest.approx(0.15)
    hand = BandSettings(risk_medium=0.1, expansion_medium=0.2, expansion_high=0.4)
    kept = carry_over(bands, (risk, basis, risk), (3 * risk, basis, 3 * risk), hand)
    assert (kept.risk["decision"].medium, kept.expansion.high) == (0.1, 0.4)
    assert (kept.quarter, kept.rule) == (bands.quarter, bands.rule)


def test_up_at_once_only_when_clearly_beyond() -> None:
    calm = 0.05
    assert weekly([calm, beyond(0.1, 0.25)]) == ["H", "M"]
    assert weekly([calm, beyond(0.1, 0.15)]) == ["H", "H"]
    assert weekly([calm, beyond(0.1, 0.15), beyond(0.1, 0.05)]) == ["H", "H", "M"]
    assert weekly([calm, beyond(0.1, 0.15), calm, beyond(0.1, 0.15)]) == ["H"] * 4


def test_straight_to_the_worst_band() -> None:
    assert weekly([0.05, 0.31]) == ["H", "L"]
    assert weekly([0.05, 0.29]) == ["H", "M"]  # the raw band is only Medium
    assert weekly([0.15, beyond(0.3, 0.1), beyond(0.3, 0.1)]) == ["M", "M", "L"]


def test_back_only_after_three_weeks_clearly_below() -> None:
    below = beyond(0.3, -0.5)
    assert weekly([0.5, below, below, below]) == ["L", "L", "L", "M"]
    assert weekly([0.5, below, below, 0.29, below, below]) == ["L"] * 6
    assert weekly([0.5, 0.01, 0.01, 0.01]) == ["L", "L", "L", "H"]


def test_a_missed_week_breaks_two_in_a_row() -> None:
    near = beyond(0.1, 0.1)
    first = place(score(0.05), BANDS, None, MONDAY)
    second = place(score(near), BANDS, first, MONDAY + timedelta(weeks=1))
    late = place(score(near), BANDS, second, MONDAY + timedelta(weeks=3))
    assert late["cell"][0] == "HL"
    assert place(score(near), BANDS, late, MONDAY + timedelta(weeks=4))["cell"][0] == "ML"


@pytest.mark.fault("B05")
def test_reruns_within_a_week_count_once() -> None:
    near = beyond(0.1, 0.1)
    start = place(score(0.05), BANDS, None, MONDAY)
    runs = start
    for day in range(7, 14):
        runs = place(score(near), BANDS, runs, MONDAY + timedelta(days=day))
        assert runs["cell"][0] == "HL"
        assert runs["previous_cell"][0] == "HL"
    assert place(score(near), BANDS, runs, MONDAY + timedelta(weeks=2))["cell"][0] == "ML"
    wrong = place(score(0.9), BANDS, start, MONDAY + timedelta(weeks=1))
    mended = place(score(0.05), BANDS, wrong, MONDAY + timedelta(weeks=1, days=2))
    assert (wrong["cell"][0], mended["cell"][0]) == ("LL", "HL")


def test_an_iso_week_53_is_followed_by_week_1() -> None:
    near = beyond(0.1, 0.1)
    assert weekly([0.05, near, near], first=date(2026, 12, 24)) == ["H", "H", "M"]


def test_a_renewal_passed_resets_at_once() -> None:
    before = place(score(0.5, next_renewal_on="2025-07-03"), BANDS, None, MONDAY)
    after = score(0.02, next_renewal_on="2026-07-03")
    placed = place(after, BANDS, before, MONDAY + timedelta(weeks=1))
    assert placed["cell"][0] == "HL"
    assert placed["moved_because"][0][0] == "a renewal was passed: the band starts afresh"


def test_hard_events_move_at_once() -> None:
    calm = place(score(0.05), BANDS, None, MONDAY)
    near, week = beyond(0.1, 0.05), MONDAY + timedelta(weeks=1)
    left = place(score(near, triggers=[{"trigger": "champion_left"}]), BANDS, calm, week)
    assert left["cell"][0] == "ML"
    assert left["moved_because"][0][0] == "hard event, moves at once: champion left"
    notice = place(score(0.01, notice=True), BANDS, calm, week)
    assert notice["cell"][0] == notice["raw_cell"][0] == "LL"


def test_readiness_rises_like_risk() -> None:
    first = place(score(0.05, expand=0.05), BANDS, None, MONDAY)
    risen = place(score(0.05, expand=beyond(0.3, 0.3)), BANDS, first, MONDAY + timedelta(weeks=1))
    assert (first["cell"][0], risen["cell"][0]) == ("HL", "HH")
    fallen = place(score(0.05, expand=0.05), BANDS, risen, MONDAY + timedelta(weeks=2))
    assert (fallen["cell"][0], fallen["raw_cell"][0]) == ("HH", "HL")


def test_a_move_is_told_by_what_drove_it() -> None:
    parts = {"renew": {"calendar": 0.93, "usage": 0.02}}
    first = place(score(0.05, triggers=["limit_near"], parts=parts), BANDS, None, MONDAY)
    worse = {"renew": {"calendar": 0.93, "usage": -0.31, "support": -0.02}}
    now = score(0.4, triggers=["gone_quiet"], parts=worse)
    placed = place(now, BANDS, first, MONDAY + timedelta(weeks=1))
    assert placed["moved_because"][0] == [
        "chance of renewal 95.0% → 60.0%, −35.0 points: usage −33.0; support −2.0",
        "trigger appeared: gone quiet",
        "trigger cleared: limit near",
    ]
    assert first["moved_because"][0] == []


def test_a_move_for_having_waited_says_so() -> None:
    near, week = beyond(0.1, 0.1), timedelta(weeks=1)
    placed = None
    for at, risk in enumerate([0.05, near, near]):
        placed = place(score(risk), BANDS, placed, MONDAY + at * week)
    assert placed is not None
    assert placed["moved_because"][0][1] == "past the cut-off for 2 weeks in a row"
    for at in range(3, 6):
        placed = place(score(0.05), BANDS, placed, MONDAY + at * week)
    assert placed["cell"][0] == "HL"
    said = "clearly back over the cut-off for 3 weekly scorings in a row"
    assert placed["moved_because"][0][1] == said


def test_the_first_week_of_medium_high_is_kept_until_it_has_waited() -> None:
    stuck, since = score(0.2, expand=0.5), MONDAY
    placed = place(stuck, BANDS, None, MONDAY)
    for week in range(1, 9):
        placed = place(stuck, BANDS, placed, MONDAY + timedelta(weeks=week))
        assert placed["waits_since"][0] == since
    good = score(0.01, expand=0.5)
    for week in range(9, 12):
        placed = place(good, BANDS, placed, MONDAY + timedelta(weeks=week))
    assert placed["cell"][0] == "HH"
    assert placed["waits_since"][0] is None


@pytest.mark.fault("T01")
def test_on_the_lowest_rung_triggers_place_an_account() -> None:
    red = {"trigger": "gone_quiet", "side": "retention", "level": "red"}
    other = {"trigger": "urgent_ticket", "side": "retention", "level": "red"}
    mild = {"trigger": "renewal_due", "side": "retention", "level": "attention"}
    act = {"trigger": "seat_velocity", "side": "expansion", "level": "act"}
    hard = {"trigger": "champion_left", "side": "retention", "level": "hard"}
    cells = {}
    for name, fired in {
        "none": [mild],
        "one": [red],
        "two": [red, other],
        "hard": [hard],
        "act": [act],
    }.items():
        placed = place(score(0.5, triggers=fired), BANDS, None, MONDAY, rule_based=True)
        cells[name] = placed["cell"][0]
        assert placed["cell_basis"][0] == "rule-based"
    assert cells == {"none": "HL", "one": "ML", "two": "LL", "hard": "LL", "act": "HM"}
    first = place(score(0.5, triggers=[red, other]), BANDS, None, MONDAY, rule_based=True)
    next_week = MONDAY + timedelta(weeks=1)
    eased = place(score(0.5, triggers=[]), BANDS, first, next_week, rule_based=True)
    assert eased["cell"][0] == "LL"  # back only after three weekly scorings


@pytest.mark.fault("B13")
@pytest.mark.parametrize("p", [float("nan"), 1.2, -0.1])
def test_a_score_that_is_none_is_refused(p: float) -> None:
    with pytest.raises(InternalFault, match=r"score\.not_finite"):
        place(score(p), BANDS, None, MONDAY)


def test_place_keeps_rows_index_and_input() -> None:
    scores = pd.concat([score(0.5), score(0.05).assign(account_id="b")]).set_index(pd.Index([7, 3]))
    before = scores.copy()
    placed = place(scores, BANDS, None, MONDAY)
    assert placed.index.tolist() == [7, 3]
    assert placed["cell"].tolist() == ["LL", "HL"]
    pd.testing.assert_frame_equal(scores, before)
    assert place(scores.iloc[:0], BANDS, None, MONDAY).empty


@settings(deadline=None, max_examples=8)
@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=12))
def test_the_same_score_for_ever_ends_in_its_raw_band(risks: list[float]) -> None:
    settled = risks[-1]
    clear = all(
        abs(log_odds(np.array([settled]))[0] - log_odds(np.array([c]))[0]) > 0.41
        for c in (0.1, 0.3)
    )
    letters = weekly([*risks, settled, settled, settled])
    if clear:
        assert letters[-1] == "HML"[BANDS.risk_levels(np.array([settled]), np.array(["x"]))[0]]


@pytest.mark.ci
def test_hysteresis_moves_seldom_and_hardly_ever_back() -> None:
    rng = np.random.default_rng(0)
    n, weeks = 150, 78
    level = rng.normal(-2.0, 1.2, n)
    previous, moves, raw_moves, reversals = None, 0, 0, 0
    last_move = np.zeros(n)
    for week in range(weeks):
        level = -2.0 + 0.995 * (level + 2.0) + rng.normal(0, 0.07, n)
        risk = 1 / (1 + np.exp(-(level + rng.normal(0, 0.15, n))))
        scores = pd.DataFrame(
            {
                "account_id": range(n),
                "p_renew": 1 - risk,
                "renew_basis": "decision",
                "p_expand": 0.01,
            }
        )
        placed = place(scores, BANDS, previous, MONDAY + timedelta(weeks=week))
        if previous is not None:
            order = "HML"
            step = np.array(
                [
                    order.index(a[0]) - order.index(b[0])
                    for a, b in zip(placed["cell"], previous["cell"], strict=True)
                ]
            )
            moves += int((step != 0).sum())
            reversals += int(((step * last_move) < 0).sum())
            last_move = np.where(step != 0, step, last_move)
            raw_moves += int(
                (placed["raw_cell"].to_numpy() != previous["raw_cell"].to_numpy()).sum()
            )
        previous = placed
    assert moves < 0.3 * raw_moves
    assert moves / n / (weeks / 52) < 2.0


def test_the_summary_has_nine_cells_whatever_the_book() -> None:
    empty = summary(pd.DataFrame({"cell": [], "previous_cell": [], "mrr": []}))
    assert list(empty["cells"]) == list(CELLS)
    assert empty["mrr"] == 0.0
    told = summary(
        pd.DataFrame(
            {
                "cell": ["HH", "HH", "LL"],
                "previous_cell": ["HH", None, "HH"],
                "mrr": [1.0, 2.0, 4.0],
            }
        )
    )
    assert told["cells"]["HH"]["accounts"] == 2
    assert told["flows"] == [{"from": "HH", "to": "LL", "accounts": 1, "mrr": 4.0}]
    assert (told["moved"], told["new"], told["mrr"]) == (1, 1, 7.0)
    json.dumps(told)


def test_the_section_refuses_what_it_does_not_know() -> None:
    given_ = {"never_high": 0.9}
    with pytest.raises(ConfigurationRefused, match="never_high"):
        read_section(MatrixSettings, given_, "[matrix]")
    chosen = read_section(
        MatrixSettings, {"risk_high": 0.4, "guards": {"wait_days": 30}}, "[matrix]"
    )
    assert (chosen.risk_high, chosen.guards.wait_days) == (0.4, 30)
