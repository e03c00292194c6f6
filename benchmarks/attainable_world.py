"""One simulated world: its book as a company has it, what is learned from it, and how far that is
from the best that anybody could learn there.

Run as a process of its own (``python -m benchmarks.attainable_world JOB.json``): it writes one
JSON line. The ceiling of a scenario is the same learner on 20,000 accounts of other luck; all are
judged on fresh accounts, by the loss that is *expected* under the true probabilities.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from benchmarks.attainable_rivals import HORIZON, Rival, free_form, plain
from features.asof import add_months
from features.book import open_book
from features.ingest import ingest
from features.mapping import read_workspace
from features.rules import Rules
from features.snapshot import snapshot
from models.calendar import calendar_facts
from models.calibration import calibration_slope
from models.prediction import HealthModel
from models.target import TARGETS
from training.backtest import Backtest, backtest, calibrated
from training.fit import fit_health, searched
from training.history import History, gather
from training.rows import ROWS_PER_FIT
from training.worlds import simulate

__all__ = ["fresh_rows", "judged", "run"]

Floats = NDArray[np.float64]
MONTHS = 36
AS_OF = date(2026, 1, 1)
FRESH_MONTHS = (1, 4, 8, 12, 15, 19)
"""Months before the end of the fresh book at which its accounts are judged."""
CEILING_ROWS = 150_000
TRUE = {"churn": "p_churn_3", "expand": "p_expand_3", "contract": "p_contract_3"}


class Learned:
    """Our model as the rival of the others."""

    def __init__(self, model: HealthModel) -> None:
        self.model = model

    def probabilities(self, frame: pd.DataFrame) -> dict[str, Floats]:
        """Give each target's probability three months ahead."""
        told = self.model.predict(frame)
        return {name: getattr(told, f"p_{name}")[:, HORIZON - 1] for name in TARGETS}


def history_of(accounts: int, seed: int, scenario: str, folder: Path) -> History:
    """Simulate a book, ingest it, and gather its history, as ``perennial train`` does."""
    simulate(accounts, MONTHS, seed, scenario).write(folder / "book")
    ingest(read_workspace(folder / "book" / "perennial.toml"), folder / "home", _noon())
    return gather(open_book(folder / "home"), Rules().by_account(), AS_OF)


def fresh_rows(accounts: int, seed: int, scenario: str, folder: Path) -> pd.DataFrame:
    """Give fresh accounts' snapshot rows on some past days, the truth beside each.

    Left out are rows whose end or renewal is booked: nothing is modelled there.
    """
    world = simulate(accounts, MONTHS, seed, scenario)
    world.write(folder / "book")
    ingest(read_workspace(folder / "book" / "perennial.toml"), folder / "home", _noon())
    book = open_book(folder / "home")
    days = [add_months(AS_OF, -months) for months in FRESH_MONTHS]
    rows = pd.concat([snapshot(book, day, Rules().by_account()) for day in days])
    truth = world.truth[["account_id", "as_of", *TRUE.values()]]
    truth = truth.assign(as_of=pd.to_datetime(truth["as_of"]).dt.date)
    rows["as_of"] = pd.to_datetime(rows["as_of"]).dt.date
    found = rows.merge(truth, on=["account_id", "as_of"], how="inner", validate="1:1")
    return found[found["notice_ends_on"].isna() & found["successor_on"].isna()].reset_index(
        drop=True
    )


def _noon() -> datetime:
    return datetime(AS_OF.year, AS_OF.month, AS_OF.day + 1, tzinfo=UTC)


def trained(history: History, seed: int) -> tuple[HealthModel, Backtest]:
    """Train as ``perennial train`` does: with every score, and what its past periods say."""
    past = backtest(history, lambda _: {}, seed)
    chosen = searched(history, history.known_until, seed)
    model = fit_health(history, history.known_until, chosen, seed)
    return calibrated(model, past.replays, history, history.known_until), past


def evidence(past: Backtest) -> dict[str, Any]:
    """Give which of score and calendar serves each target, and what that was decided on."""
    asked = ("skill", "p_better", "slope", "o_over_e")
    found = {n: {key: one.get(key) for key in asked} for n, one in past.chosen_on.items()}
    return {"serves": dict(past.serves), "judged": found}


