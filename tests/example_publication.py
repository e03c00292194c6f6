"""A literal world for the tests of serving: one publication of a dozen accounts."""

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from serving.schemas import OUTREACH_COLUMNS, SCORE_COLUMNS
from serving.store import Publication

NOW = datetime(2025, 7, 1, 6, 30, tzinfo=UTC)

ACTIONS = {
    "HH": "Priority expansion outreach; bring in sales",
    "HM": "Plant seeds; wait for a trigger signal",
    "HL": "Maintain the relationship; focus on advocacy",
    "MH": "Stabilise retention first; expansion can wait 60 days",
    "MM": "Standard QBR cadence",
    "ML": "Investigate retention risk",
    "LH": "Unusual: investigate before any expansion conversation",
    "LM": "Churn risk: engage immediately",
    "LL": "Immediate intervention required",
}
BANDS = {"H": "High", "M": "Medium", "L": "Low"}

# account, name, segment, csm, MRR, renewal, p_churn, p_contract, p_expand, p_renew, cell, previous
ACCOUNTS: list[tuple[Any, ...]] = [
    ("a01", "Acme Rail", "enterprise", "Ada", 9200.0, "2025-09-30", 0.02, 0.03, 0.35, 0.97, "HH", "HM"),
    ("a02", "Birch & Co", "mid", "Ada", 2400.5, "2025-08-15", 0.30, 0.10, 0.05, 0.62, "LL", "ML"),
    ("a03", "Cobalt Labs", "smb", "Ben", 310.25, None, 0.04, 0.02, 0.12, 0.96, "HM", "HM"),
    ("a04", "Dune Foods", "smb", "Ben", 199.99, "2025-07-20", 0.10, 0.05, 0.02, 0.88, "ML", "ML"),
    ("a05", "Élan Studio", "mid", "Ada", 1800.0, "2026-01-31", 0.01, 0.01, 0.03, 0.98, "HL", "HL"),
    ("a06", "Fjord Energy", "enterprise", "Cleo", 15250.0, "2025-12-31", 0.08, 0.06, 0.22, 0.90, "MH", "MH"),
    ("a07", "Grove Health", "mid", "Cleo", 3120.0, "2025-10-01", 0.09, 0.04, 0.11, 0.89, "MM", "HM"),
    ("a08", "Harbor Ltd", "smb", None, 450.0, None, 0.25, 0.05, 0.28, 0.75, "LH", None),
    ("a09", "=cmd|' /C calc'!A0", "smb", "Ben", 120.0, "2025-08-01", 0.22, 0.08, 0.09, 0.71, "LM", "LM"),
    ("a10", "<img src=x onerror=alert(1)>", "mid", "Cleo", 2750.0, "2026-03-31", 0.02, 0.02, 0.30, 0.97, "HH", "HH"),
    ("a11", "{{7*7}} </script>", "smb", "Ben", 89.0, None, 0.03, 0.02, 0.04, 0.95, "HL", "HL"),
    ("a12", "شركة النور 🌱", "mid", "Ada", 1999.95, "2025-11-15", 0.07, 0.03, 0.08, 0.91, "MM", "MM"),
]  # fmt: skip

RETENTION = [
    {"signal": "usage_trend_90d", "value": -0.42, "unit": "share", "effect": -0.081,
     "phrase": "usage fell 42 % in 90 days"},
    {"signal": "urgent_tickets_30d", "value": 3, "unit": "tickets", "effect": -0.032,
     "phrase": "3 urgent tickets in 30 days"},
]  # fmt: skip
EXPANSION = [
    {"signal": "seat_use", "value": 0.96, "unit": "share", "effect": 0.14, "phrase": "96 % of seats in use"}
]  # fmt: skip


def _score(row: tuple[Any, ...], as_of: date) -> dict[str, Any]:
    account, name, segment, csm, mrr, renewal, churn, contract, expand, renew, cell, before = row
    scored = dict.fromkeys(SCORE_COLUMNS)
    scored |= {
        "as_of": as_of, "account_id": account, "name": name, "segment": segment, "csm": csm,
        "currency": "USD", "mrr": mrr, "horizon_months": 3,
        "next_renewal_on": date.fromisoformat(renewal) if renewal else None,
        "p_retain": 1 - churn, "p_renew": renew, "p_expand": expand, "p_contract": contract,
        "renew_basis": "decision" if renewal else "horizon",
        "p_flat": 1 - churn - contract - expand, "p_churn": churn,
        "expected_mrr": mrr * (1 - churn), "mrr_p10": 0.0 if churn > 0.1 else mrr, "mrr_p50": mrr,
        "mrr_p90": mrr * 1.1, "expected_expansion_mrr": mrr * expand * 0.15,
        "expected_loss_mrr": mrr * churn, "retention_health": BANDS[cell[0]],
        "expansion_readiness": BANDS[cell[1]], "cell": cell, "raw_cell": cell,
        "previous_cell": before, "action": ACTIONS[cell], "maturity_stage": "habit",
        "moved_because": ["usage fell"] if before not in (None, cell) else [],
        "maturity_score": 54.0, "data_coverage": 0.91,
        "reasons_retention": RETENTION if cell[0] == "L" else [],
        "reasons_expansion": EXPANSION if cell[1] == "H" else [],
        "triggers": ["seat_limit"] if cell[1] == "H" else [],
        "guard": "no expansion play: Retention comes first" if cell[0] != "H" and cell[1] == "H" else None,
        "lever": "seat" if cell[1] == "H" else None, "status": "scored", "model_version": "3",
    }  # fmt: skip
    return scored


