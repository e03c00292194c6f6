"""How often monitoring raises in quiet worlds, and how soon where a world turns.

Simulated books of 1,000 accounts: in each a model is trained once, on what had closed two thirds
into the book, and watched for the months after it (``monitoring_world``). In the worlds of scenario
``regime-change`` the laws turn there. The sums are those of ``models.cusum``.

Limits: of the quiet worlds at most one in four raises in its 16 months or so, on any of three
events, by a model that was never trained again; of the turned ones at least three in four do. Told
beside them: how many months after the turn, and the mean and the spread of a month's distance (0
and 1 where chances are right and months are as uneven as ``DISPERSION`` says).

Books run as processes of their own, two at a time; what is done is remembered, so that a stopped
run goes on; with other code everything is done again.

Usage: ``python -m benchmarks.monitoring [--accounts 1000] [--months 54] [--quiet 8] [--turned 8]``
(``make bench-monitoring``). The outcome is printed, and kept in
``benchmarks/results/monitoring.json`` unless a smaller one was asked for. Exit code 1 where a limit
is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from statistics import fmean, median, pvariance
from typing import Any

from benchmarks.outcome import circumstances, keep
from benchmarks.remembered import Runs, sources_of
from models.cusum import Month, cusum, distance
from models.foretold import EVENTS

__all__ = ["alarms", "main", "pooled"]

HERE = Path(__file__).parent
LIBRARIES = ("lightgbm", "numpy", "pandas")
WHOLE = {"accounts": 1_000, "months": 54, "quiet": 8, "turned": 8}
CODE = sources_of(
    "features/*.py", "models/*.py", "training/fit.py", "training/ladder.py", "training/worlds/*.py",
    "benchmarks/monitoring_*.py",
)  # fmt: skip
QUIET, TURNED = "default", "regime-change"
MOST_QUIET, LEAST_TURNED = 0.25, 0.75

World = Sequence[dict[str, Any]]


def alarms(world: World) -> dict[str, int | None]:
    """Give by event how many months it took until the sums asked for a review; None: they did not.

    Examples
    --------
    >>> row = {"expected": 10.0, "observed": 20}
    >>> months = [{"as_of": f"2025-0{n}-01", "events": dict.fromkeys(EVENTS, row)} for n in range(1, 6)]
    >>> alarms(months)["churn"], alarms(months[:2])["churn"]
    (3, None)
    """
    days = [one["as_of"] for one in world]
    found: dict[str, int | None] = {}
    for event in EVENTS:
        raised = [step.last.isoformat() for step in cusum(_months(world, event)) if step.alarm]
        found[event] = days.index(raised[0]) + 1 if raised else None
    return found


def pooled(worlds: Sequence[World]) -> dict[str, Any]:
    """Sum up worlds of one kind."""
    raised = [alarms(world) for world in worlds]
    first = [min(n for n in one.values() if n) for one in raised if any(one.values())]
    return {
        "worlds": len(worlds),
        "months": sum(map(len, worlds)),
        "raised": len(first),
        "months_to_the_first": median(first) if first else None,
        "by_event": {event: sum(one[event] is not None for one in raised) for event in EVENTS},
        "distance": {event: _spread(worlds, event) for event in EVENTS},
    }


def _months(world: World, event: str) -> list[Month]:
    rows = [(date.fromisoformat(one["as_of"]), one["events"][event]) for one in world]
    return [Month(day, row["expected"], row["observed"]) for day, row in rows]


def _spread(worlds: Sequence[World], event: str) -> dict[str, float]:
    """Give mean and variance of a month's distance: 0 and 1 are as designed."""
    months = [month for world in worlds for month in _months(world, event)]
    far = [distance(month.expected, month.observed) for month in months]
    return {"mean": round(fmean(far), 3), "variance": round(pvariance(far), 3)}


def main() -> int:
    """Live through the worlds, print and keep the outcome; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, whole in WHOLE.items():
        parser.add_argument(f"--{name}", type=int, default=whole)
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "monitoring")
    asked = parser.parse_args()
    size = {name: getattr(asked, name) for name in WHOLE}
    folder = asked.cache.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        {"accounts": asked.accounts, "months": asked.months, "seed": seed, "scenario": scenario}
        for scenario, many in ((QUIET, asked.quiet), (TURNED, asked.turned))
        for seed in range(1, many + 1)
    ]
    runs = Runs(folder, "benchmarks.monitoring_world", CODE, ("scenario", "seed"))
    done = sorted(runs.done(jobs), key=lambda one: json.dumps(one[0], sort_keys=True))
    outcome = circumstances("monitoring", LIBRARIES) | size
    for scenario in (QUIET, TURNED):
        outcome[scenario] = pooled([found for job, found in done if job["scenario"] == scenario])
    quiet, turned = outcome[QUIET], outcome[TURNED]
    outcome["holds"] = {
        "quiet": quiet["raised"] <= MOST_QUIET * quiet["worlds"],
        "turned": turned["raised"] >= LEAST_TURNED * turned["worlds"],
    }
    print(json.dumps(outcome, indent=1))
    if size == WHOLE:
        keep("monitoring", outcome)
    return int(not all(outcome["holds"].values()))


if __name__ == "__main__":
    sys.exit(main())
