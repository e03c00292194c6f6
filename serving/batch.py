"""The weekly job: snapshot, verdict, publication. It runs twice and publishes once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from features.asof import first_of_month
from features.book import Book
from features.faults import DataRejected, InputMissing
from features.snapshot import snapshot
from models.carried import Carried
from models.keeper import Champion, open_champion, open_earlier
from models.memory import scored_by
from models.outcomes import HORIZONS
from models.registry import Registry
from models.verdict import Verdict, verdict
from serving.digest import digested
from serving.digest.freshness import notes
from serving.outlooks import packed
from serving.publication import Publication
from serving.record import record_of
from serving.schemas import SCORE_COLUMNS
from serving.settings import Settings
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
        What is unusual about the book's volume (``serving.volume``), and why another model than
        the champion serves.
    """

    published: Published
    as_of: date
    accounts: int
    cells: dict[str, int]
    forecast: dict[str, Any]
    seconds: float
    model: Champion
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the scoring in the shape of CONTRACT section 2."""
        return {
            "run_id": self.published.run_id,
            "as_of": self.as_of.isoformat(),
            "published": self.published.published,
            "revision": self.published.revision,
            "digest": self.published.digest,
            "accounts": self.accounts,
            "cells": self.cells,
            "scores_path": str(self.published.scores_path),
            "model_version": str(self.model.version),
            "degraded": bool(self.model.troubles),
            "forecast": self.forecast,
            "seconds": round(self.seconds, 2),
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
) -> Batch:
    """Score the book and publish it, unless this very input was published already.

    Raises
    ------
    DataRejected
        ``score.no_accounts`` where nobody pays at the as-of date; ``volume.anomaly`` where a
        required table is not what it usually is, unless that is accepted.
    """
    begun = time.monotonic()
    store = Store.open(settings.home, settings.store)
    done = store.find(as_of, book.snapshot_id, model.bundle.digest, settings.digest)
    if done is not None:
        return _already(store, done.run_id, as_of, begun, model)
    book, unusual = judged(settings.home, book, store, accept_volume)
    step("signals")
    frame = snapshot(book, as_of, settings.rules.by_account())
    if frame.empty:
        raise DataRejected("score.no_accounts", f"nobody pays on {as_of}", "see `perennial check`")
    step("probabilities, cells, forecast")
    previous = store.previous_cells(as_of)
    past = None if previous.empty else previous.loc[:, ["account_id", "memory"]]
    rules = settings.rules.by_account()
    said = rivals_now(book, rules, as_of, frame, model.carried)
    record = replace(record_of(book, rules, as_of), rivals=said)
    earlier = _earlier(settings.home, past, model)
    told = verdict(frame, model.carried, past, as_of, settings.choices, record, earlier)
    step("publish")
    publication = _publication(told, book, model, as_of, settings)
    footing = notes(book, as_of, (*unusual, *model.warnings))
    publication = replace(publication, notes=footing)
    published = store.publish(publication, now=now, checkpoint=checkpoint)
    step("digest")
    digested(store, published.run_id)
    cells = {cell: entry["accounts"] for cell, entry in told.matrix["cells"].items()}
    seconds = time.monotonic() - begun
    accounts, warnings = len(frame), (*unusual, *model.warnings)
    return Batch(published, as_of, accounts, cells, told.forecast, seconds, model, warnings)


def _earlier(home: Path, past: pd.DataFrame | None, model: Champion) -> Carried | None:
    """Open the model of the last run where another serves now: moves are told apart by it."""
    start = "" if past is None else scored_by(past["memory"])
    return open_earlier(home / "bundles", start, model.carried)


def _publication(
    told: Verdict, book: Book, model: Champion, as_of: date, settings: Settings
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
        memory=dict(zip(told.scores["account_id"], told.scores["memory"], strict=True)),
        outlook=packed(told.outlook, book.connection.table("accounts").df()),
        basis=told.basis.to_json(),
    )


def _already(store: Store, run_id: str, as_of: date, begun: float, model: Champion) -> Batch:
    """Answer from the run that stands on this very input."""
    run = store.run(run_id)
    if run is None:
        raise InputMissing("run.none", f"{run_id}: gone", "run `perennial score` again")
    digested(store, run_id)
    path = store.home / "exports" / run_id / "scores.parquet"
    published = Published(run_id, run.revision, run.digest, False, path)
    matrix = store.matrix(run=run_id) or {"cells": {}}
    cells = {cell: entry["accounts"] for cell, entry in matrix["cells"].items()}
    forecast = {str(h): store.forecast(h, run=run_id) for h in HORIZONS}
    seconds = time.monotonic() - begun
    warnings = tuple(model.warnings)
    accounts = sum(cells.values())
    return Batch(published, as_of, accounts, cells, forecast, seconds, model, warnings)
