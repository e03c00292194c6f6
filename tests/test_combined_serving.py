"""A scoring whose model is combined: what is published, kept and cut again is one forecast."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from features.book import Book, BookFacts, open_book
from features.contracts import canonical
from features.ledger import account_months
from features.rules import Rules
from models import topdown
from models.amounts import AMOUNTS
from models.combined import OURS
from models.flows import cohort_at, means
from models.record import Record
from models.registry import Registry
from models.topdown import RIVALS
from models.verdict import Choices, verdict
from serving import live
from serving.batch import champion, score
from serving.live import forecast_by
from serving.outlooks import kept_outlook
from serving.settings import load
from serving.store import Store
from serving.topdown import _lapsed, rivals_now
from tests.command_line import copied, workspace
from tests.small_history import Law, carried_of, latest

DAMPED = "damped mean by segment"
WEIGHED = {
    h: {"weights": {OURS: 0.5, DAMPED: 0.5}, "periods": 6, "n_eff": 4.0} for h in ("1", "3", "12")
}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the library's rules out: they take their time; and let a year of months be enough."""
    monkeypatch.setattr(topdown, "RIVALS", {DAMPED: RIVALS[DAMPED]})
    monkeypatch.setattr(topdown, "LEAST_MONTHS", 6)


def grown(segments: list[str | None], **more: pd.DataFrame) -> Book:
    """Accounts that grow by turns, of which the first leaves after a year."""
    months = [
        {
            "account_id": f"a{at}",
            "month": date(2024 + month // 12, month % 12 + 1, 1),
            "mrr_micros": 10**9 + 10**7 * month * (1 + (month + at) % 3),
        }
        for at in range(len(segments))
        for month in range(12 if at == 0 else 18)
    ]
    accounts = [{"account_id": f"a{at}", "segment": one} for at, one in enumerate(segments)]
    tables = {
        "accounts": canonical("accounts", pd.DataFrame(accounts)),
        "mrr_by_month": canonical("mrr_by_month", pd.DataFrame(months)),
    }
    tables |= {name: canonical(name, rows) for name, rows in more.items()}
    return Book.of(tables, BookFacts(as_of=date(2025, 7, 1)))


@pytest.mark.ci
@pytest.mark.parametrize("segment", ["smb", None])
def test_the_rivals_read_the_ledger_of_the_as_of_date(segment: str | None) -> None:
    carried = carried_of(Law(accounts=180, months=21))
    frame = pd.DataFrame({"account_id": [f"a{at}" for at in range(1, 24)], "segment": "smb"})
    book, as_of = grown([segment] * 24), date(2025, 7, 1)
    assert rivals_now(book, Rules(), as_of, frame, carried) == {}, "nothing is combined"
    told = rivals_now(book, Rules(), as_of, frame, replace(carried, combined=WEIGHED))
    assert told[DAMPED]["3"] == pytest.approx(1.03, abs=0.03)


def test_who_left_counts_in_the_segment_that_it_was_in() -> None:
    gold = [
        {"account_id": f"a{at}", "valid_from": "2024-01-01", "segment": "gold"} for at in range(24)
    ]
    book, as_of = grown([None] * 24, account_history=pd.DataFrame(gold)), date(2025, 7, 1)
    ledger = account_months(book, Rules(), as_of=as_of)
    assert set(_lapsed(book, as_of, ledger).items()) == {(f"a{at}", "gold") for at in range(24)}


@pytest.mark.ci
def test_the_verdict_is_of_the_combined_outlook_and_probabilities_stay() -> None:
    law = Law(accounts=180, months=21)
    frame, carried = latest(law), carried_of(law)
    day, choices = frame.loc[0, "as_of"], Choices()
    alone = verdict(frame, carried, None, day, choices)
    said = {DAMPED: {"1": None, "3": alone.forecast["3"]["nrr"]["mean"] + 0.02, "12": None}}
    both = verdict(
        frame, replace(carried, combined=WEIGHED), None, day, choices, Record(rivals=said)
    )
    assert all(one["combined"] is None for one in alone.forecast.values())
    assert both.forecast["12"]["combined"] is None
    assert both.forecast["3"]["combined"]["shift_points"] == pytest.approx(1.0, abs=1e-6)
    mean = both.forecast["3"]["nrr"]["mean"]
    assert mean == pytest.approx(alone.forecast["3"]["nrr"]["mean"] + 0.01, abs=1e-9)
    moved = ["memory", *AMOUNTS]  # the amounts are the forecast's, the probabilities the model's
    assert both.scores.drop(columns=moved).equals(alone.scores.drop(columns=moved))
    assert both.scores["expected_mrr"].sum() > alone.scores["expected_mrr"].sum()
    cohort = cohort_at(both.outlook, 3)
    assert means(cohort)["closing"].sum() / cohort.mrr.sum() == pytest.approx(mean, abs=1e-9)


@pytest.mark.ci
def test_what_is_published_is_combined_and_another_cut_adds_up_to_it(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(workspace(tmp_path_factory), tmp_path / "w")
    toml = folder / "perennial.toml"
    toml.write_text(toml.read_text() + "per_csm = 4\n")
    settings, run = load(here=folder), json.loads((folder / "scored.json").read_text())
    store = Store.open(settings.home)
    book = open_book(settings.home, store.run(run["run_id"]).snapshot_id)  # type: ignore[union-attr]
    model = champion(Registry(settings.home), settings.home)
    model = replace(model, carried=replace(model.carried, combined=WEIGHED))
    monkeypatch.setattr(live, "_own_model", lambda *_: model)
    as_of = date.fromisoformat(run["as_of"])
    batch = score(settings, book, model, as_of, datetime(2026, 11, 20, tzinfo=UTC))
    three = batch.forecast["3"]
    assert three["combined"]["weights"] == {OURS: 0.5, DAMPED: 0.5}
    assert abs(three["combined"]["shift_points"]) > 1e-3
    assert store.forecast(3)["nrr"]["mean"] == three["nrr"]["mean"]  # type: ignore[index]
    kept = kept_outlook(store, batch.published.run_id).outlook
    assert means(cohort_at(kept, 3))["closing"].sum() == pytest.approx(three["closing_mrr"]["mean"])
    by = forecast_by(settings, 3, "acv_segment")["by_cut"]
    whole = sum(one["closing_mrr"]["mean"] for one in by)
    assert whole == pytest.approx(three["closing_mrr"]["mean"], rel=1e-9)
