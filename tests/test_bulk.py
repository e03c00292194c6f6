"""Bulk scoring: the same rows as the weekly job's, in parts, resumed, into PostgreSQL, on Spark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from features.faults import ConfigurationRefused, DependencyDown
from models.choices import Choices
from serving.bulk.plan import FRAME, MODEL, SCORES, Plan, part_name
from serving.bulk.target import RUNS, TABLE, published
from serving.bulk.workers import on_processes
from tests import own_postgres
from tests.command_line import copied, perennial, workspace

pytestmark = pytest.mark.ci  # they run the job itself

VARIABLE = "PERENNIAL_BULK_URL"
SCRIPT = Path(__file__).parents[1] / "docs" / "examples" / "spark" / "cluster.sh"
OWN = ("run_id",)
AMOUNTS = (
    "expected_mrr", "expected_expansion_mrr", "expected_loss_mrr", "mrr_p10", "mrr_p50", "mrr_p90",
)  # fmt: skip
LISTS = ("moved_because", "reasons_retention", "reasons_expansion", "triggers")


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace(tmp_path_factory)


def rows(folder: Path) -> list[dict[str, Any]]:
    """Read the scores of a folder, lists as they were."""
    found = pq.read_table(folder).drop_columns(["memory"]).to_pylist()
    return [one | {name: json.loads(one[name]) for name in LISTS} for one in found]


def weekly(folder: Path) -> list[dict[str, Any]]:
    """Read the scores of the weekly run."""
    return pq.read_table(
        json.loads((folder / "scored.json").read_text())["scores_path"]
    ).to_pylist()


def alike(one: dict[str, Any]) -> dict[str, Any]:
    """Take what must agree with the weekly run: all but the run, and amounts that it weighs."""
    reasons = {name: [_told(item) for item in one[name] or []] for name in LISTS}
    return {key: one[key] for key in one if key not in (*OWN, *AMOUNTS)} | reasons


def _told(item: Any) -> Any:
    """Read an entry of a list: a table of structs has every key in every row."""
    return (
        {key: it for key, it in item.items() if it is not None} if isinstance(item, dict) else item
    )


def test_bulk_gives_the_rows_of_the_weekly_job(scored: Path, tmp_path: Path) -> None:
    folder, out = copied(scored, tmp_path / "w"), tmp_path / "out"
    asked = ("bulk", "--out", str(out), "--rows", "37")
    told = perennial(folder, *asked, "--json").body
    ours, theirs = rows(Path(told["folder"])), weekly(folder)
    assert told["made"]
    assert told["parts"] == -(-len(theirs) // 37) > 1
    assert [*map(alike, ours)] == [*map(alike, theirs)]
    cells = Counter(one["cell"] for one in ours)
    assert {cell: one["accounts"] for cell, one in told["cells"].items()} == {
        cell: cells[cell] for cell in told["cells"]
    }
    assert sum(one["accounts"] for one in told["cells"].values()) == told["accounts"] == len(ours)
    shown = perennial(folder, *asked)
    assert "scored already: nothing to do" in shown.out
    assert "without an interval" in shown.out


def test_cells_follow_the_folder_before_and_what_is_done_stays_done(
    scored: Path, tmp_path: Path
) -> None:
    folder, out = copied(scored, tmp_path / "w"), tmp_path / "out"
    first = perennial(folder, "bulk", "--out", str(out), "--json").body
    before = (date.fromisoformat(first["as_of"]) - timedelta(days=7)).isoformat()
    past = perennial(folder, "bulk", "--out", str(out), "--as-of", before, "--json").body
    cells = {one["account_id"]: one["cell"] for one in rows(Path(past["folder"]))}
    (Path(first["folder"]) / "_summary.json").unlink()
    again = perennial(folder, "bulk", "--out", str(out), "--json").body
    known = [one for one in rows(Path(again["folder"])) if one["previous_cell"] is not None]
    assert again["made"]
    assert len(known) > 60
    assert all(one["previous_cell"] == cells[one["account_id"]] for one in known)
    assert again["moved"] == sum(one["previous_cell"] != one["cell"] for one in known)
    assert not list(out.glob(".draft-*"))


def test_a_job_that_was_cut_off_goes_on(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = copied(scored, tmp_path / "w"), tmp_path / "out"
    asked = ("bulk", "--out", str(out), "--rows", "40", "--workers", "1", "--json")
    with monkeypatch.context() as patch:
        patch.setattr("serving.bulk.job._summary", _cut)
        assert perennial(folder, *asked).code == 70
    draft = next(out.glob(".draft-*"))
    made = (draft / SCORES / part_name(0)).stat().st_mtime_ns
    (draft / SCORES / part_name(1)).unlink()
    told = perennial(folder, *asked).body
    assert (Path(told["folder"]) / part_name(0)).stat().st_mtime_ns == made
    assert told["accounts"] == len(rows(Path(told["folder"])))


def _cut(*_: object) -> None:
    raise RuntimeError("cut")


def test_a_worker_that_fails_is_told(tmp_path: Path) -> None:
    for name in (FRAME, MODEL, SCORES):
        (tmp_path / name).mkdir()
    Plan("bulk-1", date(2026, 1, 1), "1", "0" * 64, Choices(), 1).write(tmp_path)
    with pytest.raises(DependencyDown, match=r"bulk\.worker"):
        on_processes(tmp_path, [0], 1, lambda _: None)


def test_a_url_is_the_name_of_a_variable(scored: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationRefused, match="NOT_SET_ANYWHERE is not set"):
        published("env:NOT_SET_ANYWHERE", [], {})
    asked = ("bulk", "--out", str(tmp_path), "--to", "postgresql://me:secret@host/db")
    answer = perennial(copied(scored, tmp_path / "w"), *asked)
    assert answer.code == 78
    assert "secret" not in answer.err


@pytest.fixture(scope="module")
def server() -> Iterator[sa.URL]:
    if own_postgres.programs() is None:
        pytest.skip("no PostgreSQL here")
    with own_postgres.server() as url:
        yield url


@pytest.fixture
def address(server: sa.URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with own_postgres.own_schema(server) as text:
        monkeypatch.setenv(VARIABLE, text)
        yield text


def standing(address: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Read what stands in the database: the scores, and the runs that it knows."""
    engine = sa.create_engine(sa.make_url(address).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        found = connection.execute(sa.text(f"SELECT * FROM {TABLE} ORDER BY account_id"))
        scores = [dict(row) for row in found.mappings()]
        runs = [*connection.scalars(sa.text(f"SELECT run_id FROM {RUNS} ORDER BY published_at"))]
    engine.dispose()
    return scores, runs


def test_postgresql_holds_one_run_whole(scored: Path, tmp_path: Path, address: str) -> None:
    folder, out = copied(scored, tmp_path / "w"), tmp_path / "out"
    asked = ("bulk", "--out", str(out), "--rows", "90", "--to", f"env:{VARIABLE}", "--json")
    told = perennial(folder, *asked).body
    assert told["published"]
    assert standing(address)[0] == rows(Path(told["folder"]))
    assert not perennial(folder, *asked).body["published"]
    before = (date.fromisoformat(told["as_of"]) - timedelta(days=7)).isoformat()
    older = perennial(folder, *asked, "--as-of", before).body
    assert older["published"]
    scores, runs = standing(address)
    assert {one["run_id"] for one in scores} == {told["run_id"]}  # nothing newer is replaced
    assert runs == [told["run_id"], older["run_id"]]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["--engine", "--on"])
