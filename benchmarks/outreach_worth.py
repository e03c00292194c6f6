"""What the outreach list is worth, in simulated worlds where outreach works in a known way.

Three kinds of world: outreach takes away the same share of everybody's chance to leave (constant);
nothing of the chance of those who are as good as gone (lost causes); and it wakes those who would
have stayed (sleeping dogs). Per world the saves of our list are laid beside the oracle's, who knows
what outreach does to whom, and beside orders by risk alone, by value alone and by both; and the
interval of the effect is counted on 1,000 drawn holdouts.

Every world is a process of its own, two at a time; what is done is remembered, so that a stopped run
goes on; with other code everything is done again.

Usage: ``python -m benchmarks.outreach_worth [--share 1.0] [--cache DIR]`` (``make bench-outreach``).
The outcome is printed and kept in ``benchmarks/results/outreach_worth.json``. The exit code is 1
where a limit is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.outcome import circumstances, keep
from benchmarks.remembered import Runs, sources_of

__all__ = ["LIMITS", "jobs", "main", "outcome"]

HERE = Path(__file__).parent
LIBRARIES = ("lightgbm", "numpy", "scikit-learn", "scipy")
LIMITS = {
    "treatment-constant": 0.90,
    "treatment-lost-causes": 0.80,
    "treatment-sleeping-dogs": 0.80,
}
"""Least share of the oracle's saved MRR, per kind of world."""
COVERS = (0.93, 0.97)
WORLDS, ACCOUNTS, FRESH = 4, 900, 2_000
CODE = sources_of(
    "features/**/*.py", "models/**/*.py", "training/**/*.py", "benchmarks/outreach_*.py"
)
NOT_ORDERS = ("oracle", "places", "lists")
Job = dict[str, Any]
Found = Mapping[str, Any]


def jobs(share: float) -> list[Job]:
    """List the worlds, kinds in turn."""
    return [
        {"scenario": scenario, "seed": 1 + at, "accounts": ACCOUNTS, "fresh": FRESH}
        for at in range(max(1, round(share * WORLDS)))
        for scenario in LIMITS
    ]


def outcome(done: Sequence[tuple[Job, Found]]) -> dict[str, Any]:
    """Pool the worlds of each kind: shares of the oracle's saved MRR, and the interval's coverage.

    Examples
    --------
    >>> saved = {"ours": 9.0, "risk only": 5.0, "oracle": 10.0, "places": 20.0, "lists": 2.0}
    >>> found = {"saved": {"saves alone": saved, "list": saved},
    ...     "coverage": {"trials": 1000, "held_the_truth": 950}, "rows": 5}
    >>> told = outcome([({"scenario": "treatment-constant", "seed": 1}, found)])
    >>> told["treatment-constant"]["saves alone"]["ours"], told["coverage"]["covered"], told["reached"]
    (0.9, 0.95, True)
    """
    told: dict[str, Any] = {}
    for scenario, limit in LIMITS.items():
        own = [found for job, found in done if job["scenario"] == scenario]
        if own:
            shares = {
                name: _shares([one["saved"][name] for one in own]) for name in own[0]["saved"]
            }
            reached = shares["saves alone"]["ours"] >= limit
            told[scenario] = {"worlds": len(own), "limit": limit, "reached": reached} | shares
    trials, held = (
        sum(f["coverage"][key] for _, f in done) for key in ("trials", "held_the_truth")
    )
    covered = held / trials
    worst = [round(f["coverage"]["held_the_truth"] / f["coverage"]["trials"], 3) for _, f in done]
    told["coverage"] = {"trials": trials, "covered": round(covered, 4), "by_world": worst}
    told["coverage"]["reached"] = COVERS[0] <= covered <= COVERS[1]
    told["reached"] = all(one["reached"] for one in told.values())
    return told


def _shares(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Give each order's share of the oracle's saved MRR, over all worlds."""
    total = {name: sum(one[name] for one in found) for name in found[0]}
    orders = [name for name in total if name not in NOT_ORDERS]
    shares = {name: round(total[name] / total["oracle"], 3) for name in orders}
    return shares | {"saves_a_list": round(total["places"] / total["lists"], 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1.0, help="part of the worlds")
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "outreach")
    asked = parser.parse_args(arguments)
    folder = asked.cache.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    runs = Runs(folder, "benchmarks.outreach_world", CODE, ("scenario", "seed"))
    told = outcome(list(runs.done(jobs(asked.share))))
    keep("outreach_worth", circumstances("outreach_worth", LIBRARIES) | {"found": told})
    for name, one in told.items():
        print(name, one)
    return 0 if told["reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
