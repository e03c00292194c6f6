"""Of many mutated bundles none is accepted, and none makes a process crash or hang."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest

from models.bundle import open_bundle, write_bundle
from tests.mutated_bundles import DAMAGES, FORGERIES, tried

ROOT = Path(__file__).resolve().parents[1]
NAMES = ["breadth", "seats"]
ROWS = pd.DataFrame(np.random.default_rng(5).normal(size=(120, 2)), columns=NAMES)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    params = {"objective": "binary", "num_leaves": 4, "num_threads": 1, "verbose": -1}
    rows = lightgbm.Dataset(ROWS.to_numpy(), ROWS["seats"] > 0, feature_name=NAMES)
    text = lightgbm.train(params, rows, 3).model_to_string()
    folder = tmp_path_factory.mktemp("small") / "bundle"
    write_bundle(folder, {"rung": "blend", "bands": [0.1, 0.2]}, {"churn": text}, ROWS.head(4))
    return folder


@pytest.mark.fault("R01")
@pytest.mark.fault("R02")
@pytest.mark.fault("R03")
@pytest.mark.fault("R04")
@pytest.mark.fault("R05")
def test_of_a_hundred_mutated_bundles_none_is_accepted(small: Path, tmp_path: Path) -> None:
    digest = open_bundle(small).digest
    told = tried(small, digest, 100, 11, tmp_path, lambda bundle: bundle)
    assert told["accepted"] == []
    assert {"model.digest", "model.path", "model.format"} == set(told["codes"])
    assert told["slowest_seconds"] < 1


@pytest.mark.ci
@pytest.mark.fault("R01")
@pytest.mark.fault("R02")
@pytest.mark.fault("R03")
@pytest.mark.fault("R04")
@pytest.mark.fault("R05")
@pytest.mark.fault("R13")
@pytest.mark.fault("R17")
def test_of_two_thousand_mutated_bundles_none_is_accepted_and_nothing_crashes(
    tmp_path: Path,
) -> None:
    from tests.small_history import Law, carried_of, history_of  # heavy: a backtest

    law = Law(accounts=180, months=21)
    history, carried = history_of(law), carried_of(law)
    golden = history.frame.loc[:, list(history.signals)].tail(8)
    digest = write_bundle(tmp_path / "b", carried.contract(), carried.boosters(), golden)
    arguments = [str(tmp_path / "b"), digest, "2000", "3"]
    command = [sys.executable, "-m", "tests.mutated_bundles", *arguments]
    ran = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = json.loads(ran.stdout)
    assert (told["tried"], told["accepted"]) == (2000, [])
    assert told["slowest_seconds"] < 2
    changes = {name.partition(":")[0] for name in told["without_digest"]}
    assert changes == {one.__name__ for one in (*DAMAGES, *FORGERIES)}
    # What only damages is refused without the digest too; a forger's last hurdle is the digest.
    opens = {name.partition(":")[0] for name in told["without_digest"] if name.endswith("opens")}
    assert opens <= {one.__name__ for one in FORGERIES}
