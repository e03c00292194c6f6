"""Bulk scoring of 2,000,000 accounts: one machine's processes beside a Spark cluster of two workers.

A book of accounts, subscriptions and 20M usage events is made and ingested once, and a model is
trained on a book of 20,000 such accounts. Then ``perennial bulk`` scores it four times, each in a
process of its own and into a folder of its own: by two processes of this machine, and on a standalone
cluster (``docs/examples/spark/cluster.sh``) with one and with two workers of one core each, all on the
same machine; with two also so that Spark sums the signals. A cluster on the same cores cannot win:
what is measured is what Spark costs beside the work, and how the work divides. From that follows with how many workers it would pay (``break_even``).

Usage: ``python -m benchmarks.bulk_scale [--accounts 2000000] [--rows 20000000] [--to env:NAME]``
(``make bench-bulk``; needs the spark extra and Java 17). Steps that are done are remembered in
``build/benchmarks/bulk``. The outcome is printed, and kept in ``benchmarks/results/bulk_scale.json``
where the size is the whole one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.feature_book import CONFIGURATION
from benchmarks.outcome import circumstances, keep
from benchmarks.weekly import Cost, run_process

__all__ = ["break_even", "main"]

HERE = Path(__file__).resolve().parent
SCRIPT = HERE.parent / "docs" / "examples" / "spark" / "cluster.sh"
WHOLE, ROWS, LEARNED = 2_000_000, 20_000_000, 20_000
LIBRARIES = ("duckdb", "lightgbm", "numpy", "pandas", "pyarrow", "sqlalchemy")
TABLES = ("accounts", "subscriptions")
TOML = CONFIGURATION.replace("[book]\n", '[book]\npath = "book"\n') + '\n[engine]\nmemory = "4GB"\n'
PORT = "7277"


def break_even(one: Mapping[str, Any], first: Mapping[str, Any], two: Mapping[str, Any]) -> Any:
    """Give the least number of one-core workers whose cluster is faster than the machine.

    What divides goes with 1 / workers, the rest stays: a + b / workers through the two cluster runs,
    laid beside the machine's own time. None where no number of workers would do.

    Examples
    --------
    >>> break_even({"seconds": 500}, {"seconds": 1100}, {"seconds": 600})
    3
    >>> break_even({"seconds": 90}, {"seconds": 1100}, {"seconds": 600}) is None
    True
    """
    divides = 2 * (first["seconds"] - two["seconds"])
    stays = first["seconds"] - divides
    if divides <= 0 or stays >= one["seconds"]:
        return None
    return int(divides / (one["seconds"] - stays)) + 1


class Scale:
    """The steps, each done once.

    Parameters
    ----------
    folder : Path
        Where books, state and scores lie.
    accounts, rows : int
        Size of the book.
    """

    def __init__(self, folder: Path, accounts: int, rows: int) -> None:
        self.folder, self.accounts, self.rows = folder, accounts, rows
        folder.mkdir(parents=True, exist_ok=True)
        self.memory = folder / "done.json"
        self.known: dict[str, Cost] = (
            json.loads(self.memory.read_text("utf-8")) if self.memory.is_file() else {}
        )

    def step(self, name: str, place: Path, words: list[str]) -> Cost:
        """Do a step unless it is done, and tell what it cost."""
        if name not in self.known:
            print(f"{name:18s}", end="", flush=True)
            self.known[name] = cost = run_process(place, words)
            cost["load"] = round(os.getloadavg()[0], 1)
            print(*(f"{cost[each]:9.2f} {each}" for each in ("seconds", "cpu", "gb")), flush=True)
            self.memory.write_text(json.dumps(self.known, indent=1), encoding="utf-8")
        return self.known[name]

    def book(self, name: str, accounts: int, rows: int) -> Path:
        """Make and ingest a book."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        size = [str(rows), str(accounts)]
        self.step(
            f"{name}: input", place, ["-m", "benchmarks.feature_book", "book", *size, *TABLES]
        )
        (place / "book" / "perennial.toml").unlink(missing_ok=True)
        (place / "perennial.toml").write_text(TOML, encoding="utf-8")
        self.step(f"{name}: ingest", place, ["-m", "serving.cli", "ingest", "--json"])
        return place

    def prepared(self) -> Path:
        """Make both books, and train on the small one."""
        small = self.book("small", LEARNED, LEARNED * 10)
        self.step("small: train", small, ["-m", "serving.cli", "train", "--json"])
        place = self.book("large", self.accounts, self.rows)
        if not (place / "mlruns").is_dir():
            shutil.copytree(small / "mlruns", place / "mlruns")
        return place

    def here(self, place: Path, to: list[str]) -> Cost:
        """Score with two processes of this machine."""
        asked = ["-m", "serving.cli", "bulk", "--out", "one", "--workers", "2", "--json", *to]
        return self.step("one machine", place, asked)

    def there(self, place: Path, workers: int, to: list[str], engine: str = "duckdb") -> Cost:
        """Judge on a cluster of so many workers, which is started and stopped."""
        name = f"cluster of {workers}" + (", signals too" if engine == "spark" else "")
        if name in self.known:
            return self.known[name]
        told = os.environ | {"PYTHON": sys.executable, "WORKERS": str(workers)}
        told |= {"SPARK_PORT": PORT, "MEMORY": "3g"}
        spark = f"--master spark://127.0.0.1:{PORT} --driver-memory 2g --executor-memory 2g"
        spark += f" --conf spark.sql.shuffle.partitions={2 * workers}"
        cluster = ["sh", str(SCRIPT)]
        try:
            subprocess.run([*cluster, "start", place / "spark"], env=told, check=True)
            os.environ["PYSPARK_SUBMIT_ARGS"] = f"{spark} pyspark-shell"
            out = f"{engine}-{workers}"
            asked = ["bulk", "--on", "spark", "--engine", engine, "--out", out, "--json", *to]
            return self.step(name, place, ["-m", "serving.cli", *asked])
        finally:
            subprocess.run([*cluster, "stop", place / "spark"], env=told, check=True)


