"""One run of the signals' benchmark: a process that does one thing and says what it cost.

Usage: ``python -m benchmarks.feature_runs NAME BOOK HOME OUT`` prints one JSON object: wall and CPU
seconds of the work without start-up, the peak memory of the process, and what else the run tells.
Answers, where there are any, go to OUT as Parquet.
"""

from __future__ import annotations

import importlib
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import feature_contenders
from benchmarks.feature_contenders import PLAIN
from benchmarks.feature_input import AS_OF_DATES, FIRST, WEEKS

__all__ = ["RUNS", "Run", "main"]

NOW = datetime(2026, 2, 1, tzinfo=UTC)
THEN, NEXT = FIRST + timedelta(weeks=WEEKS), FIRST + timedelta(weeks=WEEKS + 1)
BESIDES = ("gaps between active days", "days before the quiet", "users a year before")
Answers = Mapping[date, Any]


@dataclass(frozen=True)
class Run:
    """What a run does.

    Attributes
    ----------
    what : str
        What it does, for whoever reads its figures.
    work : callable
        Takes the book's folder and the home, gives answers by date and what else it tells.
    libraries : tuple of str
        Imported before the clock starts.
    """

    what: str
    work: Callable[[Path, Path], tuple[Answers, dict[str, Any]]]
    libraries: tuple[str, ...]


def floor(book: Path, home: Path) -> tuple[Answers, dict[str, Any]]:
    """Scan every source file with DuckDB and write it as Parquet: no ingest can be faster."""
    import duckdb

    home.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    sources = {path.stem: path for path in book.glob("*.parquet")}
    usage = next((book / "usage").iterdir())
    for name, source in (sources | {"usage": usage.with_stem("*")}).items():
        connection.execute(f"COPY (FROM '{source}') TO '{home / name}.parquet'")
    return {}, {}


def ingest(book: Path, home: Path) -> tuple[Answers, dict[str, Any]]:
    """Ingest through the public door."""
    from features.ingest import ingest as door
    from features.mapping import read_workspace

    report = door(read_workspace(book / "perennial.toml"), home, NOW)
    usage = report.tables["usage"]
    told = {"rows": usage.rows_in, "accepted": usage.accepted, "snapshot": report.snapshot}
    return {}, told


def view(book: Path, home: Path) -> tuple[Answers, dict[str, Any]]:
    """Only look: contracts, identity and how far the feeds reach, on every date."""
    from features.book import open_book
    from features.rules import Rules
    from features.view import view_of

    opened = open_book(home)
    for as_of in AS_OF_DATES:
        view_of(opened, as_of, Rules())
    return {}, {}


def plain(book: Path, home: Path) -> tuple[Answers, dict[str, Any]]:
    """Measure the plain windows of the usage family, on every date."""
    from features.usage import FAMILY

    signals = tuple(signal for signal in FAMILY.signals if signal.slug in PLAIN)
    parts = tuple(
        part for part in FAMILY.parts if part.rows is None or part.rows.name not in BESIDES
    )
    parts = tuple(part for part in parts if part.name != "usage__users_year_ago")
    return _measured(home, replace(FAMILY, signals=signals, parts=parts))


def family(book: Path, home: Path) -> tuple[Answers, dict[str, Any]]:
    """Measure the whole usage family, on every date."""
    from features.usage import FAMILY

    return _measured(home, FAMILY)


def _measured(home: Path, family: Any) -> tuple[Answers, dict[str, Any]]:
    from features.book import open_book
    from features.measuring import measure
    from features.rules import Rules
    from features.view import view_of

    opened, answers, looking = open_book(home), {}, 0.0
    for as_of in AS_OF_DATES:
        started = time.perf_counter()
        seen = view_of(opened, as_of, Rules())
        looking += time.perf_counter() - started
        answers[as_of] = _compared(measure(seen, [family]).reset_index())
    return answers, {"signals": len(family.signals), "view_seconds": looking}


def catalogue(book: Path, home: Path) -> tuple[Answers, dict[str, Any]]:
    """Take the whole snapshot, on every date."""
    return _snapshots(home, AS_OF_DATES)


def one_snapshot(book: Path, home: Path) -> tuple[Answers, dict[str, Any]]:
    """Take the snapshot of the day after the last week, as the weekly job does."""
    return _snapshots(home, (THEN,))


def next_snapshot(book: Path, home: Path) -> tuple[Answers, dict[str, Any]]:
    """The same a week later."""
    return _snapshots(home, (NEXT,))


