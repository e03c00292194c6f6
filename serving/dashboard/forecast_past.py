"""Past forecasts beside what happened: the settled ones, and the forecast told again at past dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from serving.dashboard.figures import Range, ranges
from serving.dashboard.forecast_asked import published
from serving.dashboard.forecast_view import SPANS, currency_of
from serving.dashboard.forecast_words import found, said, span
from serving.definition import rules_line
from serving.exports import csv_text
from serving.schemas import Column
from serving.store import Run, Store

__all__ = ["PARTS", "Past", "Row", "past_sheet", "past_view"]

PARTS = (
    ("churn", "Churn", "More churned than forecast, over the opening."),
    ("contraction", "Contraction", "More contraction than forecast."),
    ("expansion", "Expansion", "Less expansion than forecast."),
    ("timing", "Timing", "Decisions that were due in the period and came in the 31 days after it."),
    ("definition", "Definition", "Other revenue rules, or another past, are known today."),
)
"""The five parts of an error, which add up to it; plus means that the forecast was too high."""

SETTLED = (
    Column("as_of", "text", "As-of date of the forecast."),
    Column("period_end", "text", "Day of its closing."),
    Column("horizon_months", "integer", "Months from opening to closing."),
    Column("nrr_mean", "number", "NRR as forecast, a ratio."),
    Column("nrr_p10", "number", "Lower end of its 80 % interval."),
    Column("nrr_p90", "number", "Upper end of its 80 % interval."),
    Column("actual_nrr", "number", "NRR as it came, a ratio."),
    Column("inside_80", "text", "Whether the interval held it, under the forecast's own rules."),
    Column("error_points", "number", "Forecast less actual, in points of NRR."),
    *(Column(f"{name}_points", "number", f"{label}: {told}") for name, label, told in PARTS),
    Column("in_hindsight", "text", "Published after its period had ended."),
    Column("run_id", "text", "The run that told it."),
)


class Past(BaseModel):
    """Which horizon."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    horizon: Annotated[int, AfterValidator(published)] = 3


@dataclass(frozen=True)
class Row:
    """One past forecast as shown: what it said, what came, and both on one scale."""

    body: Mapping[str, Any]
    nrr: Range | None
    actual: float | None


def past_view(
    store: Store, run: Run, horizon: int, told: Mapping[str, Any] | None, refusal: str | None
) -> dict[str, Any]:
    """Gather what the template asks for.

    Parameters
    ----------
    store : Store
    run : Run
    horizon : int
    told : mapping or None
        The answer of ``GET /v1/forecast/actual``.
    refusal : str or None
        Why there is none.
    """
    body = store.forecast(horizon, run=run.run_id)
    settled = found(told, f"horizons.{horizon}")
    backtest = found(body, "backtest")
    periods = found(backtest, "periods") or []
    return {
        "run": run,
        "horizon": horizon,
        "spans": SPANS,
        "currency": currency_of(store, run),
        "settled": settled,
        "rows": drawn(found(settled, "forecasts") or []),
        "parts": PARTS,
        "refusal": refusal,
        "told": told,
        "lag": found(told, "reporting_lag_days"),
        "told_rules": rules_line(told["definition"]) if told else "",
        "body": body,
        "backtest": backtest if isinstance(backtest, Mapping) else None,
        "again": drawn(periods),
        "rivals": rivals_of(body),
        "said": said,
        "span": span,
        "found": found,
    }


def drawn(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Put every interval, and what came, on one scale.

    Examples
    --------
    >>> one = {"nrr": {"mean": 1.0, "p10": 0.9, "p90": 1.1}, "actual_nrr": 1.0}
    >>> [(row.nrr.mean, row.actual) for row in drawn([one])]
    [(50.0, 50.0)]
    """
    came = [row["actual_nrr"] for row in rows]
    points = [None if a is None else {"mean": a, "p10": a, "p90": a} for a in came]
    scaled = ranges([*(row["nrr"] for row in rows), *points])
    mine, theirs = scaled[: len(rows)], scaled[len(rows) :]
    return [
        Row(row, one, other.mean if other else None)
        for row, one, other in zip(rows, mine, theirs, strict=True)
    ]


def rivals_of(body: Mapping[str, Any] | None) -> list[tuple[str, float, float | None, float]]:
    """List the forecast and the simpler rules: name, past error in points, NRR now, bar; best first.

    Examples
    --------
    >>> error = {"forecast": 0.8, "no change": 1.6}
    >>> body = {"nrr": {"mean": 1.01}, "baselines": {"no change": 1.0}}
    >>> rivals_of(body | {"backtest": {"mean_absolute_error_points": error}})
    [('forecast', 0.8, 1.01, 50.0), ('no change', 1.6, 1.0, 100.0)]
    """
    errors = found(body, "backtest.mean_absolute_error_points") or {}
    known = {name: value for name, value in errors.items() if value is not None}
    now = dict(found(body, "baselines") or {}) | {"forecast": found(body, "nrr.mean")}
    worst = max(known.values(), default=0.0) or 1.0
    rows = [(name, e, now.get(name), round(e / worst * 100, 2)) for name, e in known.items()]
    return sorted(rows, key=lambda row: (row[1], row[0]))


def past_sheet(told: Mapping[str, Any] | None, horizon: int) -> bytes:
    """Write the settled forecasts of a horizon as CSV, the earliest first."""
    rows = [_flat(row) for row in found(told, f"horizons.{horizon}.forecasts") or []]
    return csv_text({c.name: [row[c.name] for row in rows] for c in SETTLED}, SETTLED)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat = {column.name: row.get(column.name) for column in SETTLED}
    flat |= {f"nrr_{name}": row["nrr"][name] for name in ("mean", "p10", "p90")}
    flat |= {f"{name}_points": row["split_points"][name] for name, _, _ in PARTS}
    return flat | {name: str(row[name]).lower() for name in ("inside_80", "in_hindsight")}
