"""Processes that publish: killed, stopped, woken and asked to end, on SQLite and PostgreSQL."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from serving import tables
from serving.kept import StoreSettings
from serving.store import Store
from tests import own_postgres
from tests.example_publication import NOW, example
from tests.publishing_job import VARIABLE, Job, until

pytestmark = pytest.mark.ci

LISTED = len(example().outreach)
POINTS = (
    "begun",
    "exports.half",
    "exports.written",
    "exports.renamed",
    "scores_inserted",
    "before_commit",
)
NO_SERVER = pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL here")


class Place:
    """Where the jobs of a test publish."""

    def __init__(self, home: Path, url: str | None) -> None:
        self.home, self.url = home, url
        settings = StoreSettings(url=url and f"env:{VARIABLE}", wait_seconds=20)
        self.store = Store.open(home, settings)
        self.jobs: list[Job] = []

    def job(self, name: str, lease: float = 60, home: Path | None = None, **doings: str) -> Job:
        points = {point.replace("__", "."): what for point, what in doings.items()}
        self.jobs.append(Job(home or self.home, self.url, name, points, lease).start())
        return self.jobs[-1]

    def counts(self) -> list[int]:
        whole = (tables.runs, tables.scores, tables.outreach, tables.documents, tables.current)
        with self.store.engine.begin() as connection:
            counts = [sa.select(sa.func.count()).select_from(table) for table in whole]
            return [connection.scalar(count) or 0 for count in counts]

    @property
    def outcomes(self) -> list[str]:
        return [outcome for _, outcome in self.store.attempts()]


@pytest.fixture(scope="module")
def server() -> Iterator[sa.URL]:
    with own_postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=NO_SERVER)])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    if request.param == "sqlite":
        there = Place(tmp_path / "home", None)
        yield there
        _end(there)
        return
    with own_postgres.own_schema(request.getfixturevalue("server")) as text:
        monkeypatch.setenv(VARIABLE, text)
        there = Place(tmp_path / "home", text)
        yield there
        _end(there)


def _end(place: Place) -> None:
    for job in place.jobs:
        if job.process.is_alive():
            job.process.kill()
            job.process.join()
    place.store.engine.dispose()


@pytest.mark.fault("B01")
@pytest.mark.fault("B17")
def test_killed_at_every_point_nothing_is_lost_doubled_or_torn(place: Place) -> None:
    old = place.store.publish(example(), now=NOW)
    for point in POINTS:  # the same run, each time a step further
        assert place.job("s2", **{point: "SIGKILL"}).ended() == -signal.SIGKILL
        assert place.store.current().run_id == old.run_id  # type: ignore[union-attr]
        assert place.counts() == [1, 12, LISTED, 4, 1]
        assert place.store.verify() == [old.run_id]
    assert place.job("s2", committed="SIGKILL").ended() == -signal.SIGKILL
    again = place.store.publish(example(snapshot_id="s2"), now=NOW)
    assert (again.published, again.revision) == (False, 2)
    assert again.digest == example(snapshot_id="s2").digest
    assert place.counts() == [2, 24, 2 * LISTED, 8, 1]
    assert place.store.verify() == [again.run_id, old.run_id]
    assert pq.read_table(again.scores_path).num_rows == 12
    assert not list((place.home / "exports").glob(".draft-*"))
    assert place.outcomes == ["published", *["interrupted"] * len(POINTS), "published"]
    third = place.store.publish(example(snapshot_id="s3"), now=NOW)
    assert (third.published, third.revision) == (True, 3)
    assert not list(place.home.glob("publish-*.lock"))


@pytest.mark.fault("B02")
def test_many_jobs_at_once_publish_once(place: Place) -> None:
    homes = [place.home if place.url is None else place.home / str(n) for n in range(4)]
    jobs = [place.job(f"s{n % 2}", home=home) for n, home in enumerate(homes)]
    assert [job.ended() for job in jobs] == [0] * 4
    runs = place.store.runs()
    assert len(place.store.verify()) == len(runs)
    assert place.outcomes == ["published"] * len(runs)
    assert sorted({run.snapshot_id for run in runs}) == ["s0", "s1"]
    assert place.counts()[1:3] == [12 * len(runs), LISTED * len(runs)]


@pytest.mark.fault("B02")
def test_the_same_job_at_once_is_published_by_one_of_them(place: Place) -> None:
    homes = [place.home if place.url is None else place.home / str(n) for n in range(4)]
    for home in homes:
        place.job("s2", home=home)
    assert [job.ended() for job in place.jobs] == [0] * 4
    assert place.counts() == [1, 12, LISTED, 4, 1]
    assert place.outcomes == ["published"]


@pytest.mark.fault("B03")
@pytest.mark.parametrize("point", ["begun", "scores_inserted"])
def test_a_job_that_is_stopped_and_woken_later_is_fenced(place: Place, point: str) -> None:
    if place.url is None and point == "scores_inserted":
        return  # in its transaction it holds the file: the test below
    sleeper = place.job("s2", lease=0.5, **{point: "SIGSTOP"})
    sleeper.reached(point)
    other = place.job("s3")
    assert other.ended() == 0, other.said
    before = place.counts()
    sleeper.signal(signal.SIGCONT)
    assert sleeper.ended() == 75
    assert "fenced" in sleeper.said
    assert place.counts() == before == [1, 12, LISTED, 4, 1]
    assert [run.snapshot_id for run in place.store.runs()] == ["s3"]
    assert len(place.store.verify()) == 1
    assert place.outcomes == ["fenced", "published"]


@pytest.mark.fault("B03")
def test_stopped_in_its_transaction_on_sqlite_it_is_the_only_one(tmp_path: Path) -> None:
    place = Place(tmp_path / "home", None)
    sleeper = place.job("s2", lease=0.2, scores_inserted="SIGSTOP")
    sleeper.reached("scores_inserted")
    other = place.job("s3")
    time.sleep(0.7)
    assert other.process.is_alive()  # it waits for the file
    sleeper.signal(signal.SIGCONT)
    assert (sleeper.ended(), other.ended()) == (0, 0)
    assert [run.snapshot_id for run in place.store.runs()] == ["s3", "s2"]
    assert len(place.store.verify()) == 2
    _end(place)


@pytest.mark.fault("B16")
@pytest.mark.parametrize("point", ["exports.half", "scores_inserted"])
def test_a_job_that_is_asked_to_end_leaves_nothing_half(place: Place, point: str) -> None:
    old = place.store.publish(example(), now=NOW)
    job = place.job("s2", **{point: "sleep"})
    job.reached(point)
    begun = time.monotonic()
    job.signal(signal.SIGTERM)
    assert job.ended() == 75
    assert time.monotonic() - begun < 10
    assert "interrupted" in job.said
    assert place.counts()[:2] == [1, 12]
    assert place.outcomes == ["published", "interrupted"]
    assert place.store.current().run_id == old.run_id  # type: ignore[union-attr]
    assert place.store.publish(example(snapshot_id="s2"), now=NOW).published  # at once


@NO_SERVER
@pytest.mark.fault("B10")
def test_a_lock_of_a_dead_client_is_not_waited_for_long(
    tmp_path: Path, server: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_postgres.own_schema(server) as text:
        monkeypatch.setenv(VARIABLE, text)
        place = Place(tmp_path / "home", text)
        sleeper = place.job("s2", lease=2, before_commit="SIGSTOP")
        sleeper.reached("before_commit")
        busy = Job(tmp_path / "two", text, "s3", wait=0.2).start()  # alive or not: who knows yet
        assert busy.ended() == 75, busy.said
        assert "busy" in busy.said
        assert place.job("s3", home=tmp_path / "three").ended() == 0  # its time has run out
        sleeper.signal(signal.SIGKILL)
        until(lambda: not sleeper.process.is_alive())
        assert [run.snapshot_id for run in place.store.runs()] == ["s3"]
        _end(place)
