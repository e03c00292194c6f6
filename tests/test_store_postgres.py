"""What only a server can do to the store: cut a commit, undo a transaction, refuse."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from features.faults import Busy, CannotWrite, ConfigurationRefused, DependencyDown
from serving import database, patience
from serving.kept import StoreSettings
from serving.store import Store
from tests import own_postgres
from tests.cut_wire import Wire, cut_wire
from tests.example_publication import NOW, example

pytestmark = [
    pytest.mark.ci,
    pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL here"),
]
VARIABLE = "PERENNIAL_STORE_URL"
RAISING = """
CREATE SEQUENCE tries;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END IF;
    RETURN NULL; END $$;
CREATE TRIGGER refusing AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse();
"""


@pytest.fixture(scope="module")
def server() -> Iterator[sa.URL]:
    with own_postgres.server() as url:
        yield url


@pytest.fixture
def url(server: sa.URL) -> Iterator[str]:
    with own_postgres.own_schema(server) as text:
        yield text


@pytest.fixture
def store(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(patience, "PAUSE", 0.001)
    monkeypatch.setenv(VARIABLE, url)
    opened = Store.open(tmp_path / "home", StoreSettings(url=f"env:{VARIABLE}", wait_seconds=5))
    yield opened
    opened.engine.dispose()


@pytest.fixture
def wired(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Store, Wire]]:
    """A store behind a wire that can be cut."""
    monkeypatch.setattr(patience, "PAUSE", 0.001)
    address = sa.make_url(url)
    with (
        tempfile.TemporaryDirectory(prefix="wire-") as here,
        cut_wire(Path(str(address.query["host"])), Path(here)) as wire,
    ):
        through = address.update_query_dict({"host": here})
        monkeypatch.setenv(VARIABLE, through.render_as_string(hide_password=False))
        opened = Store.open(tmp_path / "home", StoreSettings(url=f"env:{VARIABLE}"))
        yield opened, wire
        opened.engine.dispose()


def refusing(store: Store, state: str, times: int, table: str = "runs") -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql(RAISING.format(state=state, times=times, table=table))


def tries(store: Store) -> int:
    with store.engine.begin() as connection:
        return int(connection.exec_driver_sql("SELECT last_value FROM tries").scalar_one())


@pytest.mark.fault("B08")
@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("held", [(), ("odd",)])
def test_a_commit_whose_answer_is_lost_is_read_from_the_ledger(
    wired: tuple[Store, Wire], cut: str, held: tuple[str, ...]
) -> None:
    store, wire = wired

    def arm(point: str) -> None:
        if point == "before_commit" and not wire.cuts:
            wire.cut = cut

    done = store.publish(example(), now=NOW, checkpoint=arm, held=held)
    assert wire.cuts == 1
    assert (done.published, done.revision, done.held) == (not held, 1, held)
    assert len(store.runs(held=True)) == 1
    assert store.verify() == [done.run_id]
    word = "held" if held else "published"
    lost = ["interrupted"] if cut == "before" else []
    assert [outcome for _, outcome in store.attempts()] == [*lost, word]
    assert not store.publish(example(), now=NOW, held=held).published


@pytest.mark.fault("B08")
def test_another_that_published_meanwhile_is_not_doubled(wired: tuple[Store, Wire]) -> None:
    store, wire = wired

    def arm(point: str) -> None:
        if point == "before_commit" and not wire.cuts:
            wire.cut = "after"

    done = store.publish(example(), now=NOW, checkpoint=arm)
    assert not store.publish(example(), now=NOW).published
    assert store.publish(example(snapshot_id="s2"), now=NOW).revision == 2
    assert done.revision == 1


@pytest.mark.fault("B09")
@pytest.mark.parametrize("state", ["40001", "40P01", "57P01", "25006"])
def test_a_transaction_that_the_server_undid_is_tried_again_whole(store: Store, state: str) -> None:
    refusing(store, state, times=3)
    done = store.publish(example(), now=NOW)
    assert (done.published, done.revision, tries(store)) == (True, 1, 4)
    assert store.verify() == [done.run_id]
    assert [outcome for _, outcome in store.attempts()] == ["interrupted"] * 3 + ["published"]


@pytest.mark.fault("B09")
def test_after_five_more_tries_it_says_that_the_database_is_down(store: Store) -> None:
    old = store.publish(example(), now=NOW)
    refusing(store, "40001", times=99)
    with pytest.raises(DependencyDown) as refused:
        store.publish(example(snapshot_id="s2"), now=NOW)
    assert (refused.value.code, refused.value.exit_code) == ("store.unavailable", 69)
    assert tries(store) == 6
    assert store.current().run_id == old.run_id  # type: ignore[union-attr]
    assert [outcome for _, outcome in store.attempts()] == ["published"] + ["interrupted"] * 6


@pytest.mark.fault("B09")
def test_a_session_that_is_ended_in_the_transaction_is_tried_again(store: Store) -> None:
    ended = []

    def end(point: str) -> None:
        if point == "scores_inserted" and not ended:
            ended.append(point)
            with store.engine.connect() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE state = 'idle in transaction'"
                )

    assert store.publish(example(), now=NOW, checkpoint=end).published
    assert [outcome for _, outcome in store.attempts()] == ["interrupted", "published"]


@pytest.mark.fault("B07")
def test_a_disk_of_the_server_that_is_full_rolls_back(store: Store) -> None:
    old = store.publish(example(), now=NOW)
    refusing(store, "53100", times=1, table="outreach")
    with pytest.raises(CannotWrite) as refused:
        store.publish(example(snapshot_id="s2"), now=NOW)
    assert refused.value.exit_code == 73
    assert store.verify() == [old.run_id] == [store.current().run_id]  # type: ignore[union-attr]
    assert store.publish(example(snapshot_id="s2"), now=NOW).published


@pytest.mark.fault("B10")
def test_a_writer_waits_for_another_as_long_as_it_is_told(store: Store) -> None:
    hasty = Store.open(store.home, StoreSettings(url=f"env:{VARIABLE}", wait_seconds=0.2))
    with database.writing(store.engine), pytest.raises(Busy) as refused:
        hasty.publish(example(), now=NOW)
    assert refused.value.exit_code == 75
    assert hasty.publish(example(), now=NOW).published
    hasty.engine.dispose()


@pytest.mark.fault("B10")
def test_a_statement_has_its_time(store: Store) -> None:
    hasty = Store.open(store.home, StoreSettings(url=f"env:{VARIABLE}", statement_seconds=0.2))
    with pytest.raises(Busy, match="statement timeout"), database.reading(hasty.engine) as slow:
        slow.exec_driver_sql("SELECT pg_sleep(5)")
    hasty.engine.dispose()


@pytest.mark.fault("B11")
def test_nothing_outlives_a_transaction(store: Store) -> None:
    """Another session may do the next one: PgBouncer gives it whichever is free."""
    store.publish(example(), now=NOW)
    with store.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        for name, value in (("statement_timeout", "0"), ("lock_timeout", "0")):
            assert raw.execute(f"SHOW {name}").fetchone() == (value,)
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert raw.execute(locks).fetchone() == (0,)
        assert raw.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    with database.writing(store.engine) as connection:
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert connection.exec_driver_sql(held).scalar() == 1
        timeout = connection.exec_driver_sql("SHOW client_connection_check_interval").scalar()
        assert timeout == "500ms"


@pytest.mark.fault("B20")
def test_a_user_who_may_not_migrate_hears_of_both_revisions(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = sa.make_url(url).query["options"].removeprefix("-csearch_path=")  # type: ignore[union-attr]
    with store.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE alembic_version SET version_num = '0001'; DROP ROLE IF EXISTS reader; "
            f"CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA {schema} TO reader; "
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader"
        )
    reader = sa.make_url(url).set(username="reader").render_as_string(hide_password=False)
    monkeypatch.setenv(VARIABLE, reader)
    with pytest.raises(ConfigurationRefused) as refused:
        Store.open(store.home, StoreSettings(url=f"env:{VARIABLE}"))
    assert (refused.value.code, refused.value.exit_code) == ("store.revision", 78)
    assert "0001" in str(refused.value)
    assert database.HEAD in str(refused.value)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY reader; DROP ROLE reader")


def test_what_is_no_database_is_refused_without_its_password(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = StoreSettings(url=f"env:{VARIABLE}")
    there = sa.make_url(url)
    nowhere = there.set(host="127.0.0.1", port=9, query={})
    for address, code in (
        ("", "config"),
        ("pa:ss/word", "config"),
        ("mysql://ada:pa:ss/word@host/db", "config"),
        (there.set(database="none").render_as_string(hide_password=False), "store.unavailable"),
        (there.set(username="nobody").render_as_string(hide_password=False), "store.unavailable"),
        (nowhere.render_as_string(hide_password=False), "store.unavailable"),
    ):
        monkeypatch.setenv(VARIABLE, address)
        with pytest.raises((ConfigurationRefused, DependencyDown)) as refused:
            Store.open(tmp_path, settings)
        assert refused.value.code == code, address
        assert "ss/word" not in str(refused.value)
