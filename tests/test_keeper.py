"""The last good model serves where the newest is damaged, out of reach, or gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from features.faults import DataRejected, DependencyDown, Fault, InputMissing
from models import keeper
from models.bundle import write_bundle
from models.keeper import keep, open_champion, open_earlier
from models.signing import Signer
from models.version import Version

DOWN = DependencyDown("registry.unavailable", "mlflow.db: database is locked", "try again")


class Shelf:
    """A registry of three versions, of which 3 serves after 2 and 1."""

    signer: Signer | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tracking = SimpleNamespace(shown="mlflow.db")
        self.served: list[int] | None = [3, 2, 1]
        self.down: Fault | None = None
        self.digests = {
            number: write_bundle(folder / str(number), {"n": number}, {}, pd.DataFrame())
            for number in (1, 2, 3)
        }

    def succession(self) -> list[Version] | None:
        if self.down is not None:
            raise self.down
        served = self.served
        return None if served is None else [Version(n, self.digests[n], "run") for n in served]

    def fetch(self, version: Version) -> Path:
        return self.folder / str(version.number)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(keeper, "read_bundle", lambda bundle: bundle.contract)
    return Shelf(tmp_path / "registered")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "bundles"


def damage(folder: Path) -> None:
    (folder / "contract.json").write_bytes((folder / "contract.json").read_bytes()[:-7])


def opened(shelf: Shelf, kept: Path) -> tuple[int, list[str]]:
    found = open_champion(shelf, kept)  # type: ignore[arg-type]
    return found.version, [one.code for one in found.troubles]


def test_a_sound_champion_serves_without_a_word(shelf: Shelf, kept: Path) -> None:
    assert opened(shelf, kept) == (3, [])
    assert open_champion(shelf, kept).warnings == []  # type: ignore[arg-type]
    noted = json.loads((kept / "serving.json").read_bytes())
    assert noted == {"version": 3, "digest": shelf.digests[3]}


@pytest.mark.fault("R01")
@pytest.mark.fault("R06")
def test_a_damaged_champion_serves_from_its_kept_copy(shelf: Shelf, kept: Path) -> None:
    open_champion(shelf, kept)  # type: ignore[arg-type]
    damage(shelf.folder / "3")
    assert opened(shelf, kept) == (3, ["model.digest"])


@pytest.mark.fault("R01")
@pytest.mark.fault("R02")
def test_without_a_copy_the_champion_before_it_serves(shelf: Shelf, kept: Path) -> None:
    damage(shelf.folder / "3")
    assert opened(shelf, kept) == (2, ["model.digest"])
    damage(shelf.folder / "2")
    assert opened(shelf, kept) == (2, ["model.digest", "model.digest"])  # from its copy
    shutil.rmtree(kept)
    assert opened(shelf, kept) == (1, ["model.digest", "model.digest"])
    assert not (kept / "serving.json").exists()  # only a sound champion is noted


@pytest.mark.fault("R01")
def test_a_damaged_champion_and_a_damaged_copy_are_both_told(shelf: Shelf, kept: Path) -> None:
    open_champion(shelf, kept)  # type: ignore[arg-type]
    damage(shelf.folder / "3")
    damage(kept / shelf.digests[3])
    found = open_champion(shelf, kept)  # type: ignore[arg-type]
    assert (found.version, len(found.troubles)) == (2, 2)
    assert "contract.json: not the bytes that training wrote" in found.warnings[0]
    assert found.warnings[-1].startswith("version 2 (")


@pytest.mark.fault("R01")
def test_where_nothing_is_sound_the_champions_refusal_is_said(shelf: Shelf, kept: Path) -> None:
    for number in (1, 2, 3):
        damage(shelf.folder / str(number))
    with pytest.raises(DataRejected, match=r"/3/.*model\.digest") as refused:
        open_champion(shelf, kept)  # type: ignore[arg-type]
    assert refused.value.exit_code == 65


@pytest.mark.fault("R13")
def test_a_model_of_other_signals_gives_way_to_the_one_before(
    shelf: Shelf, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(bundle: Any) -> Any:
        if bundle.contract["n"] == 3:
            raise DataRejected("feature.schema_mismatch", "removed usage_x", "train again")
        return bundle.contract

    monkeypatch.setattr(keeper, "read_bundle", read)
    assert opened(shelf, kept) == (2, ["feature.schema_mismatch"] * 2)


@pytest.mark.fault("R10")
@pytest.mark.fault("T06")
def test_a_registry_that_is_down_leaves_the_model_that_was_opened_last(
    shelf: Shelf, kept: Path
) -> None:
    shelf.down = DOWN
    with pytest.raises(DependencyDown):
        open_champion(shelf, kept)  # type: ignore[arg-type]
    shelf.down = None
    open_champion(shelf, kept)  # type: ignore[arg-type]
    shelf.down = DOWN
    assert opened(shelf, kept) == (3, ["registry.unavailable"])


@pytest.mark.fault("R14")
def test_a_champion_that_was_deleted_serves_on(shelf: Shelf, kept: Path) -> None:
    shelf.served = None
    with pytest.raises(InputMissing, match=r"model\.none"):
        open_champion(shelf, kept)  # type: ignore[arg-type]
    shelf.served = [3]
    open_champion(shelf, kept)  # type: ignore[arg-type]
    shelf.served = None
    assert opened(shelf, kept) == (3, ["registry.no_champion"])


@pytest.mark.fault("R05")
@pytest.mark.parametrize(
    "note",
    [b"", b"{}", b"[" * 9999, b'{"version": 3}', b'{"version": 1, "digest": "../registered/1"}'],
)
def test_a_note_that_makes_no_sense_opens_nothing(shelf: Shelf, kept: Path, note: bytes) -> None:
    open_champion(shelf, kept)  # type: ignore[arg-type]
    (kept / "serving.json").write_bytes(note)
    shelf.down = DOWN
    with pytest.raises(DependencyDown):
        open_champion(shelf, kept)  # type: ignore[arg-type]


def test_the_model_of_the_last_run_is_opened_where_another_serves(shelf: Shelf, kept: Path) -> None:
    for number in (1, 2):
        keep(shelf, Version(number, shelf.digests[number], "run"), kept)  # type: ignore[arg-type]
    (kept / f"{shelf.digests[1][:12]}.note").write_text("no model")
    serves: Any = SimpleNamespace(digest=shelf.digests[2])
    first: Any = open_earlier(kept, shelf.digests[1][:12], serves)
    assert first["n"] == 1
    assert open_earlier(kept, shelf.digests[2][:12], serves) is None  # the same serves
    assert open_earlier(kept, shelf.digests[3][:12], serves) is None  # not kept
    assert open_earlier(kept, "", serves) is None
    assert open_earlier(kept, "../../etc/x", serves) is None
    damage(kept / shelf.digests[1])
    assert open_earlier(kept, shelf.digests[1][:12], serves) is None
