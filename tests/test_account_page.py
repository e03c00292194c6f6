"""The Account page: it shows what was published, keeps calls and contacts, and shows nobody else's."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from features.maturity import MaturitySettings
from models.plays import PLAYS
from serving.api import access
from serving.api.access import Who
from serving.app import create_app
from serving.dashboard.account_view import account_view
from serving.done import actions_of, call_of
from serving.facts import Facts
from serving.facts_reading import _grown
from serving.store import Store
from tests.example_publication import NOW, example

pytestmark = pytest.mark.ci

HERE = "http://127.0.0.1"
ALL = Who("admin", None, True, "all")
PLAY = next(iter(PLAYS.values())).name
DETAIL: dict[str, Any] = {
    "first_paid_on": "2023-01-01",
    "usage": {"until": "2025-06-29", "events": [4, 7], "users": None},
    "tickets": {"months": ["2025-06"], "opened": [2], "solved": [1], "open_now": 1},
    "lines": [
        {
            "product": "core", "plan": "pro", "kind": "recurring", "seats": 12, "mrr": 9200.0,
            "list_mrr": 10000.0, "currency": "USD", "discount": 0.08, "starts_on": "2024-10-01",
            "term_months": 12, "next_decision_on": "2025-09-30", "auto_renew": True,
            "canceled_on": None,
        }
    ],
    "renewals": {"past": [], "next": []},
    "movements": [
        {"month": "2025-05-31", "class": "expansion", "lever": "seat", "product": "core",
         "amount": 350.5}
    ],
    "contacts": [{"contact": "Mona Lind", "area": "core", "role": "champion", "left_on": None}],
    "milestones": [{"on": "2025-03-01", "kind": "qbr", "value": None, "contact": "Mona Lind"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("home")
    told = example(facts=Facts({"as_of": "x"}, {}, {"a01": DETAIL}))
    Store.open(found).publish(told, now=NOW)
    return found


@pytest.fixture(scope="module")
def clients(home: Path) -> dict[str, TestClient]:
    """Give a client for each of three who ask."""
    asked = {
        "all": ALL,
        "ben": Who("cs", "Ben", True, "ben"),
        "cfo": Who("finance", None, False, "cfo"),
    }
    found = {}
    for name, who in asked.items():
        app = create_app(home, now=lambda: NOW)
        app.dependency_overrides[access._caller] = lambda who=who: who
        found[name] = TestClient(app, base_url=HERE, follow_redirects=False)
    return found


def test_the_page_tells_what_was_published(clients: dict[str, TestClient]) -> None:
    text = clients["all"].get("/accounts/a01?back=/accounts%3Fcell%3DHH").text
    for said in ("Acme Rail", "97.0", "Priority expansion outreach", "96 % of seats in use",
                 "usage fell", "Mona Lind", "12-month term, renews by itself", "+351",
                 "Accounts in HH", "seat limit"):  # fmt: skip
        assert said in text, said
    assert 'href="/accounts?cell=HH"' in text


@pytest.mark.fault("D09")
@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil", "/v1/runs"])
def test_the_way_back_stays_on_this_site(clients: dict[str, TestClient], back: str) -> None:
    text = clients["all"].get("/accounts/a02", params={"back": back}).text
    assert "evil" not in text
    assert '<a href="/accounts">← Accounts</a>' in text


@pytest.mark.fault("D12")
def test_what_is_not_theirs_is_not_there(clients: dict[str, TestClient]) -> None:
    assert clients["all"].get("/accounts/nobody").status_code == 404
    assert clients["ben"].get("/accounts/a01").status_code == 404
    assert clients["ben"].get("/accounts/a03").status_code == 200
    assert clients["ben"].post("/accounts/a01/call", data={"retention": "Low"}).status_code == 404


@pytest.mark.fault("D12")
def test_finance_reads_without_names_and_without_forms(clients: dict[str, TestClient]) -> None:
    text = clients["cfo"].get("/accounts/a01").text
    assert "champion" in text
    assert "Mona" not in text
    assert "<form" not in text
    assert clients["cfo"].post("/accounts/a01/call", data={"retention": "Low"}).status_code == 403


def test_a_contact_is_logged_once_and_told(home: Path, clients: dict[str, TestClient]) -> None:
    asked = {"play": PLAY, "acted_on": "2025-06-30", "outcome": "reached"}
    sent = clients["all"].post("/accounts/a04/actions?back=/outreach", data=asked)
    assert sent.status_code == 303
    assert sent.headers["location"] == "/accounts/a04?back=%2Foutreach&done=action#done"
    engine = Store.open(home).engine
    for page in ("/accounts/a04/actions", "/outreach/a04/log"):  # sent twice, from either page
        assert clients["all"].post(page, data=asked).status_code == 303
    assert [(one["play"], one["acted_on"], one["csm"]) for one in actions_of(engine, "a04")] == [
        (PLAY, date(2025, 6, 30), "Ben")
    ]
    text = clients["all"].get(sent.headers["location"]).text
    assert "The contact is logged" in text
    assert "reached" in text


@pytest.mark.parametrize(
    ("form", "fields", "said"),
    [
        ("actions", {"play": "No such play", "outcome": "<b>kept</b>"}, "Not logged"),
        ("actions", {"play": PLAY, "acted_on": "2025-08-01"}, "log it on the day or later"),
        ("actions", {"play": PLAY, "acted_on": "soon"}, "write the day as YYYY-MM-DD"),
        ("call", {"note": "why"}, "choose a level"),
        ("call", {"retention": "Great"}, "one of High, Medium, Low"),
        ("call", {"retention": "Low", "until": "2025-06-01"}, "name a day to come"),
    ],
)
def test_a_form_that_is_wrong_comes_back_as_it_was(
    clients: dict[str, TestClient], form: str, fields: dict[str, str], said: str
) -> None:
    found = clients["all"].post(f"/accounts/a05/{form}", data=fields)
    assert found.status_code == 422
    assert said in found.text
    assert "<b>kept</b>" not in found.text


def test_a_call_is_kept_disagrees_and_is_withdrawn(
    home: Path, clients: dict[str, TestClient]
) -> None:
    engine, today = Store.open(home).engine, NOW.date()
    sent = clients["ben"].post("/accounts/a03/call", data={"retention": "Low", "note": "sponsor"})
    assert sent.status_code == 303
    found = call_of(engine, "a03", today)
    assert found is not None
    assert (found[0].retention, found[0].csm) == ("Low", "Ben")
    assert "disagrees" in clients["ben"].get("/accounts/a03").text
    clients["ben"].post("/accounts/a03/call", data={"withdraw": "yes", "retention": "Low"})
    assert call_of(engine, "a03", today) is None


@pytest.mark.fault("D01")
def test_hostile_names_are_text(clients: dict[str, TestClient]) -> None:
    text = clients["all"].get("/accounts/a10").text
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text


def test_bands_are_drawn_from_the_kept_bundle(home: Path) -> None:
    store = Store.open(home)
    run = store.current()
    assert run is not None
    row = store.account("a01", run=run.run_id)
    assert row is not None
    digest = "ab" * 32
    folder = home / "bundles" / digest
    folder.mkdir(parents=True)
    (folder / "contract.json").write_text(
        '{"bands": {"risk": {"pooled": [0.1, 0.25]}, "expansion": [0.2, 0.3]}}'
    )
    axes = account_view(store, replace(run, model_digest=digest), row, ALL, NOW.date())["axes"]
    assert axes[0].bands == "High from 90.0\xa0%, Medium from 75.0\xa0%"
    assert axes[1].bands == "High from 30.0\xa0%, Medium from 20.0\xa0%"


def test_the_parts_of_maturity_stand_beside_its_score() -> None:
    row = {
        "account_id": ["a"], "usage_active_weeks_8w": [8.0], "adoption_activated_30d": [1.0],
        "adoption_days_to_activation": [3.0], "adoption_core_adopted": [0.3],
        "adoption_advanced_28d": [None], "adoption_integrations_28d": [0.0],
        "relationship_advocacy_365d": [0.0], "expansion_invites_30d": [0.0],
    }  # fmt: skip
    grown = _grown({"a": {"lines": []}, "b": {}}, pd.DataFrame(row), MaturitySettings())
    assert grown["b"]["maturity"] is None
    assert grown["a"] == {
        "lines": [],
        "maturity": {
            "activation": 1.0, "habit": 1.0, "adoption": 0.5, "advanced": None,
            "integration": 0.0, "advocacy": 0.0,
        },
    }  # fmt: skip
