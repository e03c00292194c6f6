"""What people did with the lists: their own calls, the actions that they logged, past lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from features.asof import quarter_name
from features.configuration import nearest
from features.faults import Busy, UsageFault
from models.contacts import LEVELS, Call, Contacts, last_contacts
from models.holdout import Holdout
from models.plays import PLAYS, named
from serving import queries, tables
from serving.audit import append
from serving.database import reading, writing
from serving.run_rows import rows_of

if TYPE_CHECKING:
    from features.book import Book

__all__ = [
    "actions",
    "calls",
    "cells_on",
    "contacts_before",
    "disagreements",
    "holding",
    "holdout_logs",
    "last_call",
    "listed",
    "log_action",
    "record_call",
]

COMMAND_LINE = "command line"
LISTS_DAYS = 91
"""Days in which past lists are looked through."""

_LAST_CALL = (
    sa.select(tables.calls)
    .where(tables.calls.c.account_id == sa.bindparam("account"))
    .order_by(tables.calls.c.call_id.desc())
    .limit(1)
)


def record_call(
    engine: sa.Engine,
    account_id: str,
    call: Call,
    now: datetime,
    by: str = COMMAND_LINE,
    seen: int | None = None,
) -> None:
    """Keep a CSM's own call of an account; one without a level withdraws the call before it.

    Who keeps it (``by``) goes into the audit. ``seen`` is the number of the last call that its
    maker knew of (0: of none); None: it does not matter.

    Raises
    ------
    Busy
        ``call.stale`` if somebody made another call since.
    UsageFault
        ``call.level`` for a level that is none of High, Medium and Low; ``call.expired`` where it
        would not hold any more.
    """
    for level in (call.retention, call.expansion):
        if level is not None and level not in LEVELS:
            raise UsageFault("call.level", level, f"one of {', '.join(LEVELS)}")
    if call.until is not None and call.until <= now.date():
        raise UsageFault("call.expired", f"until {call.until}", "name a day to come")
    c = tables.calls.c
    row = {
        "account_id": account_id,
        "retention": call.retention,
        "expansion": call.expansion,
        "note": call.note,
        "csm": call.csm,
        "until": call.until,
        "made_at": now.isoformat(),
    }
    with writing(engine) as connection:
        last = sa.select(sa.func.max(c.call_id)).where(c.account_id == account_id)
        if seen is not None and (connection.scalar(last) or 0) != seen:
            raise Busy("call.stale", f"{account_id}: called since", "look at it again")
        connection.execute(sa.insert(tables.calls).values(row))
        append(connection, now, by, "call.put", account_id)


def last_call(engine: sa.Engine, account_id: str) -> dict[str, Any] | None:
    """Give the last call of an account as it was kept, a withdrawing one too; None: there is none.

    ``call_id``, ``retention``, ``expansion``, ``note``, ``csm``, ``until``, ``made_at``.
    """
    with reading(engine) as connection:
        found = connection.execute(_LAST_CALL, {"account": account_id}).first()
    return None if found is None else dict(found._mapping)


def holding(last: Mapping[str, Any] | None, day: date | None) -> Call | None:
    """Give the call of a kept row while it holds: neither withdrawn nor over; without a day, to come.

    Examples
    --------
    >>> row = {"retention": "Low", "expansion": None, "note": None, "csm": "Ada"}
    >>> holding(row | {"until": date(2025, 7, 1)}, date(2025, 7, 1)) is None
    True
    >>> holding(row | {"until": None}, date(2025, 7, 1)).retention
    'Low'
    """
    if last is None or not (last["retention"] or last["expansion"]):
        return None
    if day is not None and last["until"] is not None and last["until"] <= day:
        return None
    told = {name: last[name] for name in ("retention", "expansion", "note", "csm", "until")}
    return Call(**told)


def calls(engine: sa.Engine, as_of: date) -> dict[str, Call]:
    """Give the calls that hold on an as-of date, by account: the last that was made before it."""
    c = tables.calls.c
    wanted = sa.select(tables.calls).where(c.made_at < as_of.isoformat()).order_by(c.call_id)
    with reading(engine) as connection:
        last = {row.account_id: dict(row._mapping) for row in connection.execute(wanted)}
    held = ((account, holding(row, as_of)) for account, row in sorted(last.items()))
    return {account: call for account, call in held if call is not None}


def log_action(
    engine: sa.Engine,
    account_id: str,
    play: str,
    acted_on: date,
    now: datetime,
    outcome: str | None = None,
    csm: str | None = None,
    by: str = COMMAND_LINE,
    *,
    once: bool = False,
) -> dict[str, Any]:
    """Log that an account was contacted for a play, and give the row.

    Who logs it (``by``) goes into the audit. With ``once`` the very contact that is logged already
    is not logged again: a form may be sent twice.

    Raises
    ------
    UsageFault
        ``play.unknown`` for a play that no list names; ``action.ahead`` for a day to come.
    """
    known = named(play)
    if known is None:
        names = [one.name for one in PLAYS.values()]
        raise UsageFault("play.unknown", f'play "{play}"', nearest(play, names))
    if acted_on > now.date():
        raise UsageFault("action.ahead", f"acted on {acted_on}", "log it on the day or later")
    row = {
        "account_id": account_id,
        "play": known.name,
        "acted_on": acted_on,
        "outcome": outcome,
        "csm": csm,
        "logged_at": now.isoformat(),
    }
    with writing(engine) as connection:
        if not (once and _is_logged(connection, row)):
            connection.execute(sa.insert(tables.actions).values(row))
            append(connection, now, by, "action.logged", account_id)
    return row


def _is_logged(connection: sa.Connection, row: dict[str, Any]) -> bool:
    a = tables.actions.c
    same = ("account_id", "play", "acted_on", "outcome")
    very = sa.select(a.action_id).where(*(a[name].is_not_distinct_from(row[name]) for name in same))
    return connection.execute(very.limit(1)).first() is not None


def actions(engine: sa.Engine, before: date) -> list[tuple[str, str, date]]:
    """List account, play and day of what was logged, and done, before a date."""
    a = tables.actions.c
    wanted = sa.select(a.account_id, a.play, a.acted_on)
    known = wanted.where(a.acted_on < before, a.logged_at < before.isoformat())
    with reading(engine) as connection:
        found = connection.execute(known.order_by(a.action_id))
        return [(row.account_id, row.play, row.acted_on) for row in found]


def listed(engine: sa.Engine, before: date, days: int) -> list[tuple[str, str, date]]:
    """List account, play and as-of date of the lists of some days before a date.

    Of each as-of date the newest revision counts; a run that is held was never seen by anybody.
    """
    runs = queries.standing(before, before - timedelta(days=days))
    with reading(engine) as connection:
        return [
            (account, play, run.as_of)
            for run in reversed(connection.execute(runs).all())
            for account, play in queries.plays(connection, run.run_id)
        ]


def holdout_logs(engine: sa.Engine, before: date) -> list[tuple[date, dict[str, Any]]]:
    """List the as-of date and the holdout of every published list before a date, oldest first."""
    r, d = tables.runs.c, tables.documents.c
    joined = tables.documents.join(tables.runs, d.run_id == r.run_id)
    wanted = sa.select(r.as_of, r.revision, d.body).select_from(joined)
    kept = wanted.where(d.kind == "holdout", r.as_of < before, r.status != "held")
    with reading(engine) as connection:
        found = connection.execute(kept.order_by(r.as_of, r.revision)).all()
    return list({row.as_of: row.body for row in found}.items())


def cells_on(engine: sa.Engine, day: date) -> dict[str, str]:
    """Give each account's cell by the last list of the month before a day, or of the day."""
    r = tables.runs.c
    window = (r.as_of <= day, r.as_of > day - timedelta(days=31), r.status != "held")
    last = sa.select(r.run_id).where(*window).order_by(r.as_of.desc(), r.revision.desc()).limit(1)
    with reading(engine) as connection:
        run = connection.scalar(last)
        s = rows_of(connection, run).c
        of_run = sa.select(s.account_id, s.cell).where(s.run_id == run)
        found = connection.execute(of_run.order_by(s.account_id))
        return {row.account_id: row.cell for row in found}


