"""A serving process holds its model: damage on the disk degrades, and never stops, what serves."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from features.faults import DataRejected
from serving.app import create_app
from serving.chosen import NOTE, Choice, choose
from serving.model_at_hand import ModelAtHand
from serving.store import Store
from tests.example_publication import NOW, example


class Shelf:
    """Kept bundles: a folder each, whose one file says whether it is sound."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, 0

    def put(self, digest: str, said: str = "sound") -> None:
        (self.folder / digest).mkdir(parents=True, exist_ok=True)
        (self.folder / digest / "contract.json").write_text(said)

    def opened(self, folder: Path, version: int, digest: str) -> Any:
        self.asked += 1
        path = folder / digest / "contract.json"
        if not path.exists() or path.read_text() != "sound":
            cure = "train again, or roll back to an earlier version"
            raise DataRejected("model.digest", f"{path}: not the bytes", cure)
        return SimpleNamespace(version=version, bundle=SimpleNamespace(digest=digest))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, the first by version 2."""
    home = tmp_path_factory.mktemp("two_runs")
    first = replace(example(), model_version="2", model_digest="bb", settings_digest="s")
    for one in (first, example()):
        Store.open(home).publish(one, now=NOW)
    return home


@pytest.fixture
def store(home: Path, tmp_path: Path) -> Store:
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    return Store.open(tmp_path)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "bundles")


def digest(store: Store) -> str:
    run = store.current()
    assert run is not None
    return run.model_digest


def asked(api: TestClient) -> tuple[int, Any]:
    reply = api.get("/readyz")
    return reply.status_code, reply.json()


@pytest.mark.fault("R01")
@pytest.mark.fault("R02")
@pytest.mark.fault("R14")
def test_damage_degrades_and_a_mended_copy_is_ready_again(store: Store, shelf: Shelf) -> None:
    told: list[str] = []
    hand = ModelAtHand(store, shelf.folder, shelf.opened, told.append)
    api = TestClient(create_app(store.home, None, hand.state), base_url="http://127.0.0.1")
    shelf.put(digest(store))
    status, body = asked(api)
    assert (status, body["status"], body["model_version"], body["troubles"]) == (
        200,
        "ready",
        "3",
        [],
    )
    shelf.put(digest(store), "flipped")
    for _ in range(3):
        status, body = asked(api)
        assert (status, body["status"], body["model_version"]) == (200, "degraded", "3")
    assert [one["code"] for one in body["troubles"]] == ["model.digest"]
    assert str(store.home) not in str(body)
    assert (shelf.asked, len(told)) == (2, 1)  # looked at when it changed, told once
    shelf.put(digest(store))
    assert asked(api)[1]["status"] == "ready"
    assert told[-1].endswith("version 3 is whole again")


@pytest.mark.fault("R01")
@pytest.mark.fault("S18")
def test_a_process_that_starts_beside_damage_serves_an_earlier_runs_model(
    store: Store, shelf: Shelf
) -> None:
    hand = ModelAtHand(store, shelf.folder, shelf.opened, lambda _: None)
    api = TestClient(create_app(store.home, None, hand.state), base_url="http://127.0.0.1")
    status, body = asked(api)
    assert (status, body["code"]) == (503, "model_not_loaded")
    assert api.get("/livez").status_code == 200
    assert api.get("/v1/models").json()["serving"] is None
    shelf.put("bb")
    status, body = asked(api)
    assert (status, body["status"], body["model_version"]) == (200, "degraded", "2")
    items = api.get("/v1/models").json()
    assert items["serving"]["status"] == "degraded"
    assert {one["version"]: one["serves"] for one in items["items"]} == {"3": False, "2": True}


@pytest.mark.fault("R07")
def test_a_new_publication_brings_its_model(store: Store, shelf: Shelf) -> None:
    hand = ModelAtHand(store, shelf.folder, shelf.opened, lambda _: None)
    shelf.put(digest(store))
    shelf.put("cc")
    assert hand.state().version == "3"  # type: ignore[union-attr]
    new = replace(example(), model_version="4", model_digest="cc", settings_digest="t")
    store.publish(new, now=NOW)
    state = hand.state()
    assert state is not None
    assert (state.version, state.digest, state.status) == ("4", "cc", "ready")


def test_models_are_those_of_the_published_runs(store: Store) -> None:
    api = TestClient(create_app(store.home), base_url="http://127.0.0.1")
    body = api.get("/v1/models").json()
    assert body["serving"]["model_version"] == "3"
    assert [(one["version"], one["runs"], one["serves"]) for one in body["items"]] == [
        ("3", 1, True),
        ("2", 1, False),
    ]
    assert api.get("/v1/models?x=1").status_code == 422


@pytest.mark.fault("R15")
def test_a_choice_counts_at_the_next_question_until_a_run_is_published(
    store: Store, shelf: Shelf
) -> None:
    told: list[str] = []
    hand = ModelAtHand(store, shelf.folder, shelf.opened, told.append)
    for one in (digest(store), "bb"):
        shelf.put(one)

    def serving() -> tuple[str, str]:
        state = hand.state()
        assert state is not None
        return state.version, state.digest

    published = serving()
    choose(shelf.folder, Choice(2, "bb", NOW + timedelta(hours=1)))
    assert serving() == ("2", "bb")
    assert told == ["perennial: model version 2 serves now"]
    (shelf.folder / NOTE).write_text("torn")
    assert serving() == published
    choose(shelf.folder, Choice(2, "bb", NOW - timedelta(hours=1)))
    assert serving() == published  # the run was published after it
    choose(shelf.folder, Choice(7, "gone", NOW + timedelta(hours=2)))
    state = hand.state()
    assert state is not None
    assert (state.version, state.status) == ("3", "degraded")
