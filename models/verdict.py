"""The verdict on a book at an as-of date: scores, cells, reasons, the list, the forecast.

Batch and API come through here alike. Money facts and signals come in as a snapshot; nothing is
read, nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from features.catalog import CATALOG
from features.maturity import MaturitySettings, stage
from features.snapshot import data_coverage
from features.triggers import TRIGGERS, TriggerSettings, fire
from models.carried import Carried
from models.flows import cohort_at, means
from models.forecast import ForecastSettings, forecast, shared_scale
from models.guards import guards
from models.matrix import MatrixSettings, place, summary
from models.outcomes import HORIZONS, LEADS, Outlook
from models.outreach import OutreachSettings, rank
from models.scoring import Scored, score_accounts

__all__ = ["LEVERS", "Choices", "Verdict", "forecasts", "judge_accounts", "verdict"]

LEVERS: Mapping[str, str] = {each.name: each.lever for each in TRIGGERS if each.lever}
"""The lever that an expansion trigger points at."""


@dataclass(frozen=True)
class Choices:
    """The settings that a verdict reads.

    Attributes
    ----------
    matrix : MatrixSettings
    outreach : OutreachSettings
    forecast : ForecastSettings
    triggers : TriggerSettings
    maturity : MaturitySettings
    definition : mapping
        The revenue choices, stamped on every forecast.
    cuts : tuple of str
        Account columns that the forecast is cut by.
    """

    matrix: MatrixSettings = field(default_factory=MatrixSettings)
    outreach: OutreachSettings = field(default_factory=OutreachSettings)
    forecast: ForecastSettings = field(default_factory=ForecastSettings)
    triggers: TriggerSettings = field(default_factory=TriggerSettings)
    maturity: MaturitySettings = field(default_factory=MaturitySettings)
    definition: Mapping[str, Any] = field(default_factory=dict)
    cuts: tuple[str, ...] = ("segment",)


@dataclass(frozen=True)
class Verdict:
    """What is published.

    Attributes
    ----------
    scores : DataFrame
        CONTRACT section 3, and ``memory`` (what the next run needs of this one).
    outreach : DataFrame
    matrix : dict
    forecast : dict of str to dict
        CONTRACT section 4, by horizon in months.
    """

    scores: pd.DataFrame
    outreach: pd.DataFrame
    matrix: dict[str, Any]
    forecast: dict[str, dict[str, Any]]


def verdict(
    frame: pd.DataFrame,
    carried: Carried,
    previous: pd.DataFrame | None,
    as_of: date,
    choices: Choices,
    last_year: Mapping[str, float | None] | None = None,
) -> Verdict:
    """Judge a whole book.

    Parameters
    ----------
    frame : DataFrame
        ``features.snapshot.snapshot`` of every paying account.
    carried : Carried
        The model that serves.
    previous : DataFrame or None
        ``account_id, memory`` of the run published before.
    as_of : date
    choices : Choices
    last_year : mapping of horizon to float, optional
        NRR of the same months a year before, shown beside the forecast.
    """
    scored, table = judge_accounts(frame, carried, previous, as_of, choices)
    listed = rank(table, choices.outreach, as_of=as_of)
    told = forecasts(scored.outlook, carried, as_of, choices)
    _beside(told, _calendar_nrr(frame, carried), last_year or {})
    return Verdict(table, listed, summary(table), told)


def judge_accounts(
    frame: pd.DataFrame,
    carried: Carried,
    previous: pd.DataFrame | None,
    as_of: date,
    choices: Choices,
) -> tuple[Scored, pd.DataFrame]:
    """Score accounts, place them in their cells, and say why."""
    scored = score_accounts(carried.model, frame, CATALOG, carried.stability)
    table = scored.table.reset_index(drop=True)
    table["triggers"] = _triggers(frame, choices.triggers)
    table["lever"] = [_lever(fired) for fired in table["triggers"]]
    placed = place(
        table,
        carried.bands,
        previous,
        as_of,
        settings=choices.matrix,
        rule_based=carried.rule_based,
    )
    table = table.join(placed.drop(columns=["account_id"]))
    held = guards(_guard_facts(table, frame), as_of, choices.matrix.guards)
    table = table.join(held.drop(columns=["account_id"]))
    placed_on_curve = stage(frame, choices.maturity)
    table["maturity_stage"] = placed_on_curve["maturity_stage"].to_numpy()
    table["maturity_score"] = placed_on_curve["maturity_score"].to_numpy()
    table["data_coverage"] = data_coverage(frame).to_numpy()
    table["csm_call"] = None
    table["status"], table["status_reason"] = "scored", None
    return scored, table


def forecasts(
    outlook: Outlook, carried: Carried, as_of: date, choices: Choices
) -> dict[str, dict[str, Any]]:
    """Forecast the book at every horizon, with the backtest beside it."""
    taus = [shared_scale(outlook, month, _phi(carried, month)) for month in range(1, LEADS + 1)]
    told = {}
    for horizon in HORIZONS:
        one = forecast(
            outlook,
            horizon,
            taus[horizon - 1],
            as_of=as_of,
            definition=choices.definition,
            n_eff=carried.factor[str(horizon)]["n_eff"],
            cuts=choices.cuts,
            reasons=carried.thin_reasons,
            path_taus=taus,
            nrr_target=choices.forecast.nrr_target,
        )
        told[str(horizon)] = one | {"backtest": _past(carried.periods, horizon)}
    return told


def _calendar_nrr(frame: pd.DataFrame, carried: Carried) -> dict[str, float]:
    """Expected NRR by the calendar alone, by horizon in months."""
    model = carried.model.calendar_only()
    outlook = model.outlook(frame, model.predict(frame))
    found = {}
    for horizon in HORIZONS:
        cohort = cohort_at(outlook, horizon)
        found[str(horizon)] = float(means(cohort)["closing"].sum() / cohort.mrr.sum())
    return found


def _beside(
    told: dict[str, dict[str, Any]],
    calendar: Mapping[str, float],
    last_year: Mapping[str, float | None],
) -> None:
    """Put what simpler rules say beside each forecast of NRR."""
    for horizon, one in told.items():
        one["baselines"] = {
            "calendar": calendar[horizon],
            "same as last year": last_year.get(horizon),
            "no change": 1.0,
        }


def _phi(carried: Carried, month: int) -> float:
    known = [carried.factor[str(horizon)]["phi"] for horizon in HORIZONS]
    return float(np.interp(month, HORIZONS, known))


def _past(periods: Sequence[Mapping[str, Any]], horizon: int) -> dict[str, Any]:
    """Lay past forecasts of a horizon beside what happened, with coverage and errors."""
    mine = [p for p in periods if p["horizon_months"] == horizon]
    inside = [p["nrr"]["p10"] <= p["actual_nrr"] <= p["nrr"]["p90"] for p in mine]
    return {
        "periods": [
            {
                "origin": p["origin"],
                "period_end": p["period_end"],
                "nrr": p["nrr"],
                "actual_nrr": p["actual_nrr"],
                "baselines": p["baselines"],
            }
            for p in mine
        ],
        "coverage_80": sum(inside) / len(inside) if inside else None,
        "mean_absolute_error_points": _errors(mine),
    }


def _errors(periods: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Mean absolute error of NRR in points; None for a baseline that some period lacks."""
    if not periods:
        return {}
    names = ["forecast", *periods[0]["baselines"]]
    errors: dict[str, float | None] = {}
    for name in names:
        told = [p["nrr"]["mean"] if name == "forecast" else p["baselines"][name] for p in periods]
        actual = [p["actual_nrr"] for p in periods]
        known = all(value is not None for value in told)
        errors[name] = 100 * float(np.abs(np.subtract(told, actual)).mean()) if known else None
    return errors


