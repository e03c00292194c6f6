"""What a bundle carries goes in and comes out the same, and knows what it cannot say."""

import json
from dataclasses import replace

import numpy as np
import pytest

from features.faults import DataRejected
from models.bundle import open_bundle, write_bundle
from models.carried import read_bundle
from models.metered import MeteredFacts
from models.metered_fit import fit_metered
from models.outcomes import LEADS
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


@pytest.mark.fault("F07")
def test_a_signal_that_the_catalogue_lost_is_named(bundle):
    said = bundle.contract | {"signals": [*bundle.contract["signals"], "a_lost_signal"]}
    said["catalog"] = [slug for slug in said["catalog"] if slug != "usage_wau_ratio"]
    with pytest.raises(DataRejected) as caught:
        read_bundle(replace(bundle, contract=said))
    assert (caught.value.code, caught.value.exit_code) == ("feature.schema_mismatch", 65)
    assert caught.value.message.endswith("removed a_lost_signal; added usage_wau_ratio")


@pytest.mark.fault("F07")
def test_a_signal_that_measures_something_else_now_is_named(bundle):
    schema = bundle.contract["schema"] | {"usage_wau_ratio": "float64 ratio 28 days"}
    with pytest.raises(DataRejected, match=r"changed usage_wau_ratio \(float64 ratio 28 days, now"):
        read_bundle(replace(bundle, contract=bundle.contract | {"schema": schema}))


@pytest.mark.fault("F07")
def test_a_signal_that_came_since_is_no_reason_to_refuse(bundle):
    said = bundle.contract | {"catalog": bundle.contract["signals"][:1]}
    assert read_bundle(replace(bundle, contract=said)).model.signals


ASTRAY = {
    "targets": lambda said: said["targets"].pop("expand"),
    "targets.churn.gains": lambda said: said["targets"]["churn"].update(gains=[1, 1, 1]),
    "targets.churn.calendar.weights": lambda said: said["targets"]["churn"]["calendar"].update(
        weights=[[0.0]] * 7
    ),
    "targets.churn.ridge": lambda said: said["targets"]["churn"]["ridge"]["weights"].pop(),
    "targets.churn.booster": lambda said: said["targets"]["churn"].update(booster=False),
    "targets.expand.events": lambda said: said["targets"]["expand"].update(events="62"),
    "targets.expand": lambda said: said["targets"]["expand"].update(target="churn"),
    "targets.expand.calibration": lambda said: said["targets"]["expand"]["calibration"].clear(),
    "boosters.churn": lambda said: said["boosters"]["churn"].update(objective="poisson"),
    "signals": lambda said: said.update(signals=[]),
    "locked_rate": lambda said: said.update(locked_rate=1.5),
    "returns": lambda said: said.update(returns=[0.5] * 11),
    "sizes.growth.level": lambda said: said["sizes"]["growth"].update(level=1e308),
    "sizes.down": lambda said: said["sizes"]["down"].pop(),
    "fiscal_year_starts": lambda said: said.update(fiscal_year_starts=13),
    "bands.risk": lambda said: said["bands"]["risk"].pop("pooled"),
    "bands": lambda said: said["bands"].update(expansion=[0.6, 0.4]),
    "factor": lambda said: said["factor"].pop("12"),
    "factor.1.strength": lambda said: said["factor"]["1"].pop("strength"),
    "factor.3.stretch": lambda said: said["factor"]["3"].update(stretch=0.0),
    "periods.0.nrr": lambda said: said["periods"][0].update(nrr=1.0),
    "probabilities.churn.rows": lambda said: said["probabilities"]["churn"].pop("rows"),
    "trained_through": lambda said: said.update(trained_through="last year"),
}


@pytest.mark.fault("R13")
@pytest.mark.parametrize("where", ASTRAY)
def test_a_contract_that_does_not_say_what_a_model_is_is_refused_by_name(bundle, where):
    said = json.loads(json.dumps(bundle.contract))
    ASTRAY[where](said)
    with pytest.raises(DataRejected, match=rf"contract: {where}") as caught:
        read_bundle(replace(bundle, contract=said))
    assert (caught.value.code, caught.value.exit_code) == ("model.incompatible", 65)


def test_what_a_later_training_says_more_is_let_through(bundle):
    assert read_bundle(replace(bundle, contract=bundle.contract | {"more": [1]})).model.signals


@pytest.mark.fault("F07")
def test_a_snapshot_of_other_types_is_refused(carried):
    frame = latest(LAW)
    text = frame.assign(usage_wau_ratio="half").drop(columns="usage_days_since_last")
    with pytest.raises(DataRejected, match=r"snapshot: usage_days_since_last; of another type: us"):
        carried.model.predict(text)


@pytest.mark.fault("F04", partly=True)
def test_a_category_that_nobody_saw_changes_no_probability(carried):
    frame = latest(LAW)
    unseen = frame.assign(segment="moon base", region="far side", csm="nobody")
    one, two = carried.model.predict(frame), carried.model.predict(unseen)
    for name in ("p_churn", "p_expand", "p_contract"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.fault("T01")
def test_a_prior_driven_model_says_so(carried):
    assert not carried.rule_based
    targets = {
        name: replace(target, rung="prior-driven") for name, target in carried.model.targets.items()
    }
    thin = replace(carried, model=replace(carried.model, targets=targets))
    assert thin.rule_based
    assert any("churn" in reason for reason in thin.thin_reasons)


@pytest.fixture(scope="module")
def metered():
    """Growth learned of two accounts that are billed by usage."""
    some = np.array([0, 1])
    facts = MeteredFacts(np.ones(2), some, some, np.array([0.0, 0.02]), np.array([5.0, 6.0]))
    ratio = np.cumprod(np.full((2, LEADS), 1.02), axis=1)
    return fit_metered(facts, ratio, ratio > 0, some, np.ones(2))


def test_growth_of_usage_is_carried_where_the_book_has_some(carried, bundle, metered):
    assert "metered" not in carried.contract()
    assert read_bundle(bundle).model.metered is None
    growing = replace(carried, model=replace(carried.model, metered=metered))
    said = json.loads(json.dumps(bundle.contract | growing.contract(), allow_nan=False))
    again = read_bundle(replace(bundle, contract=said))
    assert again.model.metered.to_json() == metered.to_json()


@pytest.mark.fault("F07")
@pytest.mark.parametrize(
    ("part", "astray"),
    [
        ("pace", [0.1]),
        ("pull", [[0.0] * LEADS] * 3),
        ("pull", [[2.0] * LEADS] * 4),
        ("slope", [float("nan")]),
        ("spread", [-0.1] * LEADS),
        ("level", ["0"] * LEADS),
        ("fall", [1.5] * LEADS),
        ("fallen", [[0.1, 0.1]] * LEADS),
    ],
)
def test_growth_of_another_form_is_named(bundle, metered, part, astray):
    said = bundle.contract | {"metered": metered.to_json() | {part: astray}}
    with pytest.raises(DataRejected, match=f"metered.{part}") as caught:
        read_bundle(replace(bundle, contract=said))
    assert caught.value.code == "model.incompatible"
