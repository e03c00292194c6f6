"""How long the signals take: usage events by the million, rolled up once, measured on twelve dates.

Beside ours run pandas, DuckDB and native Polars on the raw rows, and native Polars on our own
roll-up; what they find must be the same. An ingest of the same rows as CSV is told apart: it must
give the same snapshot. Every run is a process of its own; the contenders take turns. A run that is
done is remembered beside the input, so that a stopped benchmark goes on; what was done with other
code is done again.

Usage: ``python -m benchmarks.feature_scale [--rows 20m] [--rounds 3] [--cache DIR]`` (``make
bench-features``). The outcome is printed and kept in ``benchmarks/results/``.
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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.feature_input import AS_OF_DATES, FIRST, WEEKS
from benchmarks.feature_runs import RUNS
from benchmarks.feature_variants import prepare
from benchmarks.outcome import circumstances, keep

__all__ = ["SIZES", "Race", "main"]

HERE = Path(__file__).parent
SIZES = {"2m": (2_000_000, 20_000), "20m": (20_000_000, 20_000), "100m": (100_000_000, 100_000)}
OURS, WHOLE = "perennial, usage family", "perennial, catalogue"
FIRST_DAY, NEXT_DAY = "perennial, one snapshot", "perennial, next snapshot"
WEEK = "ingest, one week more"
WHAT = {name: run.what for name, run in RUNS.items()} | {
    "scan and write, CSV": "the same, of the book with its usage as CSV; once",
    "ingest, CSV": "the same, of the book with its usage as CSV; once",
    WEEK: "ingest of the book and one week more, 1/52 of its usage, after an ingest of the book",
}
RIVALS = (
    "perennial, plain windows", "polars on the roll-up", "polars on raw rows",
    "polars, rolled up in memory", "duckdb on raw rows", "pandas slices",
)  # fmt: skip
LARGE = ("polars on the roll-up", "polars on raw rows")
LIBRARIES = ("duckdb", "narwhals", "pandas", "polars", "pyarrow")
MOST_CSV = 20_000_000
UNITS = {
    "seconds": "wall seconds of the work, start-up apart; the median of the rounds",
    "cpu": "user and system seconds of the process, likewise",
    "whole": "wall seconds of the process with its start-up",
    "view_seconds": "wall seconds of looking at the book on each date, part of seconds",
    "gb": "peak memory of the process (VmHWM), 10^9 bytes; the most of the rounds",
    "signals": "columns that were computed, for each account and date",
    "never_known": "signals that no account has on any date",
    "rows, accepted": "of usage",
    "value": "seconds / seconds of two runs (or of sums), seconds, or GB, as said; at most limit",
    "cpu of a limit": "the same ratio in CPU seconds, which a busy machine hardly changes",
    "figures": "numbers compared: account x as-of date x signal, of ours with each contender's",
}
Cost = dict[str, Any]


class Race:
    """The runs of one size, done once each and remembered in ``runs.jsonl``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.memory, self.code = folder, folder / "runs.jsonl", _code()
        self.costs: dict[str, Cost] = {}
        lines = self.memory.read_text().splitlines() if self.memory.exists() else []
        for told in map(json.loads, lines):
            self.costs = self.costs if told["code"] == self.code else {}
            self.costs[told["run"]] = told["cost"]

    def run(
        self,
        name: str,
        home: str = "home",
        turn: int = 0,
        book: str = "book",
        before: Callable[[Path], None] | None = None,
    ) -> Cost:
        """Do a run unless it was done before; ``before`` makes its home ready, apart from it."""
        key = f"{name} → {home}, {turn + 1}"
        if key not in self.costs:
            print(f"{key:42s}", end="", flush=True)
            if before:
                before(self.folder / home)
            self.costs[key] = cost = self._process(name, self.folder / book, self.folder / home)
            print(*(f"{cost[each]:8.2f} {each}" for each in ("seconds", "cpu", "gb")), flush=True)
            with self.memory.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"code": self.code, "run": key, "cost": cost}) + "\n")
        return dict(self.costs[key])

    def answers(self, name: str) -> Path:
        """Where the answers of a run lie."""
        return self.folder / "answers" / name.replace(" ", "-").replace(",", "")

    def _process(self, name: str, book: Path, home: Path) -> Cost:
        words = [name, str(book), str(home), str(self.answers(name))]
        started = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.feature_runs", *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        told = json.loads(done.stdout.splitlines()[-1])
        return dict(told) | {"whole": time.perf_counter() - started}


