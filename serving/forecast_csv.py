"""A forecast as a tidy CSV: one row per cut and figure, with its mean, its quantiles and its unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from models.figures import FIGURES, LEVELS
from serving.definition import rules_line
from serving.exports import csv_text
from serving.schemas import Column

__all__ = ["FORECAST_TABLE", "forecast_csv"]

QUANTILES = tuple(f"p{round(100 * level):02d}" for level in LEVELS)

FORECAST_TABLE = (
    Column("as_of", "text", "As-of date of the run: what was known before it."),
    Column("period_end", "text", "Day of the forecast's closing."),
    Column("horizon_months", "integer", "Months from opening to closing."),
    Column("cut", "text", "Column of the cut; empty for the whole book."),
    Column("value", "text", "Value of the cut; empty for the whole book."),
    Column("accounts", "integer", "Accounts that pay at the opening."),
    Column("opening_mrr", "number", "What they pay then, in the book's currency."),
    Column("figure", "text", "Which figure the row is of."),
    Column("unit", "text", "Unit of mean and quantiles: ratio, a currency, or accounts."),
    Column("mean", "number", "Expected value; the means of a cut's values add up to the whole."),
    *(Column(name, "number", f"Quantile at {name[1:]} per cent.") for name in QUANTILES),
    Column("confidence", "text", "normal or thin."),
    Column("interval_note", "text", "What the width rests on."),
    Column("rules", "text", "The revenue rules."),
)


def forecast_csv(body: Mapping[str, Any], currency: str) -> bytes:
    """Write a forecast as RFC 4180 CSV in UTF-8, numbers exact, texts safe in a spreadsheet.

    Parameters
    ----------
    body : mapping
        CONTRACT section 4.
    currency : str
        The book's currency, the unit of money.
    """
    rows = [row for part in (body, *body.get("by_cut", ())) for row in _rows(body, part, currency)]
    columns = {column.name: [row[column.name] for row in rows] for column in FORECAST_TABLE}
    return csv_text(columns, FORECAST_TABLE)


def _rows(
    body: Mapping[str, Any], part: Mapping[str, Any], currency: str
) -> Iterator[dict[str, Any]]:
    """Give the rows of the whole book, or of one value of a cut."""
    cut = part.get("cut", {})
    head = {
        "as_of": body["as_of"],
        "period_end": body["period_end"],
        "horizon_months": body["horizon_months"],
        "cut": ", ".join(cut),
        "value": ", ".join(map(str, cut.values())),
        "accounts": part["cohort_accounts"],
        "opening_mrr": part["opening_mrr"],
        "confidence": part.get("confidence", body["confidence"]),
        "interval_note": body["interval_note"],
        "rules": rules_line(body["definition"]),
    }
    for figure in FIGURES:
        told = part[figure] or {}
        quantiles = {name: told.get(name) for name in ("mean", *QUANTILES)}
        yield head | {"figure": figure, "unit": _unit(figure, currency)} | quantiles


def _unit(figure: str, currency: str) -> str:
    """Name the unit of a figure.

    Examples
    --------
    >>> [_unit(figure, "EUR") for figure in ("nrr", "closing_mrr", "logos_lost")]
    ['ratio', 'EUR', 'accounts']
    """
    if figure.endswith("_mrr"):
        return currency
    return "accounts" if figure == "logos_lost" else "ratio"
