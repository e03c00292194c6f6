"""What a bundle carries goes in and comes out the same, and knows what it cannot say."""

import json
from dataclasses import replace

import numpy as np
import pytest

from features.faults import DataRejected
from models.bundle import open_bundle, write_bundle
from models.carried import read_bundle
from tests.small_history import Law, carried_of, history_of, latest

LAW = Law(accounts=180, months=21)


@pytest.fixture(scope="module")
def carried():
    return carried_of(LAW)


@pytest.fixture(scope="module")
def bundle(carried, tmp_path_factory):
    folder = tmp_path_factory.mktemp("carried") / "bundle"
    history = history_of(LAW)
    golden = history.frame.loc[:, list(history.signals)].tail(8)
    write_bundle(folder, carried.contract(), carried.boosters(), golden)
    return open_bundle(folder)


def test_it_predicts_the_same_after_the_bundle(carried, bundle):
    again, frame = read_bundle(bundle), latest(LAW)
    one, two = carried.model.predict(frame), again.model.predict(frame)
    for name in ("p_churn", "p_expand", "p_contract"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_everything_else_comes_out_as_it_went_in(carried, bundle):
    again = read_bundle(bundle)
    said = json.loads(json.dumps(again.contract()))
    assert said == {name: bundle.contract[name] for name in carried.contract()}
    assert again.bands == carried.bands
    assert again.trained_through == carried.trained_through
    assert again.factor == carried.factor
    assert list(again.periods) == list(carried.periods)


def test_a_signal_that_the_catalogue_lost_is_named(bundle):
    said = bundle.contract | {"signals": ["usage_wau_ratio", "a_lost_signal"]}
    with pytest.raises(DataRejected, match="a_lost_signal"):
        read_bundle(replace(bundle, contract=said))


@pytest.mark.fault("T01")
def test_a_prior_driven_model_says_so(carried):
    assert not carried.rule_based
    targets = {
        name: replace(target, rung="prior-driven") for name, target in carried.model.targets.items()
    }
    thin = replace(carried, model=replace(carried.model, targets=targets))
    assert thin.rule_based
    assert any("churn" in reason for reason in thin.thin_reasons)