def _outreach(scores: pd.DataFrame) -> pd.DataFrame:
    listed = []
    save = scores[scores.cell.isin(["LL", "LM", "LH", "ML", "MH"])]
    for row in save.to_dict("records"):
        listed.append(row | {
            "kind": "save", "play": "Save before renewal", "p_event": row["p_churn"],
            "expected_value": round(row["p_churn"] * row["mrr"] * 12 * 0.12 - 100, 2),
            "reasons": row["reasons_retention"],
        })  # fmt: skip
    for row in scores[scores.cell == "HH"].to_dict("records"):
        listed.append(row | {
            "kind": "expansion", "play": "Seat expansion", "p_event": row["p_expand"],
            "expected_value": round(row["p_expand"] * row["mrr"] * 0.15 * 12, 2),
            "reasons": row["reasons_expansion"],
        })  # fmt: skip
    listed.sort(key=lambda row: -row["expected_value"])
    ranked = [row | {"rank": n} for n, row in enumerate(listed, start=1)]
    return pd.DataFrame(ranked).reindex(columns=list(OUTREACH_COLUMNS))


def _spread(mean: float, width: float) -> dict[str, float]:
    steps = {
        "p05": -1.64,
        "p10": -1.28,
        "p25": -0.67,
        "p50": 0.0,
        "p75": 0.67,
        "p90": 1.28,
        "p95": 1.64,
    }
    return {"mean": mean} | {name: mean + z * width for name, z in steps.items()}


def _forecast(as_of: date, horizon: int, opening: float) -> dict[str, Any]:
    expansion, contraction, churned = (opening * 0.01 * k * horizon for k in (1.5, 0.3, 0.9))
    closing = opening + expansion - contraction - churned
    ends = {1: "2025-07-31", 3: "2025-09-30", 12: "2026-06-30"}
    return {
        "as_of": as_of.isoformat(), "horizon_months": horizon, "period_end": ends[horizon],
        "definition": {"basis": "mrr", "reactivation": "new"}, "opening_mrr": opening,
        "cohort_accounts": 12,
        "bridge": {"opening": opening, "booked": -310.25, "modelled": closing - opening + 310.25,
                   "closing": closing},
        "nrr": _spread(closing / opening, 0.01 * horizon**0.5),
        "grr": _spread(1 - (contraction + churned) / opening, 0.005 * horizon**0.5),
        "expansion_mrr": _spread(expansion, 60.0), "contraction_mrr": _spread(contraction, 20.0),
        "churned_mrr": _spread(churned, 40.0), "closing_mrr": _spread(closing, 300.0),
        "logos_lost": _spread(0.4 * horizon, 0.3), "by_cut": {}, "monthly_path": [],
        "concentration": {"top5_share": 0.86}, "backtest": [],
        "baselines": {"calendar": {"nrr": 0.99}, "same_as_last_year": {"nrr": 1.01}},
        "confidence": "thin", "confidence_reason": "12 accounts", "n_eff": 1.4,
        "interval_note": "prior-driven width",
    }  # fmt: skip


def example(as_of: date = date(2025, 7, 1), **changes: Any) -> Publication:
    """Give the publication, with other fields where they are named."""
    scores = pd.DataFrame([_score(row, as_of) for row in ACCOUNTS])[list(SCORE_COLUMNS)]
    cells = [
        {"cell": cell, "action": action, "accounts": int((scores.cell == cell).sum()),
         "mrr": float(scores.mrr[scores.cell == cell].sum())}
        for cell, action in ACTIONS.items()
    ]  # fmt: skip
    opening = float(scores.mrr.sum())
    fields = {
        "as_of": as_of, "snapshot_id": "s1", "model_version": "3", "model_digest": "m1",
        "scores": scores, "outreach": _outreach(scores), "settings_digest": "c1",
        "matrix": {"cells": cells, "flows": [{"from": "HM", "to": "HH", "accounts": 1, "mrr": 9200.0}]},
        "forecast": {str(h): _forecast(as_of, h, opening) for h in (1, 3, 12)},
    }  # fmt: skip
    return Publication(**fields | changes)
