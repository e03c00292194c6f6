"""The whole job on whole books: simulated ones of several sizes, and the shared ones if there."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.live import live_scorer
from serving.schemas import SCORE_COLUMNS
from serving.settings import load
from tests.command_line import Answer, perennial

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.ci


def told(answer: Answer) -> dict:
    assert answer.code == 0, answer.err
    return answer.body


def whole_job(folder: Path) -> dict:
    """Train, score twice, and hold every output against the others; give the scoring."""
    trained = told(perennial(folder, "train", "--json"))
    assert set(trained["metrics"]) == {"churn", "expand", "contract"}
    scored = told(perennial(folder, "score", "--json"))
    again = told(perennial(folder, "score", "--json"))
    assert (scored["published"], again["published"]) == (True, False)
    assert scored["digest"] == again["digest"]
    _exports(scored)
    _forecasts(folder, scored)
    _api(folder, scored)
    for command in ("check", "metrics", "outreach", "forecast"):
        shown = perennial(folder, command)
        assert shown.code == 0, shown.err
        assert shown.out.strip()
    return scored


def _exports(scored: dict) -> None:
    parquet = Path(scored["scores_path"])
    frame = pd.read_parquet(parquet)
    assert list(frame.columns) == list(SCORE_COLUMNS)
    assert len(frame) == scored["accounts"] == sum(scored["cells"].values())
    states = frame[["p_churn", "p_contract", "p_flat", "p_expand"]]
    assert states.min().min() >= 0
    assert states.sum(axis=1).sub(1).abs().max() < 1e-9
    assert (frame["p_retain"] + frame["p_churn"]).sub(1).abs().max() < 1e-9
    assert set(frame["status"]) <= {"scored", "unscorable"}
    text = parquet.with_suffix(".csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["account_id"].lstrip("'") for row in rows] == list(frame["account_id"])
    assert json.loads(rows[0]["reasons_retention"])


def _forecasts(folder: Path, scored: dict) -> None:
    for horizon, one in scored["forecast"].items():
        assert told(perennial(folder, "forecast", "--horizon", horizon, "--json")) == one
        if one["nrr"] is None:
            assert one["reason"]
            continue
        marks = [one["nrr"][q] for q in ("p05", "p10", "p25", "p50", "p75", "p90", "p95")]
        assert marks == sorted(marks)
        assert one["grr"]["p95"] <= 1
        closing = one["opening_mrr"] + one["expansion_mrr"]["mean"]
        closing -= one["contraction_mrr"]["mean"] + one["churned_mrr"]["mean"]
        assert closing == pytest.approx(one["closing_mrr"]["mean"], rel=1e-9)
        parts = [cut for cut in one["by_cut"] if cut["nrr"] is not None]
        assert sum(cut["closing_mrr"]["mean"] for cut in parts) == pytest.approx(closing, rel=1e-9)


def _api(folder: Path, scored: dict) -> None:
    settings = load(here=folder)
    client = TestClient(
        create_app(settings.home, live_scorer(settings)), base_url="http://127.0.0.1"
    )
    for path in ("/", "/livez", "/readyz", "/v1/matrix", "/v1/runs", "/openapi.json"):
        assert client.get(path).status_code == 200, path
    items = client.get("/v1/accounts?limit=1000").json()["items"]
    some = items[:20]
    asked = {"account_ids": [row["account_id"] for row in some]}
    assert client.post("/v1/score", json=asked).json()["items"] == some
    assert client.get("/v1/forecast?horizon=12").json() == scored["forecast"]["12"]
    listed = client.get("/v1/outreach?limit=1000").json()["items"]
    assert listed == told(perennial(folder, "outreach", "--json"))["items"]
    one = items[0]["account_id"]
    explained = told(perennial(folder, "explain", one, "--json"))
    assert client.get(f"/v1/accounts/{one}").json() == explained == items[0]


def simulated(folder: Path, accounts: int, months: int) -> Path:
    asked = ("--accounts", str(accounts), "--months", str(months), "--json")
    told(perennial(folder.parent, "simulate", str(folder), *asked))
    return folder


@pytest.mark.fault("T07", partly=True)
def test_demo_says_everything_on_one_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    shown = perennial(tmp_path, "demo", "--accounts", "300", "--months", "24")
    assert shown.code == 0, shown.err
    for said in (
        "Health matrix",
        "Outreach, week of 2026-01-01",
        "next month (1",
        "next quarter (3",
        "next year (12",
        "calendar says",
        "last year",
        "Model version",
    ):
        assert said in shown.out
    folder = tmp_path / "demo"
    told(perennial(folder, "train", "--json"))  # the same book and seed: the same model
    scored = told(perennial(folder, "score", "--json"))
    assert (scored["published"], scored["as_of"]) == (False, "2026-01-01")
    _exports(scored)
    _forecasts(folder, scored)
    _api(folder, scored)


@pytest.mark.fault("T01")
@pytest.mark.parametrize(
    ("accounts", "months"), [pytest.param(120, 18, marks=pytest.mark.slow), (60, 24), (60, 12)]
)
def test_a_small_book_runs_whole_and_says_what_it_cannot_answer(
    tmp_path: Path, accounts: int, months: int
) -> None:
    folder = simulated(tmp_path / "book", accounts, months)
    scored = whole_job(folder)
    confidence = {one["confidence"] for one in scored["forecast"].values()}
    assert "thin" in confidence
    reasons = [why for one in scored["forecast"].values() for why in one["confidence_reasons"]]
    assert reasons
    limits = told(perennial(folder, "check", "--json"))["coverage"]["limits"]
    window = told(perennial(folder, "metrics", "--json"))["windows"][0]
    if months < 13:
        assert "trailing 12 months needs 13" in limits[0]
        assert (window["nrr"], bool(window["reason"])) == (None, True)
    else:
        assert window["nrr"] is not None


def test_the_same_book_from_scratch_gives_the_same_digest(tmp_path: Path) -> None:
    digests = []
    for name in ("first", "second"):
        folder = simulated(tmp_path / name, 80, 14)
        told(perennial(folder, "train", "--json"))
        digests.append(told(perennial(folder, "score", "--json"))["digest"])
    assert digests[0] == digests[1]


def shared(tmp_path: Path, name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"../shared/data/{name} is not there")
    folder = tmp_path / name
    folder.mkdir()
    toml = ROOT / "docs" / "examples" / name / "perennial.toml"
    shutil.copy(toml, folder / "perennial.toml")
    return folder


def test_the_shared_crm_book_runs_whole(tmp_path: Path) -> None:
    folder = shared(tmp_path, "crm")
    data = str(SHARED / "crm")
    report = told(perennial(folder, "ingest", "--book", data, "--json"))
    assert report["coverage"]["as_of"] == "2024-01-01"
    trained = told(perennial(folder, "train", "--book", data, "--json"))
    assert trained["promoted"]
    scored = told(perennial(folder, "score", "--book", data, "--json"))
    _exports(scored)
    assert scored["forecast"]["3"]["nrr"]["p10"] < scored["forecast"]["3"]["nrr"]["p90"]
    again = told(perennial(folder, "score", "--book", data, "--json"))
    assert (again["published"], again["digest"]) == (False, scored["digest"])


JULY = {2020: 0.43, 2021: 0.51, 2022: 0.88, 2023: 0.60, 2024: 0.70, 2025: 0.61}
"""July-to-July NRR of the sponsors' book by its opening year, without gap bridging."""


def test_the_shared_sponsors_book_runs_whole(tmp_path: Path) -> None:
    folder = shared(tmp_path, "sponsors")
    data = str(SHARED / "sponsors")
    told(perennial(folder, "ingest", "--book", data, "--json"))
    for year, nrr in JULY.items():
        asked = ("--window", f"{year}-07:{year + 1}-07", "--book", data, "--json")
        window = told(perennial(folder, "metrics", *asked))["windows"][0]
        assert round(window["nrr"], 2) == nrr, year
    told(perennial(folder, "train", "--book", data, "--json"))
    scored = told(perennial(folder, "score", "--book", data, "--json"))
    _exports(scored)
    assert {one["confidence"] for one in scored["forecast"].values()} == {"thin"}
