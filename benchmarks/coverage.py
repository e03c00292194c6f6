"""Whether intervals hold: many simulated books, three strengths of shock, three horizons.

Per cell 400 independent books of four sizes, each forecast at its last known month-end by the
product's own code from a lean model's chances (``coverage_book``); beside it the same accounts taken
as independent, and the oracle, who knows the true state and the true laws. *Holds*: the 99 % Wilson
interval of the share inside meets 75 to 85 of a nominal 80, 86 to 94 of a nominal 90 (at twelve
months the second is a target, not a gate), and the median width is at most 1.25 times the oracle's.

Jobs of a few books run as processes of their own, two at a time; what is done is remembered, so that
a stopped run goes on; with other code everything is done again.

Usage: ``python -m benchmarks.coverage [--share 1.0] [--seed 0] [--cache DIR]`` (``make
bench-coverage``). The outcome is printed and kept in ``benchmarks/results/coverage.json``, unless a
share or another seed was asked for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.coverage_world import SHOCKS
from benchmarks.outcome import circumstances, keep
from benchmarks.remembered import Runs, sources_of
from models.outcomes import HORIZONS

__all__ = ["cell", "jobs_of", "main", "verdict"]

HERE = Path(__file__).parent
LIBRARIES = ("numpy", "scipy")
SIZES = (90, 250, 600, 1_800)
"""Live accounts, about; a quarter of a cell's books each."""
BOOKS, PER_JOB = 400, 10
CODE = sources_of("models/*.py", "training/width.py", "benchmarks/coverage_*.py")
GATES = {"80": (75.0, 85.0), "90": (86.0, 94.0)}
ENDS = {"80": (1, 2), "90": (0, 3)}
WIDEST = 1.25
Z99 = 2.5758293
Job = dict[str, Any]
Found = dict[str, Any]


def jobs_of(share: float, seed: int) -> list[Job]:
    """List the jobs of a part of all books, the quickest sizes first within every shock.

    Examples
    --------
    >>> jobs = jobs_of(1.0, 0)
    >>> len(jobs), sum(job["books"] for job in jobs)
    (120, 1200)
    """
    each = max(1, round(share * BOOKS / len(SIZES)))
    return [
        {"shock": shock, "live": live, "seed": seed, "first": first,
         "books": min(PER_JOB, each - first)}
        for first in range(0, each, PER_JOB) for live in SIZES for shock in SHOCKS
    ]  # fmt: skip


def cell(books: Sequence[Found], horizon: int) -> dict[str, Any]:
    """Judge the books of a cell: coverage of each forecaster, widths, errors."""
    found = [book[str(horizon)] for book in books]
    ours, oracle = (_errors(found, name) for name in ("mean", "oracle_mean"))
    told = {
        who: {
            figure: {level: _covered(found, who, figure, level) for level in GATES}
            for figure in ("nrr", "grr")
        }
        for who in ("ours", "independent", "oracle")
    }
    mae = {"ours": ours, "oracle": oracle, "ratio": ours / oracle}
    return {"books": len(found), "coverage": told, "mae_points": mae}


def _errors(found: Sequence[Found], name: str) -> float:
    return float(np.mean([abs(100 * (one["nrr"] - one[name])) for one in found]))


def _covered(found: Sequence[Found], who: str, figure: str, level: str) -> dict[str, Any]:
    """Count what is inside, with its 99 % Wilson interval, and the width beside the oracle's."""
    low, high = ENDS[level]
    inside = [one[who][figure][low] <= one[figure] <= one[who][figure][high] for one in found]
    widths = [
        (one[who][figure][high] - one[who][figure][low])
        / (one["oracle"][figure][high] - one["oracle"][figure][low])
        for one in found
        if one["oracle"][figure][high] > one["oracle"][figure][low]
    ]
    return {
        "percent": 100 * float(np.mean(inside)),
        "wilson99": _wilson(sum(inside), len(inside)),
        "median_width_over_oracle": float(np.median(widths)) if widths else None,
    }


def _wilson(inside: int, of: int) -> tuple[float, float]:
    share, z2 = inside / of, Z99**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    reach = Z99 / (1 + z2 / of) * np.sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return 100 * float(middle - reach), 100 * float(middle + reach)


def verdict(told: Mapping[str, Any], horizon: int) -> dict[str, bool]:
    """Say of a cell what holds: coverage of 80 and of 90 %, and the width."""
    mine = told["coverage"]["ours"]["nrr"]
    held = {
        level: mine[level]["wilson99"][0] <= top and mine[level]["wilson99"][1] >= bottom
        for level, (bottom, top) in GATES.items()
    }
    narrow = all(mine[level]["median_width_over_oracle"] <= WIDEST for level in GATES)
    gate = held["80"] and narrow and (held["90"] or horizon == max(HORIZONS))
    return {"80": held["80"], "90": held["90"], "width": narrow, "holds": gate}


def _shown(cells: Mapping[str, Any]) -> str:
    lines = [
        "per cent inside a nominal 80 and 90 % interval (99 % Wilson interval); median width over the "
        "oracle's",
        f"{'shock':7s} {'h':>2s}  {'NRR 80':18s} {'NRR 90':18s} width 80/90  {'GRR 80/90':11s}  "
        f"{'independent 80/90':17s}  {'oracle 80/90':12s}  MAE pt (oracle)  holds",
    ]
    for name, one in cells.items():
        shock, horizon = name.split(" ")
        mine, alone, best = (one["coverage"][who] for who in ("ours", "independent", "oracle"))
        inside = [f"{m['percent']:4.1f} ({m['wilson99'][0]:.1f}–{m['wilson99'][1]:.1f})"
                  for m in mine["nrr"].values()]  # fmt: skip
        wide = "/".join(f"{m['median_width_over_oracle']:.2f}" for m in mine["nrr"].values())
        mae, held = one["mae_points"], one["verdict"]
        why = "yes" if held["holds"] else "NO: " + ", ".join(
            key for key, ok in held.items() if not ok and key != "holds")  # fmt: skip
        lines.append(
            f"{shock:7s} {horizon:>2s}  {inside[0]:18s} {inside[1]:18s} {wide:11s}  "
            f"{_pair(mine['grr']):11s}  {_pair(alone['nrr']):17s}  {_pair(best['nrr']):12s}  "
            f"{mae['ours']:5.2f} ({mae['oracle']:.2f})     {why}"
        )
    return "\n".join(lines)


def _pair(levels: Mapping[str, Any]) -> str:
    return "/".join(f"{one['percent']:.1f}" for one in levels.values())


def main() -> int:
    """Run the books, print the table, keep the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the books of every cell")
    parser.add_argument("--seed", type=int, default=0, help="of all books: another set of them")
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "coverage")
    asked = parser.parse_args()
    folder = asked.cache.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    outcome = circumstances("coverage", LIBRARIES)
    books: dict[str, list[Found]] = {shock: [] for shock in SHOCKS}
    runs = Runs(folder, "benchmarks.coverage_book", CODE, ("shock", "live", "first"))
    for job, found in runs.done(jobs_of(asked.share, asked.seed)):
        books[job["shock"]] += found
    cells = {f"{shock} {h}": cell(mine, h) for h in HORIZONS for shock, mine in books.items()}
    for name, one in cells.items():
        one["verdict"] = verdict(one, int(name.split(" ")[1]))
    print(_shown(cells))
    if asked.share == 1.0 and asked.seed == 0:
        keep("coverage", outcome | {"cells": cells})
    return int(not all(one["verdict"]["holds"] for one in cells.values()))


if __name__ == "__main__":
    sys.exit(main())
