from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.faults import CannotWrite, DataRejected, InternalFault
from models import sealed
from models.bundle import copy_verified, open_bundle, read_contract, write_bundle
from models.trees import read_forest

NAMES = ["breadth", "seats", "tickets"]
DRAWS = np.random.default_rng(0)
ROWS = pd.DataFrame(DRAWS.normal(size=(200, 3)), columns=NAMES).mask(
    pd.DataFrame(DRAWS.random((200, 3)) < 0.1, columns=NAMES)
)
NOISE = DRAWS.normal(size=200)
GOLDEN = ROWS.head(40)


def grown(rounds: int = 3, leaves: int = 4, objective: str = "binary") -> str:
    params = {
        "objective": objective,
        "num_leaves": leaves,
        "min_data_in_leaf": 5,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    label = (ROWS["breadth"].fillna(0) + NOISE > 0).astype(int)
    rows = lightgbm.Dataset(ROWS.to_numpy(), label, feature_name=NAMES)
    return lightgbm.train(params, rows, rounds).model_to_string()


TEXT = grown()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle", {"rung": "blend"}, {"churn": TEXT}, GOLDEN)
    return tmp_path / "bundle"


def resealed(directory: Path, change: Callable[[dict], None] = lambda _: None) -> Path:
    """What somebody who knows the format can do: change it and write a fitting contract."""
    path = directory / "contract.json"
    contract = json.loads(path.read_bytes())
    for name in contract["files"]:
        if (directory / name).exists():
            contract["files"][name] = hashlib.sha256((directory / name).read_bytes()).hexdigest()
    change(contract)
    contract.pop("seal")
    contract["seal"] = hashlib.sha256(plainly(contract)).hexdigest()
    path.write_bytes(plainly(contract))
    return directory


def plainly(contract: dict) -> bytes:
    return json.dumps(contract, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def code_of(directory: Path) -> str:
    with pytest.raises(DataRejected) as refused:
        open_bundle(directory)
    assert refused.value.exit_code == 65
    assert refused.value.cure
    return refused.value.code


def test_what_is_written_is_what_is_opened(bundle: Path) -> None:
    opened = open_bundle(bundle)
    assert opened.contract["rung"] == "blend"
    assert opened.contract["boosters"]["churn"] == {
        "objective": "binary sigmoid:1",
        "features": NAMES,
        "trees": 3,
    }
    original = lightgbm.Booster(model_str=TEXT).predict(ROWS.to_numpy(), raw_score=True)
    assert opened.predict("churn", ROWS).tolist() == original.tolist()


@pytest.mark.fault("F08")
def test_columns_are_taken_by_name(bundle: Path) -> None:
    opened = open_bundle(bundle)
    shuffled = ROWS[["tickets", "seats", "breadth"]].assign(other="x")
    assert opened.predict("churn", shuffled).tolist() == opened.predict("churn", ROWS).tolist()
    with pytest.raises(DataRejected, match=r"seats.*feature\.schema_mismatch"):
        opened.predict("churn", ROWS.drop(columns="seats"))
    assert opened.predict("churn", ROWS.head(0)).tolist() == []


def test_the_calendar_alone_needs_no_booster(tmp_path: Path) -> None:
    digest = write_bundle(tmp_path / "calendar", {"rung": "calendar"}, {}, pd.DataFrame())
    opened = open_bundle(tmp_path / "calendar", digest)
    assert opened.boosters == {}
    assert read_contract(tmp_path / "calendar")["lightgbm"] is None


@pytest.mark.fault("T07")
def test_the_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    texts = {"churn": TEXT, "expand": grown(2)}
    one = write_bundle(tmp_path / "one", {"a": 1, "b": [0.1, None]}, texts, GOLDEN)
    turned = dict(reversed(texts.items()))
    two = write_bundle(tmp_path / "deep" / "two", {"b": [0.1, None], "a": 1}, turned, GOLDEN)
    assert one == two
    again = write_bundle(tmp_path / "one", {"a": 1, "b": [0.1, None]}, texts, GOLDEN)
    assert again == one
    assert write_bundle(tmp_path / "three", {"a": 2, "b": [0.1, None]}, texts, GOLDEN) != one


def test_golden_rows_hold_features_only(tmp_path: Path) -> None:
    named = GOLDEN.assign(account_id="acme-7781", name="Acme")
    write_bundle(tmp_path / "bundle", {}, {"churn": TEXT}, named)
    assert "acme" not in (tmp_path / "bundle" / "contract.json").read_text().lower()


@pytest.mark.parametrize(
    "contract",
    [{"files": {}}, {"seal": ""}, {"x": float("nan")}, {"x": float("inf")}, {"x": {1, 2}}],
)
def test_a_contract_that_cannot_be_is_refused(tmp_path: Path, contract: dict) -> None:
    with pytest.raises(InternalFault, match=r"bundle\.contract"):
        write_bundle(tmp_path / "bundle", contract, {}, pd.DataFrame())
    assert not (tmp_path / "bundle").exists()


def test_a_booster_without_golden_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRejected, match=r"model\.golden"):
        write_bundle(tmp_path / "bundle", {}, {"churn": TEXT}, GOLDEN.head(0))


def test_another_bundle_in_its_place_is_not_overwritten(bundle: Path) -> None:
    with pytest.raises(CannotWrite, match=r"bundle\.exists"):
        write_bundle(bundle, {"rung": "other"}, {}, pd.DataFrame())
    assert open_bundle(bundle).contract["rung"] == "blend"
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["bundle"]


@pytest.mark.fault("T11")
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealed.os, "fsync", full)
    with pytest.raises(CannotWrite, match=r"disk\.full"):
        write_bundle(tmp_path / "bundle", {}, {"churn": TEXT}, GOLDEN)
    assert list(tmp_path.iterdir()) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=10, deadline=None)
