"""Monitoring: what runs keep, what is read of it, and what it asks a person to look at."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from features.book import Book
from features.rules import Rules
from models.drifting import bins
from models.outcomes import LEADS, Outlook
from serving import tables
from serving.app import create_app
from serving.cli import app
from serving.database import writing
from serving.doctor.checks import CHECKS, examined
from serving.doctor.monitoring import monitoring
from serving.doctor.patient import Patient
from serving.gate_settings import GateSettings
from serving.monitoring import monitored, watch
from serving.monitoring.findings import found
from serving.monitoring.footing import Reference, footing, reference
from serving.monitoring.outcomes import tell_outcomes
from serving.monitoring.reading import OUTCOME
from serving.outlooks import packed
from serving.past import PastRun
from serving.publication import NOTES
from serving.queries import Run
from serving.store import Store
from tests.example_publication import NOW, example
from tests.small_books import line, small_book

SIGNALS = ["usage_wau_ratio", "usage_trend_90d"]
RULES = Rules().by_account()
BASIS = {"as_of": "2025-01-01", "taus": [0.0] * LEADS, "n_eff": {"1": 1.0}}


def outlook(names: list[str], churn: float) -> Outlook:
    p, law = np.full((len(names), LEADS), churn), np.full((len(names), LEADS, 3), 0.01)
    facts = {"mrr_micros": 100_000_000, "term_months": 1.0, "tenure_days": 200.0}
    said = {"decision": "monthly", "acv_segment": "smb", "next_renewal_on": None}
    accounts = pd.DataFrame({"account_id": names, **facts, **said}).assign(as_of=date(2025, 1, 1))
    nothing = np.full((len(names), LEADS), np.nan)
    return Outlook(accounts, p, p / 2, p / 2, law, law, p > 1, nothing)


def book(gone: int) -> Book:
    """Forty accounts; ``gone`` of them leave on 10 February 2025."""
    left = [line(f"a{n:02}", ends_on="2025-02-10") for n in range(gone)]
    return small_book([*left, *(line(f"a{n:02}") for n in range(gone, 40))])


def published(home: Path, days: list[date], churn: float = 0.1) -> Store:
    store = Store.open(home)
    said = packed(outlook([f"a{n:02}" for n in range(40)], churn))
    for day in days:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        store.publish(example(as_of=day, outlook=said, basis=BASIS), now=noon)
    return store


def told(store: Store) -> list[tuple[str, dict[str, tuple[float, int]]]]:
    seen = watch(store)
    assert seen is not None
    return [
        (
            one["as_of"],
            {
                h: (r["events"]["churn"]["expected"], r["events"]["churn"]["observed"])
                for h, r in one["horizons"].items()
            },
        )
        for one in seen.months
    ]


@pytest.mark.ci
def test_of_every_month_its_first_run_is_told_once_its_labels_have_closed(tmp_path: Path) -> None:
    days = [
        date(2025, 2, 1),
        date(2025, 2, 8),
        date(2025, 3, 1),
        date(2025, 5, 1),
        date(2025, 6, 1),
    ]
    store = published(tmp_path, days)
    known = book(
        gone=6
    )  # as of 1 July: what ended on 31 May closes with that day, and is not told yet
    assert tell_outcomes(store, known, RULES) == 2
    assert told(store) == [
        ("2025-02-01", {"1": (4.0, 6), "3": (4.0, 6)}),
        ("2025-03-01", {"1": (4.0, 6)}),
    ]
    assert tell_outcomes(store, known, RULES) == 0  # what was told stays as it was told
    assert tell_outcomes(store, book(gone=2), RULES) == 0
    assert tell_outcomes(store, book(gone=2), RULES, again=True) == 2
    assert told(store)[0][1]["1"] == (4.0, 2)
    assert store.verify() == [run.run_id for run in store.runs()]  # digests stay what they were


@pytest.mark.ci
def test_a_run_of_an_earlier_day_of_the_month_takes_the_place(tmp_path: Path) -> None:
    store = published(tmp_path, [date(2025, 2, 8)])
    tell_outcomes(store, book(6), RULES)
    published(tmp_path, [date(2025, 2, 1)])
    tell_outcomes(store, book(6), RULES)
    assert [day for day, _ in told(store)] == ["2025-02-01"]


@pytest.mark.ci
def test_what_was_published_after_its_month_is_shown_and_not_summed(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    said = packed(outlook([f"a{n:02}" for n in range(40)], 0.5))
    store.publish(example(as_of=date(2025, 2, 1), outlook=said, basis=BASIS), now=NOW)
    tell_outcomes(store, book(6), RULES)
    seen = watch(store)
    assert seen is not None
    assert seen.months[0]["in_hindsight"]
    assert seen.sums["churn"] == []


@pytest.mark.ci
def test_a_run_without_an_outlook_or_with_a_damaged_one_is_left_out(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.publish(example(as_of=date(2025, 2, 1)), now=NOW)
    assert tell_outcomes(store, book(6), RULES) == 0
    store = published(tmp_path, [date(2025, 3, 1)])
    for path in (tmp_path / "exports").glob("2025-03-01*/outlook-*.parquet"):
        path.write_bytes(b"other")
    assert tell_outcomes(store, book(6), RULES) == 0


def frame(seed: int, accounts: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    drawn = {name: rng.gamma(2.0, 3.0, accounts) for name in SIGNALS}
    return pd.DataFrame(
        drawn | {"mrr_micros": 100_000_000, "account_id": [f"a{n}" for n in range(accounts)]}
    )


def kept(now: pd.DataFrame, then: pd.DataFrame | None) -> dict[str, Any]:
    day = date(2025, 6, 24)
    run = Run("then", day, 1, "s", "1", "m", "c", "d", 400, f"{day}T06:00")
    past = [PastRun(run, {"ratios": dict.fromkeys(SIGNALS, 1.5)})] * 5
    since = None if then is None else Reference(run, bins(then, SIGNALS))
    said = outlook([f"a{n}" for n in range(len(now))], 0.1)
    return footing(said, now, SIGNALS, past, since, date(2025, 7, 1), GateSettings())


def test_a_quiet_week_keeps_its_signals_beside_their_marks() -> None:
    own = kept(frame(1), frame(2))
    assert (own["signals"], own["judged"], own["drifted"], own["missing"]) == (2, 2, 0, [])
    assert all(0 < row["psi"] < row["mark"] and not row["beyond"] for row in own["drift"])
    assert own["estimated"]["churn"]["expected"] == 40.0
    assert found({"monitoring": own}, [], {}) == []


def test_what_is_missing_is_said_before_what_drifted_and_only_once() -> None:
    now = frame(1)
    now.loc[:199, SIGNALS[0]] = np.nan
    now[SIGNALS[1]] *= 3
    own = kept(now, frame(2))
    told = found({"monitoring": own}, [], {})
    assert [(one.kind, one.about) for one in told] == [
        ("missing", SIGNALS[0]),
        ("drift", SIGNALS[1]),
    ]
    assert "0% then, 50% now" in told[0].says
    assert "(PSI " in told[1].says
    assert "unusual from" in told[1].says


def test_a_first_run_has_nothing_to_compare_with() -> None:
    own = kept(frame(1), None)
    assert (own["since"], own["drift"], own["missing"]) == (None, [], [])


@pytest.mark.ci
def test_the_reference_is_the_first_run_of_the_model_and_else_the_last_of_any(
    tmp_path: Path,
) -> None:
    store = Store.open(tmp_path)
    for month, model in ((3, "old"), (4, "new"), (5, "new")):
        told = example(
            as_of=date(2025, month, 1), model_digest=model, bins={"x": {"edges": [], "counts": [1]}}
        )
        store.publish(told, now=NOW)
    day = date(2025, 6, 1)
    named = [reference(store, model, day) for model in ("new", "other")]
    assert [one and str(one.run.as_of) for one in named] == ["2025-04-01", "2025-05-01"]
    assert reference(store, "new", date(2025, 3, 1)) is None


def row(expected: float, observed: int, auc: float | None = None) -> dict[str, Any]:
    ranked = {"auc_estimated": 0.8, "auc_spread": 0.04, "auc": auc}
    return {"accounts": 300, "ranked": 90, "expected": expected, "observed": observed} | ranked


def turned(home: Path, many: int = 6) -> Store:
    """A store whose accounts leave twice as often as foretold, and are ranked no better than luck."""
    store = published(home, [date(2025, month, 1) for month in range(1, many + 1)])
    calm = {"contract": row(9.0, 9, 0.8), "expand": row(20.0, 21, 0.78)}
    with writing(store.engine) as connection:
        for run in store.runs():
            month = {"events": {"churn": row(12.0, 24, 0.6), **calm}, "period_end": "2025-03-31"}
            body = {"in_hindsight": False, "horizons": {"1": month, "3": month}}
            kept = {"run_id": run.run_id, "kind": NOTES, "key": OUTCOME, "body": body}
            connection.execute(sa.insert(tables.documents).values(kept))
    return store


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return turned(tmp_path_factory.mktemp("turn"))


@pytest.mark.ci
def test_a_turn_is_a_finding_with_its_figures(turn: Store) -> None:
    told = monitored(turn)
    assert [(one.kind, one.about) for one in told] == [("counts", "churn"), ("ranking", "churn")]
    assert told[0].says.startswith("more accounts left within a month than was foretold: 144 seen")
    assert "AUC 0.60, estimated 0.80 ± 0.04" in told[1].says


@pytest.mark.ci
def test_metrics_tell_the_findings(turn: Store) -> None:
    with TestClient(create_app(turn.home), base_url="http://127.0.0.1") as client:
        text = client.get("/metrics").text
    assert 'perennial_monitoring_findings{kind="counts"} 1.0' in text
    assert 'perennial_monitoring_findings{kind="drift"} 0.0' in text
    assert 'perennial_monitoring_sum{event="churn",side="above"} 10.0' in text
    assert 'perennial_monitoring_observed_events{event="churn"} 24.0' in text


@pytest.mark.ci
def test_the_doctor_tells_it_and_fails_nothing_for_it(turn: Store) -> None:
    patient = SimpleNamespace(store=turn, run=turn.current())
    told = examined(cast(Patient, patient), [monitoring])
    assert [(one.state, one.found.partition(":")[0]) for one in told] == [
        ("warn", "counts"),
        ("warn", "ranking"),
    ]
    assert monitoring in CHECKS


@pytest.mark.ci
def test_the_model_page_shows_findings_months_and_sums(turn: Store) -> None:
    with TestClient(create_app(turn.home), base_url="http://127.0.0.1") as client:
        text = client.get("/model").text
    for said in ("Counts:", "144 seen", "24 / 12.0", "AUC 0.60, estimated 0.80", "10.0"):
        assert said in text, said
    assert "Nothing asks for a review" not in text


@pytest.mark.ci
def test_an_empty_store_asks_for_nothing(tmp_path: Path) -> None:
    assert monitored(Store.open(tmp_path)) == []
    replied = CliRunner().invoke(app, ["monitor", "--home", str(tmp_path / "none")])
    assert replied.exit_code != 0
