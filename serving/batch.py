"""The weekly job: snapshot, verdict, publication. It runs twice and publishes once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from features.asof import first_of_month
from features.book import Book
from features.faults import DataRejected, Fault, InputMissing
from features.snapshot import snapshot
from models.carried import Carried
from models.keeper import Champion, open_champion, open_earlier
from models.memory import scored_by
from models.outcomes import HORIZONS
from models.registry import Registry
from models.verdict import Verdict, verdict
from serving.alerts.past import news, undelivered
from serving.backfill import missed_since
from serving.columns import plain
from serving.database import reading
from serving.digest import digested
from serving.digest.freshness import notes
from serving.facts import Facts
from serving.facts_reading import facts_of
from serving.gates import Judgement, causes, judge
from serving.history import contacts_before
from serving.monitoring.footing import footing, reference
from serving.monitoring.outcomes import tell_outcomes
from serving.outlooks import packed
from serving.past import past_runs, restated
from serving.privacy.marks import caught_up, refuse_erased
from serving.publication import Publication
from serving.record import record_of
from serving.schemas import SCORE_COLUMNS
from serving.settings import Settings
from serving.stages import Stages
from serving.store import Published, Store
from serving.topdown import rivals_now
from serving.volume import judged

__all__ = [
    "Batch",
    "Champion",
    "as_of_date",
    "champion",
    "score",
]

Step = Callable[[str], None]
PACKED_AT_ONCE = 4
"""Older runs that a job packs at most: one or two come due in a week."""


@dataclass(frozen=True)
class Batch:
    """What came of a scoring.

    Attributes
    ----------
    published : Published
    as_of : date
    accounts : int
    cells : dict of str to int
        Accounts per cell.
    forecast : dict of str to dict
        CONTRACT section 4 by horizon.
    seconds : float
    model : Champion
        What it was scored with.
    warnings : tuple of str
        What is unusual about the book's volume (``serving.volume``) or this week
        (``serving.gates``), weeks that were not scored, and why another model than the champion
        serves.
    gates : mapping
        What the gates found (``serving.gates``).
    stages : mapping of str to float
        Seconds of each stage.
    """

    published: Published
    as_of: date
    accounts: int
    cells: dict[str, int]
    forecast: dict[str, Any]
    seconds: float
    model: Champion
    warnings: tuple[str, ...] = ()
    gates: Mapping[str, Any] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give the scoring in the shape of CONTRACT section 2."""
        return {
            "run_id": self.published.run_id,
            "as_of": self.as_of.isoformat(),
            "published": self.published.published,
            "held": list(self.published.held),
            "revision": self.published.revision,
            "digest": self.published.digest,
            "accounts": self.accounts,
            "cells": self.cells,
            "scores_path": str(self.published.scores_path),
            "model_version": str(self.model.version),
            "degraded": bool(self.model.troubles),
            "forecast": self.forecast,
            "cause": list(self.gates.get("cause", ())),
            "moves": self.gates.get("moves"),
            "unscorable": self.gates.get("unscorable", 0),
            "restates": self.gates.get("restates"),
            "seconds": round(self.seconds, 2),
            "stages": dict(self.stages),
            "warnings": list(self.warnings),
        }


def as_of_date(book: Book, asked: date | None) -> date:
    """Give the as-of date of a run; books of monthly revenue snap back to a month's start."""
    day = asked or book.facts.as_of
    return first_of_month(day) if book.has("mrr_by_month") else day


def champion(registry: Registry, home: Path) -> Champion:
    """Open the model that serves: verified, kept beside the state, or else the last good one.

    Raises
    ------
    InputMissing
        ``model.none`` where nothing was trained yet.
    """
    return open_champion(registry, home / "bundles")


def score(
    settings: Settings,
    book: Book,
    model: Champion,
    as_of: date,
    now: datetime,
    step: Step = lambda _: None,
    checkpoint: Callable[[str], None] = lambda _: None,
    accept_volume: bool = False,
    backfill: bool = False,
) -> Batch:
    """Score the book and publish it, unless this very input was published already.

    What the gates hold is kept whole and serves nobody until it is approved. A backfill is held
    neither for moves nor for drift, alerts nobody and carries no facts.

    Raises
    ------
    DataRejected
        ``score.no_accounts`` where nobody pays at the as-of date; ``volume.anomaly`` where a
        required table is not what it usually is, unless that is accepted.
    """
    begun, stages = time.monotonic(), Stages(step)
    store = Store.open(settings.home, settings.store)
    with reading(store.engine) as connection:
        caught_up(connection, settings.home)
    done = store.find(as_of, book.snapshot_id, model.bundle.digest, settings.digest)
    if done is not None:
        if not backfill and store.document(done.run_id, "metrics") is None:
            stages("facts")  # an earlier Perennial published it, or a backfill did
            facts = facts_of(book, settings, as_of)
            guard = refuse_erased(settings.home, settings.serve.pepper, facts.details)
            store.add_facts(done.run_id, facts, guard)
        return _already(store, done.run_id, as_of, begun, model)
    book, unusual = judged(settings.home, book, store, accept_volume)
    stages("signals")
    rules = settings.rules.by_account()
    frame = snapshot(book, as_of, rules, finite=False)
    if frame.empty:
        raise DataRejected("score.no_accounts", f"nobody pays on {as_of}", "see `perennial check`")
    stages("record of the book")
    said = rivals_now(book, rules, as_of, frame, model.carried)
    record = replace(record_of(book, rules, as_of), rivals=said)
    stages("probabilities, cells, forecast")
    previous = store.previous_cells(as_of)
    past = None if previous.empty else previous.loc[:, ["account_id", "memory"]]
    earlier = _earlier(settings, past, model)
    worked = contacts_before(store.engine, book, as_of)
    told = verdict(frame, model.carried, past, as_of, settings.choices, record, earlier, worked)
    stages("gates")
    gated = _gated(store, told, frame, model, as_of, settings, backfill)
    weekly = not backfill and not book.has("mrr_by_month")
    missed = missed_since(store, as_of) if weekly else []
    stages("facts")
    facts = Facts() if backfill else facts_of(book, settings, as_of, frame)
    stages("publish")
    lost = undelivered(store.engine)
    warnings = (*unusual, *gated.warnings, *missed, *lost, *model.warnings)
    publication = _publication(told, book, model, as_of, settings, gated)
    said_to = () if backfill else _alerts(store, told, model, as_of, now, settings)
    footed = {"monitoring": _footing(store, told, frame, model, as_of, settings)}
    own = notes(book, as_of, warnings) | footed
    publication = replace(publication, notes=own, alerts=said_to, facts=facts)
    guard = refuse_erased(settings.home, settings.serve.pepper, told.scores["account_id"])
    published = store.publish(
        publication, now=now, checkpoint=checkpoint, held=gated.held, guard=guard
    )
    stages("monitoring")
    tell_outcomes(store, book, rules)
    stages("digest")
    digested(store, published.run_id)
    stages("older runs")
    warnings += _compacted(store)
    cells = {cell: entry["accounts"] for cell, entry in told.matrix["cells"].items()}
    return Batch(
        published=published,
        as_of=as_of,
        accounts=len(frame),
        cells=cells,
        forecast=told.forecast,
        stages=stages.ended(),
        seconds=time.monotonic() - begun,
        model=model,
        warnings=warnings,
        gates=gated.document,
    )