def _code() -> str:
    """Give a digest of everything that a run's cost depends on."""
    digest = hashlib.sha256()
    sources = [*(HERE.parent / "features").glob("*.py"), *HERE.glob("feature_[!s]*.py")]
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def ingested(race: Race, rounds: int) -> dict[str, Cost]:
    """Ingest the book, beside a bare scan-and-write, so many rounds; the last home stays."""
    runs: dict[str, list[Cost]] = {"scan and write": [], "ingest": []}
    for turn in range(rounds):
        for name, home in (("scan and write", "written"), ("ingest", "home")):
            runs[name].append(race.run(name, home, turn, before=_removed))
    return {name: _middle(costs) for name, costs in runs.items()}


def ingested_csv(race: Race) -> dict[str, Cost]:
    """The same once, with the usage as CSV."""
    homes = {"scan and write": "written-csv", "ingest": "home-csv"}
    runs = {name: race.run(name, home, 0, "csv", _removed) for name, home in homes.items()}
    return {f"{name}, CSV": _middle([cost]) for name, cost in runs.items()}


def grown(race: Race, rounds: int) -> dict[str, Cost]:
    """Add the week that comes after, and ingest and measure again, as the weekly job does."""
    runs: dict[str, list[Cost]] = {FIRST_DAY: [], WEEK: [], NEXT_DAY: []}
    for turn in range(rounds):
        runs[FIRST_DAY].append(race.run(FIRST_DAY, "home", turn))
        runs[WEEK].append(race.run("ingest", "next", turn, "grown", _linked))
        runs[NEXT_DAY].append(race.run(NEXT_DAY, "next", turn))
    return {name: _middle(costs) for name, costs in runs.items()}


def _removed(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)


def _linked(home: Path) -> None:
    """Let a home begin as a copy of the one that holds the whole book."""
    _removed(home)
    shutil.copytree(home.with_name("home"), home, copy_function=os.link)


