"""`perennial models`, and the weekly job beside models that were damaged or are out of reach."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import Answer, copied, perennial, workspace

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.ci  # they train a small book first


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which version 2 serves after version 1."""
    folder = copied(workspace(tmp_path_factory), tmp_path_factory.mktemp("models") / "w")
    listed = perennial(folder, "models", "--json").body
    numbers = [one["version"] for one in listed["models"]]
    assert len(numbers) >= 2, "the calendar alone, then the blend or the calendar with its record"
    first, second = numbers[0], numbers[-1]
    for number in (first, second):
        assert perennial(folder, "models", "promote", str(number)).code == 0
    assert perennial(folder, "score", "--json").code == 0
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return copied(trained, tmp_path / "w")


def listed(folder: Path) -> Any:
    return perennial(folder, "models", "list", "--json").body


def bundle_of(folder: Path, version: int) -> Path:
    item = next(one for one in listed(folder)["models"] if one["version"] == version)
    return folder / "mlruns" / "artifacts" / item["run_id"] / "artifacts" / "model" / "bundle"


def kept_of(folder: Path, version: int) -> Path:
    item = next(one for one in listed(folder)["models"] if one["version"] == version)
    return folder / ".perennial" / "bundles" / item["digest"]


def flip(bundle: Path) -> None:
    path = bundle / "contract.json"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def refused(answer: Answer, code: int, name: str) -> None:
    assert answer.code == code, answer.err
    assert answer.body["error"]["code"] == name


def test_list_and_show_say_what_serves(folder: Path) -> None:
    told = listed(folder)
    assert set(told) == {"champion", "models", "waiting"}
    assert [one["version"] for one in told["models"] if one["champion"]] == [told["champion"]]
    assert all(one["params"]["as_of"] for one in told["models"])
    shown = perennial(folder, "models", "show", str(told["champion"]), "--json").body
    assert shown["verified"] is True
    assert set(shown["targets"]) == {"churn", "expand", "contract"}
    assert shown["digest"] == next(o["digest"] for o in told["models"] if o["champion"])
    for words in ((), ("show", "1"), ("promote", str(told["champion"]))):
        assert perennial(folder, "models", *words).code == 0
    assert "serves" in perennial(folder, "models").out
    refused(perennial(folder, "models", "show", "99", "--json"), 66, "registry.no_version")
    refused(perennial(folder, "models", "rollback", "1", "--json"), 2, "usage")


@pytest.mark.fault("R15")
def test_promote_and_rollback_change_who_serves_and_are_written_down(folder: Path) -> None:
    champion = listed(folder)["champion"]
    back = perennial(folder, "models", "rollback", "--json").body
    assert (back["former"], back["changed"]) == (champion, True)
    assert listed(folder)["champion"] == back["champion"] != champion
    scored = perennial(folder, "score", "--json").body
    assert (scored["model_version"], scored["published"]) == (str(back["champion"]), True)
    forth = perennial(folder, "models", "promote", str(champion), "--json").body
    assert (forth["champion"], forth["former"]) == (champion, back["champion"])
    again = perennial(folder, "models", "promote", str(champion), "--json").body
    assert again["changed"] is False
    log = (folder / ".perennial" / "models.jsonl").read_text().splitlines()
    assert [json.loads(line)["action"] for line in log[-2:]] == ["rollback", "promote"]


@pytest.mark.fault("R01")
@pytest.mark.fault("R02")
@pytest.mark.fault("R06")
def test_the_weekly_job_goes_on_with_the_last_good_model(folder: Path) -> None:
    champion = listed(folder)["champion"]
    flip(bundle_of(folder, champion))
    same = perennial(folder, "score", "--json")
    assert (same.code, same.body["degraded"]) == (0, True)  # from the kept copy: nothing new
    assert (same.body["model_version"], same.body["published"]) == (str(champion), False)
    assert "degraded" in same.err
    assert "model.digest" in same.err
    flip(kept_of(folder, champion))
    older = perennial(folder, "score", "--json").body
    assert (older["degraded"], older["published"]) == (True, True)
    assert older["model_version"] != str(champion)
    refused(perennial(folder, "models", "show", str(champion), "--json"), 65, "model.digest")
    for one in listed(folder)["models"]:
        shutil.rmtree(bundle_of(folder, one["version"]))
    shutil.rmtree(folder / ".perennial" / "bundles")
    refused(perennial(folder, "score", "--json"), 65, "model.path")
    assert perennial(folder, "outreach", "--json").code == 0  # the published run serves on


@pytest.mark.fault("R08")
@pytest.mark.fault("R17")
def test_a_damaged_version_is_neither_promoted_nor_rolled_back_to(folder: Path) -> None:
    champion = listed(folder)["champion"]
    former = perennial(folder, "models", "rollback", "--json").body["champion"]
    flip(bundle_of(folder, champion))
    refused(perennial(folder, "models", "promote", str(champion), "--json"), 65, "model.digest")
    assert listed(folder)["champion"] == former


