"""The board's figures: one object, of which the page and the JSON are made.

Nothing is worked out anew: what is shown is what `perennial metrics` and `perennial forecast` say.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from features.book import Book
from features.closing import as_closed_block
from features.statement import statement
from features.windows import Window
from models.outcomes import HORIZONS
from serving.digest.lines import plain
from serving.queries import Run
from serving.reports.quarters import by_segment, quarters
from serving.settings import Settings
from serving.settled import against_actual
from serving.store import Store

__all__ = ["board"]

Body = Mapping[str, Any]

CUT = "segment"
COHORTS = 12


def board(
    settings: Settings, book: Book, store: Store | None = None, run: Run | None = None
) -> dict[str, Any]:
    """Gather what a board asks of retention.

    Parameters
    ----------
    settings : Settings
        The workspace: revenue rules, closed periods, the target.
    book : Book
        The latest snapshot.
    store, run : Store and Run, optional
        The published run; without one there is no forecast, and the page says so.

    Returns
    -------
    dict
        ``as_of``, ``currency``, ``snapshot``, ``definition``; ``window`` (trailing 12 months,
        whole book) and ``segments``, as `metrics --by segment` gives them; ``quarters`` and
        ``segment_quarters`` (`serving.reports.quarters`); ``warnings``, ``cohorts``,
        ``worst_cohort``, ``closed`` (null where no month was closed); ``run``, ``forecasts`` (by
        horizon, as published), ``concentration``, ``target`` and ``against_actual`` (null where
        nothing was published).
    """
    told = statement(book, settings.rules, "ttm", [CUT], None, settings.benchmarks)
    whole, *segments = told["windows"]
    starts = book.facts.fiscal_year_starts
    every = [*told["windows"], *told.get("series", ())]
    return {
        "as_of": told["as_of"],
        "currency": told["currency"],
        "snapshot": book.snapshot_id,
        "definition": told["definition"],
        "fiscal_year_starts": starts,
        "window": whole,
        "segments": segments,
        "quarters": quarters([one for one in every if not one["cut"]], starts),
        "segment_quarters": by_segment(every, starts),
        "warnings": told["warnings"],
        "worst_cohort": _worst(told["warnings"]),
        "cohorts": _cohorts(told.get("cohorts") or {}, _worst(told["warnings"])),
        "closed": _closed(settings, book, whole),
        **_ahead(settings, book, store, run),
    }


def _worst(warnings: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((one for one in warnings if one["code"] == "worst_cohort"), None)


def _cohorts(block: Body, worst: Body | None) -> dict[str, Any] | None:
    """Keep the latest quarters of acquisition, and the weakest one."""
    found = block.get("cohorts") or []
    if not found:
        return None
    weakest = [one for one in found[:-COHORTS] if worst and one["cohort"] == worst["cohort"]]
    shown = [*weakest, *found[-COHORTS:]]
    return {"definition": block["definition"], "cohorts": shown, "of": len(found)}


def _closed(settings: Settings, book: Book, whole: Body) -> dict[str, Any] | None:
    span = Window(date.fromisoformat(whole["from"]), date.fromisoformat(whole["to"]))
    return as_closed_block(book, settings.rules, settings.home, span)


def _ahead(settings: Settings, book: Book, store: Store | None, run: Run | None) -> dict[str, Any]:
    """Tell what is to come, and how what was told before has come true."""
    wanted = settings.choices.forecast.nrr_target
    if store is None or run is None:
        none = dict.fromkeys(("run", "forecasts", "concentration", "against_actual"))
        return none | {"target": _target(wanted, {})}
    bodies = {str(h): store.forecast(h, run=run.run_id) for h in HORIZONS}
    known = {key: body for key, body in bodies.items() if body is not None}
    return {
        "run": {
            "run_id": run.run_id,
            "as_of": run.as_of.isoformat(),
            "model_version": run.model_version,
            "snapshot": run.snapshot_id,
        },
        "forecasts": known,
        "concentration": _concentration(store, run, known),
        "target": _target(wanted, known),
        "against_actual": against_actual(settings, book, store),
    }


def _target(wanted: float | None, forecasts: Body) -> dict[str, Any]:
    """Give the chance to reach the target, as the run knew it.

    ``ends``: trailing-12-month NRR at the end of this month, quarter and fiscal year; ``year``:
    NRR over the twelve months ahead. Null chances where the run knew no target.
    """
    body: Body = next(iter(forecasts.values()), {})
    ends = {
        name: {key: one.get(key) for key in ("date", "months_forecast", "nrr", "p_target")}
        for name, one in (body.get("ttm_at") or {}).items()
        if one.get("nrr") is not None
    }
    year: Body = forecasts.get("12") or {}
    ahead = {key: year.get(key) for key in ("period_end", "nrr", "p_target")}
    return {
        "nrr_target": wanted,
        "of_run": body.get("nrr_target"),
        "scored": bool(forecasts),
        "ends": ends,
        "year": ahead if year.get("nrr") is not None else None,
    }


def _concentration(store: Store, run: Run, forecasts: Body) -> dict[str, Any] | None:
    """Name the largest accounts, each with what it pays."""
    body: Body = forecasts.get("3") or next(iter(forecasts.values()), {})
    found = body.get("concentration") or {}
    if found.get("largest_share") is None:
        return None
    rows = [store.account(each, run=run.run_id) for each in found["largest_accounts"]]
    named = [
        {
            "account_id": row["account_id"],
            "name": plain(row["name"] or row["account_id"]),
            "mrr": row["mrr"],
            "share": row["mrr"] / body["opening_mrr"],
        }
        for row in rows
        if row is not None
    ]
    return dict(found) | {"accounts": named, "opening_mrr": body["opening_mrr"]}
