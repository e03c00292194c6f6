"""What is asked of the store: runs, one account, its history, the list, documents."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import sqlalchemy as sa

from models.moves import trigger_names
from serving import tables
from serving.columns import Columns
from serving.run_rows import rows_of
from serving.schemas import OUTREACH_COLUMNS, SCORE_COLUMNS

__all__ = ["HISTORY", "PREVIOUS", "Filters", "Run"]

PREVIOUS = (
    "run_id",
    "as_of",
    "account_id",
    "cell",
    "raw_cell",
    "retention_health",
    "expansion_readiness",
    "p_renew",
    "p_expand",
    "mrr",
    "next_renewal_on",
)


HISTORY = (
    "as_of",
    "run_id",
    "mrr",
    "p_renew",
    "p_expand",
    "p_churn",
    "expected_mrr",
    "cell",
    "raw_cell",
    "moved_because",
    "maturity_score",
    "data_coverage",
    "status",
    "model_version",
)

# Asked for each account that is shown: written once.
_CURRENT = sa.select(tables.runs).join(
    tables.current, tables.current.c.run_id == tables.runs.c.run_id
)
_ACCOUNT = sa.select(tables.scores).where(
    tables.scores.c.run_id == sa.bindparam("run"),
    tables.scores.c.account_id == sa.bindparam("account"),
)


@dataclass(frozen=True)
class Run:
    """A published run.

    Attributes
    ----------
    run_id : str
        Its name.
    as_of, revision : date, int
        The date it was scored for, and which try at that date it is.
    snapshot_id, model_version, model_digest, settings_digest : str
        What went in.
    digest : str
        Digest of what came out.
    accounts : int
        How many accounts it scored.
    published_at : str
        When it was published, ISO-8601.
    status : str
        ``published``; ``held`` where a gate keeps it back; ``approved`` where somebody let a
        held one through.
    held_because : list of str or None
        What the gates said; kept after it was approved.
    approved_at, approved_by : str or None
        When it was approved, ISO-8601, and by whom.
    """

    run_id: str
    as_of: date
    revision: int
    snapshot_id: str
    model_version: str
    model_digest: str
    settings_digest: str
    digest: str
    accounts: int
    published_at: str
    status: str = "published"
    held_because: list[str] | None = None
    approved_at: str | None = None
    approved_by: str | None = None

    @property
    def held(self) -> bool:
        """Whether a gate keeps it back: it neither serves nor counts as a run before."""
        return self.status == "held"

    @property
    def key(self) -> tuple[str, str, str]:
        """What the run stands on, beside its date."""
        return (self.snapshot_id, self.model_digest, self.settings_digest)


@dataclass(frozen=True)
class Filters:
    """Which accounts to list; None lets all through.

    Attributes
    ----------
    cell, csm, segment : str
        Equal to.
    min_mrr : float
        MRR of at least so much.
    moved : bool
        Whether the cell is another than in the run before.
    trigger : str
        A trigger that fires.
    named : str
        A part of the name or of the id; capitals do not matter.
    renewal_from, renewal_before : date
        The next contract decision on the first day or later, and before the second.
    play : str
        A play with which the run's outreach list names it.
    """

    cell: str | None = None
    csm: str | None = None
    segment: str | None = None
    min_mrr: float | None = None
    moved: bool | None = None
    trigger: str | None = None
    named: str | None = None
    renewal_from: date | None = None
    renewal_before: date | None = None
    play: str | None = None


def firing_rows(run: str, scores: Columns) -> list[dict[str, Any]]:
    """List which trigger fires for which account."""
    pairs = {
        (name, account)
        for account, triggers in zip(scores["account_id"], scores["triggers"], strict=True)
        for name in trigger_names(triggers)
    }
    return [{"run_id": run, "trigger": name, "account_id": a} for name, a in sorted(pairs)]


def run(connection: sa.Connection, name: str) -> Run | None:
    """Give a run by its id."""
    return _run(connection, sa.select(tables.runs).where(tables.runs.c.run_id == name))


def current_run(connection: sa.Connection) -> Run | None:
    """Give the run that serves."""
    return _run(connection, _CURRENT)


def current_name(connection: sa.Connection) -> str | None:
    """Name the run that serves."""
    name: str | None = connection.scalar(sa.select(tables.current.c.run_id))
    return name


def newest_run(connection: sa.Connection, as_of: date) -> Run | None:
    """Give the newest revision of a date."""
    of_date = sa.select(tables.runs).where(tables.runs.c.as_of == as_of)
    return _run(connection, of_date.order_by(tables.runs.c.revision.desc()).limit(1))


def standing_run(connection: sa.Connection, as_of: date, key: tuple[str, str, str]) -> Run | None:
    """Give the run of a date that answers for this input: its newest, or its newest not held."""
    both = (newest_run(connection, as_of), open_run(connection, as_of))
    return next((run for run in both if run is not None and run.key == key), None)


def open_run(connection: sa.Connection, as_of: date) -> Run | None:
    """Give the newest revision of a date that is not held: the run that counts for it."""
    r = tables.runs.c
    open_ones = sa.select(tables.runs).where(r.as_of == as_of, r.status != "held")
    return _run(connection, open_ones.order_by(r.revision.desc()).limit(1))


def runs(connection: sa.Connection, limit: int, *, held: bool = False) -> list[Run]:
    """List runs, newest date and revision first; with ``held`` those that are held too."""
    newest_first = (tables.runs.c.as_of.desc(), tables.runs.c.revision.desc())
    listed = sa.select(tables.runs).order_by(*newest_first).limit(limit)
    found = connection.execute(listed if held else listed.where(tables.runs.c.status != "held"))
    return [Run(**row._mapping) for row in found]


def account(connection: sa.Connection, run: str | None, account_id: str) -> dict[str, Any] | None:
    """Give one account's row."""
    found = connection.execute(_ACCOUNT, {"run": run, "account": account_id}).first()
    if found is not None:
        return dict(zip(SCORE_COLUMNS, found, strict=True))
    rows = rows_of(connection, run)
    if rows.number is None:
        return None
    brief = connection.execute(sa.select(rows.table).where(rows.c.account_id == account_id)).all()
    told = [dict(zip(SCORE_COLUMNS, row, strict=True)) for row in brief]
    return next(iter(rows.filled(connection, told)), None)


