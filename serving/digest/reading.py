"""What a digest is made of, read from the store: a published run and the run before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa

from models.outcomes import HORIZONS
from serving import queries
from serving.database import reading
from serving.digest.lines import Row, desk
from serving.publication import NOTES
from serving.queries import Run
from serving.run_rows import rows_of
from serving.store import Store

__all__ = ["COLUMNS", "Week", "before", "read"]

Body = Mapping[str, Any]

COLUMNS = (
    "account_id",
    "name",
    "segment",
    "csm",
    "currency",
    "mrr",
    "next_renewal_on",
    "horizon_months",
    "p_churn",
    "p_expand",
    "p_renew",
    "renew_basis",
    "expected_mrr",
    "expected_expansion_mrr",
    "expected_loss_mrr",
    "retention_health",
    "expansion_readiness",
    "cell",
    "previous_cell",
    "moved_because",
    "guard",
    "lever",
    "data_coverage",
    "reasons_expansion",
    "triggers",
    "status",
)
"""What is read of each account."""
LONG = ("moved_because", "reasons_expansion")
"""What is long to read, and of the run itself alone."""


@dataclass(frozen=True)
class Week:
    """A run, the run before it, and what both published.

    Attributes
    ----------
    run : Run
    before : Run or None
        The newest run of an earlier date that was not held; None for a first run.
    rows, past : dict of str to dict
        Each account's row in both runs (`COLUMNS`; of the run before without ``LONG``), by account,
        in order of account; and ``parts``: what its two chances are made of, empty where the run
        did not keep that.
    listed, listed_before : list of dict
        The outreach lists of both.
    forecasts, past_forecasts : dict of int to mapping
        By horizon in months; empty where a run carries none, or for one CSM.
    notes : mapping
        ``warnings`` and ``tables`` of the run; empty where it kept none.
    csm : str or None
        The one desk that is told of; None for the whole book.
    """

    run: Run
    before: Run | None
    rows: dict[str, Row]
    past: dict[str, Row]
    listed: list[Row]
    listed_before: list[Row]
    forecasts: dict[int, Body] = field(default_factory=dict)
    past_forecasts: dict[int, Body] = field(default_factory=dict)
    notes: Body = field(default_factory=dict)
    csm: str | None = None

    @property
    def currency(self) -> str:
        """Currency of every amount; empty for a book without accounts."""
        return next((str(row["currency"]) for row in self.rows.values() if row["currency"]), "")

    @property
    def horizon(self) -> int:
        """Months ahead that the state probabilities speak of."""
        return next((int(row["horizon_months"]) for row in self.rows.values()), 3)


def read(store: Store, run: Run, csm: str | None = None) -> Week:
    """Read a run and the one before it.

    Parameters
    ----------
    store : Store
    run : Run
        Published or held.
    csm : str, optional
        Only the accounts of this desk (``unassigned``: those of nobody).
    """
    with reading(store.engine) as connection:
        last = before(connection, run)
        rows = _rows(connection, run.run_id, csm, COLUMNS)
        short = tuple(name for name in COLUMNS if name not in LONG)
        past = _rows(connection, last.run_id, csm, short) if last else {}
    whole = csm is None
    return Week(
        run=run,
        before=last,
        rows=rows,
        past=past,
        listed=store.outreach(csm, run=run.run_id),
        listed_before=store.outreach(csm, run=last.run_id) if last else [],
        forecasts=_forecasts(store, run) if whole else {},
        past_forecasts=_forecasts(store, last) if whole and last else {},
        notes=store.document(run.run_id, NOTES) or {},
        csm=csm,
    )


def before(connection: sa.Connection, run: Run) -> Run | None:
    """Give the newest run of an earlier date that was not held."""
    found = connection.execute(queries.standing(run.as_of).limit(1)).first()
    return Run(**found._mapping) if found is not None else None


def _rows(
    connection: sa.Connection, run: str, csm: str | None, columns: Sequence[str]
) -> dict[str, Row]:
    of_run = rows_of(connection, run)
    s, memories = of_run.c, of_run.memories(connection)
    chosen = sa.select(*(s[name] for name in columns)).where(s.run_id == run)
    found = connection.execute(chosen.order_by(s.account_id))
    told = [dict(zip(columns, row, strict=True)) for row in found]
    mine = [row for row in told if csm is None or desk(row) == csm]
    return {
        row["account_id"]: row | {"parts": _parts(memories.get(row["account_id"]))}
        for row in of_run.filled(connection, mine)
    }


def _parts(memory: str | None) -> dict[str, dict[str, float]]:
    """Give what an account's chances to renew and to expand are made of."""
    return orjson.loads(memory).get("parts") or {} if memory else {}


def _forecasts(store: Store, run: Run) -> dict[int, Body]:
    bodies = {h: store.forecast(h, run=run.run_id) for h in HORIZONS}
    return {h: body for h, body in bodies.items() if body is not None}
