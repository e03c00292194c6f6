"""The weekly job through the command line: held and approved, filled in, strict, stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.command_line import Answer, copied, perennial, workspace

pytestmark = pytest.mark.ci  # they run the job itself


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace(tmp_path_factory)


def told(answer: Answer) -> dict:
    assert answer.code == 0, answer.err
    return dict(answer.body)


def gates(folder: Path, *keys: str) -> None:
    """Set keys of ``[gates]`` anew."""
    toml = folder / "perennial.toml"
    text = toml.read_text().partition("\n[gates]")[0]
    toml.write_text(text + "\n[gates]\n" + "\n".join(keys) + "\n")


@pytest.mark.fault("B14")
@pytest.mark.fault("A08", partly=True)
def test_a_held_run_serves_nobody_until_it_is_approved(scored: Path, tmp_path: Path) -> None:
    folder = copied(scored, tmp_path / "w")
    for kept in (folder / ".perennial").glob("perennial.db*"):
        kept.unlink()
    first = told(perennial(folder, "score", "--as-of", "2025-09-04", "--json"))["run_id"]
    gates(folder, "accounts = 1", "moves = 0.0")
    held = perennial(folder, "score", "--json")
    assert held.code == 65, held.err
    body = held.body
    assert (body["published"], body["cause"]) == (False, [])
    assert " accounts changed their cell (" in body["held"][0]
    assert set(body["stages"]) >= {"open the book", "signals", "gates", "publish"}
    again = perennial(folder, "score")
    assert (again.code, f"approve {body['run_id']}" in again.out.replace("\n", " ")) == (65, True)
    assert told(perennial(folder, "outreach", "--json"))["run_id"] == first
    let = told(perennial(folder, "approve", body["run_id"], "--by", "Ada", "--json"))
    assert (let["status"], let["approved_by"], let["current"]) == ("approved", "Ada", True)
    assert told(perennial(folder, "outreach", "--json"))["run_id"] == body["run_id"]
    after = told(perennial(folder, "score", "--json"))
    assert (after["published"], after["held"], after["run_id"]) == (False, [], body["run_id"])
    listed = told(perennial(folder, "runs", "--json"))
    assert listed["current"] == body["run_id"]
    assert [run["status"] for run in listed["runs"]] == ["approved", "published"]
    assert listed["runs"][0]["held_because"] == body["held"]
    assert len(listed["missed_weeks"]) == 16
    assert perennial(folder, "runs").code == 0
    assert perennial(folder, "approve", first).code == 2
    assert perennial(folder, "approve", "nothing").code == 66


@pytest.mark.fault("B06")
@pytest.mark.fault("B05")
def test_past_weeks_are_filled_in_once(scored: Path, tmp_path: Path) -> None:
    folder = copied(scored, tmp_path / "w")
    first = json.loads((folder / "scored.json").read_text())["run_id"]
    asked = ("score", "--backfill", "2025-12-18:2026-01-08", "--json")
    plan = told(perennial(folder, *asked, "--dry-run"))
    states = ["to do", "to do", "published already", "beyond the book"]
    assert [week["state"] for week in plan["weeks"]] == states
    assert len(told(perennial(folder, "runs", "--json"))["runs"]) == 1
    done = told(perennial(folder, *asked))
    assert done["states"] == {"beyond the book": 1, "published": 2, "published already": 1}
    again = told(perennial(folder, *asked))
    assert again["states"] == {"beyond the book": 1, "published already": 3}
    listed = told(perennial(folder, "runs", "--json"))
    assert (listed["current"], len(listed["runs"])) == (first, 3)
    assert [run["cause"] for run in listed["runs"][1:]] == [["backfill"], ["first run", "backfill"]]
    assert listed["missed_weeks"] == []
    week = told(perennial(folder, "score", "--as-of", "2025-12-25", "--json"))
    assert (week["published"], week["run_id"]) == (False, done["weeks"][1]["run_id"])
    assert perennial(folder, "score", "--dry-run").code == 2
    assert perennial(folder, *asked, "--as-of", "2025-12-25").code == 2


@pytest.mark.fault("B12")
def test_an_account_out_of_bounds_keeps_its_row(scored: Path, tmp_path: Path) -> None:
    folder = copied(scored, tmp_path / "w")
    limits = pd.read_csv(folder / "limits.csv")
    paying = pd.read_parquet(json.loads((folder / "scored.json").read_text())["scores_path"])
    some = sorted(set(limits["account_id"]) & set(paying["account_id"]))[:3]
    wild = limits.drop_duplicates("account_id").set_index("account_id").loc[some].reset_index()
    last = limits["observed_on"].max()
    wild = wild.assign(used=1e11, limit=1e-300, observed_on=last, metric="wild")

    def scoring(many: int) -> Answer:
        pd.concat([limits, wild.iloc[:many]]).to_csv(folder / "limits.csv", index=False)
        return perennial(folder, "score", "--json")

    body = told(scoring(1))
    row = pd.read_parquet(body["scores_path"]).set_index("account_id").loc[some[0]]
    assert (body["unscorable"], row["status"]) == (1, "unscorable")
    assert "expansion_limit_share" in row["status_reason"]
    assert 0 < row["p_renew"] < 1
    assert row["cell"]
    assert body["warnings"][0].startswith("1 of ")
    assert body["restates"]["appeared"] == body["restates"]["gone"] == 0
    held = scoring(3)
    assert (held.code, held.body["published"], held.body["unscorable"]) == (65, False, 3)
    assert "are unscorable" in held.body["held"][0]


def test_strict_refuses_a_book_of_which_a_row_was_set_aside(scored: Path, tmp_path: Path) -> None:
    folder = copied(scored, tmp_path / "w")
    with (folder / "tickets.csv").open("a") as tickets:
        columns = (folder / "tickets.csv").read_text().partition("\n")[0].count(",")
        tickets.write("bad" + "," * columns + "\n")
    for _ in range(2):
        refused = perennial(folder, "score", "--strict", "--json")
        assert (refused.code, refused.body["error"]["code"]) == (65, "feed.strict")
    told(perennial(folder, "score", "--json"))
    assert perennial(folder, "score", "--strict", "--json").code == 65


@pytest.mark.fault("B16")
def test_asked_to_end_the_job_leaves_with_75_and_nothing_half_done(
    scored: Path, tmp_path: Path
) -> None:
    folder = copied(scored, tmp_path / "w")
    before = told(perennial(folder, "runs", "--json"))
    command = [sys.executable, "-m", "serving.cli", "score", "--as-of", "2025-12-25", "--json"]
    job = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    opened = folder / ".perennial" / "store.lock"
    stamp, begun = opened.stat().st_mtime_ns, time.monotonic()
    while opened.stat().st_mtime_ns == stamp and time.monotonic() - begun < 4:
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    out, _ = job.communicate(timeout=30)
    assert time.monotonic() - asked < 10
    assert (job.returncode, json.loads(out)["error"]["code"]) == (75, "interrupted")
    assert told(perennial(folder, "runs", "--json")) == before
    assert told(perennial(folder, "score", "--as-of", "2025-12-25", "--json"))["published"]