def raced(race: Race, rounds: int, rivals: Sequence[str]) -> dict[str, Cost]:
    """Let the contenders take turns, each round in the other direction."""
    names = ("view", OURS, *rivals, WHOLE)
    runs: dict[str, list[Cost]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in list(runs)[:: -1 if turn % 2 else 1]:
            runs[name].append(race.run(name, "home", turn))
    return {name: _middle(costs) for name, costs in runs.items()}


def _middle(costs: Sequence[Cost]) -> Cost:
    """Give the medians of the figures (of memory the most), and what else the last run told."""
    found = dict(costs[-1])
    for key in ("seconds", "cpu", "whole", "view_seconds"):
        if key in found:
            found[key] = round(statistics.median(cost[key] for cost in costs), 3)
    return found | {"gb": round(max(cost["gb"] for cost in costs), 3), "rounds": len(costs)}


def differences(race: Race, ours: str, theirs: str) -> tuple[int, list[str]]:
    """Compare every number of two runs, for the accounts of ours; how many, and what differs."""
    import pandas as pd

    compared, said = 0, []
    for as_of in AS_OF_DATES:
        mine = pd.read_parquet(race.answers(ours) / f"{as_of}.parquet")
        other = pd.read_parquet(race.answers(theirs) / f"{as_of}.parquet").reindex(mine.index)
        compared += mine.size
        apart = (mine - other).abs() > 1e-9 * other.abs().clip(lower=1)
        wrong = (apart | (mine.isna() != other.isna())).sum()
        said += [f"{as_of} {slug}: {n} accounts" for slug, n in wrong[wrong > 0].items()]
    return compared, said


def agreement(race: Race, found: Mapping[str, Cost], rivals: Sequence[str]) -> dict[str, Any]:
    """Say whether all contenders found what ours found, and CSV gave the snapshot of Parquet."""
    told: dict[str, Any] = {"figures": 0, "differences": []}
    for name in (WHOLE, *rivals):
        compared, said = differences(race, OURS, name)
        told["figures"] += compared
        told["differences"] += [f"{name}: {each}" for each in said[:5]]
    if len({found[name]["snapshot"] for name in ("ingest", "ingest, CSV") if name in found}) > 1:
        told["differences"].append("CSV and Parquet gave different snapshots")
    return told | {"agree": not told["differences"]}


def limits(found: Mapping[str, Cost], large: bool) -> list[dict[str, Any]]:
    """Hold the medians to what was promised: wall seconds over wall seconds, seconds, GB."""
    build, more = ("ingest", FIRST_DAY), (WEEK, NEXT_DAY)
    ratios = [
        ("usage family / polars on raw rows", [OURS], ["polars on raw rows"], 1.0),
        ("usage family / polars on the roll-up", [OURS], ["polars on the roll-up"], 1.2),
        ("catalogue / usage family", [WHOLE], [OURS], 3.0),
        ("ingest / scan and write", ["ingest"], ["scan and write"], 3.0),
        ("a week more / the full build", more, build, 0.1),
    ]
    held = [
        _held(what, _over(found, ours, theirs, "seconds"), most)
        | {"cpu": round(_over(found, ours, theirs, "cpu"), 3)}
        for what, ours, theirs, most in ratios
    ]
    if large:
        seconds, gb = (found[WHOLE][key] for key in ("seconds", "gb"))
        return [*held, _held("catalogue, seconds", seconds, 45.0), _held("catalogue, GB", gb, 1.5)]
    return [*held, _held("usage family, GB", found[OURS]["gb"], 0.8)]


def _over(found: Mapping[str, Cost], ours: Sequence[str], theirs: Sequence[str], key: str) -> float:
    """Divide what some runs cost together by what others do."""
    cost, other = (sum(float(found[name][key]) for name in names) for names in (ours, theirs))
    return cost / other


def _held(what: str, value: float, most: float) -> dict[str, Any]:
    return {"what": what, "value": round(value, 3), "limit": most, "held": value <= most}


def main() -> int:
    """Make the input, race, compare, print and keep the outcome; 1 if something is not held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", choices=SIZES, default="20m")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "benchmarks")
    asked = parser.parse_args()
    rows, accounts = SIZES[asked.rows]
    race = Race(asked.cache.resolve() / asked.rows)
    large = rows > MOST_CSV
    prepare(race.folder, rows, accounts, as_csv=not large)
    rivals = LARGE if large else RIVALS
    found = ingested(race, asked.rounds) | ({} if large else ingested_csv(race))
    found |= raced(race, asked.rounds, rivals) | grown(race, asked.rounds)
    held, name = limits(found, large), f"feature_scale_{asked.rows}"
    outcome = circumstances("feature_scale", LIBRARIES) | {
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "input": {"rows": rows, "accounts": accounts, "weeks": WEEKS, "from": str(FIRST)},
        "as_of_dates": len(AS_OF_DATES),
        "units": UNITS,
        "found": {name: {"what": WHAT[name]} | cost for name, cost in found.items()},
        "answers": agreement(race, found, rivals),
        "limits": held,
    }
    print(json.dumps(outcome, indent=1))
    keep(name, outcome)
    return 0 if outcome["answers"]["agree"] and all(row["held"] for row in held) else 1


if __name__ == "__main__":
    sys.exit(main())
