"""The Expansion and Model pages: the eight figures, the digest's opportunities, a version's record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from serving.api import access
from serving.api.access import Who
from serving.app import create_app
from serving.dashboard.expansion import best_of, figure_shown
from serving.digest.pulse import pulse
from serving.digest.reading import read
from serving.facts import Facts
from serving.store import Store
from tests.example_publication import NOW, example

pytestmark = pytest.mark.ci

HERE = "http://127.0.0.1"
DIGEST = "ab" * 32
ONE = {"events": 3, "count": 30, "share": 0.1, "low": 0.04, "high": 0.2}
NRR = {"mean": 1.01, "p05": 0.95, "p10": 0.97, "p90": 1.05, "p95": 1.07}
JUDGED = {"rows": 300, "events": 30, "auc_at_risk": 0.7, "skill": 0.07, "slope": 1.1, "o_over_e": 1}
BANDS = {band: {"renewed": ONE, "expanded": ONE} for band in ("High", "Medium", "Low")}
SIDES = {"retention": BANDS, "expansion": BANDS}
CAUGHT = ONE | {"caught": 3, "total": 30, "baselines": {"at random": 0.1, "calendar": 0.2}}
BACKTEST: dict[str, Any] = {
    "probabilities": {"churn": JUDGED | {"serves": "score"}},
    "reliability": {"churn": {"score": [ONE | {"said": 0.1}], "calendar": [ONE | {"said": 0.1}]}},
    "lift": {"churn": [{"list": "first 10 per CSM", "listed": 20, "of": 300, "accounts": CAUGHT,
                        "mrr": CAUGHT}]},
    "quarters": [SIDES | {"origin": "2025-01-01", "period_end": "2025-03-31"}],
    "bands": SIDES,
    "periods": [{"horizon_months": 3, "period_end": "2025-03-31", "nrr": NRR, "actual_nrr": 1.02}],
    "accuracy": {"3": {"applicable": False, "periods": 1, "n_eff": 1.0, "width": "prior-driven"}},
}  # fmt: skip
GATE = [
    {"check": "one", "value": 0.858, "limit": "at most 1", "passed": True},
    {"check": "two", "value": None, "limit": "any; not applicable", "passed": False},
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("home")
    gates = {"cause": ["first run"], "moves": {"moved": 2, "known": 12}, "ratios": {"usage": 1.5}}
    figure = {
        "figure": "pipeline", "name": "Expansion pipeline", "value": None, "unit": "USD of MRR",
        "period": {"from": None, "to": "2025-07-01"}, "definition": "Open deals.", "target": None,
        "series": None, "reason": "the book has no table opportunities", "beside": {},
    }  # fmt: skip
    facts = Facts({"x": 1}, {"currency": "USD", "figures": [figure]}, {})
    Store.open(found).publish(example(model_digest=DIGEST, gates=gates, facts=facts), now=NOW)
    folder = found / "models"
    folder.mkdir()
    told = {"kind": "health", "gate": GATE, "backtest": BACKTEST, "serves": {"churn": "score"}}
    (folder / f"{DIGEST}.json").write_text(json.dumps(told))
    listed = [
        {"version": 3, "digest": DIGEST, "gate_said": "passed"},
        {"version": 4, "digest": "cd"},
    ]
    (folder / "index.json").write_text(json.dumps({"champions": [3], "versions": listed}))
    return found


def seen(home: Path, path: str, who: Who) -> str:
    app = create_app(home, now=lambda: NOW)
    app.dependency_overrides[access._caller] = lambda: who
    reply = TestClient(app, base_url=HERE).get(path)
    assert reply.status_code == 200
    return reply.text


ALL, ADA = Who("admin", None, True, "all"), Who("cs", "Ada", True, "ada")


def test_a_version_is_shown_with_its_whole_record(home: Path) -> None:
    text = seen(home, "/model", ALL)
    for said in ("Model version 3", "1 of 2 checks passed", "at most 1", "0.858",
                 "not applicable", "leaving (churn)", "first 10 per CSM", "which count as 1.0",
                 "2 of 12", "first run", "challenger", "Decisions about a person"):  # fmt: skip
        assert said in text, said
    assert "is not beside the state" not in text


def test_a_version_without_a_record_says_so(home: Path, tmp_path: Path) -> None:
    Store.open(tmp_path).publish(example(), now=NOW)
    text = seen(tmp_path, "/model", ALL)
    assert "is not beside the state" in text
    assert "This run kept no record of its gates" in text


def test_a_figure_that_is_not_measured_says_why_and_what_next(home: Path) -> None:
    text = seen(home, "/expansion", ALL)
    assert "the book has no table opportunities" in text
    assert "give the book a table of opportunities" in text


@pytest.mark.fault("D12")
def test_a_key_of_one_csm_sees_its_own_opportunities_alone(home: Path) -> None:
    text = seen(home, "/expansion", ADA)
    assert "Acme Rail" in text
    assert "Fjord Energy" not in text
    assert "Expansion pipeline" not in text


def test_opportunities_are_those_of_the_digest(home: Path) -> None:
    store = Store.open(home)
    run = store.current()
    assert run is not None
    assert best_of(store, run, None) == pulse(read(store, run))
    assert best_of(store, run, "Ada") == pulse(read(store, run, "Ada"))


@pytest.mark.parametrize(
    ("target", "value", "said"),
    [
        (None, 1.0, []),
        (1.1, None, [("110.0\xa0%", None)]),
        ([{"for": "plg", "days": 90, "met": False}], 1, [("under 90 days for product-led", False)]),
    ],
)
def test_targets_in_words(target: Any, value: float | None, said: list[Any]) -> None:
    body = {"figure": "nrr_ttm", "value": value, "unit": "share", "period": {}, "beside": {}}
    assert figure_shown(body | {"target": target, "series": None}).targets == said


def test_before_the_first_run_both_name_the_next_step(tmp_path: Path) -> None:
    for path in ("/expansion", "/model"):
        assert "perennial" in seen(tmp_path, path, ALL)
