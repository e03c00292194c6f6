"""Gates: a run is held with its figures where it moves, drifts or cannot score beyond its own past."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.snapshot import snapshot
from models.drifting import Drift, bins, drifted, drifts, stability_index
from models.holding import Moves, too_many, usual_share
from models.score import Score
from models.unscorable import bounded, out_of_bounds, unscorable
from serving.gate_settings import GateSettings
from serving.gates import Judgement, causes, judge
from serving.past import PastRun, restated
from serving.queries import Run
from serving.store import Store
from tests.example_publication import NOW, example
from tests.small_books import line, small_book

TODAY = date(2025, 7, 7)
SIGNALS = [f"usage_{n}" for n in range(10)]


def run(days: int = 7, model: str = "m1", status: str = "published") -> Run:
    day = TODAY - timedelta(days=days)
    return Run(f"{day}-r1", day, 1, "s", "1", model, "c", "d", 400, f"{day}T06:00", status)


def world(accounts: int, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: rng.gamma(2.0, 3.0, accounts) for name in SIGNALS})


def past(
    accounts: int = 400, moved: int = 8, weeks: int = 6, frame: pd.DataFrame | None = None
) -> list[PastRun]:
    moves = {"moved": moved, "known": accounts, "weeks": 1.0}
    gates = {"cause": [], "moves": moves, "ratios": dict.fromkeys(SIGNALS, 1.5)}
    kept = bins(world(accounts) if frame is None else frame, SIGNALS)
    return [PastRun(run(7 * (n + 1)), gates, kept if n == 0 else {}) for n in range(weeks)]


def scores(accounts: int, moved: int, lost: int = 0) -> pd.DataFrame:
    status = ["unscorable"] * lost + ["scored"] * (accounts - lost)
    return pd.DataFrame(
        {
            "cell": ["HL"] * accounts,
            "previous_cell": ["ML"] * moved + ["HL"] * (accounts - moved),
            "status": status,
            "status_reason": ["x: not finite" if one == "unscorable" else None for one in status],
        }
    )


def asked(accounts: int = 400, **changed: Any) -> Judgement:
    told = {
        "scores": scores(accounts, 8),
        "frame": world(accounts),
        "signals": SIGNALS,
        "past": past(accounts),
        "as_of": TODAY,
        "cause": (),
        "settings": GateSettings(),
    }
    return judge(**(told | changed))


def test_a_week_as_the_others_is_published() -> None:
    found = asked()
    assert (found.held, found.warnings) == ((), ())
    assert found.document["moves"] == {"moved": 8, "known": 400, "weeks": 1.0}
    assert set(found.document["ratios"]) == set(found.bins) == set(SIGNALS)


@pytest.mark.fault("B14")
def test_too_many_moves_hold_a_run_with_their_figures() -> None:
    found = asked(scores=scores(400, 120))
    assert found.held == ("120 of 400 accounts changed their cell (30%, usually 2.0%)",)
    assert asked(scores=scores(400, 100)).held == ()  # the floor: a quarter may move
    assert asked(scores=scores(400, 120), past=past(moved=116)).held == ()  # as in any week


def test_where_few_accounts_were_there_before_moves_are_said_and_not_held() -> None:
    table = scores(400, 200)
    table.loc[299:, "previous_cell"] = None
    told = asked(scores=table)
    assert told.held == ()
    assert "200 of 299 accounts changed their cell" in told.warnings[0]


@pytest.mark.fault("B14")
def test_below_three_hundred_accounts_it_is_said_and_not_held() -> None:
    found = asked(299, scores=scores(299, 120))
    assert found.held == ()
    assert found.warnings[0].endswith("(fewer than 300 accounts: not held)")
    assert asked(300, scores=scores(300, 120)).held


@pytest.mark.fault("A09", partly=True)
@pytest.mark.parametrize("cause", ["first run", "model swap", "backfill"])
def test_moves_that_have_another_cause_hold_nothing(cause: str) -> None:
    assert asked(scores=scores(400, 300), cause=[cause]).held == ()
    assert asked(scores=scores(400, 300), cause=["restatement"]).held


@pytest.mark.fault("A09", partly=True)
def test_causes_are_named() -> None:
    assert causes([], "m1") == ["first run"]
    assert causes(past(), "m1") == []
    assert causes(past(), "m2", restates=True) == ["model swap", "restatement"]
    assert causes(past(), "m1", backfill=True) == ["backfill"]


@pytest.mark.fault("B14")
@pytest.mark.parametrize("broken", ["unit", "missing"])
def test_signals_that_break_hold_a_run(broken: str) -> None:
    frame = world(400, seed=2)
    for name in SIGNALS[:2]:
        frame[name] = np.nan if broken == "missing" else 100 * frame[name]
    found = asked(frame=frame)
    assert len(found.held) == 1
    assert found.held[0].startswith("2 of 10 signals drifted beyond what is usual: usage_0 (PSI ")
    assert asked(frame=frame, cause=["backfill"]).held == ()
    assert asked(299, frame=frame[:299], past=past(299)).held == ()


def test_one_signal_alone_or_a_past_too_short_holds_nothing() -> None:
    frame = world(400, seed=2)
    frame["usage_0"] *= 100
    assert asked(frame=frame).held == ()
    frame["usage_1"] *= 100
    assert asked(frame=frame, past=past(weeks=3)).held == ()


def test_a_signal_that_always_moves_does_not_drift() -> None:
    far = [Drift(name, 3.0, 140.0, 9) for name in SIGNALS]
    usual = {name: [139.0, 142.0, 138.0, 120.0] for name in SIGNALS}
    assert drifted(far, usual, 0.01, 0.25) == []
    assert len(drifted(far, dict.fromkeys(SIGNALS, [1.0] * 4), 0.01, 0.25)) == 10


def test_draws_of_one_world_rarely_drift() -> None:
    false = 0
    for seed in range(20):
        kept = bins(world(400, 100 + seed), SIGNALS)
        found = drifts(world(400, 500 + seed), kept)
        false += len(drifted(found, dict.fromkeys(SIGNALS, [0.5] * 4), 0.01, 0.0))
    assert false <= 2  # of 200 tests, under a false discovery rate of 1 %


def test_the_stability_index_by_hand() -> None:
    then, now = np.array([30, 70]), np.array([50, 50])
    p, q = np.array([30.5, 70.5]) / 101, np.array([50.5, 50.5]) / 101
    assert stability_index(then, now)[0] == pytest.approx(((q - p) * np.log(q / p)).sum())


def test_a_longer_gap_is_given_more_moves() -> None:
    calm = [Moves(50, 1000)] * 4
    assert usual_share(calm, 8) == pytest.approx(1 - 0.95**8)
    assert too_many(Moves(300, 1000, 1), calm, 0.25, 0.001)
    assert not too_many(Moves(300, 1000, 8), calm, 0.25, 0.001)


@pytest.mark.fault("B12")
@pytest.mark.parametrize(
    ("accounts", "lost", "held"), [(300, 2, 0), (300, 3, 1), (1000, 5, 0), (1000, 6, 1), (10, 3, 1)]
)
def test_too_few_scorable_accounts_hold_a_run(accounts: int, lost: int, held: int) -> None:
    found = asked(accounts, scores=scores(accounts, 0, lost))
    said = f"{lost} of {accounts} accounts are unscorable (x: not finite: {lost})"
    assert (len(found.held), [*found.held, *found.warnings]) == (held, [said])


@pytest.mark.ci
@pytest.mark.fault("B12")
def test_the_weekly_job_leaves_an_infinite_signal_in_and_says_whose_it_is() -> None:
    wild = [{"account_id": "a", "metric": "calls", "used": 1e300, "limit": 1e-300}]
    limits = [each | {"observed_on": date(2025, 6, 30)} for each in wild]
    frame = snapshot(
        small_book([line("a"), line("b")], limits=limits), date(2025, 7, 1), finite=False
    )
    names = [name for name in frame.columns if name.startswith(("usage_", "expansion_"))]
    numbers = [name for name in names if frame[name].dtype.kind == "f"]
    why = unscorable(frame, numbers)
    assert why[1] is None
    assert "expansion_limit_share" in str(why[0])
    assert not np.isinf(bounded(frame, numbers)[numbers].to_numpy()).any()
    read = out_of_bounds(frame, numbers, why)
    assert np.isinf(read[numbers].to_numpy()[0]).all()
    assert not np.isinf(read[numbers].to_numpy()[1]).any()


@pytest.mark.fault("B12")
def test_a_row_out_of_bounds_has_no_score() -> None:
    class Doubled:
        def contributions(self, values: Any) -> Any:
            return np.nan_to_num(2 * values)

    score = Score(Doubled(), None)  # type: ignore[arg-type]
    values = np.array([[1.0, 2.0], [np.inf, 2.0], [np.nan, 2.0]])
    assert score.of(values).tolist() == [6.0, 0.0, 4.0]
    assert score.contributions(values).sum(axis=1).tolist() == [6.0, 0.0, 4.0]


@pytest.mark.ci
@pytest.mark.fault("B04")
def test_a_revision_says_what_it_changes(tmp_path: Any) -> None:
    store, day = Store.open(tmp_path / "home"), date(2025, 7, 1)
    first = example()
    assert restated(store, day, first.scores) is None
    done = store.publish(first, now=NOW)
    again = first.scores.assign(cell=first.scores["cell"].replace({"HH": "HL"})).iloc[1:]
    assert restated(store, day, again) == {
        "run_id": done.run_id,
        "revision": 1,
        "cells_changed": int((again["cell"] != first.scores["cell"].iloc[1:]).sum()),
        "mrr_changed": 0,
        "appeared": 0,
        "gone": 1,
    }
