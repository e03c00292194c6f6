"""The story of a training: first the calendar, then what passes the gate, the same every time."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np
import pytest

from features.book import Book, open_book
from features.faults import Busy
from features.ingest import ingest
from features.mapping import read_workspace
from features.rules import Rules
from features.snapshot import snapshot
from models.bands import BandSettings
from models.bundle import open_bundle
from models.carried import read_bundle
from models.registry import Registry, Version
from models.verdict import Choices, verdict
from tests.small_history import Law, history_of, past_of
from training import run
from training.evidence import catalog_digest
from training.gate import Check
from training.run import train
from training.worlds import simulate

LAW = Law(accounts=180, months=21, strength=2.0, seed=3)


class Shelf:
    """A registry in memory, with the digests that bundles have."""

    def __init__(self):
        self.kept, self.crowned, self.papers, self.said = [], [], {}, {}

    def champion(self):
        return self.crowned[-1] if self.crowned else None

    def register_or_leave(self, bundle_dir, *, params, metrics, tags, artifacts=None):
        bundle = open_bundle(bundle_dir)
        self.papers = {name: path.read_bytes() for name, path in (artifacts or {}).items()}
        self.said = {"params": dict(params), "metrics": dict(metrics), "tags": dict(tags)}
        for version, _ in self.kept:
            if version.digest == bundle.digest:
                return version
        json.dumps([dict(params), dict(metrics)], allow_nan=False)
        number = len(self.kept) + 1
        at = datetime(2025, 1, 1, tzinfo=UTC)
        known = {"number": number, "digest": bundle.digest, "tags": dict(tags), "run_id": "r"}
        fields = Version.__dataclass_fields__
        extra = {name: at for name in fields if name not in known}
        self.kept.append((Version(**known, **extra), bundle))
        return self.kept[-1][0]

    def promote(self, version, expected):
        current = self.champion()
        assert (current.number if current else None) == expected
        self.crowned.append(version)


def fresh(law, past=None, **more):
    """Train a law's history with a registry of its own; a past that is given is not replayed."""
    history, shelf = history_of(law), Shelf()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "gather", lambda *_: history)
        if past is not None:
            patch.setattr(run, "backtest", lambda *_: past)
        told = train(Book.of({}), Rules(), history.known_until, shelf, **more)
    return shelf, told


@lru_cache(maxsize=8)
def trained(law):
    """Train once for several tests, on the past that other tests have replayed already."""
    return fresh(law, past_of(law))


@pytest.mark.ci
def test_the_calendar_serves_first_then_what_is_better():
    shelf, told = trained(LAW)
    assert shelf.kept[0][0].tags["kind"] == "calendar"
    assert shelf.crowned[0].number == 1
    assert told.promoted
    assert shelf.champion().number == told.version.number
    assert "score" in told.past.serves.values()
    said = told.to_json()
    keys = {"version", "promoted", "gate", "metrics", "baselines", "signals", "seconds"}
    assert set(said) == keys
    json.dumps(said, allow_nan=False)


@pytest.mark.ci
def test_a_run_shows_what_a_reviewer_needs():
    shelf, told = trained(LAW)
    drawn = {"lift.png", "reliability.png"}
    names = drawn | {"backtest.json", "gate.json", "quarters.json", "scores.json"}
    assert set(shelf.papers) == names
    assert json.loads(shelf.papers["gate.json"]) == [check.to_json() for check in told.checks]
    scores = json.loads(shelf.papers["scores.json"])
    assert scores["rungs"] == {n: one.rung for n, one in told.carried.model.targets.items()}
    assert scores["probabilities"]["all quarters"] == told.past.probabilities
    assert {"snapshots", "past quarters and search", "fit", "gate"} <= set(scores["seconds"])
    assert shelf.papers["lift.png"].startswith(b"\x89PNG")
    assert shelf.said["params"]["catalog"] == scores["catalog"] == catalog_digest()
    assert {"snapshot", "seed", "as_of"} <= set(shelf.said["params"])
    measured = shelf.said["metrics"]
    assert {"churn.skill", "churn.skill_p05", "churn.auc_at_risk_p95"} <= set(measured)
    assert {"seconds.fit", "nrr_gap_points_3m.calendar.mean"} <= set(measured)
    assert all(np.isfinite(value) for value in measured.values())


