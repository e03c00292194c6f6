"""The benchmark of the list's worth, on a world too small to judge by."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from benchmarks.outreach_world import covered, saved
from benchmarks.outreach_worth import LIMITS, jobs, outcome
from training.worlds import simulate


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Give accounts of a world as one would judge them who knew their chances."""
    world = simulate(150, 15, 3, "treatment-constant")
    truth = world.truth[world.truth["as_of"].isin(sorted({*world.truth["as_of"]})[-3:])]
    people = world.tables["accounts"][["account_id", "segment", "csm"]]
    told = truth.merge(people, on="account_id").assign(
        cell="ML", p_expand=0.0, expected_expansion_mrr=0.0, expansion_held=False
    )
    told["mrr"] = 1_000.0 + pd.factorize(told["account_id"], sort=True)[0]
    told["as_of"] = pd.to_datetime(told["as_of"]).dt.date
    return told.assign(
        p_churn=told["p_churn_3_held"], p_churn_by_decision_or_12m=told["p_churn_3_held"]
    )


@pytest.mark.ci
def test_who_knows_the_chances_saves_nearly_what_the_oracle_does(rows: pd.DataFrame) -> None:
    found = saved(rows)["saves alone"]
    assert found["ours"] > 0.9 * found["oracle"]
    assert found["ours"] > found["value only"]


@pytest.mark.ci
def test_an_outcome_is_pooled_and_judged(rows: pd.DataFrame) -> None:
    coverage = covered(rows, seed=1, trials=60)
    assert coverage["trials"] == 60
    assert 0.8 <= coverage["held_the_truth"] / 60 <= 1.0
    found = {"saved": saved(rows), "coverage": coverage, "rows": len(rows)}
    told = outcome([(job, json.loads(json.dumps(found))) for job in jobs(0.1)])
    assert {*LIMITS} < {*told}
    assert told["reached"] == all(told[name]["reached"] for name in (*LIMITS, "coverage"))
