"""The past of a book: what its earlier runs kept for the gates, and what a revision changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa

from serving import queries
from serving.database import reading
from serving.queries import Run
from serving.run_rows import rows_of
from serving.store import Store

if TYPE_CHECKING:
    from models.holding import Moves

__all__ = ["COUNTED", "PastRun", "past_runs", "restated", "usual_ratios"]

COUNTED = 26
"""How many earlier runs say what is usual."""


@dataclass(frozen=True)
class PastRun:
    """An earlier run as the gates read it.

    Attributes
    ----------
    run : Run
    gates : mapping
        What the gates found then (`serving.gates`); empty for a run of an older Perennial.
    bins : mapping
        How its signals were spread (`models.drifting.bins`); read for the newest alone.
    """

    run: Run
    gates: Mapping[str, Any] = field(default_factory=dict)
    bins: Mapping[str, Any] = field(default_factory=dict)

    @property
    def usual(self) -> bool:
        """Whether it says what is usual: no gate held it, and no other model had come."""
        swapped = "model swap" in self.gates.get("cause", ())
        return bool(self.gates) and self.run.status == "published" and not swapped

    @property
    def moves(self) -> Moves:
        """How many accounts it moved."""
        from models.holding import Moves  # heavy: scipy, which a server starts without

        told = self.gates.get("moves", {})
        return Moves(told.get("moved", 0), told.get("known", 0), told.get("weeks", 1.0))


def past_runs(store: Store, before: date, count: int = COUNTED) -> list[PastRun]:
    """Read the runs of the latest dates before a date, newest first; of each date its last one.

    Runs that a gate holds are left out.
    """
    with reading(store.engine) as connection:
        runs = connection.execute(queries.standing(before).limit(count)).all()
        found = [Run(**row._mapping) for row in runs]
        names = [run.run_id for run in found]
        kept = {name: queries.document(connection, name, "gates", "") for name in names}
        bins = queries.document(connection, names[0], "bins", "") if names else None
    past = [PastRun(run, kept[run.run_id] or {}) for run in found]
    return [PastRun(past[0].run, past[0].gates, bins or {}), *past[1:]] if past else []


def restated(store: Store, as_of: date, scores: pd.DataFrame) -> dict[str, Any] | None:
    """Say what scores change of the run that stands for their date; None where none does.

    Parameters
    ----------
    store : Store
    as_of : date
    scores : DataFrame
        ``account_id, cell, mrr`` of the new revision.

    Returns
    -------
    dict or None
        ``run_id`` and ``revision`` of the run that is restated; ``cells_changed``, how many
        accounts changed their cell; ``appeared`` and ``gone``; ``mrr_changed``, how many have
        another MRR.
    """
    with reading(store.engine) as connection:
        standing = queries.open_run(connection, as_of)
        if standing is None:
            return None
        s = rows_of(connection, standing.run_id).c
        told = connection.execute(
            sa.select(s.account_id, s.cell, s.mrr).where(s.run_id == standing.run_id)
        ).all()
    then = pd.DataFrame([tuple(row) for row in told], columns=["account_id", "cell", "mrr"])
    return {"run_id": standing.run_id, "revision": standing.revision} | _difference(then, scores)


def _difference(then: pd.DataFrame, now: pd.DataFrame) -> dict[str, int]:
    both = then.merge(now[["account_id", "cell", "mrr"]], on="account_id", suffixes=("_then", ""))
    return {
        "cells_changed": int((both["cell_then"] != both["cell"]).sum()),
        "mrr_changed": int((both["mrr_then"].round(2) != both["mrr"].round(2)).sum()),
        "appeared": len(now) - len(both),
        "gone": len(then) - len(both),
    }


def usual_ratios(past: Sequence[PastRun]) -> dict[str, list[float]]:
    """Give per signal how much it drifted in earlier weeks."""
    usual: dict[str, list[float]] = {}
    for each in past:
        if each.gates and each.run.status == "published":
            for name, ratio in each.gates.get("ratios", {}).items():
                usual.setdefault(name, []).append(float(ratio))
    return usual
