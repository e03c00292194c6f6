"""One simulated world forecast from its past quarters, as the product would have, beside its oracle.

Run as a process of its own (``python -m benchmarks.forecast_error_world JOB.json``): it writes one
JSON line, a list with an entry per origin and horizon.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.attainable_world import MONTHS, history_of
from training.backtest import backtest
from training.worlds import simulate

__all__ = ["run"]

PATHS = 300


def run(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Replay a world's past and ask its oracle at the same origins."""
    accounts, seed, scenario = job["accounts"], job["seed"], job["scenario"]
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        history = history_of(accounts, seed, scenario, Path(folder))
        past = backtest(history, lambda _: {}, 0)
    world = simulate(accounts, MONTHS, seed, scenario)
    known = world.oracle(PATHS, [replay.origin for replay in past.replays])
    best = {(str(r.as_of)[:10], r.horizon_months): r.nrr_mean for r in known.itertuples()}
    return [
        {
            "origin": period["origin"],
            "horizon": period["horizon_months"],
            "accounts": period["accounts"],
            "actual": period["actual_nrr"],
            "oracle": float(best[period["origin"], period["horizon_months"]]),
            "ours": period["nrr"]["mean"],
            "ours, not combined": period["uncombined"],
            "interval": [period["nrr"][q] for q in ("p05", "p10", "p90", "p95")],
            "baselines": period["baselines"],
        }
        for period in past.periods
    ]


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