@pytest.mark.ci
@pytest.mark.fault("T09")
def test_no_paper_of_a_run_names_an_account():
    shelf, _ = trained(LAW)
    named = [f'"{account}"'.encode() for account in history_of(LAW).frame["account_id"].unique()]
    for name, content in shelf.papers.items():
        assert not any(each in content for each in named), name


@pytest.mark.fault("T08")
def test_over_its_time_it_stops_and_what_serves_is_whole():
    history, shelf = history_of(LAW), Shelf()
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "gather", lambda *_: history)
        with pytest.raises(Busy, match=r"past quarters 1 of .*train\.over_budget") as over:
            train(
                Book.of({}),
                Rules(),
                history.known_until,
                shelf,
                budget_seconds=0,
                progress=lambda *step: told.append(step),
            )
    assert (over.value.exit_code, told) == (75, [])
    assert [version.tags["kind"] for version in shelf.crowned] == ["calendar"]
    assert len(shelf.kept) == 1


@pytest.mark.ci
@pytest.mark.fault("T12")
def test_worse_than_the_champion_is_registered_and_the_record_says_why():
    why = Check("churn: log-loss beside the champion's", "0.3, champion 0.2", "not worse", False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "challenge", lambda *_: [why])
        shelf, told = fresh(LAW, past_of(LAW))
    assert not told.promoted
    assert told.version.tags["gate"] == why.check
    assert why.to_json() in told.to_json()["gate"]
    assert shelf.champion().tags["kind"] == "calendar"
    assert told.version.number in [version.number for version, _ in shelf.kept]


@pytest.mark.ci
@pytest.mark.fault("T05")
def test_stopped_between_register_and_promote_it_is_promoted_the_next_time():
    history, shelf = history_of(LAW), Shelf()
    sound = Shelf.promote

    def stop(self, version, expected):
        if expected is None:
            return sound(self, version, expected)
        raise KeyboardInterrupt

    def trains():
        return train(Book.of({}), Rules(), history.known_until, shelf)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "gather", lambda *_: history)
        patch.setattr(run, "backtest", lambda *_: past_of(LAW))
        with pytest.MonkeyPatch.context() as stopped:
            stopped.setattr(Shelf, "promote", stop)
            with pytest.raises(KeyboardInterrupt):
                trains()
        assert [version.number for version in shelf.crowned] == [1]
        kept = len(shelf.kept)
        told = trains()
    assert (told.promoted, len(shelf.kept)) == (True, kept)
    assert shelf.champion().number == told.version.number


@pytest.mark.ci
def test_the_configuration_is_searched_before_the_sealed_quarters():
    asked, four = [], Law(accounts=180, months=24)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "searched", lambda history, until, seed: asked.append(until) or {})
        fresh(four, past_of(four))
    assert asked == [past_of(four).sealed[0]]


@pytest.mark.ci
def test_without_promotion_the_calendar_stays():
    shelf, told = fresh(LAW, promote=False)
    assert not told.promoted
    assert [version.number for version in shelf.crowned] == [1]


@pytest.mark.ci
@pytest.mark.fault("T02")
def test_a_leak_is_kept_but_never_serves():
    shelf, told = trained(Law(accounts=180, months=21, leak=True))
    assert not told.promoted
    assert shelf.champion().tags["kind"] == "calendar"
    assert len(shelf.kept) >= 2


@pytest.mark.ci
def test_where_nothing_can_be_learned_the_calendar_serves():
    shelf, told = trained(Law(accounts=150, months=20, strength=0.0, seed=40))
    assert not told.promoted
    assert shelf.champion().tags["kind"] == "calendar"
    bundle = next(b for v, b in shelf.kept if v.number == shelf.champion().number)
    model = read_bundle(bundle).model
    assert not any(target.uses_score for target in model.targets.values())


@pytest.mark.ci
@pytest.mark.fault("T07")
def test_the_same_snapshot_and_seed_give_the_same_bundle():
    one, two = trained(LAW), fresh(LAW)
    assert [v.digest for v, _ in one[0].kept] == [v.digest for v, _ in two[0].kept]
    assert one[1].version.digest == two[1].version.digest