def test_a_spark_cluster_of_two_workers_gives_the_same(
    scored: Path, tmp_path: Path, address: str, where: str
) -> None:
    pytest.importorskip("pyspark", reason="the spark extra is not installed")
    folder, out = copied(scored, tmp_path / "w"), tmp_path / "out"
    here = perennial(folder, "bulk", "--out", str(tmp_path / "here"), "--json").body
    settings = os.environ | {"PYTHON": sys.executable, "MEMORY": "1g", "SPARK_PORT": "7177"}
    cluster = tmp_path / "cluster"
    asked = ["bulk", where, "spark", "--out", str(out), "--to", f"env:{VARIABLE}", "--json"]
    try:
        said = subprocess.run(
            ["sh", SCRIPT, "start", cluster],
            env=settings,
            check=True,
            capture_output=True,
            text=True,
        )
        master = said.stdout.strip()
        spark = f"--master {master} --executor-memory 512m --conf spark.sql.shuffle.partitions=2"
        told = subprocess.run(
            [sys.executable, "-m", "serving.cli", *asked, "--rows", "100"],
            cwd=folder,
            env=os.environ | {"PYSPARK_SUBMIT_ARGS": f"{spark} pyspark-shell"},
            check=True,
            capture_output=True,
            text=True,
        )
    finally:
        subprocess.run(["sh", SCRIPT, "stop", cluster], env=settings, check=True)
    body = json.loads(told.stdout)
    assert body["published"]
    assert rows(Path(body["folder"])) == rows(Path(here["folder"])) == standing(address)[0]
