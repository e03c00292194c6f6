"""Answers kept in memory are those of the store as it is, whoever changed it."""

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from serving import tables
from serving.api.kept_answers import Shelf
from serving.app import create_app
from serving.database import reading
from serving.store import Store
from tests.example_publication import NOW, example

HERE = "http://127.0.0.1"


def test_an_answer_is_kept_until_anybody_writes(tmp_path):
    Store.open(tmp_path).publish(example(), now=NOW)
    app = create_app(tmp_path)
    api, asked = TestClient(app, base_url=HERE), []
    engine = app.state.serving.store.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    first = api.get("/v1/accounts/a01")
    before = len(asked)
    again = api.get("/v1/accounts/a01")
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    assert len(asked) == before  # the store was not asked
    assert api.get("/v1/accounts/a01", headers={"If-None-Match": first.headers["etag"]}).status_code == 304  # fmt: skip
    other = Store.open(tmp_path)  # as another process would
    scores = example().scores.assign(mrr=1.0)
    other.publish(example(scores=scores, snapshot_id="s2"), now=NOW)
    assert api.get("/v1/accounts/a01").json()["mrr"] == 1.0
    with other.engine.begin() as connection:
        connection.execute(sa.delete(tables.current))
    assert api.get("/v1/accounts/a01").status_code == 503


@pytest.mark.ci
def test_only_good_answers_are_kept_and_only_of_one_state(tmp_path):
    store = Store.open(tmp_path)
    store.publish(example(), now=NOW)
    api = TestClient(create_app(tmp_path), base_url=HERE)
    assert [api.get("/v1/accounts/none").status_code for _ in range(2)] == [404, 404]
    shelf = Shelf(store.engine)
    assert shelf.current()
    since = shelf.seen
    with store.engine.begin() as connection:
        connection.execute(sa.update(tables.runs).values(accounts=11))
    shelf.put(("late",), since, b"made before the write")
    assert shelf.get(("late",)) is None
    assert shelf.current()
    shelf.put(("now",), shelf.seen, b"x")
    assert shelf.get(("now",)) == b"x"
    with reading(store.engine) as connection:
        assert connection.scalar(sa.select(tables.runs.c.accounts)) == 11


@pytest.mark.ci
def test_a_full_shelf_lets_the_oldest_go(tmp_path, monkeypatch):
    monkeypatch.setattr("serving.api.kept_answers.BYTES", 1100)
    shelf = Shelf(Store.open(tmp_path).engine)
    assert shelf.current()
    for name in "abc":
        shelf.put((name,), shelf.seen, b"1234")
    assert [shelf.get((name,)) for name in "abc"] == [None, b"1234", b"1234"]
    shelf.put((b"/v1/accounts", b"named=" + 600 * b"x"), shelf.seen, b"{}")
    assert shelf.get(("b",)) is None  # a long address takes room too
