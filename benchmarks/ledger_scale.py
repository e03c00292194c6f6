"""How long the ledger takes: 1,000,000 contract periods of 100,000 accounts over 48 months.

The full ledger and the trailing twelve months' NRR by segment at every month-end must take less
than 15 seconds and 3 GB on two cores. Beside it run a straightforward implementation in pandas,
whose figures must be the same, and a mere scan of the same input. Every run is a process of its
own; the contenders take turns, so that a busy machine is busy for all of them.

Usage: ``python -m benchmarks.ledger_scale [--quick] [--rounds N]`` (``make bench-ledger``). The
outcome is printed and kept in ``benchmarks/results/ledger_scale.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.ledger_contenders import CONTENDERS
from benchmarks.outcome import circumstances, keep

__all__ = ["race", "report"]

LIMIT_SECONDS, LIMIT_GB = 15.0, 3.0
LIBRARIES = ("duckdb", "pandas", "pyarrow", "numpy")
UNITS = {
    "seconds": "wall seconds of the process with its start-up; the median of the rounds",
    "cpu": "user and system seconds of the process, likewise",
    "work": "wall seconds of the work, start-up apart, likewise",
    "gb": "peak resident memory of the process, 10^9 bytes, likewise",
    "limits": "of perennial: the slowest round's seconds, the largest round's gb",
    "figures_compared": "month-ends x cuts, each with opening and closing MRR and NRR",
}
OURS, PLAIN, PANDAS, FLOOR = (
    "perennial",
    "perennial, plain rules",
    "pandas, plain rules",
    "scan",
)
Found = dict[str, dict[str, list[float | None]]]


def _run(*words: str) -> tuple[dict[str, float], str]:
    """Run a module in a process of its own: its wall and CPU seconds and peak memory; its words."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen([sys.executable, "-m", *words], stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(words)}: exit code {child.returncode}")
        out.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return {"seconds": seconds, "cpu": cpu, "gb": usage.ru_maxrss / 1e6}, out.read()


def race(home: Path, rounds: int) -> tuple[dict[str, list[dict[str, float]]], dict[str, Found]]:
    """Let the contenders take turns, so many rounds, each round in the other direction."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    found: dict[str, Found] = {}
    for turn in range(rounds):
        for name in list(CONTENDERS)[:: -1 if turn % 2 else 1]:
            cost, told = _run("benchmarks.ledger_contenders", name, str(home))
            answer = json.loads(told)
            found[name] = answer["found"]
            runs[name].append(cost | {"work": answer["seconds"]})
            said = "  ".join(f"{value:6.2f} {key}" for key, value in cost.items())
            print(f"round {turn + 1}: {name:24s} {said}", flush=True)
    return runs, found


def _differences(ours: Found, theirs: Found) -> list[str]:
    """Say where two results differ: amounts by more than half a cent, ratios by more than 1e-12."""
    said = []
    for month in sorted(set(ours) | set(theirs)):
        mine, others = ours.get(month, {}), theirs.get(month, {})
        said += [f"{month} {cut}: in one only" for cut in sorted(set(mine) ^ set(others))]
        for cut in sorted(set(mine) & set(others)):
            (b, e, nrr), (bb, ee, other) = mine[cut], others[cut]
            money = max(abs((b or 0) - (bb or 0)), abs((e or 0) - (ee or 0)))
            if money > 5_000 or abs((nrr or 0) - (other or 0)) > 1e-12:
                said.append(f"{month} {cut}: {mine[cut]} and {others[cut]}")
    return said


def report(
    runs: dict[str, list[dict[str, float]]], found: dict[str, Found], sizes: dict[str, int]
) -> dict[str, Any]:
    """Sum up: medians, ratios of the medians, whether the figures agree and the limits hold."""
    middle = {
        name: {key: round(statistics.median(run[key] for run in rows), 3) for key in rows[0]}
        for name, rows in runs.items()
    }
    worst = {name: max(run["seconds"] for run in rows) for name, rows in runs.items()}
    differences = _differences(found[PLAIN], found[PANDAS])
    compared = sum(len(cuts) for cuts in found[PLAIN].values())
    return {
        **circumstances("ledger_scale", LIBRARIES),
        "units": UNITS,
        "input": sizes,
        "rounds": len(runs[OURS]),
        "medians": middle,
        "slowest_seconds": {name: round(value, 3) for name, value in worst.items()},
        "ratios": {
            f"{name} / {other}, {key}": round(middle[name][key] / middle[other][key], 2)
            for name, other in ((OURS, PANDAS), (PLAIN, PANDAS), (OURS, FLOOR), (PANDAS, FLOOR))
            for key in ("seconds", "cpu")
        },
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "limits": {"seconds": LIMIT_SECONDS, "gb": LIMIT_GB},
        "within_limits": worst[OURS] < LIMIT_SECONDS
        and max(run["gb"] for run in runs[OURS]) < LIMIT_GB,
        "figures_compared": compared,
        "figures_agree": not differences,
        "differences": differences[:20],
    }


def main() -> int:
    """Make the input, race, print and keep the outcome; 1 if figures differ or a limit is passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the input; nothing kept")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    shrink = 10 if asked.quick else 1
    sizes = {"periods": 1_000_000 // shrink, "accounts": 100_000 // shrink, "months": 48}
    with tempfile.TemporaryDirectory() as home:
        made, _ = _run("benchmarks.ledger_input", home, *map(str, list(sizes.values())[:2]))
        print(f"input made in {made['seconds']:.1f} s: {sizes}", flush=True)
        runs, found = race(Path(home), asked.rounds)
    outcome = report(runs, found, sizes)
    print(json.dumps(outcome, indent=1))
    if not asked.quick:
        keep("ledger_scale", outcome)
    return 0 if outcome["within_limits"] and outcome["figures_agree"] else 1


if __name__ == "__main__":
    sys.exit(main())