def contacts_before(engine: sa.Engine, book: Book, as_of: date) -> Contacts:
    """Gather what was known of past outreach before an as-of date."""
    from features.outreach_log import contacted  # heavy: duckdb, which a server starts without

    done = last_contacts([*contacted(book, as_of), *actions(engine, as_of)])
    logs = holdout_logs(engine, as_of)
    quarter = quarter_name(as_of, book.facts.fiscal_year_starts)
    return Contacts(
        contacted=done,
        listed=_in_a_row(listed(engine, as_of, LISTS_DAYS), done),
        calls=calls(engine, as_of),
        holdout=Holdout.from_json(logs[-1][1]) if logs else None,
        quarter=quarter,
    )


def disagreements(rows: Iterable[dict[str, Any]], held: dict[str, Call]) -> list[dict[str, Any]]:
    """Keep the scored accounts whose CSM calls them something else than the machine does.

    Examples
    --------
    >>> row = {"account_id": "a", "retention_health": "High", "expansion_readiness": "Low"}
    >>> len(disagreements([row], {"a": Call("Medium")})), len(disagreements([row], {}))
    (1, 0)
    """
    return [
        row
        for row in rows
        if (call := held.get(row["account_id"])) is not None
        and call.disagrees(row["retention_health"], row["expansion_readiness"])
    ]


def _in_a_row(
    rows: list[tuple[str, str, date]], done: dict[tuple[str, str], date]
) -> dict[tuple[str, str], int]:
    """Count in how many of the last lists, one after the other, an account stood since a contact."""
    days = sorted({day for _, _, day in rows}, reverse=True)
    stood = {(account, play): set[date]() for account, play, _ in rows}
    for account, play, day in rows:
        stood[account, play].add(day)
    found = {}
    for key, own in stood.items():
        last = done.get(key, date.min)
        run = 0
        while run < len(days) and days[run] in own and days[run] > last:
            run += 1
        if run:
            found[key] = run
    return found