def _gated(
    store: Store,
    told: Verdict,
    frame: pd.DataFrame,
    model: Champion,
    as_of: date,
    settings: Settings,
    backfill: bool,
) -> Judgement:
    """Ask the gates, and say what a revision changes of the run that stands for its date."""
    past, standing = past_runs(store, as_of), restated(store, as_of, told.scores)
    why = causes(past, model.bundle.digest, backfill=backfill, restates=standing is not None)
    signals = model.carried.model.signals
    found = judge(told.scores, frame, signals, past, as_of, why, settings.gates)
    return replace(found, document=found.document | {"restates": standing})


def _footing(
    store: Store,
    told: Verdict,
    frame: pd.DataFrame,
    model: Champion,
    as_of: date,
    settings: Settings,
) -> dict[str, Any]:
    """Say what the run keeps for its own monitoring."""
    since = reference(store, model.bundle.digest, as_of)
    past, signals = past_runs(store, as_of), model.carried.model.signals
    return footing(told.outlook, frame, signals, past, since, as_of, settings.gates)


def _compacted(store: Store) -> tuple[str, ...]:
    """Pack runs of older dates; what hinders it is said, as this run is published already."""
    try:
        store.compact(PACKED_AT_ONCE)
    except Fault as refused:
        if refused.code == "interrupted":
            raise
        return (f"older runs are not packed: {refused}",)
    return ()


def _alerts(
    store: Store, told: Verdict, model: Champion, as_of: date, now: datetime, settings: Settings
) -> tuple[dict[str, Any], ...]:
    """Say whom this run tells of what."""
    asked = {"as_of": as_of, "today": now.date()}
    digest = model.bundle.digest
    return news(store.engine, told.scores, settings.alerts, model_digest=digest, **asked)


def _earlier(settings: Settings, past: pd.DataFrame | None, model: Champion) -> Carried | None:
    """Open the model of the last run where another serves now: moves are told apart by it."""
    start = "" if past is None else scored_by(past["memory"])
    folder, signer = settings.home / "bundles", settings.models.signer()
    return open_earlier(folder, start, model.carried, signer)


def _publication(
    told: Verdict,
    book: Book,
    model: Champion,
    as_of: date,
    settings: Settings,
    gated: Judgement,
) -> Publication:
    kept = [name for name in told.scores.columns if name in SCORE_COLUMNS]
    return Publication(
        as_of=as_of,
        snapshot_id=book.snapshot_id,
        model_version=str(model.version),
        model_digest=model.bundle.digest,
        scores=told.scores.loc[:, kept],
        outreach=told.outreach,
        matrix=told.matrix,
        forecast=told.forecast,
        settings_digest=settings.digest,
        memory=plain(dict(zip(told.scores["account_id"], told.scores["memory"], strict=True))),
        outlook=packed(told.outlook, book.connection.table("accounts").df()),
        basis=told.basis.to_json(),
        holdout=told.holdout or {},
        gates=gated.document,
        bins=gated.bins,
    )


def _already(store: Store, run_id: str, as_of: date, begun: float, model: Champion) -> Batch:
    """Answer from the run that stands on this very input."""
    run = store.run(run_id)
    if run is None:
        raise InputMissing("run.none", f"{run_id}: gone", "run `perennial score` again")
    digested(store, run_id)
    path = store.home / "exports" / run_id / "scores.parquet"
    held = tuple(run.held_because or ()) if run.held else ()
    published = Published(run_id, run.revision, run.digest, False, path, held)
    matrix = store.matrix(run=run_id) or {"cells": {}}
    cells = {cell: entry["accounts"] for cell, entry in matrix["cells"].items()}
    forecast = {str(h): store.forecast(h, run=run_id) for h in HORIZONS}
    seconds = time.monotonic() - begun
    warnings, gates = tuple(model.warnings), store.document(run_id, "gates") or {}
    accounts = sum(cells.values())
    return Batch(published, as_of, accounts, cells, forecast, seconds, model, warnings, gates)