def history(
    connection: sa.Connection, account_id: str, before: date | None, limit: int
) -> list[dict[str, Any]]:
    """Give what an account was told to be, newest date first: of each date its newest revision."""
    r, s, b, p = tables.runs.c, tables.scores.c, tables.briefs.c, tables.packed.c
    of_run = {"as_of": r.as_of, "run_id": r.run_id, "model_version": r.model_version}
    packed = [b[name] if name in b else of_run[name] for name in HISTORY]
    joined = tables.briefs.join(tables.packed, p.number == b.number)
    joined = joined.join(tables.runs, r.run_id == p.run_id)
    whole = sa.select(*(s[name] for name in HISTORY)).join(tables.runs, r.run_id == s.run_id)
    newest = (  # by the index alone: rows of an account lie far apart, so only these are opened
        sa.select(b.number)
        .select_from(joined)
        .where(b.account_id == account_id, *_standing(r.as_of, before))
        .order_by(r.as_of.desc())
        .limit(limit)
    )
    both = (
        whole.where(s.account_id == account_id, *_standing(s.as_of, before)),
        sa.select(*packed)
        .select_from(joined)
        .where(b.account_id == account_id, b.number.in_(newest)),
    )
    told = [
        dict(zip(HISTORY, row, strict=True))
        for each in reversed(both)
        for row in connection.execute(each.order_by(sa.desc("as_of")).limit(limit))
    ]
    return sorted(told, key=lambda row: row["as_of"], reverse=True)[:limit]


def _standing(as_of: sa.ColumnElement[Any], before: date | None) -> list[sa.ColumnElement[bool]]:
    """Write that a run is the newest revision of its date that is not held, before a date."""
    r, later = tables.runs.c, tables.runs.alias("later")
    newest = sa.select(sa.func.max(later.c.revision)).where(
        later.c.as_of == r.as_of, later.c.status != "held"
    )
    wanted = [r.status != "held", r.revision == newest.scalar_subquery()]
    return wanted + ([as_of < before] if before is not None else [])


def cohort(connection: sa.Connection, run: str) -> list[tuple[str, date | None]]:
    """List the accounts of a run, each with the contract decision that was next then."""
    s = rows_of(connection, run).c
    wanted = sa.select(s.account_id, s.next_renewal_on).where(s.run_id == run)
    return [(row[0], row[1]) for row in connection.execute(wanted.order_by(s.account_id))]


def cells(connection: sa.Connection, run: str | None) -> dict[str, tuple[int, float]]:
    """Give accounts and MRR of each cell that has any."""
    s = rows_of(connection, run).c
    per_cell = sa.select(s.cell, sa.func.count(), sa.func.sum(s.mrr)).where(s.run_id == run)
    found = connection.execute(per_cell.group_by(s.cell))
    return {cell: (count, mrr or 0.0) for cell, count, mrr in found}


def document(connection: sa.Connection, run: str | None, kind: str, key: str) -> Any:
    """Give a document of a run."""
    d = tables.documents.c
    wanted = (d.run_id == run, d.kind == kind, d.key == key)
    return connection.scalar(sa.select(d.body).where(*wanted))