def judged(rival: Rival, fresh: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Judge by the truth: expected log-loss (nats a row), AUC at risk, slope, mean probability."""
    could = calendar_facts(fresh).free()[:, :HORIZON].any(axis=1)
    said = rival.probabilities(fresh)
    found = {}
    for name in TARGETS:
        rows = could if name == "churn" else np.ones(len(fresh), dtype=bool)
        p = fresh[TRUE[name]].to_numpy(dtype=float)[rows]
        found[name] = _scores(np.clip(said[name][rows], 1e-6, 1 - 1e-6), p)
    return found


def alike(found: Mapping[str, float]) -> float:
    """Give the loss of one chance for everybody: the calendar's mean.

    Examples
    --------
    >>> round(alike({"mean": 0.5, "true_mean": 0.1}), 4)
    0.6931
    """
    q, p = found["mean"], found["true_mean"]
    return float(-(p * np.log(q) + (1 - p) * np.log(1 - q)))


def _scores(q: Floats, p: Floats) -> dict[str, float]:
    twice, weight = np.concatenate([q, q]), np.concatenate([p, 1 - p])
    happens = np.concatenate([np.ones(len(p)), np.zeros(len(p))])
    slope, _ = calibration_slope(logit(q), p)
    return {
        "loss": float(-(p * np.log(q) + (1 - p) * np.log(1 - q)).mean()),
        "auc": float(roc_auc_score(happens, twice, sample_weight=weight)),
        "slope": slope,
        "mean": float(q.mean()),
        "true_mean": float(p.mean()),
    }


def ceiling(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Learn a scenario's ceiling from its large book, and keep the fresh rows."""
    scenario, seed = job["scenario"], int(job["seed"])
    fresh = fresh_rows(job["fresh_accounts"], seed + 1, scenario, folder / "fresh")
    fresh.to_parquet(job["fresh"])
    history = history_of(job["accounts"], seed, scenario, folder / "large")
    chosen = searched(history, AS_OF, seed)
    model = fit_health(history, AS_OF, chosen, seed, CEILING_ROWS)
    told = {"ceiling": judged(Learned(model), fresh)}
    told["ceiling's calendar"] = judged(Learned(model.calendar_only()), fresh)
    return {"contenders": told, "fresh_rows": len(fresh), "live": _live(history)}


def small_world(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Learn from a small book with every contender, and judge each on the fresh rows."""
    fresh = pd.read_parquet(job["fresh"])
    for column in ("as_of", "notice_ends_on", "successor_on", "next_renewal_on"):
        fresh[column] = fresh[column].where(fresh[column].notna(), None)
    history = history_of(job["accounts"], int(job["seed"]), job["scenario"], folder)
    model, past = trained(history, 0)
    scored = model.served_by(dict.fromkeys(TARGETS, "score"))
    rivals: dict[str, Rival] = {
        "ours": Learned(model.served_by(past.serves)),
        "ours, the score always": Learned(scored),
        "calendar": Learned(model.calendar_only()),
        "plain LightGBM": plain(history, "lightgbm"),
        "plain logistic": plain(history, "logistic"),
        "free form": free_form(history, 0, model.locked_rate, ROWS_PER_FIT),
    }
    told = {name: judged(rival, fresh) for name, rival in rivals.items()}
    return {
        "contenders": told,
        "alike": {name: alike(told["calendar"][name]) for name in TARGETS},
        **evidence(past),
        "events": {name: one.events for name, one in model.targets.items()},
        "rungs": {name: one.rung for name, one in model.targets.items()},
        "live": _live(history),
    }


def null_world(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Train on a book in which nothing tells anything: which targets would a score serve?"""
    history = history_of(job["accounts"], int(job["seed"]), job["scenario"], folder)
    past = backtest(history, lambda _: {}, 0)
    return evidence(past) | {"live": _live(history)}


def _live(history: History) -> int:
    return len(history.at(history.dates[-1]))


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do one job: ``kind`` is ``ceiling``, ``world`` or ``null``."""
    work = {"ceiling": ceiling, "world": small_world, "null": null_world}[job["kind"]]
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        done = work(job, Path(folder))
    return done | {"seconds": round(time.perf_counter() - begun, 1)}


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