@given(said=json_values)
def test_any_json_comes_back(tmp_path_factory: pytest.TempPathFactory, said: object) -> None:
    folder = tmp_path_factory.mktemp("any") / "bundle"
    digest = write_bundle(folder, {"said": said}, {}, pd.DataFrame())
    assert open_bundle(folder, digest).contract["said"] == said


# Damage: the digest sees it first.


@pytest.mark.fault("R01")
@pytest.mark.parametrize("name", ["churn.lgb", "contract.json"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(bundle: Path, name: str, share: float) -> None:
    data = (bundle / name).read_bytes()
    (bundle / name).write_bytes(data[: int(len(data) * share)])
    assert code_of(bundle) == "model.digest"


@pytest.mark.fault("R02")
def test_two_hundred_mutated_models_none_accepted(bundle: Path) -> None:
    for text in mutated(TEXT, 200):
        (bundle / "churn.lgb").write_bytes(text)
        assert code_of(bundle) == "model.digest"


@pytest.mark.fault("R02")
def test_a_changed_contract_is_refused(bundle: Path) -> None:
    digest = open_bundle(bundle).digest
    path = bundle / "contract.json"
    path.write_text(path.read_text().replace("blend", "trend"))
    with pytest.raises(DataRejected, match=r"model\.digest"):
        open_bundle(bundle, digest)
    assert code_of(bundle) == "model.digest"  # its own seal shows it, too
    path.write_text(path.read_text().replace(",", ", "))  # not as it is written here
    assert code_of(bundle) == "model.digest"


def test_a_missing_file_is_refused(bundle: Path) -> None:
    (bundle / "churn.lgb").unlink()
    assert code_of(bundle) == "model.digest"
    (bundle / "contract.json").unlink()
    assert code_of(bundle) == "model.format"


# Hostile models with a fitting digest: the structure is read before LightGBM sees the text.


def mutated(text: str, count: int) -> list[bytes]:
    draw, found = random.Random(7), []
    data = text.encode()
    words = [b"-1", b"0", b"99999999", b"nan", b"inf", b"1e999", b"", b" ", b"\n", b"=", b"\x00"]
    while len(found) < count:
        at, length = draw.randrange(len(data)), draw.choice([0, 1, 1, 2, 30])
        flip = bytes([data[at] ^ (1 << draw.randrange(8))])
        new = data[:at] + draw.choice([*words, flip, flip, flip]) + data[at + length :]
        if new != data:
            found.append(new)
    return found


DAMAGES = {
    "a child out of bounds": ("left_child=1 ", "left_child=7 "),
    "a leaf out of bounds": ("right_child=-2 2 -4", "right_child=-2 2 -9"),
    "a circle": ("left_child=1 -1 -3", "left_child=-3 -1 1"),
    "a node of its own child": ("left_child=1 -1 -3", "left_child=1 1 -3"),
    "a root that is a child": ("left_child=1 -1 -3", "left_child=1 0 -3"),
    "a feature out of bounds": ("split_feature=0", "split_feature=3"),
    "a negative feature": ("split_feature=0", "split_feature=-1"),
    "a leaf that is not a number": ("leaf_value=-", "leaf_value=nan -"),
    "an endless leaf": ("leaf_value=-0.", "leaf_value=1e999"),
    "a hexadecimal leaf": ("leaf_value=-0.", "leaf_value=0x1"),
    "a huge tree": ("num_leaves=4\n", "num_leaves=2000000000\n"),
    "an empty tree": ("num_leaves=4\n", "num_leaves=0\n"),
    "a categorical split": ("num_cat=0", "num_cat=1"),
    "a categorical decision": ("decision_type=10", "decision_type=11"),
    "a linear leaf": ("is_linear=0", "is_linear=1"),
    "a node without rows": ("internal_count=200", "internal_count=0"),
    "a tree of another number": ("Tree=1", "Tree=2"),
    "a size that is off": ("tree_sizes=", "tree_sizes=1"),
    "a tree fewer": ("end of trees", "end of"),
    "fewer features": ("max_feature_idx=2", "max_feature_idx=1"),
    "many features": ("max_feature_idx=2", "max_feature_idx=2000000000"),
    "the same name twice": ("breadth seats tickets", "breadth seats seats"),
    "another version": ("version=v4", "version=v5"),
    "several classes": ("num_class=1", "num_class=3"),
    "a range that is none": ("feature_infos=[", "feature_infos=(["),
    "categories": ("pandas_categorical:null", 'pandas_categorical:[["a"]]'),
    "a tail": ("end of parameters", "end of parameters\n!!"),
    "no header": ("tree\n", "\n"),
    "no ascii": ("objective=", "objectivé="),
    "a missing line": ("shrinkage=1\n", "\n"),
    "a field twice": ("num_cat=0\n", "num_cat=0\nnum_cat=0\n"),
}


@pytest.mark.fault("R03")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_hostile_structure_is_refused(bundle: Path, damage: str) -> None:
    before, after = DAMAGES[damage]
    assert before in TEXT
    text = TEXT.replace(before, after, 1)
    if before not in ("tree_sizes=", "end of trees") and "=" in before:
        text = sized(text)
    (bundle / "churn.lgb").write_text(text, encoding="utf-8")
    started = time.perf_counter()
    assert code_of(resealed(bundle)) == "model.structure"
    assert time.perf_counter() - started < 1


def sized(text: str) -> str:
    """Write the sizes that the changed trees have, as a careful forger would."""
    head, *trees = text.partition("end of trees")[0].split("Tree=")
    sizes = " ".join(str(len(tree) + 5) for tree in trees)
    line = next(line for line in head.splitlines() if line.startswith("tree_sizes="))
    return text.replace(line, f"tree_sizes={sizes}")


LOAD = """
import sys, json, lightgbm, numpy
for text in json.load(sys.stdin):
    try:
        lightgbm.Booster(model_str=text).predict(numpy.zeros((3, 3)), num_threads=1)
    except (lightgbm.basic.LightGBMError, ValueError):
        pass  # refused, as bundle.py turns into a fault
"""


@pytest.mark.ci
@pytest.mark.fault("R03")
def test_no_mutated_text_that_passes_crashes_lightgbm() -> None:
    passed = []
    for data in mutated(TEXT, 1500):
        with suppress(DataRejected):
            read_forest(data.decode("ascii", "replace"))
            passed.append(data.decode("ascii"))
    assert 20 < len(passed) < 1000  # a digit of a number, a word of the parameters
    command = [sys.executable, "-c", LOAD]
    ran = subprocess.run(
        command, input=json.dumps(passed), text=True, capture_output=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("objective", ["binary", "cross_entropy", "regression", "poisson"])
def test_every_kind_of_tree_that_training_grows_is_accepted(objective: str) -> None:
    forest = read_forest(grown(20, 15, objective))
    assert (forest.trees, forest.features) == (20, tuple(NAMES))


def test_a_tree_of_one_leaf_is_accepted() -> None:
    rows = lightgbm.Dataset(ROWS.to_numpy(), np.zeros(200), feature_name=NAMES)
    stump = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, rows, 2)
    assert read_forest(stump.model_to_string()).trees == 1


@pytest.mark.fault("R03")
def test_a_large_model_is_read_in_less_than_a_second() -> None:
    text = grown(150, 31)
    started = time.perf_counter()
    assert read_forest(text).trees == 150
    assert time.perf_counter() - started < 1


@pytest.mark.fault("R04")
@pytest.mark.parametrize(
    "name", ["model.pkl", "python_model.pkl", "model.skops", "conda.yaml", "loader.py", "X.lgb"]
)
def test_another_kind_of_file_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"\x80\x04.")
    assert code_of(bundle) == "model.format"


@pytest.mark.fault("R04")
def test_code_beside_the_model_is_refused(bundle: Path) -> None:
    (bundle / "code").mkdir()
    assert code_of(bundle) == "model.format"
    (bundle / "code").rmdir()
    os.mkfifo(bundle / "pipe.lgb")
    assert code_of(bundle) == "model.format"


@pytest.mark.fault("R04")
def test_too_much_is_refused_before_it_is_read(bundle: Path) -> None:
    with (bundle / "huge.lgb").open("wb") as sparse:
        sparse.truncate(10**12)
    assert code_of(bundle) == "model.format"
    (bundle / "huge.lgb").unlink()
    for number in range(70):
        (bundle / f"x{number}.lgb").touch()
    assert code_of(bundle) == "model.format"


@pytest.mark.fault("R04")
def test_a_booster_that_the_contract_does_not_name_is_refused(bundle: Path) -> None:
    (bundle / "second.lgb").write_text(TEXT)
    assert code_of(bundle) == "model.format"


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.update(format=1),
        lambda said: said.pop("golden"),
        lambda said: said.update(files=[]),
        lambda said: said["golden"].update(rows=[["a", "b", "c"]]),
    ],
)
def test_a_contract_of_another_shape_is_refused(
    bundle: Path, change: Callable[[dict], None]
) -> None:
    assert code_of(resealed(bundle, change)) == "model.format"


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":1e999}\n', b"[]\n", b"{} {}\n", b"\xff"])
def test_a_contract_that_is_no_json_object_is_refused(bundle: Path, data: bytes) -> None:
    (bundle / "contract.json").write_bytes(data)
    assert code_of(bundle) == "model.digest"


