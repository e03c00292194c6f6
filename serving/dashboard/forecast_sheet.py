"""The forecast page as a table: every figure that it shows, one row each, as published and assumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from models.outcomes import HORIZONS
from serving.dashboard.forecast_asked import Asked
from serving.dashboard.forecast_view import Answer
from serving.dashboard.forecast_words import MEANINGS
from serving.definition import rules_line
from serving.exports import csv_text
from serving.forecast_csv import FORECAST_TABLE, QUANTILES
from serving.schemas import Column
from serving.store import Run, Store

__all__ = ["SHEET", "forecast_sheet"]

SHEET = (
    Column("forecast", "text", "published; scenario: under the address's assumptions; difference."),
    *FORECAST_TABLE,
)


def forecast_sheet(store: Store, asked: Asked, run: Run, answer: Answer, currency: str) -> bytes:
    """Write the horizons, the parts of the one asked for, its months, and the assumptions' answer.

    Parameters
    ----------
    store : Store
    asked : Asked
        Whose horizon is shown.
    run : Run
    answer : Answer
        The forecast in the cut asked for, and what the assumptions do.
    currency : str
        The unit of money.
    """
    bodies = {h: store.forecast(h, run=run.run_id) for h in HORIZONS}
    rows = [row for body in bodies.values() if body for row in _figures("published", body, body)]
    mine = answer.parts
    if mine is not None:
        rows += [
            row for part in mine.get("by_cut") or () for row in _figures("published", mine, part)
        ]
        rows += _months("published", mine)
    if answer.told is not None and asked.is_assuming:
        rows += _assumed(answer.told)
    columns = {
        column.name: [row.get(column.name) for row in (_in(currency, row) for row in rows)]
        for column in SHEET
    }
    return csv_text(columns, SHEET)


def _assumed(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the rows of the forecast under the assumptions, and of the difference that they make."""
    after = told["scenario"]
    head = {name: after[name] for name in ("opening_mrr", "cohort_accounts")}
    for name, body in (("scenario", after), ("difference", head | told["difference"])):
        yield from _figures(name, after, body)
        for part, whose in zip(body.get("by_cut") or (), after.get("by_cut") or (), strict=False):
            yield from _figures(name, after, _of(part, whose))


def _of(part: Mapping[str, Any], whose: Mapping[str, Any]) -> dict[str, Any]:
    """Give a part's figures, or the differences of them, under the head of the part."""
    return {**whose, **{figure: part[figure] for figure in MEANINGS}}


def _in(currency: str, row: dict[str, Any]) -> dict[str, Any]:
    figure = str(row["figure"])
    unit = currency if figure.endswith("_mrr") else "ratio"
    return row | {"unit": "accounts" if figure == "logos_lost" else unit}


def _figures(
    name: str, body: Mapping[str, Any], part: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Give a row of each figure of the whole book, or of one part of it."""
    cut = part.get("cut", {})
    head = _head(name, body) | {
        "period_end": body["period_end"],
        "cut": ", ".join(cut),
        "value": ", ".join(map(str, cut.values())),
        "accounts": part.get("cohort_accounts"),
        "opening_mrr": part["opening_mrr"],
        "confidence": part.get("confidence", body["confidence"]),
    }
    for figure in MEANINGS:
        told = part.get(figure) or {}
        yield head | {"figure": figure} | {q: told.get(q) for q in ("mean", *QUANTILES)}


def _months(name: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give NRR and GRR by month."""
    for month in body.get("monthly_path") or ():
        for figure in ("nrr", "grr"):
            told = month[figure] or {}
            yield (
                _head(name, body)
                | {"period_end": month["period_end"], "horizon_months": month["month"]}
                | {"cut": "", "value": "", "accounts": body["cohort_accounts"]}
                | {"opening_mrr": body["opening_mrr"], "confidence": body["confidence"]}
                | {"figure": f"{figure} by month"}
                | {q: told.get(q) for q in ("mean", *QUANTILES)}
            )


def _head(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "forecast": name,
        "as_of": body["as_of"],
        "horizon_months": body["horizon_months"],
        "interval_note": body["interval_note"],
        "rules": rules_line(body["definition"]),
    }
