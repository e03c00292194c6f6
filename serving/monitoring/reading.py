"""Reading what monitoring kept: quick enough for a page, for metrics and for `perennial doctor`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from models.cusum import Month, Step, cusum
from serving import tables
from serving.database import reading
from serving.monitoring.findings import EVENT_WORDS, Finding, found
from serving.publication import NOTES
from serving.queries import Run
from serving.store import Store

__all__ = ["OUTCOME", "Watch", "monitored", "watch"]

OUTCOME = "outcome"
"""Key of the notes that say what became of a run's accounts."""
SUMMED = "1"
"""The horizon that is summed: months that do not overlap say each something of their own."""


@dataclass(frozen=True)
class Watch:
    """What monitoring knows of what serves.

    Attributes
    ----------
    run : Run
        The run that serves.
    own : mapping
        What it kept of itself (`serving.monitoring.footing`); empty for one of an older Perennial.
    months : tuple of mapping
        What became of earlier months, oldest first: ``run_id``, ``as_of``, ``model_version``,
        ``in_hindsight`` (the model had seen the month: it is shown, and counts for nothing) and
        by horizon in months ``period_end`` and ``events`` (`models.foretold.Foretold.judged`).
    sums : mapping of str to list of Step
        By event (`models.cusum`).
    findings : tuple of Finding
    """

    run: Run
    own: Mapping[str, Any]
    months: tuple[Mapping[str, Any], ...]
    sums: Mapping[str, Sequence[Step]]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Give it as one JSON object."""
        return {
            "run_id": self.run.run_id,
            "as_of": self.run.as_of.isoformat(),
            "model_version": self.run.model_version,
            "findings": [vars(one) for one in self.findings],
            "own": dict(self.own),
            "months": [dict(one) for one in self.months],
            "sums": {event: [_said(step) for step in steps] for event, steps in self.sums.items()},
        }


def watch(store: Store) -> Watch | None:
    """Read what monitoring knows of the run that serves; None where nothing was published."""
    run = store.current()
    if run is None:
        return None
    notes = store.document(run.run_id, NOTES) or {}
    told = _months(store)
    months = tuple({k: v for k, v in one.items() if k != "model_digest"} for one in told)
    sums = {event: cusum(_counted(told, event)) for event in EVENT_WORDS}
    findings = tuple(found(notes, months, sums))
    return Watch(run, notes.get("monitoring") or {}, months, sums, findings)


def monitored(store: Store) -> list[Finding]:
    """List what monitoring asks a person to look at, in the order of causes; empty: nothing."""
    seen = watch(store)
    return list(seen.findings) if seen else []


def _months(store: Store) -> list[dict[str, Any]]:
    r, d = tables.runs.c, tables.documents.c
    joined = tables.documents.join(tables.runs, d.run_id == r.run_id)
    named = (r.run_id, r.as_of, r.model_version, r.model_digest, d.body)
    wanted = sa.select(*named).select_from(joined).where(d.kind == NOTES, d.key == OUTCOME)
    with reading(store.engine) as connection:
        rows = connection.execute(wanted.order_by(r.as_of)).all()
    return [
        {
            "run_id": row.run_id,
            "as_of": row.as_of.isoformat(),
            "model_version": row.model_version,
            "model_digest": row.model_digest,
            **row.body,
        }
        for row in rows
    ]


def _counted(months: Sequence[Mapping[str, Any]], event: str) -> list[Month]:
    """Give what the sums count: months that the model had not seen."""
    told = [one for one in months if SUMMED in one["horizons"] and not one["in_hindsight"]]
    return [_month(one, one["horizons"][SUMMED]["events"][event]) for one in told]


def _month(one: Mapping[str, Any], row: Mapping[str, Any]) -> Month:
    day = date.fromisoformat(one["as_of"])
    return Month(day, row["expected"], row["observed"], one["model_digest"])


def _said(step: Step) -> dict[str, Any]:
    numbers = {
        name: round(getattr(step, name), 4) for name in ("expected", "distance", "above", "below")
    }
    days = {"first": step.first.isoformat(), "last": step.last.isoformat()}
    return days | {"observed": step.observed} | numbers | {"alarm": step.alarm or None}