@pytest.mark.fault("R05")
def test_links_and_paths_are_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(bundle)
    assert code_of(tmp_path / "link") == "model.path"
    assert code_of(tmp_path / "nowhere") == "model.path"
    (bundle / "churn.lgb").rename(tmp_path / "churn.lgb")
    (bundle / "churn.lgb").symlink_to(tmp_path / "churn.lgb")
    assert code_of(bundle) == "model.path"
    (bundle / "churn.lgb").unlink()
    outside = {"../churn.lgb": "0" * 64}
    assert code_of(resealed(bundle, lambda said: said.update(files=outside))) == "model.path"


@pytest.mark.fault("R13")
@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.update(lightgbm="5.0.0"),
        lambda said: said["boosters"]["churn"].update(objective="regression"),
        lambda said: said["boosters"]["churn"].update(features=["seats", "breadth", "tickets"]),
        lambda said: said["boosters"]["churn"].update(trees=4),
        lambda said: said["boosters"].update(churn2=said["boosters"].pop("churn")),
    ],
)
def test_another_fit_is_refused(bundle: Path, change: Callable[[dict], None]) -> None:
    assert code_of(resealed(bundle, change)) == "model.incompatible"


@pytest.mark.fault("R17")
def test_other_predictions_are_refused(bundle: Path) -> None:
    def moved_by(amount: float) -> Callable[[dict], None]:
        def change(said: dict) -> None:
            said["golden"]["raw"]["churn"][0] += amount

        return change

    open_bundle(resealed(bundle, moved_by(5e-10)))
    assert code_of(resealed(bundle, moved_by(1e-8))) == "model.golden"
    assert code_of(resealed(bundle, lambda said: said["golden"].update(raw={}))) == "model.golden"


