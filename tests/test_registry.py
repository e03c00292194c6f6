from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest

from features.faults import (
    Busy,
    CannotWrite,
    ConfigurationRefused,
    DataRejected,
    DependencyDown,
    InputMissing,
    InternalFault,
    UsageFault,
)
from models import registry as module
from models.bundle import copy_verified, open_bundle, write_bundle
from models.registry import Registry, Version

pytestmark = pytest.mark.ci

ROOT = Path(__file__).resolve().parents[1]
NAMES = ["breadth", "seats"]
ROWS = pd.DataFrame(np.random.default_rng(3).normal(size=(120, 2)), columns=NAMES)
SAID = {"params": {"rows": 120}, "metrics": {"skill": 0.18}, "tags": {"rung": "blend"}}


def grown(rounds: int) -> str:
    params = {"objective": "binary", "num_leaves": 4, "num_threads": 1, "verbose": -1}
    rows = lightgbm.Dataset(ROWS.to_numpy(), ROWS["seats"] > 0, feature_name=NAMES)
    return lightgbm.train(params, rows, rounds).model_to_string()


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A model of the calendar alone, then two with a booster."""
    folder = tmp_path_factory.mktemp("bundles")
    write_bundle(folder / "0", {"rung": "calendar"}, {}, pd.DataFrame())
    for rounds in (1, 2):
        texts = {"churn": grown(rounds), "expand": grown(3)}
        write_bundle(folder / str(rounds), {"rung": "blend"}, texts, ROWS.head(5))
    return [folder / str(number) for number in range(3)]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose database is ready: creating one takes more than a second."""
    workspace = tmp_path_factory.mktemp("empty")
    assert Registry(workspace).tracking.client
    return workspace


@pytest.fixture
def registry(empty: Path, tmp_path: Path) -> Registry:
    shutil.copytree(empty / "mlruns", tmp_path / "book" / "mlruns")
    return Registry(tmp_path / "book")


