import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from features.faults import Busy, CannotWrite, ConfigurationRefused, InternalFault
from features.locking import held
from serving import database, tables
from serving.queries import PREVIOUS
from serving.schemas import SCORE_COLUMNS
from serving.store import Filters, Store
from tests.example_publication import NOW, example

QUICK = ["exports.written", "scores_inserted", "committed"]
LONG = ["begun", "exports.half", "exports.renamed", "before_commit"]
POINTS = [*QUICK, *(pytest.param(point, marks=pytest.mark.ci) for point in LONG)]

KILLED = """
import os, signal, sys
from pathlib import Path
from serving.store import Store
from tests.example_publication import NOW, example

def checkpoint(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

Store.open(Path(sys.argv[1])).publish(example(snapshot_id="s2"), now=NOW, checkpoint=checkpoint)
"""


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "home")


def test_a_published_run_serves_and_its_files_are_there(store):
    done = store.publish(example(), now=NOW)
    assert (done.published, done.revision) == (True, 1)
    assert store.current().run_id == done.run_id
    assert store.current().digest == done.digest == example().digest
    assert pq.read_table(done.scores_path).column_names == list(SCORE_COLUMNS)
    row = store.account("a02")
    assert (row["run_id"], row["mrr"], row["cell"]) == (done.run_id, 2400.5, "LL")
    assert row["next_renewal_on"] == date(2025, 8, 15)
    assert row["reasons_retention"][0]["effect"] == -0.081
    assert store.forecast(12)["horizon_months"] == 12
    assert store.matrix()["flows"][0]["to"] == "HH"


def test_an_empty_store_answers_with_nothing(store):
    assert store.current() is None
    assert store.scores().rows == []
    assert store.account("a01") is None
    assert store.matrix() is None
    assert store.forecast(3) is None
    assert store.outreach() == []
    assert list(store.previous_cells(date(2030, 1, 1)).columns) == [*PREVIOUS, "memory"]


@pytest.mark.fault("B04")
def test_the_same_input_again_publishes_nothing(store):
    first = store.publish(example(), now=NOW)
    again = store.publish(example(), now=NOW.replace(hour=9))
    assert not again.published
    assert (again.run_id, again.digest) == (first.run_id, first.digest)
    assert len(store.runs()) == 1
    assert store.attempts() == [(first.run_id, "published")]


@pytest.mark.fault("B04")
def test_changed_input_is_a_new_revision_and_the_old_one_stays(store):
    first = store.publish(example(), now=NOW)
    second = store.publish(example(snapshot_id="s2"), now=NOW)
    assert (second.published, second.revision) == (True, 2)
    assert store.current().run_id == second.run_id != first.run_id
    assert first.scores_path.is_file()
    assert store.scores(run=first.run_id).total == 12
    back = store.publish(example(), now=NOW)  # the input of the first: changed once more
    assert (back.published, back.revision) == (True, 3)
    assert back.digest == first.digest


def test_a_run_is_found_by_what_it_stands_on(store):
    done = store.publish(example(), now=NOW)
    assert store.find(date(2025, 7, 1), "s1", "m1", "c1").run_id == done.run_id
    assert store.find(date(2025, 7, 1), "s2", "m1", "c1") is None
    assert store.find(date(2025, 7, 8), "s1", "m1", "c1") is None


def test_a_backfill_is_kept_but_does_not_become_current(store):
    now = store.publish(example(), now=NOW)
    past = store.publish(example(as_of=date(2025, 6, 24)), now=NOW)
    assert past.published
    assert store.current().run_id == now.run_id
    cells = store.previous_cells(date(2025, 7, 1))
    assert set(cells.run_id) == {past.run_id}
    assert cells.set_index("account_id").cell["a02"] == "LL"
    assert store.previous_cells(date(2025, 6, 24)).empty


def test_previous_cells_go_back_as_many_dates_as_asked_newest_revision_of_each(store):
    store.publish(example(as_of=date(2025, 6, 17)), now=NOW)
    store.publish(example(as_of=date(2025, 6, 24)), now=NOW)
    newer = store.publish(example(as_of=date(2025, 6, 24), snapshot_id="s2"), now=NOW)
    cells = store.previous_cells(date(2025, 7, 1), runs=2)
    assert list(dict.fromkeys(cells.as_of)) == [date(2025, 6, 24), date(2025, 6, 17)]
    assert cells.run_id.iloc[0] == newer.run_id
    assert len(cells) == 24


