"""What a training left while MLflow did not answer is registered later, once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from features.faults import CannotWrite, DataRejected, DependencyDown
from models import sealed
from models.bundle import write_bundle
from models.registry import Registry
from models.version import Version
from models.waiting import leave, waiting

SAID = {"params": {"rows": 3}, "metrics": {"skill": 0.1}, "tags": {"kind": "calendar"}}


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, str]:
    folder = tmp_path / "bundle"
    return folder, write_bundle(folder, {"rung": "calendar"}, {}, pd.DataFrame())


class Off(Registry):
    """A registry whose MLflow answers when it is told to."""

    on = False

    def register(self, bundle_dir: Path, **said: object) -> Version:  # type: ignore[override]
        if not self.on:
            raise DependencyDown("registry.unavailable", "mlflow: 500", "try again")
        assert said == SAID
        return Version(1, "ab", "run")


@pytest.mark.fault("T06")
def test_what_cannot_be_registered_waits_and_is_registered_later(
    tmp_path: Path, bundle: tuple[Path, str]
) -> None:
    registry = Off(tmp_path)
    for _ in range(2):  # the same training again leaves the same bundle
        with pytest.raises(DependencyDown, match=rf"waits in .*/{bundle[1]}: registry") as down:
            registry.register_or_leave(bundle[0], **SAID)  # type: ignore[arg-type]
        assert (down.value.exit_code, "models register" in down.value.cure) == (69, True)
    shutil.rmtree(bundle[0])
    assert [one.folder.name for one in waiting(registry.root)] == [bundle[1]]
    with pytest.raises(DependencyDown):
        registry.register_waiting()
    registry.on = True
    assert [one.number for one in registry.register_waiting()] == [1]
    assert waiting(registry.root) == []
    assert registry.register_waiting() == []


@pytest.mark.fault("R01")
@pytest.mark.fault("R06")
def test_a_bundle_that_was_damaged_while_it_waited_is_refused(
    tmp_path: Path, bundle: tuple[Path, str]
) -> None:
    folder = leave(tmp_path, bundle[0], bundle[1], {}, {}, {})
    (folder / "said.json").write_text("[]")
    with pytest.raises(DataRejected, match=r"said\.json.*model\.format"):
        waiting(tmp_path)
    (folder / "said.json").write_text(json.dumps(SAID))
    assert waiting(tmp_path)[0].metrics == {"skill": 0.1}
    (folder / "bundle" / "contract.json").write_text("{}")
    with pytest.raises(DataRejected, match=r"model\.digest"):
        waiting(tmp_path)


@pytest.mark.fault("T11")
def test_a_full_disk_leaves_nothing_that_seems_to_wait(
    tmp_path: Path, bundle: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealed.os, "fsync", full)
    with pytest.raises(CannotWrite, match=r"disk\.full"):
        leave(tmp_path, bundle[0], bundle[1], {}, {}, {})
    assert waiting(tmp_path) == []
