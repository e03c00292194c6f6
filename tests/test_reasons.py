"""Reasons add up to the probability, whatever is shown and whatever is not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from features.catalog import CATALOG
from models.reasons import LEAST_LOGIT, SHOWN, Explained, effects, lines

BY_SLUG = {signal.slug: signal for signal in CATALOG}
SLUGS = (
    "usage_events_28d",
    "usage_wau_ratio",
    "support_csat_91d",
    "relationship_nps",
    "commercial_discount",
    "commercial_seats",
)
SIGNALS = [BY_SLUG[slug] for slug in SLUGS]


def told(*contributions, values=None, stability=None, rest=None):
    parts = np.array(contributions, dtype=float)
    explained = effects(parts, lambda score: expit(score - 1))
    explained = Explained(explained.base, explained.effect, explained.logit, rest or {})
    given_values = np.ones(parts.shape) if values is None else np.array(values, dtype=float)
    frame = pd.DataFrame(given_values, columns=SLUGS)
    return lines(explained, frame, SIGNALS, stability or {})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6))
def test_the_lines_of_an_account_sum_to_its_probability(parts):
    shown = told(parts)[0]
    assert sum(line["effect"] for line in shown) == pytest.approx(expit(sum(parts) - 1), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_every_effect_has_the_sign_of_its_contribution(parts):
    explained = effects(np.array([parts]), lambda score: expit(score - 1))
    assert (explained.effect * np.array(parts) >= 0).all()


def test_a_score_of_zero_takes_the_limit():
    explained = effects(np.array([[1.0, -1.0]]), expit)
    assert explained.effect[0] == pytest.approx([0.25, -0.25], abs=1e-4)
    assert explained.base[0] == 0.5


def test_at_most_three_groups_are_shown_the_strongest_first():
    shown = told([0.4, 0.6, 0.9, 2.0, 0.3, 0.0])[0]
    names = [line["signal"] for line in shown]
    assert names[:SHOWN] == ["relationship_nps", "usage_wau_ratio", "support_csat_91d"]
    assert names[SHOWN:] == ["other", "calendar"]


def test_correlated_signals_are_one_line():
    shown = told([0.4, 0.6, 0.0, 0.0, 0.0, 0.0])[0]
    assert shown[0]["signal"] == "usage_wau_ratio"
    assert shown[0]["effect"] == pytest.approx(expit(0.0) - expit(-1))


def test_the_leading_signal_points_the_way_its_group_does():
    shown = told([2.0, -1.0, 0.0, 0.0, 0.0, 0.0])[0]
    assert shown[0]["signal"] == "usage_events_28d"
    assert shown[0]["effect"] > 0


def test_what_is_weak_is_the_rest():
    shown = told([0.0, 0.0, LEAST_LOGIT / 2, 0.0, 0.0, 0.0])[0]
    assert [line["signal"] for line in shown] == ["other", "calendar"]
    assert shown[0]["effect"] > 0


def test_an_unsteady_or_missing_signal_is_never_named():
    parts = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    assert told(parts, stability={"relationship_nps": 0.5})[0][1]["signal"] == "other"
    gone = told(parts, values=[[1, 1, 1, np.nan, 1, 1]])[0]
    assert "relationship_nps" not in [line["signal"] for line in gone]
    assert sum(line["effect"] for line in gone) == pytest.approx(expit(1.0), abs=1e-6)


def test_further_lines_stand_where_they_are_not_zero():
    rest = {"booked": np.array([0.0, -0.2])}
    first, second = told([0.0] * 6, [0.0] * 6, rest=rest)
    assert "booked" not in [line["signal"] for line in first]
    assert second[-1]["signal"] == "booked"
    assert "settled" in second[-1]["phrase"]


def test_phrases_associate_and_never_promise():
    shown = told([1.0, 1.0, 1.0, 1.0, 1.0, 1.0])[0]
    for line in shown:
        assert not {"will", "because"} & set(line["phrase"].lower().split())
