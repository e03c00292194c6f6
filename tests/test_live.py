"""Answers computed now are those of the run that serves."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from features.faults import InputMissing, UsageFault
from serving.app import create_app
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
    alone = client.post("/v1/score", json={"account_ids": ids[3:4]}).json()["items"]
    assert alone == published[3:4]
    assert client.post("/v1/score", json={"account_ids": ["nobody"]}).status_code == 404


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
