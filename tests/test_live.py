"""Answers computed now are those of the run that serves."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from features.faults import InputMissing, UsageFault
from serving import tables
from serving.app import create_app
from serving.database import writing
from serving.live import forecast_by, list_for, live_scorer
from serving.settings import Settings, load
from serving.store import Store
from tests.command_line import workspace

pytestmark = pytest.mark.ci  # they run the job itself


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load(here=workspace(tmp_path_factory))


def test_an_account_scored_now_is_the_one_that_was_published(settings: Settings) -> None:
    client = TestClient(
        create_app(settings.home, live_scorer(settings)), base_url="http://127.0.0.1"
    )
    published = client.get("/v1/accounts?limit=1000").json()["items"]
    ids = [row["account_id"] for row in published]
    now = client.post("/v1/score", json={"account_ids": ids}).json()["items"]
    assert now == published
    listed, scored = (
        client.get("/v1/accounts?limit=1000").content,
        client.post("/v1/score", json={"account_ids": ids}).content,
    )
    assert _items(listed).partition(b',"next_cursor"')[0] == _items(scored)[:-1]  # byte for byte
    alone = client.post("/v1/score", json={"account_ids": ids[3:4]}).json()["items"]
    assert alone == published[3:4]
    assert client.post("/v1/score", json={"account_ids": ["nobody"]}).status_code == 404


def _items(answer: bytes) -> bytes:
    return answer.partition(b'"items":')[2]


def test_a_run_is_judged_once_and_again_when_another_serves(
    tmp_path: Path, settings: Settings
) -> None:
    home = tmp_path / "home"
    shutil.copytree(settings.home, home)
    own = replace(settings, home=home)
    scorer, store = live_scorer(own), Store.open(home)
    names = [row["account_id"] for row in store.scores(limit=3).rows]
    first = scorer(names)
    assert scorer(names)[0] is first[0]  # held
    run = store.current()
    assert run is not None
    with writing(store.engine) as connection:
        later = {"run_id": "later", "revision": run.revision + 1}
        row = {**asdict(run), **later}
        connection.execute(sa.insert(tables.runs).values(row))
        connection.execute(sa.update(tables.current).values(run_id="later"))
    assert [row["run_id"] for row in scorer(names)] == ["later"] * 3
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: scorer(names), range(8)))
    assert all(one == told[0] for one in told)


def test_the_same_places_give_the_same_list(settings: Settings) -> None:
    published = Store.open(settings.home).outreach()
    same = list_for(settings, None, settings.choices.outreach.per_csm)
    assert [row["account_id"] for row in same] == [row["account_id"] for row in published]


def test_a_cut_that_accounts_do_not_have(settings: Settings) -> None:
    with pytest.raises(UsageFault, match=r'cut.unknown: did you mean "region"\?'):
        forecast_by(settings, 3, "regoin")


def test_before_a_run_nothing_can_be_answered(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="run `perennial score`"):
        live_scorer(load(here=tmp_path))(["a"])
