"""One simulated world in which outreach works in a known way: what our list saves, and what could be.

Run as a process of its own (``python -m benchmarks.outreach_world JOB.json``): it writes one JSON
line. A model is trained on the world's book; the lists are made for fresh accounts of the same
world, on days that the training never saw, and judged by the true chances to leave within three
months with outreach at work and without.
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
from threadpoolctl import threadpool_limits

from features.asof import add_months
from features.book import open_book
from features.ingest import ingest
from features.mapping import read_workspace
from features.rules import Rules
from features.snapshot import snapshot
from models.carried import Carried
from models.choices import Choices
from models.holdout import eligible
from models.judging import judge_accounts
from models.outreach import OutreachSettings, rank
from models.registry import Registry
from models.trial import score_interval
from training.run import train
from training.worlds import World, simulate

__all__ = ["covered", "judged_rows", "run", "saved"]

Floats = NDArray[np.float64]
MONTHS = 36
AS_OF = date(2026, 1, 1)
DAYS = (1, 4, 8, 12, 15, 19)
"""Months before the end of the fresh book at which lists are made."""
TRIALS, SHARE = 1_000, 0.1
TRUE = ("p_churn_3_held", "p_churn_3_treated")


def judged_rows(job: Mapping[str, Any], folder: Path) -> pd.DataFrame:
    """Train on a world's book, and judge fresh accounts of it; the truth stands beside.

    Accounts whose end or renewal is booked are left out: nothing can be saved there.
    """
    world = simulate(job["accounts"], MONTHS, job["seed"], job["scenario"])
    home = _ingested(world, folder / "known")
    registry = Registry(folder / "known", None)
    carried = train(open_book(home), Rules().by_account(), AS_OF, registry).carried
    others = world.fresh(job["fresh"])
    book = open_book(_ingested(others, folder / "fresh"))
    truth = others.truth.assign(as_of=pd.to_datetime(others.truth["as_of"]).dt.date)
    days = [add_months(AS_OF, -months) for months in DAYS]
    parts = [_judged(snapshot(book, day, Rules().by_account()), carried, day) for day in days]
    rows = pd.concat(parts, ignore_index=True)
    return rows.merge(truth[["account_id", "as_of", *TRUE]], on=["account_id", "as_of"])


def saved(rows: pd.DataFrame, settings: OutreachSettings | None = None) -> dict[str, Any]:
    """Add up the MRR that lists save within three months, beside what the oracle's would.

    Every CSM's list of every day has as many saves as ours; the oracle, who knows what outreach
    does to whom, fills those places from all accounts, as the plain orders do.

    Returns
    -------
    dict
        ``places`` (saves a list has, on average) and, by order, the share of the oracle's: of the
        list as it is made, and of a list whose every place is a save.
    """
    truth = (rows[TRUE[0]] - rows[TRUE[1]]) * rows["mrr"]
    rows = rows.assign(saved=truth)
    mixed = _totals(rows, settings or OutreachSettings())
    alone = _totals(rows.assign(expansion_held=True), settings or OutreachSettings())
    return {"list": mixed, "saves alone": alone}


def _totals(rows: pd.DataFrame, settings: OutreachSettings) -> dict[str, float]:
    """Add up over days and CSMs."""
    total: dict[str, float] = {}
    for day, own in rows.groupby("as_of"):
        told = rank(own, settings, as_of=date.fromisoformat(str(day)))
        told = told[told["kind"].eq("save")]
        for csm, desk in own.groupby("csm"):
            mine = desk["account_id"].isin(told.loc[told["csm"].eq(csm), "account_id"])
            found = _orders(desk, mine.to_numpy())
            total = {name: total.get(name, 0.0) + value for name, value in found.items()}
    return total


def _orders(desk: pd.DataFrame, mine: NDArray[np.bool_]) -> dict[str, float]:
    places = int(mine.sum())
    truth = desk["saved"].to_numpy(dtype=np.float64)
    risk = desk["p_churn_by_decision_or_12m"].to_numpy(dtype=np.float64)
    mrr = desk["mrr"].to_numpy(dtype=np.float64)
    true = desk[TRUE[0]].to_numpy(dtype=np.float64) * mrr
    orders = {"risk only": risk, "value only": mrr, "risk x value": risk * mrr}
    orders["true risk x value"] = true
    first = {name: np.argsort(-order, kind="stable")[:places] for name, order in orders.items()}
    return {
        "ours": float(truth[mine].sum()),
        **{name: float(truth[at].sum()) for name, at in first.items()},
        "oracle": float(np.maximum(np.sort(truth)[::-1][:places], 0.0).sum()),
        "places": float(places),
        "lists": 1.0,
    }


def covered(rows: pd.DataFrame, seed: int, trials: int = TRIALS) -> dict[str, float]:
    """Count how often the interval of the intention-to-treat effect holds the true effect.

    Each trial draws the holdout of every day anew, as ``models.holdout`` does, and then who leaves;
    strata are cell and segment, over all days. The truth of a trial is the mean true effect of
    the accounts of each stratum, weighted as the estimate weighs strata.
    """
    rng = np.random.default_rng(seed)
    parts = [own[eligible(own, day)] for day, own in rows.groupby("as_of")]
    taking = pd.concat(parts)
    stratum, names = pd.factorize(taking["cell"] + ", " + taking["segment"].astype(str), sort=True)
    groups = taking.groupby(["as_of", "cell", "segment"], sort=True).indices.values()
    held = np.zeros((trials, len(taking)), dtype=bool)
    for own in groups:
        order = rng.random((trials, len(own))).argsort(axis=1).argsort(axis=1)
        most = np.floor(SHARE * len(own) + rng.random((trials, 1)))
        held[:, own] = order < most
    p_held, p_treated = (taking[name].to_numpy(dtype=np.float64) for name in TRUE)
    event = rng.random(held.shape) < np.where(held, p_held, p_treated)
    which = np.eye(len(names))[stratum]
    n1, n0 = (~held).astype(float) @ which, held.astype(float) @ which
    e1, e0 = (event & ~held).astype(float) @ which, (event & held).astype(float) @ which
    weight = n1 * n0 / (n1 + n0)
    true = weight @ _means(p_held - p_treated, which) / weight.sum(axis=1)
    low, high = score_interval(n1, e1, n0, e0)
    return {
        "trials": float(trials),
        "held_the_truth": float(((low <= true) & (true <= high)).sum()),
        "held_events": float(e0.sum() / trials),
        "treated_events": float(e1.sum() / trials),
    }


def _means(effect: Floats, which: Floats) -> Floats:
    return np.asarray(effect @ which / which.sum(axis=0))


def _ingested(world: World, folder: Path) -> Path:
    world.write(folder / "book")
    now = datetime(AS_OF.year, AS_OF.month, AS_OF.day + 1, tzinfo=UTC)
    ingest(read_workspace(folder / "book" / "perennial.toml"), folder / "home", now)
    return folder / "home"


def _judged(frame: pd.DataFrame, carried: Carried, day: date) -> pd.DataFrame:
    open_ones = frame["notice_ends_on"].isna() & frame["successor_on"].isna()
    _, table = judge_accounts(frame, carried, None, day, Choices())
    return table[open_ones.to_numpy()].assign(as_of=day)


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do one job: ``scenario, seed, accounts, fresh``."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        rows = judged_rows(job, Path(folder))
    told = {"saved": saved(rows), "coverage": covered(rows, int(job["seed"])), "rows": len(rows)}
    return told | {"seconds": round(time.perf_counter() - begun, 1)}


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
