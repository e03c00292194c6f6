"""What a process of ours refuses of its libraries: versions below their floor, and pickles."""

from __future__ import annotations

import html
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from features.faults import ConfigurationRefused
from serving import floors, keyring
from serving.app import create_app
from serving.cli import week
from serving.floors import TooOld, too_old
from serving.pepper import made_pepper
from serving.settings import load
from serving.store import Store
from tests.example_publication import NOW, example

ROOT = Path(__file__).resolve().parents[1]
SENSITIVE = {"mlflow": "3.17.2", "pyarrow": "25.0", "lightgbm": "4.7"}
MOST_PAGES = 60


def old(name: str) -> str:
    """Give the versions that are installed, but for one that is years old."""
    return "2.0.0" if name == "pyarrow" else metadata.version(name)


@pytest.mark.fault("C02")
def test_floors_of_what_may_run_code_are_declared_and_kept() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needs = project["project"]["dependencies"]
    assert too_old(needs) == []
    for name, floor in SENSITIVE.items():
        assert any(one.startswith(f"{name}>={floor}") for one in needs), name


@pytest.mark.fault("C02")
def test_a_version_below_its_floor_and_one_that_is_absent_are_named() -> None:
    needs = ["pyarrow>=25.0,<26", "no-such-library>=1.5", "polars>=1.30 ; extra == 'polars'"]
    assert too_old(needs, old) == [
        TooOld("pyarrow", "2.0.0", "25.0"),
        TooOld("no-such-library", "", "1.5"),
    ]
    assert too_old(["mlflow>=3.17.2"], lambda _: "3.17.2rc1") == [
        TooOld("mlflow", "3.17.2rc1", "3.17.2")
    ]


@pytest.mark.ci
@pytest.mark.fault("C02")
def test_a_server_with_a_key_does_not_start_on_an_old_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path / ".perennial")
    store.publish(example(), now=NOW)
    keyring.make(
        store.engine,
        made_pepper(tmp_path / ".perennial"),
        "admin",
        name="one",
        by="a test",
        now=NOW,
    )
    monkeypatch.setattr(floors, "too_old", lambda: too_old(["pyarrow>=25.0"], old))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationRefused) as refused:
        week.open_server(load(), "127.0.0.1", 0)
    assert (refused.value.code, refused.value.exit_code) == ("library.too_old", 78)


PLANTED = """
import sys, threading
from serving.cli import app, main
import pickle

def read():
    try:
        pickle.loads(pickle.dumps(threading.Event))
    except BaseException:
        pass

@app.command()
def planted():
    {run}
    print("still here")

sys.argv = ["perennial", "planted"]
main()
"""


@pytest.mark.ci
@pytest.mark.fault("C03")
@pytest.mark.parametrize(
    "run", ["read()", "other = threading.Thread(target=read); other.start(); other.join()"]
)
def test_a_pickle_that_is_read_ends_the_process_in_any_thread(run: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", PLANTED.format(run=run)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout) == (70, "")
    assert re.fullmatch(r"perennial: threading\.Event: pickle\.refused: .+\n", told.stderr)


# --- nothing is fetched from anybody else

LOADED = re.compile(
    r"""(?:\b(?:src|href|action|srcset|poster|data)\s*=\s*["']?|url\(\s*["']?|@import\s+["']?"""
    r"""|\b(?:import|fetch|importScripts|Worker|WebSocket|EventSource)\(\s*["'`])"""
    r"""((?:[a-z][a-z0-9+.-]*:)?//[^\s"'<>)]+)""",
    re.IGNORECASE,
)


@pytest.mark.fault("C05")
@pytest.mark.parametrize("kind", ["html", "css", "js", "svg"])
def test_no_page_style_or_script_of_ours_asks_another_host(kind: str) -> None:
    files = [path for path in (ROOT / "serving").rglob(f"*.{kind}") if "vendor" not in path.parts]
    assert files
    for path in files:
        assert LOADED.findall(path.read_text(encoding="utf-8")) == [], path.name


@pytest.mark.parametrize(
    "planted",
    [
        '<script src="https://cdn.example.com/a.js">',
        "<link rel=stylesheet href=//fonts.example.com/css>",
        "@import 'https://fonts.example.com/css';",
        "body { background: url(http://example.com/a.png) }",
        "await fetch(`https://example.com/`)",
    ],
)
def test_what_would_ask_another_host_is_found(planted: str) -> None:
    assert LOADED.findall(planted)


@pytest.mark.ci
@pytest.mark.fault("C05")
def test_no_page_as_it_is_served_asks_another_host(tmp_path: Path) -> None:
    Store.open(tmp_path).publish(example(), now=NOW)
    app = create_app(tmp_path, now=lambda: NOW)
    asked = TestClient(app, base_url="http://127.0.0.1")
    waiting, seen = ["/"], {"/"}
    while waiting:
        told = asked.get(waiting.pop())
        assert LOADED.findall(told.text) == [], told.url
        policy = told.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert not re.search(r"unsafe|https?:|\*", policy)
        kind = told.headers["content-type"]
        found = re.findall(r'(?:href|src)="(/[^"#]*)"', told.text) if "html" in kind else []
        fresh = {html.unescape(one) for one in found} - seen
        seen |= fresh
        waiting += fresh if len(seen) < MOST_PAGES else []
    assert len(seen) > 20