def _snapshots(home: Path, dates: tuple[date, ...]) -> tuple[Answers, dict[str, Any]]:
    from features.book import open_book
    from features.catalog import CATALOG
    from features.snapshot import snapshot

    opened, answers = open_book(home), {}
    known = dict.fromkeys((signal.slug for signal in CATALOG), 0)
    for as_of in dates:
        frame = snapshot(opened, as_of)
        known = {slug: rows + int(frame[slug].notna().sum()) for slug, rows in known.items()}
        answers[as_of] = _compared(frame)
    silent = sorted(slug for slug, rows in known.items() if not rows)
    return answers, {"signals": len(CATALOG), "never_known": silent}


def _compared(frame: Any) -> Any:
    """Keep of an answer what is compared: memory is that of one date, as in the weekly job."""
    return frame[[name for name in ("account_id", *PLAIN) if name in frame]].copy()


def _raw(name: str) -> Callable[[Path, Path], tuple[Answers, dict[str, Any]]]:
    contender = getattr(feature_contenders, name)
    return lambda book, home: (dict(contender(book, AS_OF_DATES)), {"signals": len(PLAIN)})


def polars_rolled(book: Path, home: Path) -> tuple[Answers, dict[str, Any]]:
    """Sum our own roll-up with native Polars."""
    latest = (home / "snapshots" / "latest").read_text(encoding="utf-8").strip()
    folder = home / "snapshots" / latest
    answers = feature_contenders.polars_rolled(folder, AS_OF_DATES)
    return dict(answers), {"signals": len(PLAIN)}


_OURS = ("duckdb", "narwhals", "pandas", "pyarrow", "features.snapshot", "features.ingest")
_DATES = f"on {len(AS_OF_DATES)} as-of dates"
_RAW = f"{len(PLAIN)} plain windows {_DATES} from the source files, by hand"
RUNS: Mapping[str, Run] = {
    "scan and write": Run("every source file read and written as Parquet", floor, ("duckdb",)),
    "ingest": Run("the book read, checked, rolled up and published", ingest, _OURS),
    "view": Run(f"contracts, identity and how far the feeds reach {_DATES}", view, _OURS),
    "perennial, plain windows": Run(f"{len(PLAIN)} plain windows {_DATES}", plain, _OURS),
    "perennial, usage family": Run(f"all signals of usage {_DATES}", family, _OURS),
    "perennial, catalogue": Run(f"all signals {_DATES}", catalogue, _OURS),
    "perennial, one snapshot": Run(f"all signals on {THEN}", one_snapshot, _OURS),
    "perennial, next snapshot": Run(f"all signals on {NEXT}", next_snapshot, _OURS),
    "polars on the roll-up": Run(
        f"{len(PLAIN)} plain windows {_DATES} from what ingest keeps, by hand",
        polars_rolled,
        ("polars",),
    ),
    "polars on raw rows": Run(_RAW, _raw("polars_raw"), ("polars",)),
    "polars, rolled up in memory": Run(
        f"{_RAW}, which are summed by day first", _raw("polars_once"), ("polars",)
    ),
    "duckdb on raw rows": Run(_RAW, _raw("duckdb_raw"), ("duckdb", "pyarrow")),
    "pandas slices": Run(_RAW, _raw("pandas_raw"), ("pandas", "pyarrow.parquet")),
}


def peak_gb() -> float:
    """Give the peak memory of this process alone: a child's ``ru_maxrss`` counts its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1e6


def main(name: str, book: str, home: str, out: str) -> None:
    """Do one run and print what it cost."""
    run = RUNS[name]
    for library in run.libraries:
        importlib.import_module(library)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    answers, told = run.work(Path(book), Path(home))
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cost = {"seconds": seconds, "cpu": cpu, "gb": peak_gb()}
    print(json.dumps(cost | told))
    _keep(answers, Path(out))


def _keep(answers: Answers, out: Path) -> None:
    """Write the plain windows of every date to a file, sorted, for the comparison."""
    import pandas as pd

    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for as_of, answer in answers.items():
        frame = answer if isinstance(answer, pd.DataFrame) else answer.to_pandas()
        if not set(PLAIN) <= set(frame.columns):
            continue
        frame = frame.set_index("account_id")[list(PLAIN)].astype("float64").sort_index()
        frame.to_parquet(out / f"{as_of}.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