@pytest.mark.fault("R10")
@pytest.mark.fault("T06")
def test_a_registry_that_is_locked_or_gone_leaves_the_last_verified_model(folder: Path) -> None:
    champion = listed(folder)["champion"]
    database = sqlite3.connect(folder / "mlruns" / "mlflow.db", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    locked = perennial(folder, "score", "--json")
    assert (locked.code, locked.body["degraded"]) == (0, True)
    assert "database is locked" in locked.err
    refused(perennial(folder, "models", "--json"), 69, "registry.unavailable")
    database.close()
    shutil.rmtree(folder / "mlruns")
    gone = perennial(folder, "score", "--json")
    assert (gone.code, gone.body["model_version"]) == (0, str(champion))
    assert "registry.no_champion" in gone.err
    shutil.rmtree(folder / ".perennial" / "bundles")
    refused(perennial(folder, "score", "--json"), 66, "model.none")


@pytest.mark.fault("T06")
def test_a_training_without_mlflow_leaves_its_bundle_to_be_registered(folder: Path) -> None:
    toml = folder / "perennial.toml"
    sound = toml.read_text()
    toml.write_text(sound + '\n[mlflow]\ntracking_uri = "http://127.0.0.1:9"\n')
    down = perennial(folder, "train", "--json")
    refused(down, 69, "registry.unavailable")
    assert "perennial models register" in down.err
    toml.write_text(sound)
    assert len(listed(folder)["waiting"]) == 1
    before = len(listed(folder)["models"])
    told = perennial(folder, "models", "register", "--json").body
    assert len(told["registered"]) == 1
    assert listed(folder)["waiting"] == []
    assert len(listed(folder)["models"]) == before  # the same bundle is the version that it was
    assert perennial(folder, "models", "register", "--json").body["registered"] == []


@pytest.mark.fault("T05")
@pytest.mark.fault("T08")
@pytest.mark.fault("B16", partly=True)
def test_a_training_that_is_asked_to_end_leaves_only_whole_models(folder: Path) -> None:
    shutil.rmtree(folder / "mlruns")
    command = [sys.executable, "-m", "serving.cli", "train", "--json"]
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )
    while process.poll() is None and not (folder / "mlruns" / "mlflow.db").exists():
        time.sleep(0.05)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=60)[1].decode()
    assert (process.returncode, "interrupted" in told) == (75, True), told
    assert time.monotonic() - begun < 20
    kinds = [one["tags"]["kind"] for one in listed(folder)["models"]]
    assert kinds in ([], ["calendar"])
    database = sqlite3.connect(folder / "mlruns" / "mlflow.db")
    versions = database.execute("SELECT count(*) FROM model_versions").fetchone()
    assert versions == (len(kinds),)


@pytest.mark.fault("R02")
def test_a_list_is_not_ranked_again_by_a_damaged_model_until_a_scoring_has_mended_it(
    folder: Path,
) -> None:
    flip(kept_of(folder, listed(folder)["champion"]))
    again = ("outreach", "--capacity", "3", "--json")
    refused(perennial(folder, *again), 65, "model.digest")
    assert perennial(folder, "outreach", "--json").code == 0
    scored = perennial(folder, "score", "--json").body
    assert (scored["published"], scored["degraded"]) == (False, False)
    assert perennial(folder, *again).code == 0


@pytest.mark.fault("R18")
def test_with_a_key_no_model_is_scored_with_that_was_not_signed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = folder / "perennial.toml"
    toml.write_text(toml.read_text() + '\n[models]\nsigning_key = "env:PERENNIAL_TEST_KEY"\n')
    monkeypatch.delenv("PERENNIAL_TEST_KEY", raising=False)
    refused(perennial(folder, "score", "--json"), 78, "config")
    monkeypatch.setenv("PERENNIAL_TEST_KEY", "k" * 40)
    refused(perennial(folder, "score", "--json"), 65, "model.signature")
    refused(perennial(folder, "models", "rollback", "--json"), 65, "model.signature")
    assert perennial(folder, "outreach", "--json").code == 0  # what was published is there


def at_door(port: int, path: str, body: Any = None) -> Any:
    """Ask a server; None while it does not answer."""
    data = None if body is None else json.dumps(body).encode()
    kind = {"content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, kind)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read())
    except OSError:
        return None


def until(seconds: float, found: Callable[[], bool]) -> float:
    """Wait until something is so, and say how long it took."""
    begun = time.monotonic()
    while not found():
        assert time.monotonic() - begun < seconds
        time.sleep(0.05)
    return time.monotonic() - begun


@pytest.mark.fault("R15")
def test_a_rollback_reaches_a_server_that_runs_within_five_seconds(folder: Path) -> None:
    """Its very process scores with the model before, ``/readyz`` says so, and a line is written."""
    champion = str(listed(folder)["champion"])
    account = perennial(folder, "outreach", "--json").body["items"][0]["account_id"]
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    command = [sys.executable, "-m", "serving.cli", "serve", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    )

    def served() -> str | None:
        told = at_door(port, "/readyz")
        return told and told["model_version"]

    def scored() -> str:
        row = at_door(port, "/v1/score", {"account_ids": [account]})["items"][0]
        return str(row["model_version"])

    try:
        until(60, lambda: served() is not None)
        assert served() == scored() == champion
        back = perennial(folder, "models", "rollback", "--json").body
        assert until(5, lambda: served() == str(back["champion"])) < 5
        assert scored() == str(back["champion"]) != champion
        (line,) = (folder / ".perennial" / "models.jsonl").read_text().splitlines()[-1:]
        told = json.loads(line)
        assert (told["action"], told["champion"]) == ("rollback", back["champion"])
        assert (str(told["former"]), told["digest"]) == (champion, back["digest"])
        perennial(folder, "models", "promote", champion)
        until(5, lambda: served() == champion)
    finally:
        server.terminate()
        server.wait(20)
