"""What a workspace in production does not start with, and what every process keeps to itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from features.faults import ConfigurationRefused
from models.tracking_door import DEFAULTS, SEARCH, VERSION, refuse_open_tracking
from serving import floors, production, surroundings
from serving.floors import TooOld
from serving.settings import Settings, load
from tests.command_line import made, perennial

PRODUCTION = '[operation]\nprofile = "production"\n'
SIGNED = PRODUCTION + '[models]\nsigning_key = "env:PERENNIAL_TEST_KEY"\n'


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A workspace in production with which nothing is wrong."""
    monkeypatch.setattr(surroundings, "as_root", lambda: False)
    monkeypatch.setattr(surroundings, "writable_code", list)
    monkeypatch.setattr(floors, "too_old", list)
    monkeypatch.setenv("PERENNIAL_TEST_KEY", "k" * 40)
    (tmp_path / ".perennial").mkdir(mode=0o700)
    (tmp_path / "perennial.toml").write_text(SIGNED)
    return load(here=tmp_path)


def refused(settings: Settings) -> str:
    with pytest.raises(ConfigurationRefused) as told:
        production.refuse_unsafe(settings)
    assert told.value.exit_code == 78
    assert told.value.cure
    return told.value.code


@pytest.mark.fault("C11")
@pytest.mark.fault("C02")
@pytest.mark.fault("R18")
def test_production_refuses_each_thing_that_is_wrong(
    sound: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    production.refuse_unsafe(sound)
    with monkeypatch.context() as wrong:
        wrong.setattr(surroundings, "as_root", lambda: True)
        assert refused(sound) == "production.root"
    with monkeypatch.context() as wrong:
        wrong.setattr(surroundings, "writable_code", lambda: [Path("serving")])
        assert refused(sound) == "production.writable_code"
    with monkeypatch.context() as wrong:
        wrong.setattr(floors, "too_old", lambda: [TooOld("pyarrow", "13.0", "25.0")])
        assert refused(sound) == "library.too_old"
    sound.home.chmod(0o750)
    assert refused(sound) == "production.open_state"
    sound.home.chmod(0o700)
    (sound.workspace.directory / "perennial.toml").write_text(PRODUCTION)
    assert refused(load(here=sound.workspace.directory)) == "production.unsigned"
    (sound.workspace.directory / "perennial.toml").write_text("")
    production.refuse_unsafe(load(here=sound.workspace.directory))


@pytest.mark.ci
@pytest.mark.fault("C11")
def test_commands_that_work_with_models_do_not_start(tmp_path: Path) -> None:
    folder = made(tmp_path / "w", PRODUCTION)
    for words in (("models",), ("serve", "--port", "0")):
        answer = perennial(folder, *words)
        assert answer.code == 78, answer.err
        assert "production." in answer.err


@pytest.mark.ci
@pytest.mark.fault("C11")
def test_what_a_command_makes_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    folder = made(tmp_path / "w")
    before = os.umask(0)
    try:
        assert perennial(folder, "ingest", "--json").code == 0
        assert os.umask(0) == 0, "it is put back"
    finally:
        os.umask(before)
    home = folder / ".perennial"
    found = [home, *home.rglob("*")]
    assert len(found) > 5
    assert [path for path in found if stat.S_IMODE(path.lstat().st_mode) & 0o077] == []


@pytest.mark.fault("C11")
def test_code_that_others_may_write_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("features", "serving"):
        (tmp_path / name).mkdir(mode=0o555)
    monkeypatch.setattr(surroundings.os, "access", lambda *_: False)
    assert surroundings.writable_code(tmp_path) == []
    (tmp_path / "serving").chmod(0o757)
    assert surroundings.writable_code(tmp_path) == [tmp_path / "serving"]
    (tmp_path / "serving").chmod(0o755)
    monkeypatch.setattr(surroundings, "as_root", lambda: False)
    monkeypatch.setattr(surroundings.os, "access", lambda *_: True)
    assert len(surroundings.writable_code(tmp_path)) == 2


def test_an_open_home_names_what_in_it_is_open(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "note").touch(mode=0o644)
    (home / "secret").touch(mode=0o600)
    assert surroundings.open_state(home) == []
    home.chmod(0o755)
    assert surroundings.open_state(home) == [home, home / "note"]


class Door(BaseHTTPRequestHandler):
    """An MLflow that lets in whom its server says, and tells the version that it says."""

    def do_GET(self) -> None:
        who = self.headers.get("Authorization")
        known = who in self.server.known  # type: ignore[attr-defined]
        self.send_response(200 if known else 401)
        self.end_headers()
        if known and self.path == VERSION:
            self.wfile.write(self.server.version.encode())  # type: ignore[attr-defined]
        assert self.path in (VERSION, SEARCH)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def door() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Door)
    server.known, server.version = {"Basic YWRhOnRydXN0"}, "3.17.2"  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()


@pytest.mark.fault("R12")
def test_an_mlflow_that_lets_anybody_in_is_refused(
    door: HTTPServer, sound: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = door.server_address[1]
    own = f"http://ada:trust@127.0.0.1:{port}"
    refuse_open_tracking(own, "3.17.2")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "trust")
    refuse_open_tracking(f"http://127.0.0.1:{port}/", "3.17.2")

    def code() -> str:
        with pytest.raises(ConfigurationRefused) as told:
            refuse_open_tracking(own, "3.17.2")
        assert "trust" not in str(told.value)
        assert told.value.exit_code == 78
        return told.value.code

    door.version = "3.9.0"  # type: ignore[attr-defined]
    assert code() == "registry.old"
    door.version = "<html>"  # type: ignore[attr-defined]
    assert code() == "registry.old"
    door.known = {*door.known, "Basic YWRtaW46cGFzc3dvcmQxMjM0"}  # type: ignore[attr-defined]
    assert code() == "registry.default_password"
    door.known = {*door.known, None}  # type: ignore[attr-defined]
    assert code() == "registry.open"
    (sound.workspace.directory / "perennial.toml").write_text(
        SIGNED + f'[mlflow]\ntracking_uri = "{own}"\n'
    )
    with pytest.raises(ConfigurationRefused, match=r"registry\.open"):
        production.refuse_unsafe_registry(load(here=sound.workspace.directory))
    assert ("admin", "password1234") in DEFAULTS


def test_an_mlflow_that_does_not_answer_or_is_a_database_is_no_open_door() -> None:
    refuse_open_tracking("http://127.0.0.1:1", "3.17.2")
    refuse_open_tracking("sqlite:///elsewhere.db", "3.17.2")
