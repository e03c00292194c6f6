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
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.coverage_world import SHOCKS
from benchmarks.outcome import circumstances, keep
from models.outcomes import HORIZONS

__all__ = ["Runs", "cell", "jobs_of", "main", "verdict"]

HERE = Path(__file__).parent
LIBRARIES = ("numpy", "scipy")
SIZES = (90, 250, 600, 1_800)
"""Live accounts, about; a quarter of a cell's books each."""
BOOKS, PER_JOB, HANDS = 400, 10, 2
GATES = {"80": (75.0, 85.0), "90": (86.0, 94.0)}
ENDS = {"80": (1, 2), "90": (0, 3)}
WIDEST = 1.25
Z99 = 2.5758293
Job = dict[str, Any]
Found = dict[str, Any]


@dataclass(frozen=True)
class Runs:
    """Jobs that are done once and remembered, as long as the code stays the same.

    Attributes
    ----------
    folder : Path
        Where the memory lies.
    """

    folder: Path

    def done(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, list[Found]]]:
        """Do jobs, two at a time, and give each with what it found, telling how far it is."""
        begun, memory = time.monotonic(), self.memory
        known = _remembered(memory)
        with ThreadPoolExecutor(HANDS) as pool:
            waiting = {pool.submit(_one, job, known, memory): job for job in jobs}
            for at, one in enumerate(as_completed(waiting), 1):
                job, found = waiting[one], one.result()
                spent = time.monotonic() - begun
                named = f"{job['shock']} {job['live']} from {job['first']}"
                print(f"{at:4d}/{len(jobs)} {spent:6.0f} s  {named}", file=sys.stderr, flush=True)
                yield job, found

    @property
    def memory(self) -> Path:
        """The file of what is done, one line a job; named by the code that did it."""
        sources = sorted(HERE.glob("coverage_*.py"))
        sources += [path for path in _read_code() if path.exists()]
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
        return self.folder / f"runs-{digest[:12]}.jsonl"


def _remembered(memory: Path) -> dict[str, list[Found]]:
    if not memory.exists():
        return {}
    lines = map(json.loads, memory.read_text(encoding="utf-8").splitlines())
    return {json.dumps(line["job"], sort_keys=True): line["found"] for line in lines}


def _one(job: Job, known: Mapping[str, list[Found]], memory: Path) -> list[Found]:
    if (before := known.get(json.dumps(job, sort_keys=True))) is not None:
        return before
    command = [sys.executable, "-m", "benchmarks.coverage_book", json.dumps(job)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | threads
    ).stdout
    found: list[Found] = json.loads(output.splitlines()[-1])
    with memory.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"job": job, "found": found}) + "\n")
    return found


def _read_code() -> list[Path]:
    """List the product's code that makes an interval."""
    names = [
        "factor",
        "flows",
        "laws",
        "mixture",
        "outcomes",
        "paths",
        "scale",
        "shape",
        "spread",
        "view",
    ]
    top = HERE.parent
    return [*(top / "models" / f"{name}.py" for name in names), top / "training" / "width.py"]


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
    for job, found in Runs(folder).done(jobs_of(asked.share, asked.seed)):
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
