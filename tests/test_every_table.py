"""Every table of the contract, as a user has it: files, ingested, and what the commands tell."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from features.account_detail import account_details
from features.book import Book, open_book
from features.retention import metrics
from features.rules import Rules
from features.snapshot import snapshot
from serving.app import create_app
from serving.live import live_scorer
from serving.settings import load
from tests.command_line import made, perennial, workspace
from tests.whole_book import by_month, emptied, headed, narrowed, whole_book, written

pytestmark = pytest.mark.ci

AS_OF = date(2025, 7, 1)

PEOPLE = (
    "contact_id,account_id,area,role,left_on\n"
    "1,a,finance,champion,2025-03-01\n"
    "2,a,finance,admin,2025-09-01\n"
    "3,a,,,\n"
    "4,c,operations,sponsor,\n"
)


def ingested(folder: Path, **files: str) -> Book:
    made(folder, 'book.as_of = "2025-07-01"', **files)
    told = perennial(folder, "ingest", "--json")
    assert told.code == 0, told.err
    return open_book(folder / ".perennial")


def test_people_of_an_ingested_book_are_told_and_those_who_left_last(tmp_path: Path) -> None:
    told = account_details(ingested(tmp_path, contacts=PEOPLE), Rules(), AS_OF)
    people = [(one["contact"], one["area"], one["left_on"]) for one in told["a"]["contacts"]]
    assert people == [("2", "finance", None), ("3", None, None), ("1", "finance", "2025-03-01")]
    assert [one["role"] for one in told["c"]["contacts"]] == ["sponsor"]


def test_invoices_that_do_not_say_when_they_were_paid_end_nobody(tmp_path: Path) -> None:
    files = {"payments": "invoice_id,account_id,due_on\n1,a,2025-02-01\n2,c,2025-03-01\n"}
    book = ingested(tmp_path, **files)
    frame = snapshot(book, AS_OF, Rules()).set_index("account_id")
    assert list(frame.index) == ["a", "c"]
    assert frame[[name for name in frame if name.startswith("payments_")]].isna().all(axis=None)
    told = metrics(book, Rules(), "month", [], AS_OF)
    assert told["windows"][0]["churn_kinds"]["involuntary"] == 0
    assert "dunning_days" in told["definition"]["not_applied"]


def test_a_count_of_what_the_source_never_says_is_missing_not_zero(tmp_path: Path) -> None:
    files = {
        "tickets": "ticket_id,account_id,opened_at\n1,a,2025-06-01\n2,c,2025-06-20\n",
        "events": "account_id,occurred_at,kind\na,2025-06-20,gate_hit\nc,2025-06-29,gate_hit\n",
        "contacts": "contact_id,account_id\n1,a\n2,c\n",
    }
    book = ingested(tmp_path, **files)
    frame = snapshot(book, AS_OF, Rules()).set_index("account_id")
    silent = ["open", "urgent_open_days", "urgent_91d", "reopened_91d", "escalated_91d"]
    silent = [f"support_{name}" for name in silent]
    silent += ["expansion_gate_users_30d", "expansion_gate_features_30d"]
    assert frame[[*silent, "relationship_champion_left_91d"]].isna().all(axis=None)
    assert frame.loc["a", ["support_tickets_91d", "expansion_gate_hits_30d"]].tolist() == [1, 1]
    told = account_details(book, Rules(), AS_OF)["a"]
    assert told["tickets"]["open_now"] is None
    assert told["tickets"]["reason"] == "tickets came without closed_at"
    assert [one["left_on"] for one in told["contacts"]] == [None]


# --- a whole book, and what may be lacking in it, by every command

MONEY = ("accounts", "subscriptions")
Tables = dict[str, pd.DataFrame]


def optional(way: Callable[[str, pd.DataFrame], pd.DataFrame]) -> Callable[[Tables], Tables]:
    return lambda book: {n: frame if n in MONEY else way(n, frame) for n, frame in book.items()}


def turned(by: int) -> Callable[[Tables], Tables]:
    """Let the tables be in turn whole, absent, narrow, without values, without rows."""
    ways = (lambda name, frame: frame, lambda name, frame: None, narrowed, emptied, headed)

    def turn(book: Tables) -> Tables:
        found = {
            name: frame if name in MONEY else ways[(at + by) % len(ways)](name, frame)
            for at, (name, frame) in enumerate(book.items())
        }
        return {name: frame for name, frame in found.items() if frame is not None}

    return turn


def everything_narrow(book: Tables) -> Tables:
    return {name: narrowed(name, frame) for name, frame in book.items()}


def everything_empty(book: Tables) -> Tables:
    return {name: emptied(name, frame) for name, frame in book.items()}


VARIANTS: dict[str, tuple[Callable[[Tables], Tables], bool]] = {
    "whole": (dict, True),
    "narrow": (everything_narrow, False),
    "empty": (everything_empty, True),
    "headed": (optional(headed), False),
    "by_month": (by_month, True),
    "turned": (turned(1), False),
}
COMMANDS = [
    ["check", "--signals"], ["metrics"], ["features", "--out", "f.csv"], ["score", "--json"],
    ["outreach"], ["outreach", "--effect"], ["forecast"], ["digest"], ["monitor"], ["runs"],
    ["export", "crm", "--for", "hubspot", "--out", "crm.csv"], ["close", "2025-11"],
    ["report", "--board", "--out", "board.html"], ["verify", "--json"],
]  # fmt: skip
PAGES = ["/", "/accounts", "/outreach", "/forecast", "/expansion", "/matrix", "/model"]


@pytest.mark.parametrize(
    "variant",
    [pytest.param(v, marks=[pytest.mark.slow] * (v in ("empty", "headed"))) for v in VARIANTS],
)
def test_whatever_a_book_lacks_every_command_and_page_answers(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, variant: str
) -> None:
    trained, folder = workspace(tmp_path_factory), tmp_path / "book"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("truth", "exports"))
    made_of, parquet = VARIANTS[variant]
    written(folder, made_of(whole_book(trained)), parquet=parquet)
    for command in COMMANDS:
        told = perennial(folder, *command)
        assert told.code == 0, (command, told.err)
    assert perennial(folder, "doctor", "--json").code in (0, 1)  # it is long ago
    frame = pd.read_csv(folder / "f.csv")
    assert len(frame) > 10, "most of a book does not leave for want of an optional column"
    accounts = frame["account_id"].iloc[[0, -1]].tolist()
    for account in accounts:
        assert perennial(folder, "explain", account).code == 0
        told = perennial(folder, "report", "--account", account, "--out", "a.html")
        assert told.code == 0, told.err
    _pages(folder, frame["account_id"].tolist())


def _pages(folder: Path, accounts: list[str]) -> None:
    settings = load(here=folder)
    client = TestClient(create_app(settings.home, live_scorer(settings)), "http://127.0.0.1")
    described: dict[str, Any] = client.get("/openapi.json").json()["paths"]
    plain = [path for path, verbs in described.items() if "get" in verbs and "{" not in path]
    of_account = [f"/accounts/{account}" for account in accounts]
    of_account += [f"/v1{path}" for path in of_account]
    for path in {*plain, *PAGES, *of_account} - {"/v1/forecast/actual"}:  # there is no book here
        reply = client.get(path)
        assert reply.status_code < 500, (path, reply.text)
        assert reply.status_code == 200 or path not in {*PAGES, *of_account}, path