@pytest.mark.fault("R17")
def test_a_leaf_that_was_changed_is_seen_by_the_golden_rows(bundle: Path) -> None:
    line = next(line for line in TEXT.splitlines() if line.startswith("leaf_value="))
    first, rest = line.removeprefix("leaf_value=").split(" ", 1)
    text = TEXT.replace(line, f"leaf_value={float(first) + 0.001} {rest}")
    (bundle / "churn.lgb").write_text(sized(text))
    assert code_of(resealed(bundle)) == "model.golden"


# The copy that serves.


@pytest.mark.fault("R14")
def test_the_copy_outlives_the_original(bundle: Path, tmp_path: Path) -> None:
    kept = copy_verified(bundle, tmp_path / "bundles")
    assert kept.path == tmp_path / "bundles" / kept.digest
    for path in bundle.iterdir():
        path.unlink()
    assert open_bundle(kept.path, kept.digest).contract == kept.contract


@pytest.mark.fault("R01")
def test_a_damaged_copy_is_taken_again_and_a_damaged_original_is_not(
    bundle: Path, tmp_path: Path
) -> None:
    kept = copy_verified(bundle, tmp_path / "bundles")
    (kept.path / "churn.lgb").write_text("tree\n")
    assert copy_verified(bundle, tmp_path / "bundles").digest == kept.digest
    (bundle / "churn.lgb").write_text("tree\n")
    with pytest.raises(DataRejected, match=r"model\.digest"):
        copy_verified(bundle, tmp_path / "bundles")
    assert open_bundle(kept.path, kept.digest).digest == kept.digest


def test_files_are_for_their_owner_alone(bundle: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in bundle.iterdir()} == {0o600}
    assert bundle.stat().st_mode & 0o777 == 0o700