@pytest.mark.fault("T01")
@pytest.mark.ci
@pytest.mark.parametrize("law", [Law(accounts=60, months=24), Law(accounts=150, months=12)])
def test_a_small_or_young_book_trains_and_says_what_it_cannot_answer(law):
    shelf, told = trained(law)
    assert shelf.champion() is not None
    checks = {check.check: check for check in told.checks}
    if law.months == 12:
        assert checks["NRR error"].value is None
        assert "not applicable" in checks["NRR error"].limit
        assert told.past.periods == () or len(told.past.periods) < 9
        assert told.carried.factor["12"]["n_eff"] == 0
    assert any(target.rung != "tuned blend" for target in told.carried.model.targets.values())


@pytest.mark.ci
@pytest.mark.fault("T01")
def test_a_book_without_events_is_labelled():
    quiet = Law(accounts=60, months=14, leaving=1e-9, growing=1e-9, shrinking=0.0)
    _, told = trained(quiet)
    assert told.carried.rule_based
    assert len(told.carried.thin_reasons) >= 3
    assert told.version.tags["rung.churn"] == "prior-driven"


@pytest.mark.ci
def test_bands_and_stability_travel_with_the_model():
    _, told = trained(LAW)
    assert told.carried.bands.quarter == "2024-Q4"
    for shares in told.carried.stability.values():
        assert all(0.5 <= share <= 1 for share in shares.values())


@pytest.mark.ci
def test_within_a_quarter_a_retrained_model_keeps_the_cut_offs_mapped_by_quantile():
    history, champion = history_of(LAW), trained(LAW)[1].carried
    weaker = past_of(LAW).replays[-1].model
    kept = run._bands(weaker, history, None, champion)
    frame = history.frame[history.frame["as_of"].isin(history.dates[-12:])].reset_index(drop=True)
    (_, _, before), (_, _, after) = (run._chances(m, frame) for m in (champion.model, weaker))
    for name in ("medium", "high"):
        old, new = (getattr(bands.expansion, name) for bands in (champion.bands, kept))
        assert np.mean(after >= new) == pytest.approx(np.mean(before >= old), abs=0.02)
    same = run._bands(champion.model, history, None, champion)
    assert same.expansion.high == pytest.approx(champion.bands.expansion.high, abs=1e-3)
    fresh_ones = run._bands(weaker, history, None)
    later = replace(champion, bands=replace(champion.bands, quarter="2024-Q3"))
    assert run._bands(weaker, history, None, later) == fresh_ones
    other = BandSettings(medium_odds=2.0)
    assert run._bands(weaker, history, other, champion) == run._bands(weaker, history, other)


@pytest.mark.ci
@pytest.mark.fault("T01")
@pytest.mark.parametrize(
    ("accounts", "months"), [pytest.param(60, 24, marks=pytest.mark.slow), (250, 12)]
)
def test_a_small_or_young_book_is_trained_scored_and_forecast(accounts, months, tmp_path):
    simulate(accounts, months, 1).write(tmp_path / "book")
    settings = read_workspace(tmp_path / "book" / "perennial.toml", None)
    ingest(settings, tmp_path / "home", datetime(2026, 1, 1, tzinfo=UTC))
    book = open_book(tmp_path / "home")
    registry = Registry(tmp_path)
    told = train(book, Rules(), book.facts.as_of, registry)
    carried = read_bundle(open_bundle(registry.fetch(registry.champion())))
    frame = snapshot(book, book.facts.as_of, Rules())
    said = verdict(frame, carried, None, book.facts.as_of, Choices())
    assert len(said.scores) == len(frame)
    assert np.isfinite([one["nrr"]["mean"] for one in said.forecast.values()]).all()
    assert said.forecast["12"]["confidence"] == "thin"
    assert "prior-driven width" in said.forecast["12"]["interval_note"]
    again = train(book, Rules(), book.facts.as_of, Registry(tmp_path / "other"))
    assert again.version.digest == told.version.digest
    assert book.facts.as_of == date(2026, 1, 1)
