"""Some books of one size and shock, each forecast at its last month-end as the product does it.

A lean model is fitted at six past quarterly origins and at the last known month-end; from its
outlooks on everything is the product's own: the errors of past periods, the factor and the stretch
that they give, the factor's scale, the figures. Beside them the same with independent accounts, and
the oracle, who draws futures from the true state by the true laws.

Usage: ``python -m benchmarks.coverage_book JOB`` with a job of `benchmarks.coverage` as JSON.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage_lean import Lean
from benchmarks.coverage_world import HISTORY, SHOCKS, Book, draw_book, futures
from features.asof import add_months
from models.figures import LEVELS
from models.flows import cohort_at
from models.outcomes import HORIZONS
from models.spread import phi_of, shared_scale
from models.view import groups_of, views_of
from training.width import factor_of, missed_by

__all__ = ["ORIGINS", "book_told", "main"]

ORIGINS = (18, 15, 12, 9, 6, 3)
"""Months back from the last month-end: the six quarters of a training."""
PATHS = 500
FIRST = date(2020, 1, 1)
TOLD = (0.05, 0.10, 0.90, 0.95)
Floats = NDArray[np.float64]
Found = dict[str, Any]


def book_told(live: int, shock: str, seed: int) -> Found:
    """Draw a book, forecast it, and tell what became of it.

    Returns
    -------
    dict
        By horizon: what became of ``nrr`` and ``grr``, the ``mean`` and ``oracle_mean`` of NRR and,
        by who forecast (``ours, independent, oracle``) and figure, the quantiles `TOLD`.
    """
    rng = np.random.default_rng([seed, live, sorted(SHOCKS).index(shock)])
    book = draw_book(live, SHOCKS[shock], rng)
    told, lean = futures(book, PATHS, rng), Lean(book)
    factor = factor_of(_past(book, lean))
    outlook = lean.outlook(HISTORY - 1)
    everyone = groups_of(outlook.accounts, ())
    found: Found = {}
    for horizon in HORIZONS:
        cohort, mine = cohort_at(outlook, horizon), factor[horizon]
        tau = shared_scale(outlook, horizon, phi_of(outlook, horizon, mine["strength"]))
        (ours,) = views_of(cohort, everyone, tau, stretch=mine["stretch"])
        (alone,) = views_of(cohort, everyone, 0.0)
        oracle = told[horizon - 1]
        nrr, grr = _became(book, HISTORY - 1, horizon)
        found[str(horizon)] = {
            "nrr": nrr,
            "grr": grr,
            "mean": ours.mean["nrr"],
            "oracle_mean": float(oracle[:, 0].mean()),
            "ours": {name: _four(ours.quantile[name]) for name in ("nrr", "grr")},
            "independent": {name: _four(alone.quantile[name]) for name in ("nrr", "grr")},
            "oracle": {
                name: np.quantile(oracle[:, at], TOLD).tolist()
                for at, name in enumerate(("nrr", "grr"))
            },
        }
    return found


def _past(book: Book, lean: Lean) -> list[Found]:
    """Lay every past quarter's chances beside what became of them, as far as it had closed."""
    periods = []
    for back in ORIGINS:
        origin = HISTORY - 1 - back
        outlook = lean.outlook(origin)
        for horizon in HORIZONS:
            if horizon <= back:
                cohort, (nrr, _) = cohort_at(outlook, horizon), _became(book, origin, horizon)
                day = add_months(FIRST, origin + 1).isoformat()
                missed = missed_by(cohort, nrr, horizon)
                periods.append({"origin": day, "horizon_months": horizon} | missed)
    return periods


def _became(book: Book, origin: int, horizon: int) -> tuple[float, float]:
    """Give NRR and GRR of the accounts that paid at a month-end."""
    opening = book.mrr[origin]
    closing = np.where(opening > 0, book.mrr[origin + horizon], 0.0)
    whole = float(opening.sum())
    return float(closing.sum()) / whole, float(np.minimum(closing, opening).sum()) / whole


def _four(quantiles: Floats) -> list[float]:
    return [float(quantiles[LEVELS.index(level)]) for level in TOLD]


def main() -> None:
    """Do one job and print what was found as JSON."""
    job = json.loads(sys.argv[1])
    seeds = range(job["first"], job["first"] + job["books"])
    found = [book_told(job["live"], job["shock"], 100_000 * job["seed"] + one) for one in seeds]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
