"""How long the weekly job takes: 20,000 accounts with 20M usage rows, and the week after.

A book is made, ingested and trained on once. Then two weekly jobs run, each the command that a
scheduler calls, in a process of its own: the first on the ingested book (under 60 seconds on two
cores), the second with a new file of 1/52 of the rows, a week later. What the second one ingests
must cost in proportion to the new rows: at most a tenth of the first ingest.

Usage: ``python -m benchmarks.weekly [--rows 20m] [--rounds 3]`` (``make bench-weekly``). Steps that
are done are remembered in ``build/benchmarks/weekly`` with a digest of the code, so a run that was
stopped goes on. The outcome is printed and kept in ``benchmarks/results/weekly_20m.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.feature_book import CONFIGURATION
from benchmarks.outcome import circumstances, keep
from benchmarks.remembered import sources_of

__all__ = ["Cost", "Weekly", "limits", "main", "middle", "run_process", "show"]

HERE = Path(__file__).resolve().parent
SIZES = {"2m": (2_000_000, 2_000), "20m": (20_000_000, 20_000)}
MOST_SECONDS, MOST_SHARE = 60.0, 0.1
FIRST = CONFIGURATION.replace("[book]\n", '[book]\npath = "../book"\n')
NEXT = FIRST.replace("2026-01-01", "2026-01-08")
LIBRARIES = ("duckdb", "lightgbm", "numpy", "pandas", "pyarrow", "sqlalchemy")
UNITS = {
    "seconds": "wall seconds of the process with its start-up",
    "cpu": "user and system seconds of the process",
    "gb": "peak resident memory of the process, 10^9 bytes",
    "stages": "wall seconds within the job, as `perennial score --json` tells them",
}
Cost = dict[str, Any]


@dataclass
class Weekly:
    """The steps of the benchmark, each done once for a state of the code.

    Attributes
    ----------
    folder : Path
        Where book, homes and memory lie.
    rows, accounts : int
        Size of the book.
    """

    folder: Path
    rows: int
    accounts: int
    known: dict[str, Cost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        code = sources_of("features/*.py", "models/*.py", "serving/**/*.py", "benchmarks/feature_*")
        self.code = hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()[:12]
        lines = self.memory.read_text("utf-8").splitlines() if self.memory.is_file() else []
        told = map(json.loads, lines)
        self.known = {one["step"]: one["cost"] for one in told if one["code"] == self.code}

    @property
    def memory(self) -> Path:
        """The file of what is done, one line a step."""
        return self.folder / "done.jsonl"

    @property
    def book(self) -> Path:
        """The tables: never touched but for the file of the next week, which comes and goes."""
        return self.folder / "book"

    @property
    def base(self) -> Path:
        """The workspace that is ingested and trained on."""
        return self.folder / "base"

    def prepared(self) -> dict[str, Cost]:
        """Make the book, ingest it and train on it."""
        words = ["-m", "benchmarks.feature_book", "book", str(self.rows), str(self.accounts)]
        self.book.mkdir(exist_ok=True)
        found = {"input": self.step("input", self.folder, words)}
        if "ingest" not in self.known:
            self._without_next()
            shutil.rmtree(self.base, ignore_errors=True)
            self.base.mkdir()
            (self.base / "perennial.toml").write_text(FIRST, encoding="utf-8")
        return found | {
            name: self.step(name, self.base, ["-m", "serving.cli", name, "--json"])
            for name in ("ingest", "train")
        }

    def weeks(self, turn: int) -> dict[str, Cost]:
        """Run the job of a week and of the week after it, from the same start in each turn."""
        names = [f"first week {turn}", f"next week {turn}"]
        place = self.folder / "turn"
        if not set(names) <= set(self.known):
            self._without_next()
            shutil.rmtree(place, ignore_errors=True)
            _linked(self.base, place)
            for name in names:
                self.known.pop(name, None)
        score = ["-m", "serving.cli", "score", "--json"]
        first = self.step(names[0], place, score)
        if names[1] not in self.known:
            for path in (self.book / "next").glob("*.parquet"):
                shutil.copyfile(path, self.book / "usage" / path.name)
            _rewritten(place / "perennial.toml", NEXT)
        return {"first week": first, "next week": self.step(names[1], place, score)}

    def _without_next(self) -> None:
        for path in (self.book / "next").glob("*.parquet"):
            (self.book / "usage" / path.name).unlink(missing_ok=True)

    def step(self, name: str, place: Path, words: Sequence[str]) -> Cost:
        """Do a step unless it was done with this code, and tell what it cost."""
        if name not in self.known:
            print(f"{name:14s}", end="", flush=True)
            self.known[name] = cost = run_process(place, words)
            print(*(f"{cost[each]:9.2f} {each}" for each in ("seconds", "cpu", "gb")), flush=True)
            with self.memory.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"code": self.code, "step": name, "cost": cost}) + "\n")
        return self.known[name]


def run_process(place: Path, words: Sequence[str]) -> Cost:
    """Run a process: its wall and CPU seconds, its peak memory, and the stages that it tells."""
    said, started = place / "said.json", time.perf_counter()
    with said.open("wb") as out:
        child = subprocess.Popen([sys.executable, *words], cwd=place, stdout=out, env=_paths())
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    text = said.read_text(encoding="utf-8").strip()
    if child.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {child.returncode}\n{text[-2000:]}")
    body = json.loads(text.splitlines()[-1]) if text.startswith("{") else {}
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "gb": round(usage.ru_maxrss / 1e6, 2),
        "stages": body.get("stages", {}),
        "accounts": body.get("accounts"),
    }


def _paths() -> dict[str, str]:
    """Let a process elsewhere find this checkout."""
    return os.environ | {"PYTHONPATH": str(HERE.parent)}


def _linked(source: Path, target: Path) -> None:
    """Copy a workspace by links; what is changed in place later is copied."""
    shutil.copytree(source, target, copy_function=os.link)
    for path in [target / "perennial.toml", target / "said.json", *target.glob("mlruns/*.db")]:
        if path.is_file():
            _rewritten(path, path.read_bytes())


def _rewritten(path: Path, content: str | bytes) -> None:
    path.unlink()
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def middle(costs: Sequence[Cost]) -> Cost:
    """Give the medians of the figures and stages, and the most memory.

    Examples
    --------
    >>> one = {"seconds": 2.0, "cpu": 2.0, "gb": 1.0, "stages": {"signals": 1.0}, "accounts": 9}
    >>> middle([one, one | {"seconds": 4.0, "gb": 3.0}, one])["gb"]
    3.0
    """
    names = list(dict.fromkeys(name for cost in costs for name in cost["stages"]))
    stages = {
        name: round(statistics.median(cost["stages"].get(name, 0.0) for cost in costs), 2)
        for name in names
    }
    told = {key: statistics.median(cost[key] for cost in costs) for key in ("seconds", "cpu")}
    most = {"gb": max(cost["gb"] for cost in costs), "accounts": costs[-1]["accounts"]}
    return told | most | {"stages": stages, "rounds": len(costs)}


def limits(found: Mapping[str, Cost]) -> list[dict[str, Any]]:
    """Hold the two weeks to what was promised."""
    share = found["next week"]["stages"].get("ingest", 0.0) / found["ingest"]["seconds"]
    values = [
        ("first week, seconds", found["first week"]["seconds"], MOST_SECONDS),
        ("next week with its ingest, seconds", found["next week"]["seconds"], MOST_SECONDS),
        ("ingest of the next week / of the book", round(share, 3), MOST_SHARE),
    ]
    return [
        {"what": what, "value": value, "limit": most, "held": value <= most}
        for what, value, most in values
    ]


def show(found: Mapping[str, Cost]) -> None:
    """Print both weeks beside each other, stage by stage."""
    weeks = [found[name] for name in ("first week", "next week")]
    names = list(dict.fromkeys(name for week in weeks for name in week["stages"]))
    print(f"\n{'stage, seconds':36s}{'first week':>12s}{'next week':>12s}")
    for name in names:
        print(f"{name:36s}" + "".join(f"{week['stages'].get(name, 0):12.2f}" for week in weeks))
    for name in ("seconds", "cpu", "gb"):
        print(f"{'whole process, ' + name:36s}" + "".join(f"{week[name]:12.2f}" for week in weeks))


def main() -> int:
    """Run both weeks so many rounds, print and keep the outcome; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", choices=SIZES, default="20m")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "benchmarks")
    asked = parser.parse_args()
    rows, accounts = SIZES[asked.rows]
    weekly = Weekly(asked.cache.resolve() / "weekly" / asked.rows, rows, accounts)
    prepared = weekly.prepared()
    turns = [weekly.weeks(turn) for turn in range(1, asked.rounds + 1)]
    found = prepared | {name: middle([turn[name] for turn in turns]) for name in turns[0]}
    show(found)
    outcome = circumstances("weekly", LIBRARIES) | {
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "input": {"rows": rows, "accounts": accounts},
        "units": UNITS,
        "found": found,
        "limits": limits(found),
    }
    print(json.dumps(outcome["limits"], indent=1))
    if asked.rows == "20m":
        keep("weekly_20m", outcome)
    return 0 if all(row["held"] for row in outcome["limits"]) else 1


if __name__ == "__main__":
    sys.exit(main())
