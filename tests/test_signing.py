"""Signed models: with a key in the environment, no model serves that was not signed with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from features.faults import ConfigurationRefused, DataRejected
from models.bundle import open_bundle, write_bundle
from models.keeper import _copy, keep
from models.registry import Registry
from models.signing import SIGNATURE, Signer
from models.version import Version
from serving.model_settings import ModelSettings

SIGNER, OTHER = Signer(b"k" * 32), Signer(b"o" * 32)
NOTHING: dict[str, dict[str, str]] = {"params": {}, "metrics": {}, "tags": {}}


@pytest.mark.fault("R18")
def test_only_the_right_signature_of_the_very_model_passes() -> None:
    right = SIGNER.sign("ab12")
    SIGNER.check("ab12", right)
    for signature in (None, "", "é", right[:-1], right.upper(), OTHER.sign("ab12"), "0" * 64):
        with pytest.raises(DataRejected, match=r"model\.signature") as found:
            SIGNER.check("ab12", signature)
        assert found.value.exit_code == 65
    with pytest.raises(DataRejected, match=r"model\.signature"):
        SIGNER.check("ab13", right)
    assert "kkk" not in repr(SIGNER) + str(SIGNER)


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="env:NAME"):
        ModelSettings(signing_key="secret-in-the-file")
    named = ModelSettings(signing_key="env:PERENNIAL_SIGNING_KEY")
    monkeypatch.delenv("PERENNIAL_SIGNING_KEY", raising=False)
    for key in (None, "", "short"):
        if key is not None:
            monkeypatch.setenv("PERENNIAL_SIGNING_KEY", key)
        with pytest.raises(ConfigurationRefused) as found:
            named.signer()
        assert found.value.exit_code == 78
        assert "short " not in str(found.value)
    monkeypatch.setenv("PERENNIAL_SIGNING_KEY", "k" * 32)
    assert named.signer() == SIGNER


def test_a_kept_copy_is_opened_with_its_signature_alone(tmp_path: Path) -> None:
    digest = write_bundle(tmp_path / "made", {"rung": "calendar"}, {}, pd.DataFrame())
    shutil.copytree(tmp_path / "made", tmp_path / "kept" / digest)
    folder = tmp_path / "kept"
    assert _copy(folder, digest, None).digest == digest
    with pytest.raises(DataRejected, match=r"not signed.*model\.signature"):
        _copy(folder, digest, SIGNER)
    SIGNER.note(folder, digest)
    assert _copy(folder, digest, SIGNER).digest == digest
    OTHER.note(folder, digest)
    with pytest.raises(DataRejected, match=r"model\.signature"):
        _copy(folder, digest, SIGNER)


@pytest.mark.ci
@pytest.mark.fault("R18")
@pytest.mark.fault("R06")
def test_an_unsigned_version_is_neither_promoted_nor_kept_nor_rolled_back_to(
    tmp_path: Path,
) -> None:
    """Who can write the registry but has no key can put nothing of theirs in."""
    made = []
    for at in range(3):
        write_bundle(tmp_path / f"b{at}", {"rung": f"calendar {at}"}, {}, pd.DataFrame())
        made.append(tmp_path / f"b{at}")
    plain, signed = Registry(tmp_path), Registry(tmp_path, signer=SIGNER)
    first = signed.register(made[0], **NOTHING)
    assert first.tags[SIGNATURE] == SIGNER.sign(first.digest)
    signed.promote(first, expected=None)
    assert keep(signed, first, tmp_path / "kept").digest == first.digest
    assert (tmp_path / "kept" / f"{first.digest}.signature").is_file()
    forged = plain.register(made[1], **NOTHING)
    for ask in (
        lambda: signed.promote(forged, expected=first.number),
        lambda: keep(signed, forged, tmp_path / "kept"),
        lambda: Registry(tmp_path, signer=OTHER).fetch(first),
    ):
        with pytest.raises(DataRejected, match=r"model\.signature"):
            ask()
    plain.promote(forged, expected=first.number)  # without the key nothing is asked
    last = signed.register(made[2], **NOTHING)
    signed.promote(last, expected=forged.number)
    with pytest.raises(DataRejected, match=r"model\.signature"):
        signed.rollback()
    assert _number(signed.champion()) == last.number
    again = signed.register(made[1], **NOTHING)  # trained again with the key: it is signed now
    assert again.number == forged.number
    assert signed.rollback().number == forged.number
    assert open_bundle(signed.fetch(again), again.digest).contract["rung"] == "calendar 1"


@pytest.mark.ci
def test_what_waits_is_signed_when_it_is_left_and_refused_if_changed(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    write_bundle(bundle, {"rung": "calendar"}, {}, pd.DataFrame())
    down = Registry(tmp_path, "http://127.0.0.1:9", SIGNER)
    with pytest.raises(Exception, match=r"registry\.unavailable"):
        down.register_or_leave(bundle, **NOTHING)
    (note,) = [
        path for path in (tmp_path / "mlruns").rglob("*.json") if SIGNATURE in path.read_text()
    ]
    sound = note.read_text()
    told = json.loads(sound)
    note.write_text(sound.replace(told["tags"][SIGNATURE], "0" * 64))
    signed = Registry(tmp_path, signer=SIGNER)
    with pytest.raises(DataRejected, match=r"model\.signature"):
        signed.register_waiting()
    note.write_text(sound)
    assert [one.tags[SIGNATURE] for one in signed.register_waiting()] == [told["tags"][SIGNATURE]]


def _number(version: Version | None) -> int | None:
    return None if version is None else version.number
