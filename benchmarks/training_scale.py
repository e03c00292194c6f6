"""How long a training takes: 20,000 accounts over 36 months with all signals, stage by stage.

The training must take less than 5 minutes and 6 GB on two cores; that of the demo's book (1,500
accounts) less than a minute. Each step is a command of the product, in a process of its own.

Usage: ``python -m benchmarks.training_scale [--quick]`` (``make bench-training``). The outcome is
printed and kept in ``benchmarks/results/training_scale.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.outcome import circumstances, keep

__all__ = ["main", "trained"]

MONTHS = 36
BOOKS = {"demo": (1_500, 60.0, 6.0), "large": (20_000, 300.0, 6.0)}
"""Accounts ever simulated, and the limits of the training: wall seconds, peak GB."""
LIBRARIES = ("lightgbm", "mlflow", "numpy", "pandas", "scikit-learn")
UNITS = {
    "seconds": "wall seconds of the process with its start-up",
    "cpu": "user and system seconds of the process",
    "gb": "peak resident memory of the process, 10^9 bytes",
    "stages": "wall seconds within the training, as its MLflow record tells them",
}


def _run(folder: Path, *words: str) -> dict[str, float]:
    """Run a command of the product: its wall and CPU seconds, and its peak memory."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "serving.cli", *words]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {child.returncode}")
    seconds, cpu = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    cost = {"seconds": seconds, "cpu": cpu, "gb": usage.ru_maxrss / 1e6}
    print(f"{words[0]:9s}" + "  ".join(f"{v:7.2f} {k}" for k, v in cost.items()), flush=True)
    return {name: round(value, 2) for name, value in cost.items()}


def trained(accounts: int) -> dict[str, Any]:
    """Simulate a book, ingest it and train on it; give every step's cost and the stages' seconds."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        sized = ("--accounts", str(accounts), "--months", str(MONTHS))
        steps = {
            "simulate": _run(folder, "simulate", ".", *sized),
            "ingest": _run(folder, "ingest"),
            "train": _run(folder, "train"),
        }
        records = sorted(
            folder.glob("mlruns/**/scores.json"), key=lambda path: path.stat().st_mtime
        )
        stages = json.loads(records[-1].read_text(encoding="utf-8"))["seconds"]
    return {"accounts": accounts, "months": MONTHS, "steps": steps, "stages": stages}


def main() -> int:
    """Train on both books, print and keep the outcome; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the demo's book alone; nothing kept")
    asked = parser.parse_args()
    names = ["demo"] if asked.quick else list(BOOKS)
    found: dict[str, Any] = {}
    for name in names:
        accounts, seconds, gb = BOOKS[name]
        told = trained(accounts)
        cost = told["steps"]["train"]
        within = cost["seconds"] < seconds and cost["gb"] < gb
        found[name] = told | {"limits": {"seconds": seconds, "gb": gb}, "within_limits": within}
    load = {"load_at_the_end": round(os.getloadavg()[0], 1)}
    outcome = circumstances("training_scale", LIBRARIES) | {"units": UNITS} | load | found
    print(json.dumps(outcome, indent=1))
    if not asked.quick:
        keep("training_scale", outcome)
    return 0 if all(found[name]["within_limits"] for name in names) else 1


if __name__ == "__main__":
    sys.exit(main())
