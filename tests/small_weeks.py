"""Two weeks of a book small enough to work out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from serving.digest import Week
from serving.queries import Run
from serving.schemas import OUTREACH_COLUMNS, SCORE_COLUMNS
from serving.store import Publication

NOW = datetime(2025, 7, 7, 6, tzinfo=UTC)
MONDAYS = (date(2025, 6, 30), date(2025, 7, 7))
BANDS = {"H": "High", "M": "Medium", "L": "Low"}


def account(called: str, cell: str = "HL", mrr: float = 100.0, **more: Any) -> dict[str, Any]:
    """Give one scored account; what is expected of it follows from its chances unless given."""
    churn, expand = more.pop("p_churn", 0.1), more.pop("p_expand", 0.2)
    row = dict.fromkeys(SCORE_COLUMNS) | {
        "parts": {"renew": {"calendar": 1 - churn}},
        "account_id": called, "name": f"{called.upper()} Ltd", "segment": "smb", "csm": "Ada",
        "currency": "USD", "mrr": mrr, "horizon_months": 3, "p_churn": churn, "p_contract": 0.0,
        "p_expand": expand, "p_flat": 1 - churn - expand, "p_retain": 1 - churn,
        "p_renew": 1 - churn, "renew_basis": "horizon", "expected_loss_mrr": mrr * churn,
        "expected_expansion_mrr": mrr * expand * 0.5, "mrr_p10": 0.0, "mrr_p50": mrr,
        "mrr_p90": mrr, "retention_health": BANDS[cell[0]], "expansion_readiness": BANDS[cell[1]],
        "cell": cell, "raw_cell": cell, "previous_cell": cell, "moved_because": [], "action": "act",
        "maturity_score": 50.0, "data_coverage": 0.5, "reasons_retention": [],
        "reasons_expansion": [], "triggers": [], "status": "scored",
    } | more  # fmt: skip
    row["expected_mrr"] = mrr - row["expected_loss_mrr"] + row["expected_expansion_mrr"]
    return row


def parts(**of_renewal: float) -> dict[str, Any]:
    """Give what an account's chance to renew is made of."""
    return {"parts": {"renew": of_renewal}}


def reason(group: str, effect: float, phrase: str = "because") -> dict[str, Any]:
    """Give one line of an account's reasons."""
    told = {"signal": f"{group}_x", "group": group, "value": 1.0, "unit": "share"}
    return told | {"effect": effect, "phrase": phrase}


def fired(trigger: str, level: str = "red", evidence: str = "seen") -> dict[str, Any]:
    """Give one trigger that fires."""
    side = "retention" if level in ("hard", "red") else "expansion"
    return {"trigger": trigger, "side": side, "level": level, "evidence": evidence}


def place(row: dict[str, Any], rank: int = 1, **more: Any) -> dict[str, Any]:
    """Give an account's place on the list."""
    told = {"rank": rank, "kind": "save", "play": "Stabilise first", "action": "act",
            "expected_value": 1000.0, "p_event": row["p_churn"], "reasons": row["reasons_retention"]}  # fmt: skip
    return {name: row.get(name) for name in OUTREACH_COLUMNS} | told | more


def week(
    before: list[dict[str, Any]] | None,
    now: list[dict[str, Any]],
    *,
    csm: str | None = None,
    **more: Any,
) -> Week:
    """Give the week between two runs (``before`` None: a first run); forecasts expect 5 more.

    ``more`` is of the run (``held_because``, ``model_digest``…) or of the week (``listed``…).
    """
    of_run = {name: more.pop(name) for name in list(more) if name in Run.__dataclass_fields__}
    rows, past = [
        {row["account_id"]: row for row in side if csm in (None, row["csm"])}
        for side in (now, before or [])
    ]
    forecasts = {} if csm else {3: forecast(MONDAYS[1], now)}
    told = {"listed": [], "listed_before": []} | more
    return Week(
        run=replace(run_on(MONDAYS[1]), **of_run),
        before=None if before is None else run_on(MONDAYS[0]),
        rows=rows,
        past=past,
        forecasts=forecasts,
        past_forecasts={} if csm or before is None else {3: forecast(MONDAYS[0], before)},
        csm=csm,
        **told,
    )


def run_on(day: date) -> Run:
    """Give a published run of a day."""
    digests = dict.fromkeys(("model_digest", "settings_digest", "digest"), "x")
    return Run(f"{day}-r1-abc", day, 1, f"s{day}", "1", **digests, accounts=1, published_at="")


def published(as_of: date, rows: list[dict[str, Any]], **more: Any) -> Publication:
    """Make the publication of a week."""
    scores = pd.DataFrame(rows, columns=list(SCORE_COLUMNS))
    listed = pd.DataFrame(more.pop("listed", []), columns=list(OUTREACH_COLUMNS))
    fields = {
        "as_of": as_of, "snapshot_id": f"s{as_of}", "model_version": "1", "model_digest": "m",
        "settings_digest": "c", "scores": scores, "outreach": listed,
        "matrix": {"cells": {}, "flows": []}, "forecast": {"3": forecast(as_of, rows)},
    }  # fmt: skip
    return Publication(**fields | more)


def forecast(as_of: date, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Give a forecast that expects 5 more than its accounts together."""
    opening = sum(row["mrr"] for row in rows)
    closing = sum(row["expected_mrr"] for row in rows) + 5.0

    def about(mean: float) -> dict[str, float]:
        return {"mean": mean, "p10": 0.9 * mean, "p90": 1.1 * mean}

    return {
        "as_of": as_of.isoformat(), "horizon_months": 3, "period_end": "2025-09-30",
        "opening_mrr": opening, "nrr": about(closing / opening), "grr": about(0.9),
        "closing_mrr": about(closing), "expansion_mrr": about(20.0),
        "expansion_by_lever": {"seat": 15.0, "tier": 5.0}, "confidence": "normal",
    }  # fmt: skip
