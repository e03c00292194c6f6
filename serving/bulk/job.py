"""The job of a bulk scoring: snapshot, parts, workers, one folder, and a table where asked.

It is `serving.batch` for a book of millions of accounts: the same signals, the same model, the same
judgement of each account, but no lists, no gates, no forecast and no alerts.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.book import Book
from features.durable import sync, write
from features.engines import duckdb_in_memory
from features.faults import DataRejected, InternalFault
from features.locking import held
from features.snapshot import snapshot
from models.bundle import copy_verified
from models.keeper import Champion
from models.matrix import ACTIONS
from models.scoring import HORIZON
from serving.bulk.plan import FRAME, MODEL, SCORES, Plan, part_name
from serving.bulk.workers import left, on_processes, on_spark, rows_of
from serving.settings import Settings
from serving.stages import Stages

__all__ = ["Bulk", "bulk"]

SUMMARY = "_summary.json"
Step = Callable[[str], None]


@dataclass(frozen=True)
class Bulk:
    """What came of a bulk scoring.

    Attributes
    ----------
    folder : Path
        Where its files lie: ``part-….parquet`` and ``_summary.json``.
    summary : mapping
        What ``_summary.json`` says.
    made : bool
        False where the same book, model and settings had been scored into that folder before.
    stages : mapping of str to float
        Seconds of each stage.
    """

    folder: Path
    summary: Mapping[str, Any]
    made: bool
    stages: Mapping[str, float] = field(default_factory=dict)

    @property
    def parts(self) -> list[Path]:
        """The files of scores, in the order of account ids."""
        return [self.folder / part_name(number) for number in range(self.summary["parts"])]


def bulk(
    settings: Settings,
    book: Book,
    model: Champion,
    as_of: date,
    out: Path,
    *,
    on_workers_of_spark: bool = False,
    workers: int = 1,
    rows: int = 50_000,
    step: Step = lambda _: None,
) -> Bulk:
    """Judge every paying account of a book, in parts, into ``out/YYYY-MM-DD``.

    Signals are summed on the book's engine; accounts are judged by processes of this machine, or by
    the workers of the Spark session, which must see ``out`` under the same path. The folder appears
    whole or not at all; what was done of a job that was cut off is not done again. Cells follow the
    last folder in ``out`` of an earlier as-of date, as the weekly job follows its last run.

    Parameters
    ----------
    settings : Settings
    book : Book
    model : Champion
    as_of : date
    out : Path
    on_workers_of_spark : bool
        Where accounts are judged.
    workers : int
        Processes of this machine; Spark's workers are as many as its session has.
    rows : int
        Accounts in a part: a worker holds one part at a time.
    step : callable
        Told of each stage.

    Raises
    ------
    DataRejected
        ``score.no_accounts`` where nobody pays at the as-of date.
    DependencyDown
        ``bulk.worker`` where a worker fails.
    Busy
        ``busy`` where another job works in ``out``.
    """
    stages = Stages(step)
    folder = out / as_of.isoformat()
    run_id = _run_of(settings, book, model, as_of)
    with held(out / ".lock", wait_seconds=0):
        done = _stands(folder)
        if done is not None and done["run_id"] == run_id:
            return Bulk(folder, done, made=False)
        draft = out / f".draft-{run_id}-{rows}"
        _cleared(out, draft)
        plan, micros = _laid(settings, book, model, as_of, draft, run_id, rows, stages)
        todo = left(draft, plan.parts)
        stages("judge")
        if todo and on_workers_of_spark:
            on_spark(draft, todo, step)
        elif todo:
            on_processes(draft, todo, workers, step)
        stages("publish the folder")
        summary = _summary(draft, plan, book, micros)
        write(draft / SCORES / SUMMARY, orjson.dumps(summary, option=orjson.OPT_INDENT_2))
        shutil.rmtree(folder, ignore_errors=True)
        (draft / SCORES).rename(folder)
        sync(out)
        shutil.rmtree(draft)
    return Bulk(folder, summary, made=True, stages=stages.ended())


def _run_of(settings: Settings, book: Book, model: Champion, as_of: date) -> str:
    """Name the run by its inputs: the same ones give the same."""
    inputs = (as_of.isoformat(), book.snapshot_id, model.bundle.digest, settings.digest)
    return f"bulk-{hashlib.sha256('|'.join(inputs).encode()).hexdigest()[:16]}"


def _stands(folder: Path) -> dict[str, Any] | None:
    path = folder / SUMMARY
    found: dict[str, Any] | None = orjson.loads(path.read_bytes()) if path.is_file() else None
    return found


def _cleared(out: Path, draft: Path) -> None:
    """Remove what jobs of other inputs left half-done."""
    for other in out.glob(".draft-*"):
        if other != draft:
            shutil.rmtree(other, ignore_errors=True)


def _laid(
    settings: Settings,
    book: Book,
    model: Champion,
    as_of: date,
    draft: Path,
    run_id: str,
    rows: int,
    stages: Stages,
) -> tuple[Plan, int]:
    """Lay out all that workers need; the plan, and the opening MRR in micro-units."""
    stages("signals")
    frame = snapshot(book, as_of, settings.rules.by_account(), finite=False)
    if frame.empty:
        raise DataRejected("score.no_accounts", f"nobody pays on {as_of}", "see `perennial check`")
    stages("lay out the parts")
    for name in (FRAME, SCORES):
        (draft / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    _model_laid(model, draft)
    parts = _written(frame, draft / FRAME, rows)
    version, digest = str(model.version), model.bundle.digest
    before = _before(draft.parent, as_of)
    plan = Plan(run_id, as_of, version, digest, settings.choices, parts, before)
    plan.write(draft)
    return plan, int(frame["mrr_micros"].sum())


def _model_laid(model: Champion, draft: Path) -> None:
    """Lay the bundle where workers find it; one that a job left there is taken anew."""
    shutil.rmtree(draft / MODEL, ignore_errors=True)
    copy_verified(model.bundle.path, draft, model.bundle.digest).path.rename(draft / MODEL)


def _written(frame: pd.DataFrame, folder: Path, rows: int) -> int:
    """Write the frame in parts of so many rows, in the order of account ids; how many."""
    frame = frame.sort_values("account_id", kind="stable")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    starts = range(0, len(frame), rows)
    for number, start in enumerate(starts):
        pq.write_table(table.slice(start, rows), folder / part_name(number), compression="zstd")
    return len(starts)


def _before(out: Path, as_of: date) -> str | None:
    """Find the folder of the last scoring of an earlier as-of date."""
    days = [path.parent.name for path in out.glob(f"????-??-??/{SUMMARY}")]
    earlier = [day for day in days if day < as_of.isoformat()]
    return str((out / max(earlier)).absolute()) if earlier else None


def _summary(draft: Path, plan: Plan, book: Book, micros: int) -> dict[str, Any]:
    """Sum what was judged; every account of the frame must be there once.

    Raises
    ------
    InternalFault
        ``bulk.rows`` where a part lost or doubled an account.
    """
    laid = sum(pq.read_metadata(path).num_rows for path in (draft / FRAME).glob("*.parquet"))
    files, database = str(draft / SCORES / "*.parquet"), duckdb_in_memory()
    accounts, distinct, unscorable, moved, *sums = database.execute(_TOTALS, [files]).fetchall()[0]
    if not laid == accounts == distinct == rows_of(draft, plan.parts):
        raise InternalFault("bulk.rows", f"{laid} accounts laid out, {accounts} judged")
    cells = {cell: (many, mrr) for cell, many, mrr in database.execute(_CELLS, [files]).fetchall()}
    names = ("expected_mrr", "expected_expansion_mrr", "expected_loss_mrr")
    return {
        "run_id": plan.run_id,
        "as_of": plan.as_of.isoformat(),
        "snapshot_id": book.snapshot_id,
        "model_version": plan.model_version,
        "model_digest": plan.model_digest,
        "parts": plan.parts,
        "accounts": accounts,
        "unscorable": unscorable,
        "moved": moved,
        "currency": book.facts.currency,
        "horizon_months": HORIZON,
        "mrr": micros / 1e6,
        **{name: round(float(total), 2) for name, total in zip(names, sums, strict=True)},
        "cells": {
            cell: _cell(*cells.get(cell, (0, 0)), action) for cell, action in ACTIONS.items()
        },
    }


def _cell(accounts: int, mrr: Any, action: str) -> dict[str, Any]:
    return {"accounts": accounts, "mrr": float(mrr), "action": action}


_TOTALS = """
    SELECT count(*), count(DISTINCT account_id), count(*) FILTER (status <> 'scored'),
        count(*) FILTER (previous_cell IS NOT NULL AND previous_cell <> cell),
        sum(expected_mrr), sum(expected_expansion_mrr), sum(expected_loss_mrr)
    FROM read_parquet(?)"""
_CELLS = """
    SELECT cell, count(*), sum(CAST(mrr AS DECIMAL(38, 2))) FROM read_parquet(?) GROUP BY cell"""