@pytest.fixture(scope="session")
def filled(empty: Path, bundles: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("filled")
    shutil.copytree(empty / "mlruns", workspace / "mlruns")
    for path in bundles:
        Registry(workspace).register(path, **SAID)
    return workspace


@pytest.fixture
def three(filled: Path, registry: Registry) -> list[Version]:
    shutil.rmtree(registry.root)
    shutil.copytree(filled / "mlruns", registry.root)
    return registry.versions()


def test_a_new_workspace_has_nothing_and_stays_so(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert registry.champion() is None
    assert registry.versions() == []
    with pytest.raises(InputMissing, match=r"registry\.no_version"):
        registry.version(1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ci
def test_a_version_says_what_training_said(
    registry: Registry, bundles: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text("<h1>report</h1>")
    kept = {"report.html": tmp_path / "report.html", "backtest/all": bundles[0]}
    version = registry.register(bundles[1], **SAID, artifacts=kept)
    assert version == Version(1, open_bundle(bundles[1]).digest, version.run_id)
    assert registry.versions() == [version]
    assert registry.version(1).tags == {"rung": "blend"}
    assert registry.version(1).metrics == {"skill": 0.18}
    assert registry.champion() is None
    run = registry.artifacts / version.run_id / "artifacts"
    assert (run / "report.html").read_text() == "<h1>report</h1>"
    assert (run / "backtest" / "all" / "contract.json").is_file()
    assert registry.tracking.client.get_run(version.run_id).data.params == {"rows": "120"}


@pytest.mark.fault("T06")
def test_the_same_bundle_again_is_the_same_version(registry: Registry, bundles: list[Path]) -> None:
    one = registry.register(bundles[1], **SAID)
    assert registry.register(bundles[1], params={}, metrics={}, tags={}) == one
    assert registry.register(bundles[2], **SAID).number == 2
    assert [version.number for version in registry.versions()] == [1, 2]


@pytest.mark.ci
def test_what_is_fetched_is_the_bundle(registry: Registry, three: list[Version]) -> None:
    for version in three:
        assert open_bundle(registry.fetch(version), version.digest).digest == version.digest


@pytest.mark.fault("T10")
def test_a_metric_that_is_no_number_is_refused(registry: Registry, bundles: list[Path]) -> None:
    for value in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(DataRejected, match=r"skill is .*metric\.not_finite"):
            registry.register(bundles[1], params={}, metrics={"skill": value}, tags={})
    assert registry.versions() == []


def test_a_version_made_again_gets_the_papers_that_it_lacks(
    registry: Registry, bundles: list[Path], tmp_path: Path
) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text("1")
    two.write_text("2")
    version = registry.register(bundles[0], **SAID, artifacts={"one.json": one})
    again = registry.register(bundles[0], **SAID, artifacts={"one.json": two, "two.json": two})
    folder = registry.artifacts / version.run_id / "artifacts"
    assert again.number == version.number
    assert [(folder / name).read_text() for name in ("one.json", "two.json")] == ["1", "2"]


@pytest.mark.ci
def test_an_artifact_stays_in_its_run(registry: Registry, bundles: list[Path]) -> None:
    for name in ("../report", "/report", "model/x", "model", ""):
        with pytest.raises(InternalFault, match=r"registry\.artifact"):
            registry.register(bundles[0], **SAID, artifacts={name: bundles[0]})
    assert registry.versions() == []


# The champion


@pytest.mark.fault("R08")
def test_of_two_promotions_against_one_champion_the_second_loses(
    registry: Registry, three: list[Version]
) -> None:
    registry.promote(three[0], expected=None)
    registry.promote(three[1], expected=1)
    with pytest.raises(Busy, match=r"version 2, not 1: registry\.moved") as lost:
        registry.promote(three[2], expected=1)
    assert lost.value.exit_code == 75
    with pytest.raises(Busy):
        registry.promote(three[2], expected=None)
    assert registry.champion() == three[1]


@pytest.mark.ci
@pytest.mark.fault("R15")
def test_rollback_goes_back_one_champion_at_a_time(
    registry: Registry, three: list[Version]
) -> None:
    with pytest.raises(UsageFault, match=r"registry\.no_previous"):
        registry.rollback()
    for version, expected in zip(three, [None, 1, 2], strict=True):
        registry.promote(version, expected)
    assert registry.rollback() == three[1]
    assert registry.champion() == three[1]
    registry.promote(three[2], expected=2)
    assert registry.rollback() == three[1]
    assert registry.rollback() == three[0]
    with pytest.raises(UsageFault, match=r"registry\.no_previous"):
        registry.rollback()


@pytest.mark.ci
@pytest.mark.fault("R14")
def test_a_deleted_champion_leaves_none_and_rollback_finds_the_one_before(
    registry: Registry, three: list[Version]
) -> None:
    for version, expected in zip(three, [None, 1, 2], strict=True):
        registry.promote(version, expected)
    registry.tracking.client.delete_model_version("perennial", "2")
    registry.tracking.client.delete_model_version("perennial", "3")
    assert registry.champion() is None
    assert registry.rollback() == three[0]


@pytest.mark.ci
@pytest.mark.fault("R07")
def test_a_version_is_resolved_once(
    registry: Registry, three: list[Version], tmp_path: Path
) -> None:
    registry.promote(three[1], expected=None)
    champion = registry.champion()
    assert champion is not None
    registry.promote(three[2], expected=2)
    loaded = copy_verified(registry.fetch(champion), tmp_path / "bundles")
    assert loaded.digest == champion.digest == three[1].digest


@pytest.mark.fault("R09")
def test_two_registries_share_one_workspace(registry: Registry, three: list[Version]) -> None:
    other = Registry(registry.root.parent)
    other.promote(three[1], expected=None)
    with pytest.raises(Busy):
        registry.promote(three[0], expected=None)
    assert registry.champion() == three[1]


# Artifacts that were touched


@pytest.mark.fault("R06")
@pytest.mark.parametrize("name", ["churn.lgb", "contract.json"])
def test_an_edited_artifact_is_refused(registry: Registry, three: list[Version], name: str) -> None:
    path = registry.fetch(three[1]) / name
    path.write_bytes(path.read_bytes().replace(b"0.", b"1.", 1))
    with pytest.raises(DataRejected, match=r"model\.digest"):
        registry.fetch(three[1])
    with pytest.raises(DataRejected, match=r"model\.digest"):
        registry.promote(three[1], expected=None)
    assert registry.champion() is None


@pytest.mark.ci
@pytest.mark.fault("R06")
def test_another_bundle_in_its_place_is_refused(registry: Registry, three: list[Version]) -> None:
    path = registry.fetch(three[1])
    shutil.rmtree(path)
    shutil.copytree(registry.fetch(three[2]), path)
    with pytest.raises(DataRejected, match=r"model\.digest"):
        registry.fetch(three[1])


def forged(page: dict, **changes: object) -> str:
    page["flavors"]["lightgbm"].update(changes)
    return json.dumps(page)


PAGES = {
    "python_function": lambda page: json.dumps(
        page | {"flavors": {"python_function": {"loader_module": "os", "data": "model.pkl"}}}
    ),
    "sklearn": lambda page: json.dumps(page | {"flavors": {"sklearn": {"pickled_model": "m.pkl"}}}),
    "code": lambda page: forged(page, code="code"),
    "sklearn api": lambda page: forged(page, model_class="lightgbm.sklearn.LGBMClassifier"),
    "skops": lambda page: forged(page, serialization_format="skops"),
    "yaml": lambda page: "flavors:\n  lightgbm:\n    data: !!python/object/apply:os.system [id]\n",
    "other text": lambda page: forged(page, data="bundle/expand.lgb"),
    "nothing": lambda page: "",
}


@pytest.mark.fault("R04")
def test_another_flavor_is_refused(registry: Registry, three: list[Version]) -> None:
    page = registry.fetch(three[1]).parent / "MLmodel"
    sound = page.read_text()
    for change in PAGES.values():
        page.write_text(change(json.loads(sound)))
        with pytest.raises(DataRejected, match=r"model\.format"):
            registry.fetch(three[1])


@pytest.mark.fault("R05")
def test_a_page_that_leads_outside_is_refused(registry: Registry, three: list[Version]) -> None:
    page = registry.fetch(three[1]).parent / "MLmodel"
    sound = page.read_text()
    for data in ("../../other/churn.lgb", "/etc/passwd", "file:///etc/passwd"):
        page.write_text(forged(json.loads(sound), data=data))
        with pytest.raises(DataRejected, match=r"model\.path"):
            registry.fetch(three[1])


@pytest.mark.fault("R05")
@pytest.mark.parametrize("which", ["MLmodel", "bundle", "."])
def test_links_are_refused(
    registry: Registry, three: list[Version], tmp_path: Path, which: str
) -> None:
    path = registry.fetch(three[1]).parent / which
    path.resolve().rename(tmp_path / "elsewhere")
    path.parent.joinpath(path.name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataRejected, match=r"model\.path"):
        registry.fetch(three[1])


SOURCES = [
    "http://169.254.169.254/latest/{run}/artifacts/model",
    "file:///etc",
    "/etc",
    "s3://other/{run}/artifacts/model",
    "dbfs:/{run}/artifacts/model",
    "file://evil.example/{run}/artifacts/model",
    "file:///a/../{run}/artifacts/model",
    "{run}/artifacts/../../model",
    "models:/other/1",
]


@pytest.mark.fault("R16")
def test_a_source_outside_the_workspace_is_refused(
    registry: Registry, three: list[Version]
) -> None:
    change = "UPDATE model_versions SET source = ?, storage_location = ? WHERE version = 1"
    for source in SOURCES:
        named = source.format(run=three[0].run_id)
        with sqlite3.connect(registry.root / "mlflow.db") as database:
            database.execute(change, [named, named])
        with pytest.raises(DataRejected, match=r"model\.path"):
            registry.fetch(three[0])


def test_a_moved_workspace_still_reads_and_writes(
    registry: Registry, three: list[Version], bundles: list[Path], tmp_path: Path
) -> None:
    registry.promote(three[1], expected=None)
    registry.root.parent.rename(tmp_path / "moved")
    moved = Registry(tmp_path / "moved")
    assert moved.champion() == three[1]
    assert moved.fetch(three[1]).is_relative_to(tmp_path / "moved")
    write_bundle(tmp_path / "new", {"rung": "prior"}, {}, pd.DataFrame())
    version = moved.register(tmp_path / "new", **SAID)
    assert moved.fetch(version).is_relative_to(tmp_path / "moved")
    assert not registry.root.exists()


# Interruptions


@pytest.mark.fault("T05")
@pytest.mark.parametrize(
    "step",
    [
        pytest.param("keep_artifacts", marks=pytest.mark.ci),
        pytest.param("write_sealed", marks=pytest.mark.ci),
        "write_mlmodel",
    ],
)
def test_a_registration_that_stops_leaves_no_version(
    registry: Registry, bundles: list[Path], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    kept = {"contract": bundles[0] / "contract.json"}
    with monkeypatch.context() as patch:
        patch.setattr(module, step, stop)
        with pytest.raises(KeyboardInterrupt):
            registry.register(bundles[1], **SAID, artifacts=kept)
    assert registry.versions() == []
    version = registry.register(bundles[1], **SAID, artifacts=kept)
    runs = registry.tracking.client.search_runs([registry._experiment(registry.tracking.client)])
    states = {run.info.run_id: run.info.status for run in runs}
    assert states.pop(version.run_id) == "FINISHED"
    assert list(states.values()) == ["FAILED"]


@pytest.mark.fault("T11")
def test_a_full_disk_creates_no_version(
    registry: Registry, bundles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_sealed", full)
    with pytest.raises(CannotWrite, match=r"disk\.full"):
        registry.register(bundles[1], **SAID)
    assert registry.versions() == []


@pytest.mark.fault("T09")
def test_nothing_is_kept_but_what_was_given(registry: Registry, tmp_path: Path) -> None:
    named = ROWS.head(5).assign(name="canary-acme", contact="canary@acme.example")
    write_bundle(tmp_path / "bundle", {}, {"churn": grown(1)}, named)
    version = registry.register(tmp_path / "bundle", **SAID)
    run = registry.artifacts / version.run_id / "artifacts"
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert files == {"model/MLmodel", "model/bundle/churn.lgb", "model/bundle/contract.json"}
    for path in registry.root.rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes()


# MLflow that does not answer


@pytest.mark.fault("T06")
def test_a_database_that_is_none_is_said_at_once(registry: Registry, bundles: list[Path]) -> None:
    (registry.root / "mlflow.db").write_bytes(b"<html>not a database</html>" * 100)
    started = time.perf_counter()
    with pytest.raises(DependencyDown, match=r"mlflow\.db.*registry\.unavailable"):
        registry.register(bundles[0], **SAID)
    assert time.perf_counter() - started < 3


@pytest.mark.fault("R11")
def test_another_schema_is_refused_with_both_revisions(registry: Registry) -> None:
    with sqlite3.connect(registry.root / "mlflow.db") as database:
        expected = database.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        database.execute("UPDATE alembic_version SET version_num = 'feedbeef'")
    with pytest.raises(ConfigurationRefused, match=rf"feedbeef.*{expected}.*registry\.schema"):
        registry.champion()


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = int(self.server.status)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>sorry</html>")

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[200, 404, 500])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.status = request.param  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://user:secret@127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.ci
@pytest.mark.fault("T06")
def test_a_server_that_talks_nonsense_is_down(
    address: str, tmp_path: Path, bundles: list[Path]
) -> None:
    with pytest.raises(DependencyDown, match=r"registry\.unavailable") as down:
        Registry(tmp_path, address).register(bundles[0], **SAID)
    assert down.value.exit_code == 69
    assert "secret" not in str(down.value)


@pytest.mark.ci
@pytest.mark.fault("T06")
def test_a_server_that_is_not_there_is_down(tmp_path: Path, bundles: list[Path]) -> None:
    with pytest.raises(DependencyDown, match=r"registry\.unavailable"):
        Registry(tmp_path, "http://127.0.0.1:9").register(bundles[0], **SAID)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store = f"sqlite:///{tmp_path / 'server.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    options = ["--port", str(port), "--workers", "1", "--no-serve-artifacts"]
    quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    output = (tmp_path / "server.log").open("w")
    process = subprocess.Popen(
        [*command, *options], cwd=tmp_path, env=quiet, stdout=output, stderr=subprocess.STDOUT
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"{address}/health"):
                break
            time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait()
        output.close()


@pytest.mark.slow
def test_a_server_of_mlflow_with_a_shared_directory(
    server: str, tmp_path: Path, bundles: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(tmp_path / "book", server)
    one, two = (registry.register(path, **SAID) for path in bundles[:2])
    registry.promote(one, expected=None)
    registry.promote(two, expected=1)
    assert registry.rollback() == one
    assert [version.metrics for version in registry.versions()] == [{"skill": 0.18}] * 2
    assert open_bundle(registry.fetch(two), two.digest).boosters
    with pytest.raises(ConfigurationRefused, match=r"registry\.artifacts"):
        Registry(tmp_path / "other", server).register(bundles[2], **SAID)
    assert capfd.readouterr() == ("", "")


# In processes of their own

REGISTER = """
import sys
from pathlib import Path
from models.registry import Registry
for path in sys.argv[2:]:
    version = Registry(Path(sys.argv[1])).register(
        Path(path), params={"rows": 1}, metrics={"skill": 0.1}, tags={"rung": "x"})
"""


def started(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


@pytest.mark.ci
@pytest.mark.fault("R09")
def test_two_first_uses_at_once(tmp_path: Path, bundles: list[Path]) -> None:
    both = [started(REGISTER, tmp_path, path) for path in bundles[1:]]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, "", "")
    digests = {version.digest for version in Registry(tmp_path).versions()}
    assert digests == {open_bundle(path).digest for path in bundles[1:]}


@pytest.mark.ci
@pytest.mark.fault("R09")
@pytest.mark.fault("T05")
def test_a_first_use_that_is_killed_leaves_no_half_database(
    tmp_path: Path, bundles: list[Path]
) -> None:
    process = started(REGISTER, tmp_path, bundles[1])
    part = tmp_path / "mlruns" / "mlflow.db.part"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (part.exists() and part.stat().st_size > 200_000):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert part.exists()
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()
    assert Registry(tmp_path).register(bundles[1], **SAID).number == 1
    assert not part.exists()


WATCHED = """
import sys
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event in
    ("pickle.find_class", "socket.connect", "socket.getaddrinfo") else None)
from pathlib import Path
from models.bundle import copy_verified
from models.registry import Registry
registry = Registry(Path(sys.argv[1]))
version = registry.register(Path(sys.argv[2]), params={}, metrics={}, tags={})
registry.promote(version, None)
copy_verified(registry.fetch(registry.champion()), Path(sys.argv[1]) / "bundles")
import mlflow, numpy
mlflow.set_tracking_uri(registry.tracking.uri)
mlflow.set_registry_uri(registry.tracking.uri)
booster = mlflow.lightgbm.load_model("models:/perennial@champion")
print(booster.predict(numpy.zeros((1, 2)), raw_score=True, num_threads=1)[0])
registry.fetch(version)
print(seen)
"""


@pytest.mark.ci
@pytest.mark.fault("R04")
@pytest.mark.fault("C03")
@pytest.mark.fault("C08")
def test_mlflow_loads_the_champion_and_nothing_is_unpickled_or_called(
    tmp_path: Path, bundles: list[Path]
) -> None:
    process = started(WATCHED, tmp_path, bundles[1])
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    found, seen = out.splitlines()
    zeros = pd.DataFrame(np.zeros((1, 2)), columns=NAMES)
    assert float(found) == open_bundle(bundles[1]).predict("churn", zeros)[0]
    assert seen == "[]"


@pytest.mark.ci
def test_importing_the_registry_imports_no_mlflow() -> None:
    process = started("import sys, models.registry; print('mlflow' in sys.modules)")
    assert process.communicate(timeout=60)[0] == "False\n"


PROMOTE = """
import sys
from pathlib import Path
from features.faults import Busy
from models.registry import Registry
registry = Registry(Path(sys.argv[1]))
version = registry.version(int(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
try:
    registry.promote(version, expected=1)
    print("promoted")
except Busy as lost:
    print(lost.code, lost.exit_code)
"""


@pytest.mark.ci
@pytest.mark.fault("R08")
def test_of_two_processes_that_promote_at_once_one_wins(
    registry: Registry, three: list[Version]
) -> None:
    registry.promote(three[0], expected=None)
    both = [started(PROMOTE, registry.root.parent, number) for number in (2, 3)]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2  # type: ignore[union-attr]
    for process in both:
        process.stdin.write("go\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    told = [process.communicate(timeout=120)[0].strip() for process in both]
    assert sorted(told) == ["promoted", "registry.moved 75"]
    winner = (2, 3)[told.index("promoted")]
    assert registry.champion() == three[winner - 1]
    assert registry.rollback() == three[0]


@pytest.mark.ci
@pytest.mark.fault("T05")
def test_a_promotion_that_stops_between_its_two_writes_leaves_the_champion(
    registry: Registry, three: list[Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(three[0], expected=None)
    with monkeypatch.context() as patch:
        patch.setattr(
            type(registry.tracking.client), "set_registered_model_alias", lambda *_: 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            registry.promote(three[1], expected=1)
    assert registry.champion() == three[0]
    with pytest.raises(UsageFault, match=r"registry\.no_previous"):
        registry.rollback()
    registry.promote(three[1], expected=1)
    assert registry.rollback() == three[0]
