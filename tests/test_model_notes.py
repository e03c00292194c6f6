"""What training said of its versions is kept beside the state, and read without MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from features.faults import DependencyDown
from models.artifacts import run_folder
from models.version import Version
from serving.model_notes import bundle_told, index, note_models, noted

OLD, NEW = "a" * 64, "b" * 64


class Shelf:
    """A registry of two versions, the second of which serves."""

    def __init__(self, root: Path, down: bool = False) -> None:
        self.artifacts, self.down = root, down

    def versions(self) -> list[Version]:
        if self.down:
            raise DependencyDown("registry.unavailable", "no answer", "start it")
        tags = {"kind": "health", "gate": "passed", "serves.churn": "score", "rung.churn": "ridge"}
        return [
            Version(1, OLD, "run1", {"kind": "calendar"}),
            Version(2, NEW, "run2", tags, {}, {"as_of": "2025-12-01", "rows": "900"}),
        ]

    def succession(self) -> list[Version]:
        return [*reversed(self.versions())]


def test_every_version_is_noted_with_its_papers(tmp_path: Path) -> None:
    shelf: Any = Shelf(tmp_path / "artifacts")
    folder = run_folder(shelf.artifacts, "run2")
    folder.mkdir(parents=True)
    (folder / "gate.json").write_text('[{"check": "one", "passed": true}]')
    (folder / "backtest.json").write_text("not JSON")
    home = tmp_path / "home"
    assert note_models(shelf, home)
    told = noted(home, NEW)
    assert (told["version"], told["serves"], told["rungs"]) == (
        2,
        {"churn": "score"},
        {"churn": "ridge"},
    )
    assert told["gate"] == [{"check": "one", "passed": True}]
    assert told["backtest"] is None
    assert noted(home, OLD)["gate"] is None
    assert index(home)["champions"] == [2, 1]
    assert [one["version"] for one in index(home)["versions"]] == [1, 2]


def test_where_the_registry_is_silent_what_was_noted_stays(tmp_path: Path) -> None:
    shelf: Any = Shelf(tmp_path)
    assert note_models(shelf, tmp_path)
    shelf.down = True
    assert not note_models(shelf, tmp_path)
    assert noted(tmp_path, NEW)["version"] == 2


def test_nothing_is_read_from_a_path_that_is_no_digest(tmp_path: Path) -> None:
    (tmp_path / "bundles" / NEW).mkdir(parents=True)
    (tmp_path / "bundles" / NEW / "contract.json").write_text(json.dumps({"bands": {}, "x": 1}))
    assert bundle_told(tmp_path, NEW) == {"bands": {}}
    assert bundle_told(tmp_path, "../" + NEW) == {}
    assert noted(tmp_path, "..") == {}
