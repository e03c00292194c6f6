"""The Expansion page: the eight figures of the expansion dashboard, and the best opportunities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from serving.api.access import Caller, needs
from serving.api.state import State
from serving.dashboard.expansion_drawn import series_option
from serving.dashboard.figures import day, money, percent
from serving.dashboard.pages import shown
from serving.database import reading
from serving.digest.lines import plain
from serving.digest.pulse import Pulse, pulse
from serving.digest.reading import COLUMNS, Week
from serving.facts_expansion import FIGURES
from serving.queries import Run
from serving.run_rows import rows_of
from serving.store import Store

__all__ = ["Figure", "best_of", "figure_shown", "router"]

router = APIRouter()

_LONG = ("moved_because", "reasons_expansion", "triggers")
_SHORT = tuple(name for name in COLUMNS if name not in _LONG)
_PIPELINE = "give the book a table of opportunities (docs/tables.md), then score again"
NEXT = {
    "pipeline": _PIPELINE,
    "conversion_90d": _PIPELINE,
    "nrr_ttm": "a year of history: 13 month-ends in the book",
    "grr_ttm": "a year of history: 13 month-ends in the book",
    "time_to_first_expansion": "wait until half of the accounts have expanded; the quartiles come sooner",
}
MORE_HISTORY = "wait for a closed month, then score again"
_TARGETS = {"plg": "product-led", "enterprise": "enterprise"}


@dataclass(frozen=True)
class Figure:
    """One of the eight as shown.

    Attributes
    ----------
    body : mapping
        As the run published it.
    value : str
        Its value in words; a dash where it is null.
    period : str
        What it is of.
    targets : list of (str, bool or None)
        Each target in words, and whether it is met; empty where the design names none.
    option : dict or None
        Its chart.
    weeks : list of dict
        Its weeks, the latest first; empty where it is not told by week.
    next_step : str or None
        Where the value is null: what would give one.
    """

    body: Mapping[str, Any]
    value: str
    period: str
    targets: list[tuple[str, bool | None]]
    option: dict[str, Any] | None
    weeks: list[dict[str, Any]]
    next_step: str | None


@router.get("/expansion", dependencies=[needs("read")])
def expansion(request: Request, state: State, who: Caller) -> HTMLResponse:
    """Show the eight figures, or the next step when nothing was published yet."""
    run = state.store.current()
    if run is None:
        return shown(request, "empty.html")
    whole = who.csm is None
    told = (state.store.document(run.run_id, "expansion") or {}) if whole else {}
    return shown(
        request,
        "expansion.html",
        run=run,
        whole=whole,
        csm=who.csm,
        currency=told.get("currency") or _currency(state.store, run),
        figures=[figure_shown(one) for one in told.get("figures", ())],
        count=len(FIGURES),
        pulse=best_of(state.store, run, who.csm),
    )


def _currency(store: Store, run: Run) -> str:
    """Give the currency of a run's amounts; empty for a run without accounts."""
    first = store.scores(run=run.run_id, limit=1).rows
    return str(first[0]["currency"]) if first else ""


def figure_shown(body: Mapping[str, Any]) -> Figure:
    """Put a figure into words.

    Examples
    --------
    >>> shown = figure_shown({"figure": "nrr_ttm", "value": 1.158, "unit": "share of opening MRR",
    ...     "period": {"from": "2024-12-31", "to": "2025-12-31"}, "target": 1.1, "series": None,
    ...     "beside": {}})
    >>> shown.value, shown.period, shown.targets
    ('115.8\\xa0%', '31 Dec 2024 to 31 Dec 2025', [('110.0\\xa0%', True)])
    """
    weekly = (body["beside"].get("weekly") or {}).get("weeks")
    null = body["value"] is None
    return Figure(
        body,
        _valued(body["value"], body["unit"]),
        _span(body["period"]),
        _targets(body),
        series_option(body) if body["series"] else None,
        weekly or [],
        NEXT.get(body["figure"], MORE_HISTORY) if null else None,
    )


def _valued(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit.startswith("share"):
        return percent(value)
    return f"{value:,.0f}" if unit in ("days", "accounts") else money(value)


def _span(period: Mapping[str, Any]) -> str:
    start, end = period.get("from"), period.get("to")
    if start is None:
        return f"as of {day(end)}" if end else "–"
    return f"{day(start)} to {day(end)}"


def _targets(body: Mapping[str, Any]) -> list[tuple[str, bool | None]]:
    target, value = body["target"], body["value"]
    if target is None:
        return []
    if isinstance(target, Sequence):
        return [
            (f"under {one['days']} days for {_TARGETS.get(one['for'], one['for'])}", one["met"])
            for one in target
        ]
    return [(_valued(target, body["unit"]), None if value is None else value >= target)]


def best_of(store: Store, run: Run, csm: str | None) -> Pulse:
    """Rank the accounts by expected expansion MRR, as the week's digest does.

    What is long to read is read of those accounts alone that are shown.
    """
    rows = _rows(store, run, csm, _SHORT)
    forecasts = _forecasts(store, run, rows) if csm is None else {}
    first = pulse(Week(run, None, rows, {}, [], [], forecasts, csm=csm))
    said = {one.account_id for one in (*first.best.lines, *first.held.lines)}
    shown = [name for name in rows if plain(name) in said]
    rows |= _rows(store, run, csm, COLUMNS, shown)
    return pulse(Week(run, None, rows, {}, [], [], forecasts, csm=csm))


def _rows(
    store: Store,
    run: Run,
    csm: str | None,
    columns: Sequence[str],
    only: Sequence[str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Read the accounts of a run with an expected expansion; ``only`` some, where they are named."""
    with reading(store.engine) as connection:
        of_run = rows_of(connection, run.run_id)
        s = of_run.c
        wanted = [s.run_id == run.run_id, s.expected_expansion_mrr > 0]
        wanted += [s.csm == csm] if csm is not None else []
        wanted += [s.account_id.in_(only)] if only is not None else []
        chosen = sa.select(*(s[name] for name in columns)).where(*wanted)
        found = connection.execute(chosen.order_by(s.account_id)).all()
        rows = [dict(zip(columns, row, strict=True)) for row in found]
        told = of_run.filled(connection, rows)
    empty = dict.fromkeys(COLUMNS)
    return {row["account_id"]: empty | row for row in told}


def _forecasts(
    store: Store, run: Run, rows: Mapping[str, Mapping[str, Any]]
) -> dict[int, Mapping[str, Any]]:
    """Give the forecast of the horizon that the accounts' chances speak of."""
    horizon = next((int(row["horizon_months"]) for row in rows.values()), 3)
    body = store.forecast(horizon, run=run.run_id)
    return {} if body is None else {horizon: body}
