"""Old runs packed: whoever asks is answered the same, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from features.faults import DataRejected, InternalFault
from serving import compaction, database, queries, run_cuts, tables
from serving.acv_mix import acv_mix
from serving.alerts.past import past
from serving.dashboard.expansion import best_of
from serving.digest.reading import read
from serving.history import cells_on, listed
from serving.kept import StoreSettings
from serving.listing import listing_csv
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
DAYS = [date(2025, 6, 2) + timedelta(days=7 * n) for n in range(5)]
FILTERS = (
    Filters(),
    Filters(cell="LL"),
    Filters(csm="Ada", segment="mid"),
    Filters(min_mrr=1000, moved=True),
    Filters(moved=False),
    Filters(named="ÉLAN"),
    Filters(named="a0"),
    Filters(trigger="seat_limit"),
    Filters(trigger="seat_limit", csm="Cleo"),
    Filters(trigger="none such"),
    Filters(renewal_from=date(2025, 8, 1), renewal_before=date(2025, 10, 1)),
    Filters(play="Save"),
)
SORTS = ("account_id", "-account_id", "name", "-mrr", "next_renewal_on", "-p_churn")
Asked = dict[Any, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[sa.URL]:
    with own_postgres.server() as url:
        yield url


@pytest.fixture(params=BOTH)
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """Five weeks, one of them with a held and a second revision; two accounts go to a pack."""
    monkeypatch.setattr(compaction, "ACCOUNTS", 2)
    if request.param == "sqlite":
        yield published(Store.open(tmp_path, StoreSettings(whole_dates=2)))
        return
    with own_postgres.own_schema(request.getfixturevalue("server")) as text:
        monkeypatch.setenv(VARIABLE, text)
        there = Store.open(tmp_path, StoreSettings(url=f"env:{VARIABLE}", whole_dates=2))
        yield published(there)
        there.engine.dispose()


def published(store: Store) -> Store:
    for day in DAYS:
        scores = example().scores
        scores.loc[:3, "expected_loss_mrr"] = [5e-324, 1e300, 0.1 + 0.2, float(day.day)]
        scores.loc[5, "name"] = "line\nbreak \\ \" ' 🌱 %s :x"
        memory = {"a01": f'{{"week": "{day}"}}', "a07": '{"week": 1}'}
        store.publish(example(as_of=day, scores=scores, memory=memory), now=NOW)
    store.publish(example(as_of=DAYS[1], snapshot_id="s2"), now=NOW)
    store.publish(example(as_of=DAYS[1], snapshot_id="s3"), now=NOW, held=["odd"])
    return store


def everything(store: Store) -> Asked:
    """Ask all that can be asked of every run."""
    engine, told = store.engine, Asked()
    for run in store.runs(held=True):
        name = run.run_id
        for sort in SORTS:
            first = store.scores(run=name, sort=sort, limit=5)
            told[name, sort] = first, store.scores(run=name, sort=sort, limit=5, after=first.after)
        for filters in FILTERS:
            page = store.scores(filters, run=name)
            told[name, filters] = page, run_cuts.matrix_cut(engine, name, filters)
        told[name, "csv"] = b"".join(listing_csv(engine, name, Filters(csm="Ada"), "-mrr"))
        told[name, "accounts"] = [store.account(one, run=name) for one in ("a02", "a12", "", "z")]
        told[name, "sums"] = store.cohort(name), store.cells(run=name), acv_mix(engine, name)
        told[name, "list"] = [
            store.outreach(run=name),
            store.outreach("Ada", 1, run=name),
            store.outreach_top(2, run=name),
        ]
        with database.reading(engine) as connection:
            told[name, "line"] = queries.listing_of(connection, name, "a02")
        names = [run_cuts.names_of(engine, name, "segment", csm) for csm in (None, "Ada")]
        told[name, "names"] = names, run_cuts.triggers_of(engine, name)
        told[name, "pages"] = read(store, run, "Ada"), best_of(store, run, None)
    for account in ("a02", "a12", "nobody"):
        told[account] = store.history(account), store.history(account, before=DAYS[3], limit=2)
    for day in (*DAYS, DAYS[-1] + timedelta(days=1)):
        told[day, "before"] = store.previous_cells(day, 3).to_dict("list")
        told[day, "past"] = past(engine, day, 2), cells_on(engine, day), listed(engine, day, 91)
    return told


def counted(store: Store, *chosen: sa.Table) -> list[int]:
    with store.engine.begin() as connection:
        each = (sa.select(sa.func.count()).select_from(table) for table in chosen)
        return [connection.scalar(count) or 0 for count in each]


def test_a_packed_run_answers_as_before(store: Store) -> None:
    before, agreed = everything(store), store.verify()
    packed = store.compact()
    assert [name[:10] for name in packed] == [str(DAYS[n]) for n in (0, 1, 1, 1, 2)]
    assert counted(store, tables.briefs, tables.scores) == [60, 24]
    after = everything(store)
    assert repr(after) == repr(before)  # to the last digit of each number, in the same order
    assert store.verify() == agreed
    assert store.compact() == []


def test_a_few_at_once_the_oldest_first_and_never_the_one_that_serves(store: Store) -> None:
    first, second = store.compact(1), store.compact(1)
    assert [name[:10] for name in (*first, *second)] == [str(DAYS[0]), str(DAYS[1])]
    for n in (1, 2):
        day = DAYS[-1] + timedelta(days=7 * n)
        store.publish(example(as_of=day), now=NOW, held=["odd"])
    current = store.current()
    assert current is not None
    assert current.as_of == DAYS[-1]
    assert current.run_id not in store.compact()
    assert counted(store, tables.packed) == [6]


def test_a_run_of_a_packed_date_is_published_again_and_approved(store: Store) -> None:
    held = next(run.run_id for run in store.runs(held=True) if run.held)
    store.compact()
    assert store.approve(held, now=NOW).status == "approved"
    assert [row["run_id"] for row in store.history("a02") if row["as_of"] == DAYS[1]] == [held]
    again = store.publish(example(as_of=DAYS[0], snapshot_id="s9"), now=NOW)
    assert again.revision == 2
    assert store.compact() == [again.run_id]
    assert again.run_id in store.verify()


@pytest.mark.fault("B18", partly=True)
@pytest.mark.fault("C14", partly=True)
def test_killed_in_the_middle_a_run_is_whole_or_packed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed = store.verify()
    for table in ("packed", "briefs", "packs", "scores", "memories", "firing", "outreach"):

        def stop(_c: Any, _u: Any, statement: str, *_: Any, at: str = table) -> None:
            word = statement.split("(")[0].replace('"', "").split()
            if word[0] in ("INSERT", "DELETE") and at in word:
                raise KeyboardInterrupt

        sa.event.listen(store.engine, "before_cursor_execute", stop)
        with pytest.raises(KeyboardInterrupt):
            store.compact()
        sa.event.remove(store.engine, "before_cursor_execute", stop)
        assert counted(store, tables.packed, tables.briefs, tables.packs) == [0, 0, 0]
    monkeypatch.setattr(compaction, "pack", lambda columns: packing_all_but_one(columns))
    with pytest.raises(InternalFault, match="read back"):
        store.compact()
    assert store.verify() == agreed


def packing_all_but_one(columns: dict[str, list[Any]]) -> bytes:
    from serving.packing import pack

    odd = {name: values for name, values in columns.items() if name != "guard"}
    return pack(odd | ({"guard": ["?"] * len(columns["guard"])} if "guard" in columns else {}))


def test_an_account_leaves_every_pack(store: Store) -> None:
    packed = store.compact()
    with database.writing(store.engine) as connection:
        assert compaction.forget(connection, ["a02", "a01", "nobody"]) == 2 * len(packed)
        assert compaction.forget(connection, ["a02"]) == 0
    with database.reading(store.engine) as connection:
        assert "a01" not in list(connection.scalars(sa.select(tables.packs.c.first)))
        bodies = connection.scalars(sa.select(tables.packs.c.body)).all()
    from serving.packing import unpack

    assert not any(b'"a02"' in repr(unpack(body)).replace("'", '"').encode() for body in bodies)
    for name in packed:
        assert store.account("a02", run=name) is None
        assert store.account("a03", run=name) is not None
        assert store.scores(run=name).total == 10
        assert "a02" not in {row["account_id"] for row in store.outreach(run=name)}
    with pytest.raises(DataRejected, match="10 accounts"):
        store.verify(packed[0])  # whoever erases seals it again


CHANGES: tuple[Callable[[], sa.Update | sa.Delete], ...] = (
    lambda: sa.update(tables.briefs).values(mrr=tables.briefs.c.mrr + 1),
    lambda: sa.delete(tables.briefs).where(tables.briefs.c.account_id == "a05"),
    lambda: sa.delete(tables.packs).where(tables.packs.c.kind == "memories"),
    lambda: sa.delete(tables.packs).where(tables.packs.c.first == "a03"),
    lambda: sa.delete(tables.packs).where(tables.packs.c.kind == "outreach"),
    lambda: sa.delete(tables.packs).where(tables.packs.c.kind == "firing"),
    lambda: sa.update(tables.packs).values(body=b"odd"),
    lambda: sa.update(tables.packs).values(body=b"\xff" * 99),
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_pack_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[], Any]
) -> None:
    monkeypatch.setattr(compaction, "ACCOUNTS", 2)
    store = published(Store.open(tmp_path, StoreSettings(whole_dates=2)))
    packed = store.compact()
    with database.writing(store.engine) as connection:
        connection.execute(change())
    with pytest.raises(DataRejected) as refused:
        store.verify(packed[0])
    assert (refused.value.code, refused.value.exit_code) == ("ledger.mismatch", 65)


def test_going_back_writes_out_what_was_packed(store: Store) -> None:
    from alembic import command
    from alembic.config import Config

    before, agreed = store.scores(run=store.runs()[-1].run_id), store.verify()
    packed = store.compact()
    with database.reading(store.engine) as connection:
        oldest = connection.scalar(sa.select(tables.reach.c.oldest))
        assert oldest == compaction.READS_PACKS
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    with database.writing(store.engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0009")
        assert not sa.inspect(connection).has_table("packs")
    again = Store.open(store.home, store.settings)
    assert again.verify() == agreed
    assert again.scores(run=packed[0]) == before
    assert again.compact() == packed
    again.engine.dispose()
