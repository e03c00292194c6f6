"""Backfill: past weeks scored with what was known then, oldest first; and which weeks are missing.

A week that has a run is left alone, so a backfill that was stopped goes on where it stood. It
alerts nobody, and the newest date stays current.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from features.faults import DataRejected, UsageFault
from models.memory import iso_week
from serving.queries import Run
from serving.store import Store

__all__ = [
    "EVERY",
    "Week",
    "backfilled",
    "missed_since",
    "missed_weeks",
    "planned",
    "summary",
    "weeks_asked",
]

WEEK = timedelta(days=7)
EVERY = 1_000_000
"""More runs than a store will hold."""
SHOWN = 6


@dataclass(frozen=True)
class Week:
    """One week of a backfill.

    Attributes
    ----------
    as_of : date
    state : str
        ``to do``; ``published`` now, or ``published already``; ``held`` by a gate; ``nobody
        pays``; ``beyond the book``.
    run_id : str or None
    """

    as_of: date
    state: str
    run_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the week as JSON."""
        return {"as_of": self.as_of.isoformat(), "state": self.state, "run_id": self.run_id}


def weeks_asked(asked: str) -> list[date]:
    """Read ``FROM:TO``: every seventh day from the first to the last, both included.

    Raises
    ------
    UsageFault
        ``backfill.range`` for anything else (exit code 2).

    Examples
    --------
    >>> [str(day) for day in weeks_asked("2025-01-06:2025-01-20")]
    ['2025-01-06', '2025-01-13', '2025-01-20']
    """
    first, _, last = asked.partition(":")
    try:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise UsageFault("backfill.range", asked, "say --backfill 2025-01-06:2025-03-31") from None
    if end < start:
        raise UsageFault("backfill.range", f"{asked}: ends before it starts", "turn them round")
    return [start + n * WEEK for n in range((end - start).days // 7 + 1)]


def planned(store: Store, days: Iterable[date], until: date) -> list[Week]:
    """Say of each as-of date whether its week is to be scored, oldest first.

    Parameters
    ----------
    store : Store
    days : iterable of date
        As-of dates; each counts once.
    until : date
        As-of date of the book: later ones have no data.
    """
    runs = sorted(store.runs(EVERY, held=True), key=lambda run: (run.as_of, run.revision))
    of_week: dict[str, Run] = {}
    for run in runs:
        if not run.held or iso_week(run.as_of) not in of_week:
            of_week[iso_week(run.as_of)] = run
    return [_week(day, of_week.get(iso_week(day)), until) for day in sorted(set(days))]


def _week(day: date, run: Run | None, until: date) -> Week:
    if run is not None:
        return Week(day, "held" if run.held else "published already", run.run_id)
    return Week(day, "beyond the book" if day > until else "to do")


def backfilled(
    weeks: Sequence[Week], scored: Callable[[date], Any], tell: Callable[[str], None]
) -> list[Week]:
    """Score the weeks that are to do, oldest first, one after the other.

    Parameters
    ----------
    weeks : sequence of Week
        What `planned` gave.
    scored : callable
        Scores one as-of date and publishes it: a ``serving.batch.Batch``.
    tell : callable
        Called with one line before each.

    Examples
    --------
    >>> week = Week(date(2025, 1, 6), "published already", "2025-01-06-r1-aaaa")
    >>> backfilled([week], lambda day: None, print) == [week]
    True
    """
    done = []
    for at, week in enumerate(weeks, 1):
        if week.state == "to do":
            tell(f"backfill {at} of {len(weeks)}: {week.as_of}")
            week = _scored(week, scored)
        done.append(week)
    return done


def _scored(week: Week, scored: Callable[[date], Any]) -> Week:
    try:
        published = scored(week.as_of).published
    except DataRejected as refused:
        if refused.code != "score.no_accounts":
            raise
        return replace(week, state="nobody pays")
    state = "held" if published.held else "published"
    return replace(week, state=state, run_id=published.run_id)


def missed_weeks(days: Iterable[date], since: date | None = None) -> list[date]:
    """Give the Mondays of the ISO weeks between the first and the last day that have none.

    Examples
    --------
    >>> days = [date(2025, 1, 1), date(2025, 1, 8), date(2025, 1, 29)]
    >>> [str(monday) for monday in missed_weeks(days)]
    ['2025-01-13', '2025-01-20']
    >>> missed_weeks(days, since=date(2025, 1, 29))
    []
    """
    mondays = sorted({day - timedelta(days=day.weekday()) for day in days})
    if not mondays:
        return []
    first = mondays[0] if since is None else max(mondays[0], since - timedelta(since.weekday()))
    whole = range((mondays[-1] - first).days // 7)
    return [day for day in (first + n * WEEK for n in whole) if day not in set(mondays)]


def missed_since(store: Store, as_of: date) -> list[str]:
    """Say which weeks between the run before and an as-of date were not scored, if any."""
    earlier = [run.as_of for run in store.runs(EVERY) if run.as_of < as_of]
    if not earlier:
        return []
    missed = missed_weeks([max(earlier), as_of])
    if not missed:
        return []
    named = ", ".join(map(iso_week, missed[:SHOWN])) + (" …" if len(missed) > SHOWN else "")
    weekday = timedelta(days=as_of.weekday())
    asked = f"{missed[0] + weekday}:{missed[-1] + weekday}"
    many = f"{len(missed)} weeks were" if len(missed) > 1 else "1 week was"
    return [f"{many} not scored ({named}): `perennial score --backfill {asked}`"]


def summary(weeks: Sequence[Week]) -> Mapping[str, int]:
    """Count the weeks of each state."""
    return {
        state: sum(w.state == state for w in weeks) for state in sorted({w.state for w in weeks})
    }