def test_what_an_account_remembers_comes_back_with_its_cell(store):
    memory = {"a01": '{"week": "2025-W26"}'}
    store.publish(example(as_of=date(2025, 6, 24), memory=memory), now=NOW)
    cells = store.previous_cells(date(2025, 7, 1)).set_index("account_id")
    assert cells.memory["a01"] == memory["a01"]
    assert cells.memory["a02"] is None
    assert example(memory=memory).digest != example().digest


def test_run_ids_are_the_same_wherever_and_whenever_they_are_published(tmp_path):
    one = Store.open(tmp_path / "one").publish(example(), now=NOW)
    two = Store.open(tmp_path / "two").publish(example(), now=NOW.replace(year=2031))
    assert (one.run_id, one.digest) == (two.run_id, two.digest)
    assert one.scores_path.read_bytes() == two.scores_path.read_bytes()


def test_the_digest_sees_every_part_and_not_the_order_of_rows():
    base = example()
    assert example(scores=base.scores.iloc[::-1]).digest == base.digest
    assert example(matrix={"cells": []}).digest != base.digest
    assert example(outreach=base.outreach.iloc[1:]).digest != base.digest
    assert example(scores=base.scores.assign(mrr=1.0)).digest != base.digest


@pytest.mark.ci
@pytest.mark.fault("B01")
@pytest.mark.fault("B17")
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_the_old_run_serves_and_a_rerun_gives_the_same_digest(tmp_path, point):
    store = Store.open(tmp_path / "home")
    old = store.publish(example(), now=NOW)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "home"), point],
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    committed = point == "committed"
    reopened = Store.open(tmp_path / "home")
    assert (reopened.current().run_id == old.run_id) is not committed
    assert reopened.scores().total == 12
    again = reopened.publish(example(snapshot_id="s2"), now=NOW)
    assert (again.published, again.revision) == (not committed, 2)
    assert again.digest == example(snapshot_id="s2").digest
    assert reopened.current().run_id == again.run_id
    assert pq.read_table(again.scores_path).num_rows == 12
    assert not list((tmp_path / "home" / "exports").glob(".draft-*"))
    outcomes = [outcome for _run, outcome in reopened.attempts()]
    assert outcomes == ["published"] * 2 if committed else ["published", "interrupted", "published"]
    with reopened.engine.begin() as connection:
        counts = [connection.scalar(sa.select(sa.func.count()).select_from(t)) for t in TABLES]
    assert counts == [2, 24, 2 * len(example().outreach), 8]


TABLES = (tables.runs, tables.scores, tables.outreach, tables.documents)


@pytest.mark.ci
@pytest.mark.fault("B02")
def test_several_jobs_at_once_publish_once(tmp_path):
    Store.open(tmp_path / "home")
    child = KILLED.replace("sys.argv[2]", "'never'")
    jobs = [
        subprocess.Popen([sys.executable, "-c", child, str(tmp_path / "home")], cwd=ROOT)
        for _ in range(3)
    ]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    store = Store.open(tmp_path / "home")
    assert [run.revision for run in store.runs()] == [1]
    assert [outcome for _run, outcome in store.attempts()] == ["published"]


ROOT = Path(__file__).parents[1]


@pytest.mark.fault("B02")
def test_a_lock_that_is_held_makes_others_busy(tmp_path):
    with (
        held(tmp_path / "publish.lock", wait_seconds=0),
        pytest.raises(Busy, match="held by process"),
        held(tmp_path / "publish.lock", wait_seconds=0.1),
    ):
        pass


@pytest.mark.fault("B07")
def test_a_full_disk_in_the_transaction_leaves_the_old_run_serving(tmp_path):
    store = Store.open(tmp_path / "home")
    old = store.publish(example(), now=NOW)
    sa.event.listen(store.engine, "connect", _full)
    store.engine.dispose()
    with pytest.raises(CannotWrite) as refused:
        store.publish(example(snapshot_id="s2"), now=NOW)
    assert refused.value.exit_code == 73
    reopened = Store.open(tmp_path / "home")
    assert reopened.current().run_id == old.run_id
    assert reopened.publish(example(snapshot_id="s2"), now=NOW).published


def _full(connection, _record):
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")