def main() -> int:
    """Score four times, print and keep the outcome; 1 where the rows differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--accounts", type=int, default=WHOLE)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--to", default="", help="env:NAME of a PostgreSQL that takes the scores")
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "benchmarks")
    asked = parser.parse_args()
    scale = Scale(asked.cache.resolve() / "bulk" / str(asked.accounts), asked.accounts, asked.rows)
    place = scale.prepared()
    to = ["--to", asked.to] if asked.to else []
    one = scale.here(place, to)
    clusters = {workers: scale.there(place, workers, to) for workers in (2, 1)}
    whole = scale.there(place, 2, to, "spark")
    folders = ("one", "duckdb-2", "duckdb-1", "spark-2")
    parts = [sorted((place / name).glob("*/part-*.parquet")) for name in folders]
    digests = {hashlib.sha256(b"".join(map(Path.read_bytes, each))).hexdigest() for each in parts}
    outcome = circumstances("bulk_scale", LIBRARIES) | {
        "input": {"rows": asked.rows, "accounts": asked.accounts, "scored": one["accounts"]},
        "found": scale.known,
        "same_bytes": len(digests) == 1,
        "per_second": {
            "one machine": round(one["accounts"] / one["seconds"]),
            **{f"cluster of {n}": round(c["accounts"] / c["seconds"]) for n, c in clusters.items()},
            "cluster of 2, signals too": round(whole["accounts"] / whole["seconds"]),
        },
        "break_even_workers": break_even(one, clusters[1], clusters[2]),
    }
    print(json.dumps({key: outcome[key] for key in [*outcome][-3:]}, indent=1))
    if asked.accounts == WHOLE:
        keep("bulk_scale", outcome)
    return 0 if outcome["same_bytes"] else 1


if __name__ == "__main__":
    sys.exit(main())
