"""Forecast against actual: every kept forecast whose period has closed, beside what happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby
from threading import Lock
from typing import Any

from features.asof import lead_day, opening_day
from features.book import Book, latest_snapshot, open_book
from features.closed_store import closed_months
from features.configuration import read_section
from features.faults import ConfigurationRefused
from features.rules import Rules
from features.windows import Window
from models.outcomes import HORIZONS
from models.settled import settled, summary
from serving.actuals import LAG_DAYS, Actuals
from serving.queries import Run
from serving.settings import Settings
from serving.store import Store

__all__ = ["SettledAtHand", "against_actual", "chosen_runs"]

_ALL = 1_000_000


def against_actual(settings: Settings, book: Book, store: Store) -> dict[str, Any]:
    """Lay the kept forecasts beside what happened, for every horizon.

    Parameters
    ----------
    settings : Settings
        The workspace: today's revenue rules, and where closed periods are.
    book : Book
        The snapshot that is known now; a period is closed once 31 days after its end have passed
        before its as-of date.
    store : Store
        The published runs.

    Returns
    -------
    dict
        ``as_of``, ``currency``, ``definition`` (today's, by account), ``reporting_lag_days`` and
        ``horizons``: by horizon in months ``summary`` (`models.settled.summary`), ``forecasts``
        (of each as-of date one, the earliest first: `models.settled.settled` and what it is
        of), ``untold`` (closed, but the ledger cannot tell, with the reason) and ``open`` (how
        many wait for their period to close, and the first day on which one can be told).
    """
    today = settings.rules.by_account()
    actuals = Actuals(book, settings.home, today)
    chosen = chosen_runs(store.runs(_ALL))
    return {
        "as_of": book.facts.as_of.isoformat(),
        "currency": book.facts.currency,
        "definition": today.stamp(),
        "reporting_lag_days": LAG_DAYS,
        "horizons": {str(h): _horizon(store, actuals, chosen, h) for h in HORIZONS},
    }


class SettledAtHand:
    """Forecast against actual for a serving process, read again only where something changed.

    What it says depends on the latest snapshot, the published runs and the closed periods.

    Parameters
    ----------
    settings : Settings
        The workspace.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: Store | None = None
        self._known: tuple[Any, ...] = ()
        self._told: dict[str, Any] = {}
        self._working = Lock()

    def __call__(self) -> dict[str, Any]:
        """Give what `against_actual` gives now."""
        home = self._settings.home
        with self._working:
            self._store = self._store or Store.open(home, self._settings.store)
            store, snapshot = self._store, latest_snapshot(home)
            known = (snapshot, tuple(run.run_id for run in store.runs(_ALL)), *closed_months(home))
            if known != self._known:
                book = open_book(home, snapshot)
                self._told, self._known = against_actual(self._settings, book, store), known
            return self._told


def chosen_runs(runs: Sequence[Run]) -> list[tuple[Run, list[str]]]:
    """Choose one run per as-of date, and name the others: they are kept too.

    It is the last revision that was published by the day on which its period began; where none
    was, the first one: of all it knew the least of what was to come.

    Examples
    --------
    >>> def run(name, revision, published):
    ...     return Run(name, date(2025, 7, 1), revision, "", "", "", "", "", 1, published)
    >>> two = [run("a", 1, "2025-07-01T06:00"), run("b", 2, "2025-07-09T06:00")]
    >>> [(found.run_id, others) for found, others in chosen_runs(two)]
    [('a', ['b'])]
    """
    found = []
    for as_of, group in groupby(sorted(runs, key=lambda r: (r.as_of, r.revision)), _as_of):
        revisions = list(group)
        in_time = [run for run in revisions if run.published_at[:10] <= as_of.isoformat()]
        best = in_time[-1] if in_time else revisions[0]
        found.append((best, [run.run_id for run in revisions if run is not best]))
    return found


def _as_of(run: Run) -> date:
    return run.as_of


def _horizon(
    store: Store, actuals: Actuals, chosen: Sequence[tuple[Run, list[str]]], horizon: int
) -> dict[str, Any]:
    """Settle the forecasts of a horizon."""
    rows: list[dict[str, Any]] = []
    untold: list[dict[str, Any]] = []
    waiting: list[date] = []
    for run, others in chosen:
        told = store.forecast(horizon, run=run.run_id)
        if told is None or told["nrr"] is None:
            continue
        window = Window(opening_day(run.as_of), lead_day(run.as_of, horizon))
        if not _closed(window.closing, actuals):
            waiting.append(_told_from(window.closing))
            continue
        row = _row(store, actuals, run, told, window)
        (untold if "reason" in row else rows).append(row | {"other_runs": others})
    first = min(waiting).isoformat() if waiting else None
    return {
        "summary": summary(rows, horizon),
        "forecasts": rows,
        "untold": untold,
        "open": {"forecasts": len(waiting), "first_told_on": first},
    }


def _row(
    store: Store, actuals: Actuals, run: Run, told: dict[str, Any], window: Window
) -> dict[str, Any]:
    """Settle one forecast, or say why not."""
    head = {
        "run_id": run.run_id,
        "as_of": run.as_of.isoformat(),
        "horizon_months": told["horizon_months"],
        "period_end": window.closing.isoformat(),
        "published_at": run.published_at,
        "in_hindsight": run.published_at[:10] > window.closing.isoformat(),
    }
    try:
        rules = _rules(told["definition"])
    except ConfigurationRefused as refused:
        return head | {"reason": f"its revenue rules cannot be read any more: {refused.message}"}
    actual, reason = actuals.of(window, dict(store.cohort(run.run_id)), rules)
    if actual is None:
        return head | {"reason": reason}
    then, now = rules.stamp(), actuals.rules.stamp()
    changed = [key for key in then if key != "preset" and then[key] != now[key]]
    return (
        head
        | settled(told, actual)
        | {"as_closed_nrr": actuals.closed_nrr(window), "definition_changed": changed}
    )


def _rules(definition: dict[str, Any]) -> Rules:
    """Read the revenue choices that a forecast was stamped with."""
    keys = {key: value for key, value in definition.items() if key in Rules.model_fields}
    return read_section(Rules, keys, "the forecast's definition").by_account()


def _told_from(closing: date) -> date:
    """Give the first as-of date at which a period counts as closed."""
    return closing + timedelta(days=LAG_DAYS + 1)


def _closed(closing: date, actuals: Actuals) -> bool:
    return _told_from(closing) <= actuals.book.facts.as_of and closing <= actuals.last()
