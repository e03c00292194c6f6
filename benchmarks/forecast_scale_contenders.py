"""Who runs in `forecast_scale`: the product, and plain numpy Monte Carlo; one process each.

Usage: ``python -m benchmarks.forecast_scale_contenders perennial|paths ACCOUNTS DRAWS SEED OUT``.
The draws are kept in the file OUT, the rest is printed as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.forecast_scale_book import CUT, HORIZON, PHI, VALUES, Laws, book
from models.factor import lean
from models.figures import FIGURES, LEVELS
from models.flows import cohort_at
from models.forecast import forecast
from models.outcomes import LEADS, Outlook
from models.spread import shared_scale
from models.view import groups_of, views_of

__all__ = ["GROUPS", "perennial", "plain_paths"]

Floats = NDArray[np.float64]

GROUPS = VALUES + 1  # every industry, and the whole


def perennial(outlook: Outlook) -> dict[str, Any]:
    """Time one horizon with its scale and its cuts, then the forecast with the 12-month path."""
    started = time.perf_counter(), time.process_time()
    tau = shared_scale(outlook, HORIZON, PHI)
    views = views_of(cohort_at(outlook, HORIZON), groups_of(outlook.accounts, [CUT]), tau)
    figures = [view.figures() for view in views]
    horizon = time.perf_counter() - started[0], time.process_time() - started[1]
    started = time.perf_counter(), time.process_time()
    scales = [shared_scale(outlook, month, PHI) for month in range(1, LEADS + 1)]
    told = {"as_of": date(2026, 7, 1), "definition": {}, "n_eff": 4.0, "path_taus": scales}
    forecast(outlook, HORIZON, scales[-1], cuts=[CUT], **told)  # type: ignore[arg-type]
    path = time.perf_counter() - started[0], time.process_time() - started[1]
    return {
        "horizon_seconds": horizon[0],
        "horizon_cpu": horizon[1],
        "path_seconds": path[0],
        "path_cpu": path[1],
        "tau": tau,
        "figures": [[[f[name][k] for k in _levels()] for name in FIGURES] for f in figures],
        "means": [[f[name]["mean"] for name in FIGURES] for f in figures],
    }


def _levels() -> list[str]:
    return [f"p{round(100 * level):02d}" for level in LEVELS]


def plain_paths(outlook: Outlook, draws: int, seed: int) -> tuple[Floats, dict[str, float]]:
    """Play every account of every draw; the figures of every group, and what it took.

    The levels at which the factor's mean is each account's probability are solved beforehand.
    """
    cohort, rng = cohort_at(outlook, HORIZON), np.random.default_rng(seed)
    tau = shared_scale(outlook, HORIZON, PHI)
    level = lean(cohort.p_churn, cohort.p_contract, cohort.p_expand, tau)
    drifts = ~(cohort.signed | cohort.notice)
    value = np.unique(outlook.accounts[CUT].to_numpy(), return_inverse=True)[1]
    mrr, n = cohort.mrr, len(cohort.mrr)
    opening = np.bincount(value, mrr, minlength=VALUES).astype(float)
    found = np.empty((draws, 4, VALUES))
    started = time.perf_counter(), time.process_time()
    for draw in range(draws):
        z = rng.standard_normal()
        gone = rng.random(n) < expit(level.churn + tau * z)
        more = ~gone & (rng.random(n) < expit(level.expand - 0.5 * tau * z))
        less = ~gone & ~more & (rng.random(n) < expit(level.contract + 1.3 * tau * z))
        flat, luck = drifts & ~(gone | more | less), rng.random(n)
        some = flat & (luck < Laws.DRIFT_UP)
        few = flat & (luck >= 1.0 - Laws.DRIFT_DOWN)
        up, down = cohort.signed_up.copy(), cohort.signed_down.copy()
        up[more] = mrr[more] * rng.lognormal(*Laws.log(Laws.RISE), int(more.sum()))
        up[some] = mrr[some] * rng.lognormal(*Laws.log(Laws.SMALL_RISE), int(some.sum()))
        down[less] = mrr[less] * rng.beta(*Laws.FALL, int(less.sum()))
        down[few] = mrr[few] * rng.beta(*Laws.SMALL_FALL, int(few.sum()))
        for at, amount in enumerate((up, down, gone * mrr, gone)):
            found[draw, at] = np.bincount(value, amount, minlength=VALUES)
    cost = {
        "seconds": time.perf_counter() - started[0],
        "cpu": time.process_time() - started[1],
    }
    return _figures(found, opening), cost


def _figures(found: Floats, opening: Floats) -> Floats:
    """Turn flows per industry into the seven figures of the whole and of each: (draws, g, 7)."""
    flows = np.concatenate([found.sum(axis=2, keepdims=True), found], axis=2)
    up, down, left, logos = np.moveaxis(flows, 1, 0)
    first = np.concatenate([[opening.sum()], opening])
    closing = first + up - down - left
    parts = (closing / first, 1.0 - (down + left) / first, up, down, left, closing, logos)
    return np.stack(parts, axis=2)


def main() -> None:
    """Run one contender and tell."""
    name, accounts, draws, seed, out = sys.argv[1:]
    outlook = book(int(accounts))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if name == "perennial":
        told = perennial(outlook)
    else:
        figures, told = plain_paths(outlook, int(draws), int(seed))
        np.save(out, figures)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(told | {"gb": peak / 1e6, "gb_of_the_book": before / 1e6}))


if __name__ == "__main__":
    main()
