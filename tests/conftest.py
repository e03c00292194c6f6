"""How tests run, and the table of faults: which cases this run's tests cover, and how they fared.

Property tests draw the same examples every time and have no deadline (machines are shared); ``make
slow`` draws others. In ``make test`` each worker keeps to its core: DuckDB has one thread there,
and as many as the machine has cores in every other run.

``pytest --fault-table=docs/faults.md`` writes the table at the end of a run (``make faults``). The
ids come from ``docs/fault-catalogue.md``, the states from the outcomes; nothing is typed by hand.
"""

from __future__ import annotations

import gc
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from pathlib import Path

import duckdb
import pytest
from _pytest.doctest import DoctestModule
from hypothesis import settings

settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("wide", deadline=None, max_examples=1000)
settings.load_profile("gate")

CATALOGUE = Path(__file__).resolve().parents[1] / "docs" / "fault-catalogue.md"
GROUP = re.compile(r"^## (.+)$")
CASE = re.compile(r"^\| ([A-Z]\d\d) \| (.+?) \| (.+) \|$")
STATES = ("passes", "partly", "fails", "no test yet")
HEAD = """# Faults under test

Written by `make faults` from the outcomes of a test run; do not edit by hand. The cases and what
should happen are told in [fault-catalogue.md](fault-catalogue.md). *passes*: every test that
carries the id passed. *partly*: some were skipped, or say that they cover a part of the case only.
*fails*: some test failed. *no test yet*: nothing carries the id.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", type=Path, help="write the table of faults into this file")


def pytest_configure(config: pytest.Config) -> None:
    asked = config.getoption("--fault-table")
    if asked is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FaultTable(asked), "fault-table")
    if hasattr(config, "workerinput") and "not ci" in config.option.markexpr:
        duckdb.connect = partial(on_one_thread, duckdb.connect)


def on_one_thread(
    connect: Callable[..., duckdb.DuckDBPyConnection],
    database: str = ":memory:",
    read_only: bool = False,
    config: Mapping[str, str] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB without threads of its own: two workers' would wait for one another."""
    return connect(database, read_only, {"threads": "1"} | dict(config or {}))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Leave out doctests of this folder: it has none, and each file would be read twice."""
    return [found for found in (yield) if not isinstance(found, DoctestModule)]


def pytest_collection_finish() -> None:
    """Take what was imported out of the garbage collector's rounds: it stays until the end."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every report carry the ids of its test: reports travel between processes, marks do not."""
    for item in items:
        for mark in item.iter_markers("fault"):
            part = "partly" if mark.kwargs.get("partly") else "whole"
            item.user_properties.append(("fault", f"{mark.args[0]} {part}"))


class FaultTable:
    """Collects outcomes by id and writes the table when the run ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        for name, value in report.user_properties:
            if name == "fault":
                case, _, part = str(value).partition(" ")
                self.outcomes[case][part if report.outcome == "passed" else report.outcome] += 1

    def pytest_sessionfinish(self) -> None:
        self.path.write_text(table(catalogue(), self.outcomes), encoding="utf-8")


def catalogue(page: Path = CATALOGUE) -> dict[str, dict[str, str]]:
    """Read the groups of the catalogue: id to one line."""
    found: dict[str, dict[str, str]] = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        if group := GROUP.match(line):
            found[group[1]] = {}
        elif case := CASE.match(line):
            found[list(found)[-1]][case[1]] = case[2]
    return found


def state(outcomes: Mapping[str, int]) -> str:
    """Say how a case stands: the worst of what its tests say."""
    if outcomes.get("failed"):
        return "fails"
    if outcomes.get("partly") or outcomes.get("skipped"):
        return "partly"
    return "passes" if outcomes.get("whole") else "no test yet"


def table(groups: Mapping[str, Mapping[str, str]], seen: Mapping[str, Mapping[str, int]]) -> str:
    """Write the page: the counts first, then every case of every group."""
    states = {case: state(seen.get(case, {})) for cases in groups.values() for case in cases}
    counts = Counter(states.values())
    summary = ", ".join(f"{counts[name]} {name}" for name in STATES if counts[name])
    parts = [HEAD, f"{len(states)} cases: {summary}.", ""]
    for group, cases in groups.items():
        parts += [f"## {group}", "", "| id | case | tests | state |", "|---|---|---|---|"]
        parts += [
            f"| {case} | {line} | {tests(seen.get(case, {})) or ''} | {states[case]} |"
            for case, line in cases.items()
        ]
        parts.append("")
    return "\n".join(parts)


def tests(outcomes: Mapping[str, int]) -> int:
    return sum(outcomes.values())


def marked(sources: Iterable[Path]) -> set[str]:
    """Find every id that a test source carries."""
    mark = re.compile(r"mark\.fault\(\s*\"([A-Z]\d\d)\"")
    return {case for path in sources for case in mark.findall(path.read_text(encoding="utf-8"))}
