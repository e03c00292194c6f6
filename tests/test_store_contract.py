"""What the store promises, asked of SQLite and of a real PostgreSQL alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from features.faults import Busy, CannotWrite, ConfigurationRefused, DataRejected, InputMissing
from serving import database, lease, tables
from serving.columns import as_rows
from serving.kept import StoreSettings
from serving.lease import Lease
from serving.store import Filters, Store
from tests import own_postgres
from tests.example_publication import NOW, example

pytestmark = pytest.mark.ci

VARIABLE = "PERENNIAL_STORE_URL"
BOTH = [
    "sqlite",
    pytest.param(
        "postgresql",
        marks=pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL here"),
    ),
]
Opening = Callable[..., Store]


@pytest.fixture(scope="module")
def server() -> Iterator[sa.URL]:
    with own_postgres.server() as url:
        yield url


@pytest.fixture(params=BOTH)
def opening(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Opening]:
    """Open one and the same store, as often as asked, by other settings where they are named."""
    stores: list[Store] = []

    def opened(home: str = "home", **more: float) -> Store:
        url = None if request.param == "sqlite" else f"env:{VARIABLE}"
        stores.append(Store.open(tmp_path / home, StoreSettings(url=url, **more)))  # type: ignore[arg-type]
        return stores[-1]

    if request.param == "sqlite":
        yield opened
        return
    with own_postgres.own_schema(request.getfixturevalue("server")) as text:
        monkeypatch.setenv(VARIABLE, text)
        yield opened
        for store in stores:
            store.engine.dispose()


@pytest.fixture
def store(opening: Opening) -> Store:
    return opening()


def execute(store: Store, *statements: str) -> None:
    with store.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def test_what_is_published_reads_back_the_same(store: Store) -> None:
    scores = example().scores
    odd = [5e-324, 1e300, 0.1 + 0.2, -0.0, 12345678.01]
    scores.loc[:4, "expected_loss_mrr"] = odd
    scores.loc[5, "name"] = "line\nbreak \\ \" ' 🌱 %s :x"
    publication = example(scores=scores, memory={"a01": '{"week": "2025-W26"}'})
    done = store.publish(publication, now=NOW)
    assert done.digest == publication.digest
    wanted = as_rows(publication.score_columns | {"run_id": [done.run_id] * 12})
    assert store.scores().rows == wanted
    assert math.copysign(1, wanted[3]["expected_loss_mrr"]) == 1  # one zero on every store
    assert store.outreach() == as_rows(publication.outreach_columns)
    for kind, key, body in publication.documents:
        assert store.document(done.run_id, kind, key) == body
    past = store.previous_cells(date(2025, 7, 2))
    assert list(past.columns[-1:]) == ["memory"]
    assert past.set_index("account_id").memory["a01"] == '{"week": "2025-W26"}'
    assert store.verify() == [done.run_id]


@pytest.mark.fault("B04")
@pytest.mark.fault("B05", partly=True)
def test_the_same_input_publishes_once_whenever_it_is_asked(store: Store) -> None:
    first = store.publish(example(), now=NOW)
    for hour in (6, 7, 23):  # a scheduler that fires twice, an hour that comes twice
        again = store.publish(example(), now=NOW.replace(hour=hour))
        assert (again.published, again.run_id) == (False, first.run_id)
    assert store.attempts() == [(first.run_id, "published")]
    second = store.publish(example(snapshot_id="s2"), now=NOW)
    assert (second.published, second.revision) == (True, 2)
    assert store.current().run_id == second.run_id  # type: ignore[union-attr]
    assert [run.run_id for run in store.runs()] == [second.run_id, first.run_id]
    assert store.scores(run=first.run_id).total == 12


@pytest.mark.fault("B14", partly=True)
def test_a_held_run_serves_nobody_until_it_is_approved(store: Store) -> None:
    before = store.publish(example(as_of=date(2025, 6, 24)), now=NOW)
    held = store.publish(example(), now=NOW, held=["31 % change cell"])
    assert store.current().run_id == before.run_id  # type: ignore[union-attr]
    assert [run.run_id for run in store.runs()] == [before.run_id]
    assert [run.status for run in store.runs(held=True)] == ["held", "published"]
    run = store.approve(held.run_id, now=NOW, by="ada")
    assert (run.status, run.held_because) == ("approved", ["31 % change cell"])
    assert store.current() == run
    assert store.verify() == [held.run_id, before.run_id]


def test_filters_order_and_pages_are_the_same(store: Store) -> None:
    store.publish(example(), now=NOW)
    ids = lambda **kw: [row["account_id"] for row in store.scores(**kw).rows]  # noqa: E731
    assert ids(filters=Filters(csm="Cleo", segment="mid")) == ["a07", "a10"]
    assert ids(filters=Filters(moved=True)) == ["a01", "a02", "a07"]
    assert ids(filters=Filters(trigger="seat_limit")) == ["a01", "a06", "a08", "a10"]
    by_name = ["a10", "a09", "a01", "a02", "a03", "a04", "a06", "a07", "a08", "a11", "a05", "a12"]
    assert ids(sort="name") == by_name  # by code points, whatever the database's language is
    assert ids(sort="-next_renewal_on")[-3:] == ["a03", "a08", "a11"]
    for sort in ("name", "-name", "-mrr", "next_renewal_on"):
        seen, after = [], None
        while len(seen) < 12:
            page = store.scores(sort=sort, limit=5, after=after)
            seen += [row["account_id"] for row in page.rows]
            after = page.after
        assert seen == ids(sort=sort)
    if store.engine.dialect.name == "postgresql":
        collation = (
            "SELECT collation_name FROM information_schema.columns WHERE column_name = 'name' "
            "AND table_name = 'scores' AND table_schema = current_schema()"
        )
        with store.engine.begin() as connection:
            assert connection.exec_driver_sql(collation).scalar() == "C"
    assert len(store.outreach(capacity=1)) == len({row["csm"] for row in store.outreach()})


def test_the_history_of_an_account_has_one_line_a_date(store: Store) -> None:
    days = [date(2025, 6, day) for day in (10, 17, 24)]
    for day in days:
        store.publish(example(as_of=day), now=NOW)
    newer = store.publish(example(as_of=days[1], snapshot_id="s2"), now=NOW)
    store.publish(example(as_of=days[2], snapshot_id="s2"), now=NOW, held=["odd"])
    told = store.history("a02")
    assert [row["as_of"] for row in told] == days[::-1]
    assert told[1]["run_id"] == newer.run_id
    assert (told[0]["cell"], told[0]["mrr"]) == ("LL", 2400.5)
    assert [row["as_of"] for row in store.history("a02", before=days[2], limit=1)] == [days[1]]
    assert store.history("nobody") == store.history("a\x00") == []
    assert store.account("\x00") is None
    odd = example(snapshot_id="s9", matrix={"cells": [], "x\x00": ["\x00"]}, notes={"n": "\x00"})
    assert store.verify(store.publish(odd, now=NOW).run_id)


@pytest.mark.fault("B18")
def test_reads_of_a_long_history_go_by_an_index(store: Store) -> None:
    done = store.publish(example(), now=NOW)
    server = store.engine.dialect.name == "postgresql"
    many = 40_000 if server else 2_000
    numbers = (
        f"SELECT n FROM generate_series(1, {many}) AS t(n)"
        if server
        else f"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {many}) "
        "SELECT n FROM t"
    )
    execute(
        store,
        "INSERT INTO scores (run_id, account_id, as_of, mrr) SELECT 'r' || ((n - 1) / 100), "
        f"'a' || ((n - 1) % 100), '2020-01-01', n FROM ({numbers}) AS old",
        "ANALYZE scores",
    )
    history = plan(store, lambda: store.history("a02", before=date(2025, 8, 1), limit=1))
    assert "ix_scores_account_id_as_of" in history
    page = plan(store, lambda: store.scores(run=done.run_id, sort="-mrr", limit=5))
    assert "Seq Scan on scores" not in page
    assert "SCAN scores" not in page
    assert plan(store, lambda: store.account("a02", run=done.run_id)).count("Scan") < 3


def plan(store: Store, asked: Callable[[], object]) -> str:
    """Tell how the last statement that was asked of the scores finds its rows."""
    seen: list[tuple[str, object]] = []

    def note(_c: object, _u: object, statement: str, parameters: object, *_: object) -> None:
        if "FROM scores" in statement:
            seen.append((statement, parameters))

    sa.event.listen(store.engine, "before_cursor_execute", note)
    asked()
    sa.event.remove(store.engine, "before_cursor_execute", note)
    word = "EXPLAIN" if store.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    statement, parameters = seen[-1]
    with store.engine.begin() as connection:
        rows = connection.exec_driver_sql(f"{word} {statement}", parameters).all()  # type: ignore[arg-type]
    return "\n".join(str(row[-1]) for row in rows)


CHANGES = (
    ("scores", "mrr = mrr + 1", "mrr = mrr - 1", "account_id = 'a05'"),
    ("scores", "account_id = 'a99'", "account_id = 'a12'", "account_id IN ('a12', 'a99')"),
    ("scores", "run_id = 'r'", "run_id = '{run}'", "account_id = 'a12'"),
    ("firing", "account_id = 'a02'", "account_id = 'a06'", "account_id IN ('a02', 'a06')"),
    ("outreach", "rank = 9", "rank = 1", "position = 1"),
    ("documents", "kind = 'other'", "kind = 'matrix'", "kind IN ('other', 'matrix')"),
    ("memories", "body = '{{}}'", "body = '{{ }}'", "account_id = 'a01'"),
)


@pytest.mark.fault("B19")
def test_rows_that_changed_behind_the_ledger_are_found(store: Store) -> None:
    kept = store.publish(example(as_of=date(2025, 6, 24)), now=NOW)
    done = store.publish(example(memory={"a01": "{ }"}), now=NOW)
    mine = f"run_id IN ('{done.run_id}', 'r')"
    for table, changed, mended, where in CHANGES:
        change = f"UPDATE {table} SET {changed} WHERE {where} AND {mine}".format(run=done.run_id)
        execute(store, change)
        with pytest.raises(DataRejected, match=done.run_id) as refused:
            store.verify()
        assert (refused.value.code, refused.value.exit_code) == ("ledger.mismatch", 65)
        execute(store, change.replace(changed.format(), mended.format(run=done.run_id)))
        assert store.verify() == [done.run_id, kept.run_id], table
    with pytest.raises(InputMissing):
        store.verify("nothing")


@pytest.mark.fault("B20")
def test_a_database_that_is_ahead_is_refused(opening: Opening) -> None:
    execute(opening(), "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationRefused, match="9999") as refused:
        opening()
    assert (refused.value.code, refused.value.exit_code) == ("store.revision", 78)
    assert database.HEAD in str(refused.value)


@pytest.mark.fault("B20")
def test_a_database_that_is_behind_is_brought_up_with_its_rows(opening: Opening) -> None:
    from alembic import command
    from alembic.config import Config

    store = opening()
    done = store.publish(example(), now=NOW)
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    with database.writing(store.engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    again = opening()
    assert again.current() == store.run(done.run_id)
    assert again.current().status == "published"  # type: ignore[union-attr]
    assert again.publish(example(snapshot_id="s2"), now=NOW).published


def test_the_migrations_end_at_the_declared_tables(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.reading(store.engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


@pytest.mark.fault("B02")
def test_while_one_holds_the_lease_another_is_busy(opening: Opening) -> None:
    store, other = opening(), opening("elsewhere", wait_seconds=0.1)
    seen: list[str] = []

    def meanwhile(point: str) -> None:
        if point == "begun":
            with (
                pytest.raises(Busy, match="held by process") as refused,
                lease.alone(store.engine, other.home, other.settings),
            ):
                pass
            seen.append(f"{refused.value.code} {refused.value.exit_code}")

    assert store.publish(example(), now=NOW, checkpoint=meanwhile).published
    assert seen == ["busy 75"]
    with lease.alone(store.engine, other.home, other.settings) as mine:
        assert mine.token == 2
    assert not list(store.home.glob("publish-*.lock"))


@pytest.mark.fault("B03", partly=True)
@pytest.mark.parametrize("point", ["begun", "exports.half", "exports.written", "exports.renamed"])
def test_who_stood_still_past_the_lease_is_fenced(opening: Opening, point: str) -> None:
    store = opening()
    done = []

    def stand_still(name: str) -> None:
        if name == point:
            with database.writing(store.engine) as connection:
                connection.execute(sa.update(tables.leases).values(since=0.0, until=0.0))
            done.append(store.publish(example(snapshot_id="s2"), now=NOW))

    with pytest.raises(Busy) as refused:
        store.publish(example(), now=NOW, checkpoint=stand_still)
    assert (refused.value.code, refused.value.exit_code) == ("fenced", 75)
    assert store.current().run_id == done[0].run_id  # type: ignore[union-attr]
    assert [run.run_id for run in store.runs()] == [done[0].run_id]
    assert store.verify() == [done[0].run_id]
    assert [outcome for _, outcome in store.attempts()] == ["fenced", "published"]


@pytest.mark.fault("B15")
@pytest.mark.parametrize("shift", [-3600, 3600])
def test_a_clock_that_is_set_leaves_one_publisher(
    opening: Opening, shift: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = opening(), opening(wait_seconds=0)
    done = []

    def set_clock(point: str) -> None:
        if point == "begun":
            clocks = {name: f"{how} + ({shift})" for name, how in lease._CLOCKS.items()}
            patched.setattr(lease, "_CLOCKS", clocks)
            done.append(other.publish(example(snapshot_id="s2"), now=NOW))

    with monkeypatch.context() as patched, pytest.raises(Busy, match="fenced"):
        store.publish(example(), now=NOW, checkpoint=set_clock)
    assert [run.run_id for run in store.runs()] == [done[0].run_id]
    again = opening().publish(example(), now=NOW)  # the clock is right again: nobody waits an hour
    assert (again.published, again.revision) == (True, 2)


@pytest.mark.fault("B07")
def test_a_full_disk_in_the_exports_leaves_the_old_run_serving(store: Store) -> None:
    old = store.publish(example(), now=NOW)

    def full(name: str) -> None:
        if name == "exports.half":
            raise OSError(28, "No space left on device")

    with pytest.raises(CannotWrite) as refused:
        store.publish(example(snapshot_id="s2"), now=NOW, checkpoint=full)
    assert refused.value.exit_code == 73
    assert store.current().run_id == old.run_id  # type: ignore[union-attr]
    assert [outcome for _, outcome in store.attempts()] == ["published", "interrupted"]
    assert store.publish(example(snapshot_id="s2"), now=NOW).published


def test_files_of_a_run_that_never_came_to_be_are_removed(store: Store) -> None:
    def fail(name: str) -> None:
        if name == "exports.renamed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.publish(example(snapshot_id="s2"), now=NOW, checkpoint=fail)
    (lost,) = (store.home / "exports").iterdir()
    done = store.publish(example(), now=NOW)
    assert [each.name for each in (store.home / "exports").iterdir()] == [done.run_id]
    assert lost.name != done.run_id


def test_the_digest_of_a_run_is_the_same_on_every_store() -> None:
    frame = example().scores
    shuffled = frame.iloc[::-1].assign(mrr=frame["mrr"].astype("float64"))
    assert example(scores=pd.DataFrame(shuffled)).digest == example().digest
    assert isinstance(Lease.__doc__, str)
