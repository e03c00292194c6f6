"""Whether cells stay put: a simulated year of weekly runs, how often accounts move, and how late.

Five simulated books of 1,500 accounts are scored every week of their last year, with a model that
is trained anew at every quarter (``stability_year``); what is counted, and how, is told in
``stability_counts``. Limits: at most 1.3 moves of the cell per account a year, at most 10 % of the
moves of an axis reversed, a delay of 0 weeks in the middle and of at most 1 in nine cases of ten,
reasons and parts of a change that add up to 1e-6, and every cell reached. Which guards no book has
reached is told.

Books run as processes of their own, two at a time; what is done is remembered, so that a stopped
run goes on; with other code everything is done again.

Usage: ``python -m benchmarks.stability [--accounts 1500] [--weeks 52] [--seeds 5]`` (``make
bench-stability``). The outcome is printed, and kept in ``benchmarks/results/stability.json`` unless
a smaller one was asked for. Exit code 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.outcome import circumstances, keep
from benchmarks.remembered import Runs, sources_of
from benchmarks.stability_counts import GUARDS, figures, pooled
from models.matrix import CELLS

__all__ = ["main", "verdict"]

HERE = Path(__file__).parent
LIBRARIES = ("lightgbm", "numpy", "pandas")
WHOLE = {"accounts": 1_500, "weeks": 52, "seeds": 5}
CODE = sources_of(
    "features/*.py", "models/*.py", "training/fit.py", "training/ladder.py", "training/worlds/*.py",
    "benchmarks/stability_*.py",
)  # fmt: skip
MOST_MOVES, MOST_REVERSED, OFF = 1.3, 0.10, 1e-6
MEDIAN, P90 = 0, 1


def verdict(told: Mapping[str, Any], total: Mapping[str, Any]) -> dict[str, bool]:
    """Say which limits hold.

    Examples
    --------
    >>> told = {"moves": {"cell": 1.0}, "reversed": 0.2, "delay": {"median": 0, "p90": 1}}
    >>> verdict(told, {"off": 1e-9, "cells": dict.fromkeys(CELLS, 1)})
    {'moves': True, 'reversed': False, 'delay': True, 'additive': True, 'cells': True}
    """
    delay = told["delay"]
    return {
        "moves": told["moves"]["cell"] <= MOST_MOVES,
        "reversed": told["reversed"] <= MOST_REVERSED,
        "delay": delay["median"] == MEDIAN and delay["p90"] is not None and delay["p90"] <= P90,
        "additive": total["off"] <= OFF,
        "cells": {*CELLS} <= {*total["cells"]},
    }


def main() -> int:
    """Live through the years, print and keep the outcome; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, whole in WHOLE.items():
        parser.add_argument(f"--{name}", type=int, default=whole)
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "stability")
    asked = parser.parse_args()
    size = {name: getattr(asked, name) for name in WHOLE}
    folder = asked.cache.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        {"accounts": asked.accounts, "weeks": asked.weeks, "seed": seed}
        for seed in range(1, asked.seeds + 1)
    ]
    outcome = circumstances("stability", LIBRARIES) | size
    runs = Runs(folder, "benchmarks.stability_year", CODE, ("accounts", "seed"))
    books = {str(job["seed"]): found for job, found in runs.done(jobs)}
    total = pooled([books[seed] for seed in sorted(books)])
    told = figures(total)
    outcome |= {
        "figures": told,
        "by_seed": {seed: figures(books[seed]) for seed in sorted(books)},
        "cells": {cell: total["cells"].get(cell, 0) for cell in CELLS},
        "guards": {guard: total["guards"].get(guard, 0) for guard in GUARDS},
        "guards_not_reached": [guard for guard in GUARDS if guard not in total["guards"]],
        "off": total["off"],
        "holds": verdict(told, total),
    }
    print(json.dumps(outcome, indent=1))
    if size == WHOLE:
        keep("stability", outcome)
    return int(not all(outcome["holds"].values()))


if __name__ == "__main__":
    sys.exit(main())
