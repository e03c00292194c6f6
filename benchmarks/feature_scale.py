"""How long the signals take: usage events by the million, rolled up once, measured on twelve dates.

Beside ours run pandas, DuckDB and native Polars on the raw rows, and native Polars on our own
roll-up; what they find must be the same. Every run is a process of its own; the contenders take
turns. A run that is done is remembered beside the input, so that a stopped benchmark goes on; what
was done with other code is done again.

Usage: ``python -m benchmarks.feature_scale [--rows 20m] [--rounds 3] [--cache DIR]`` (``make
bench-features``). The outcome is printed and kept in ``benchmarks/results/``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.feature_input import AS_OF_DATES, FIRST, WEEKS

__all__ = ["SIZES", "Race", "main"]

HERE = Path(__file__).parent
SIZES = {"2m": (2_000_000, 20_000), "20m": (20_000_000, 20_000), "100m": (100_000_000, 100_000)}
FAMILY = (
    "view", "perennial, plain windows", "perennial, usage family", "polars on the roll-up",
    "polars on raw rows", "polars, rolled up in memory", "duckdb on raw rows", "pandas slices",
)  # fmt: skip
ALONE = ("view", "perennial, usage family")
LARGE = ("perennial, usage family", "polars on the roll-up", "polars on raw rows")
Cost = dict[str, Any]


class Race:
    """The runs of one size, done once each and remembered."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.book = folder, folder / "book"
        self.memory = folder / "runs.jsonl"
        self.code = _code()

    def run(self, name: str, home: str, turn: int = 0, book: Path | None = None) -> Cost:
        """Do a run unless it was done before; its cost."""
        key = {"name": name, "home": home, "turn": turn, "code": self.code}
        for line in self.memory.read_text().splitlines() if self.memory.exists() else []:
            done = json.loads(line)
            if done["key"] == key:
                return dict(done["cost"])
        cost = self._process(name, book or self.book, self.folder / home)
        with self.memory.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "cost": cost}) + "\n")
        said = " ".join(f"{cost[each]:8.2f} {each}" for each in ("seconds", "cpu", "gb"))
        print(f"{name:30s} {said}", flush=True)
        return cost

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
            if not _done(race, name, home, turn):
                shutil.rmtree(race.folder / home, ignore_errors=True)
            runs[name].append(race.run(name, home, turn))
    return {name: _middle(costs) for name, costs in runs.items()}


def _done(race: Race, name: str, home: str, turn: int) -> bool:
    key = {"name": name, "home": home, "turn": turn, "code": race.code}
    return race.memory.exists() and json.dumps(key) in race.memory.read_text()


def grown(race: Race) -> dict[str, Cost]:
    """Add the week that comes after, and ingest and measure again, beside all of it anew."""
    book = race.folder / "grown"
    first = race.run("perennial, one snapshot", "home")
    if not _done(race, "ingest", "next", 0):
        shutil.rmtree(race.folder / "next", ignore_errors=True)
        shutil.copytree(race.folder / "home", race.folder / "next", copy_function=os.link)
    more = race.run("ingest", "next", 0, book)
    last = race.run("perennial, next snapshot", "next", 0, book)
    return {"one snapshot": first, "ingest of one week more": more, "next snapshot": last}


def prepared(race: Race, rows: int, accounts: int) -> None:
    """Make the book, and beside it the same book a week later, of the same files.

    Both stand before the first ingest: a link changes a file's ctime, and then it is read again.
    """
    command = [sys.executable, "-m", "benchmarks.feature_book", str(race.book)]
    subprocess.run([*command, str(rows), str(accounts)], check=True)
    book = race.folder / "grown"
    if not book.exists():
        unfinished = race.folder / "grown.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(race.book, unfinished, copy_function=os.link)
        for path in (unfinished / "next").iterdir():
            os.link(path, unfinished / "usage" / path.name)
        unfinished.rename(book)


def raced(race: Race, rounds: int, names: Sequence[str]) -> dict[str, Cost]:
    """Let the contenders take turns, each round in the other direction."""
    runs: dict[str, list[Cost]] = {name: [] for name in (*names, "perennial, catalogue")}
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


def agreement(race: Race, names: Sequence[str]) -> dict[str, Any]:
    """Say whether all contenders found what ours found."""
    ours = FAMILY[2]
    told: dict[str, Any] = {"figures": 0, "differences": []}
    for name in names:
        if name not in ALONE:
            compared, said = differences(race, ours, name)
            told["figures"] += compared
            told["differences"] += [f"{name}: {each}" for each in said[:5]]
    return told | {"agree": not told["differences"]}


def limits(found: Mapping[str, Cost], large: bool) -> list[dict[str, Any]]:
    """Hold the medians to what was promised."""

    def over(name: str, other: str, key: str = "seconds") -> float:
        return round(float(found[name][key]) / float(found[other][key]), 3)

    family = FAMILY[2]
    rows: list[tuple[str, float, float]] = [
        ("usage family / polars on raw rows", over(family, "polars on raw rows"), 1.0),
        ("usage family / polars on the roll-up", over(family, "polars on the roll-up"), 1.2),
        ("catalogue / usage family", over("perennial, catalogue", family), 3.0),
        ("ingest / scan and write", over("ingest", "scan and write"), 3.0),
    ]
    whole = {k: found["ingest"][k] + found["one snapshot"][k] for k in ("seconds", "cpu")}
    part = {k: found["ingest of one week more"][k] + found["next snapshot"][k] for k in whole}
    rows += [
        ("a week more / the full build", round(part["seconds"] / whole["seconds"], 3), 0.1),
    ]
    if large:
        rows += [
            ("snapshots, seconds", found["perennial, catalogue"]["seconds"], 45.0),
            ("snapshots, GB", found["perennial, catalogue"]["gb"], 1.5),
        ]
    else:
        rows += [("usage family, GB", found[family]["gb"], 0.8)]
    return [{"what": w, "value": v, "limit": most, "held": v <= most} for w, v, most in rows]


def _machine() -> dict[str, Any]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    libraries = ("duckdb", "narwhals", "pandas", "polars", "pyarrow")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "ram_gb": round(pages / 1e9, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def main() -> int:
    """Make the input, race, compare, print and keep the outcome; 1 if something is not held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", choices=SIZES, default="20m")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "benchmarks")
    asked = parser.parse_args()
    rows, accounts = SIZES[asked.rows]
    folder = asked.cache.resolve() / asked.rows
    race = Race(folder)
    prepared(race, rows, accounts)
    names = LARGE if asked.rows == "100m" else FAMILY
    found = ingested(race, asked.rounds) | raced(race, asked.rounds, names) | grown(race)
    held = limits(found, asked.rows == "100m")
    outcome = {
        "command": " ".join(["python -m benchmarks.feature_scale", *sys.argv[1:]]),
        "on": datetime.now(UTC).date().isoformat(),
        "machine": _machine(),
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "input": {"rows": rows, "accounts": accounts, "weeks": WEEKS, "from": str(FIRST)},
        "as_of_dates": len(AS_OF_DATES),
        "found": found,
        "answers": agreement(race, names),
        "limits": held,
    }
    text = json.dumps(outcome, indent=1)
    print(text)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"feature_scale_{asked.rows}.json").write_text(
        text + "\n", encoding="utf-8"
    )
    return 0 if outcome["answers"]["agree"] and all(row["held"] for row in held) else 1


if __name__ == "__main__":
    sys.exit(main())