def outreach(
    connection: sa.Connection,
    run: str | None,
    csm: str | None,
    capacity: int | None,
    limit: int | None,
) -> tuple[list[dict[str, Any]], int]:
    """Give the list in its order, at most ``capacity`` rows per CSM, and its whole length."""
    rows = rows_of(connection, run)
    if rows.number is not None:
        return _chosen(rows.listed(connection), csm, capacity, limit)
    o = tables.outreach.c
    place = sa.func.row_number().over(partition_by=o.csm, order_by=o.position).label("place")
    listed = sa.select(tables.outreach, place).where(o.run_id == run)
    if csm is not None:
        listed = listed.where(o.csm == csm)
    placed = listed.subquery()
    chosen = sa.select(*(placed.c[name] for name in OUTREACH_COLUMNS)).order_by(placed.c.position)
    if capacity is not None:
        chosen = chosen.where(placed.c.place <= capacity)
    length = connection.scalar(sa.select(sa.func.count()).select_from(chosen.subquery()))
    found = connection.execute(chosen.limit(limit))
    return [dict(zip(OUTREACH_COLUMNS, row, strict=True)) for row in found], length or 0


def plays(connection: sa.Connection, run: str) -> list[tuple[str, str]]:
    """List account and play of a run's outreach list, in its order."""
    rows = rows_of(connection, run)
    if rows.number is not None:
        return [(row["account_id"], row["play"]) for row in rows.listed(connection)]
    o = tables.outreach.c
    wanted = sa.select(o.account_id, o.play).where(o.run_id == run).order_by(o.position)
    return [(row.account_id, row.play) for row in connection.execute(wanted)]


def listing_of(connection: sa.Connection, run: str, account_id: str) -> dict[str, Any] | None:
    """Give an account's first line of a run's outreach list; None where it is not on it."""
    rows = rows_of(connection, run)
    if rows.number is not None:
        told = (row for row in rows.listed(connection) if row["account_id"] == account_id)
        return next(told, None)
    o = tables.outreach.c
    wanted = sa.select(tables.outreach).where(o.run_id == run, o.account_id == account_id)
    found = connection.execute(wanted.order_by(o.position).limit(1)).first()
    return None if found is None else dict(found._mapping)


def _chosen(
    listed: list[dict[str, Any]], csm: str | None, capacity: int | None, limit: int | None
) -> tuple[list[dict[str, Any]], int]:
    """Choose of a list that was read whole."""
    places: Counter[str | None] = Counter()
    chosen = []
    for row in listed:
        places[row["csm"]] += 1
        mine = csm is None or row["csm"] == csm
        if mine and (capacity is None or places[row["csm"]] <= capacity):
            chosen.append({name: row[name] for name in OUTREACH_COLUMNS})
    return chosen[:limit], len(chosen)


def standing(before: date, since: date | None = None) -> sa.Select[Any]:
    """Ask for the runs that stand for the dates before one, newest date first.

    Of each date the newest revision that is not held; from ``since`` on, where it is given.
    """
    r = tables.runs.c
    window = [r.as_of < before, r.status != "held"]
    window += [r.as_of >= since] if since is not None else []
    revisions = sa.select(r.as_of, sa.func.max(r.revision).label("revision")).where(*window)
    last = revisions.group_by(r.as_of).subquery()
    same = sa.and_(r.as_of == last.c.as_of, r.revision == last.c.revision)
    return sa.select(tables.runs).join(last, same).order_by(r.as_of.desc())


def run_before(connection: sa.Connection, as_of: date) -> Run | None:
    """Give the run that stands for the last date before one."""
    return _run(connection, standing(as_of).limit(1))


def previous(connection: sa.Connection, before: date, count: int) -> pd.DataFrame:
    """Give the scores of the latest ``count`` dates before a date, newest first."""
    told: list[dict[str, Any]] = []
    kept: list[str | None] = []
    for run in connection.execute(standing(before).limit(count)).all():
        rows = rows_of(connection, run.run_id)
        chosen = sa.select(*(rows.c[name] for name in PREVIOUS))
        of_run = chosen.where(rows.c.run_id == run.run_id).order_by(rows.c.account_id)
        found = [dict(zip(PREVIOUS, row, strict=True)) for row in connection.execute(of_run)]
        told += rows.filled(connection, found)
        memories = rows.memories(connection)
        kept += [memories.get(row["account_id"]) for row in found]
    frame = pd.DataFrame([tuple(row.values()) for row in told], columns=list(PREVIOUS))
    return frame.assign(memory=pd.Series(kept, dtype="object"))


def _run(connection: sa.Connection, query: sa.Select[Any]) -> Run | None:
    found = connection.execute(query).first()
    return Run(**found._mapping) if found is not None else None