def _triggers(frame: pd.DataFrame, asked: TriggerSettings) -> list[list[dict[str, Any]]]:
    """List each account's triggers, in the order of ``features.triggers.TRIGGERS``."""
    fired: dict[str, list[dict[str, Any]]] = {account: [] for account in frame["account_id"]}
    for row in fire(frame, asked).to_dict("records"):
        fired[row["account_id"]].append(
            {
                "trigger": row["trigger"],
                "side": row["axis"],
                "level": row["level"],
                "evidence": row["evidence"],
            }
        )
    return list(fired.values())


def _lever(fired: Sequence[Mapping[str, Any]]) -> str | None:
    """Name the likely lever: that of the first trigger at "act", else of the first that has one."""
    named = [(t["level"] != "act", LEVERS[t["trigger"]]) for t in fired if t["trigger"] in LEVERS]
    return min(named, key=lambda pair: pair[0])[1] if named else None


def _guard_facts(table: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Give the guards what they ask for, out of the scores and the signals."""
    facts = table.copy()
    facts["urgent_open"] = (frame["support_urgent_open_days"] > 0).to_numpy()
    facts["detractor"] = (frame["relationship_nps"] <= 6).to_numpy()
    facts["bill_shock"] = [_names(fired, "bill_shock") for fired in table["triggers"]]
    owed = frame["payments_overdue"].fillna(frame["commercial_payments_failed_91d"])
    facts["past_due"] = (owed > 0).to_numpy()
    return facts


def _names(fired: Sequence[Mapping[str, Any]], trigger: str) -> bool:
    return any(each["trigger"] == trigger for each in fired)
