"""Baselines of NRR by hand, and the plain health score."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from models.topdown import RIVALS
from training.baselines import BASELINES, health_score, nrr_baselines, window_nrr
from training.labels import Panel
from training.ladder import Material

M = 1_000_000


def panel_of(*accounts):
    mrr = np.array(accounts, dtype=np.int64) * M
    ids = pd.Index([f"a{at}" for at in range(len(accounts))])
    return Panel(ids, date(2024, 1, 31), mrr, np.zeros_like(mrr))


def test_a_window_by_hand():
    """Opening 100 + 50; closing 120 + 0; the new account is in no cohort."""
    panel = panel_of([100, 110, 120], [50, 50, 0], [0, 0, 500])
    assert window_nrr(panel, 0, 2) == pytest.approx(120 / 150)
    assert window_nrr(panel, 1, 2) == pytest.approx(120 / 160)


def test_a_window_that_is_not_there_is_none():
    panel = panel_of([0, 110, 120])
    assert window_nrr(panel, -1, 1) is None
    assert window_nrr(panel, 1, 3) is None
    assert window_nrr(panel, 0, 2) is None  # nobody paid at its opening


def test_baselines_by_hand():
    """MRR grows by ten a month from 100: column t holds 100 + 10 t."""
    panel = panel_of([100 + 10 * month for month in range(30)])
    told = nrr_baselines(panel, 20, 3)
    assert told["no change"] == 1
    assert told["last period"] == pytest.approx(300 / 270)
    assert told["same as last year"] == pytest.approx(210 / 180)
    ends = range(9, 21)
    trailing = np.mean([(100 + 10 * end) / (70 + 10 * end) for end in ends])
    assert told["trailing mean"] == pytest.approx(trailing)


def test_a_short_past_says_what_it_can():
    panel = panel_of([100, 100, 90, 90, 90])
    told = nrr_baselines(panel, 3, 3)
    assert told["last period"] == pytest.approx(0.9)
    assert told["same as last year"] is None
    assert nrr_baselines(panel, 2, 3)["last period"] is None


def test_no_baseline_looks_beyond_its_opening():
    panel = panel_of([100 + 10 * month for month in range(30)])
    cut = panel_of([100 + 10 * month for month in range(21)])
    for horizon in (1, 3, 12):
        assert nrr_baselines(panel, 20, horizon) == nrr_baselines(cut, 20, horizon)


def test_the_same_months_a_year_before_have_closed_by_now():
    panel = panel_of([100 + 10 * month for month in range(30)])
    assert nrr_baselines(panel, 20, 12)["same as last year"] == pytest.approx(300 / 180)


def test_every_baseline_is_explained():
    panel = panel_of([100] * 30)
    assert set(nrr_baselines(panel, 20, 3)) | {"calendar", *RIVALS} == set(BASELINES)


def test_the_plain_health_score_by_hand():
    """Ranks 1/3, 2/3, 1; the second signal speaks for churn less, the third not at all."""
    values = np.array([[1.0, 5.0, 0.0], [2.0, np.nan, 1.0], [3.0, 1.0, 2.0]])
    signs = {"churn": [1, -1, 0]}
    material = Material(values, None, ("a", "b", "c"), signs, np.zeros(3, dtype=int))
    told = health_score(material, "churn", np.arange(3))
    first = [1 / 3 - 0.5, 2 / 3 - 0.5, 0.5]
    second = [0.5, 0.0, 0.0]
    assert told == pytest.approx([(a - b) / 3 for a, b in zip(first, second, strict=True)])
