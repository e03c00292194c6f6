"""The weekly job: its date, its key, and what it answers when nothing has changed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from features.book import Book, BookFacts, open_book
from features.contracts import canonical
from features.faults import InputMissing
from features.rules import Rules
from models.registry import Registry
from serving.batch import as_of_date, champion, score
from serving.record import last_year
from serving.settings import load
from serving.store import Store
from tests.command_line import copied, perennial, workspace

pytestmark = pytest.mark.ci  # they run the job itself

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace(tmp_path_factory)


def monthly() -> Book:
    months = [
        {"account_id": "a", "month": date(2025, month, 1), "mrr_micros": 10**8 * month}
        for month in range(1, 7)
    ]
    tables = {
        "accounts": canonical("accounts", pd.DataFrame({"account_id": ["a"]})),
        "mrr_by_month": canonical("mrr_by_month", pd.DataFrame(months)),
    }
    return Book.of(tables, BookFacts(as_of=date(2025, 7, 1)))


def test_a_book_of_months_snaps_back_to_a_months_start() -> None:
    assert as_of_date(monthly(), None) == date(2025, 7, 1)
    assert as_of_date(monthly(), date(2025, 6, 17)) == date(2025, 6, 1)


def test_the_same_quarter_of_last_year_is_none_where_the_past_is_too_short() -> None:
    assert last_year(monthly(), Rules(), date(2025, 7, 1)) == dict.fromkeys(("1", "3", "12"))


def test_without_a_model_nothing_is_scored(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="run `perennial train`"):
        champion(Registry(tmp_path), tmp_path / ".perennial")


@pytest.mark.fault("B04")
def test_another_choice_is_another_revision_and_the_old_one_is_kept(
    scored: Path, tmp_path: Path
) -> None:
    folder = copied(scored, tmp_path / "w")
    old = json.loads((folder / "scored.json").read_text())
    toml = folder / "perennial.toml"
    toml.write_text(toml.read_text() + "per_csm = 4\n")
    new = perennial(folder, "score", "--json").body
    assert (new["published"], new["revision"]) == (True, old["revision"] + 1)
    store = Store.open(folder / ".perennial")
    assert store.current().run_id == new["run_id"]  # type: ignore[union-attr]
    assert store.run(old["run_id"]).digest == old["digest"]  # type: ignore[union-attr]
    again = perennial(folder, "score", "--json").body
    assert (again["published"], again["run_id"]) == (False, new["run_id"])


@pytest.mark.ci
@pytest.mark.fault("B01", partly=True)
@pytest.mark.parametrize("moment", ["before_commit"])
def test_stopped_at_a_named_moment_the_old_run_serves(
    scored: Path, tmp_path: Path, moment: str
) -> None:
    folder = copied(scored, tmp_path / "w")
    settings = load(here=folder)
    book = open_book(settings.home)
    model = champion(Registry(folder), settings.home)
    earlier = Store.open(settings.home).current()
    assert earlier is not None

    def stop(name: str) -> None:
        if name == moment:
            raise KeyboardInterrupt

    asked = (settings, book, model, date(2026, 1, 2), NOW)
    with pytest.raises(KeyboardInterrupt):
        score(*asked, checkpoint=stop)
    assert Store.open(settings.home).current() == earlier
    done = score(*asked)
    assert done.published.published
    assert Store.open(settings.home).current().run_id == done.published.run_id  # type: ignore[union-attr]