@pytest.mark.fault("B07")
def test_a_full_disk_in_the_exports_leaves_the_old_run_serving(store):
    old = store.publish(example(), now=NOW)

    def full(name):
        if name == "exports.half":
            raise OSError(28, os.strerror(28))

    with pytest.raises(CannotWrite, match="free space"):
        store.publish(example(snapshot_id="s2"), now=NOW, checkpoint=full)
    assert store.current().run_id == old.run_id
    assert store.publish(example(snapshot_id="s2"), now=NOW).published


@pytest.mark.fault("B13")
@pytest.mark.parametrize("bad", [float("nan"), -0.01, 1.01])
def test_a_probability_that_cannot_be_publishes_nothing(store, bad):
    scores = example().scores
    scores.loc[3, "p_renew"] = bad
    with pytest.raises(InternalFault, match="p_renew"):
        store.publish(example(scores=scores), now=NOW)
    assert store.current() is None
    assert not (store.home / "exports").exists()


def test_rows_that_break_the_contract_are_refused(store):
    scores = example().scores
    for broken in (
        scores.drop(columns="lever"),
        scores.assign(odd=1),
        scores.assign(account_id="a01"),
        scores.assign(cell="XX"),
        scores.assign(p_flat=0.5),
        scores.assign(name=7),
    ):
        with pytest.raises(InternalFault):
            store.publish(example(scores=broken), now=NOW)


def test_the_store_may_fill_run_date_and_version(store):
    scores = example().scores.drop(columns=["run_id", "as_of", "model_version"])
    store.publish(example(scores=scores), now=NOW)
    row = store.account("a01")
    assert (row["as_of"], row["model_version"]) == (date(2025, 7, 1), "3")


def test_filters_sort_and_pages(store):
    store.publish(example(), now=NOW)
    ids = lambda **kw: [row["account_id"] for row in store.scores(Filters(**kw)).rows]  # noqa: E731
    assert ids(cell="HH") == ["a01", "a10"]
    assert ids(csm="Cleo", segment="mid") == ["a07", "a10"]
    assert ids(min_mrr=9200.0) == ["a01", "a06"]
    assert ids(moved=True) == ["a01", "a02", "a07"]
    assert len(ids(moved=False)) == 9
    assert ids(trigger="seat_limit") == ["a01", "a06", "a08", "a10"]
    assert ids(trigger="other") == []


@pytest.mark.parametrize("sort", ["account_id", "-mrr", "next_renewal_on", "-next_renewal_on"])
def test_pages_meet_without_gap_or_repeat(store, sort):
    store.publish(example(), now=NOW)
    whole = [row["account_id"] for row in store.scores(sort=sort).rows]
    seen, after = [], None
    while True:
        page = store.scores(sort=sort, limit=5, after=after)
        seen += [row["account_id"] for row in page.rows]
        after = page.after
        if after is None:
            break
    assert seen == whole
    assert len(seen) == page.total == 12


def test_the_list_keeps_its_order_and_its_length_per_csm(store):
    store.publish(example(), now=NOW)
    everything = store.outreach()
    assert [row["rank"] for row in everything] == list(range(1, len(everything) + 1))
    ada = store.outreach(csm="Ada")
    assert {row["csm"] for row in ada} == {"Ada"}
    assert store.outreach(csm="Ada", capacity=1) == ada[:1]
    assert len(store.outreach(capacity=1)) == len({row["csm"] for row in everything})


@pytest.mark.fault("B20")
def test_a_database_of_a_newer_perennial_is_refused(store):
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationRefused, match="9999") as refused:
        Store.open(store.home)
    assert refused.value.exit_code == 78
    assert database.HEAD in str(refused.value)


def test_the_migrations_end_at_the_declared_tables_and_go_back(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(database.MIGRATIONS)).get_current_head() == database.HEAD
    with store.engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_the_database_is_durable_and_its_owner_s_alone(store):
    with store.engine.begin() as connection:
        pragma = lambda name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()  # noqa: E731
        assert (pragma("journal_mode"), pragma("synchronous")) == ("wal", 2)
    assert (store.home / database.FILE).stat().st_mode & 0o077 == 0


def test_a_reader_keeps_its_state_while_a_run_is_published(store):
    old = store.publish(example(), now=NOW)
    with database.reading(store.engine) as connection:
        name = connection.scalar(sa.select(tables.current.c.run_id))
        store.publish(example(snapshot_id="s2"), now=NOW)
        assert connection.scalar(sa.select(tables.current.c.run_id)) == name == old.run_id
