"""Examples: a request and an answer of every operation, as OpenAPI and docs/api.md show them.

A test sends each request to a small served book, and holds the answer beside what is shown here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from serving.api.schema import whole

__all__ = ["EXAMPLES", "Example", "body_of", "shown"]


@dataclass(frozen=True)
class Example:
    """One request and its answer.

    Attributes
    ----------
    answer : dict
        What is answered (lists are cut to their first item).
    path : str or None
        The account's id, where the address has one.
    query : mapping
        Parameters.
    body : mapping or None
        What is sent.
    """

    answer: dict[str, Any]
    path: str | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


_RUN = "2025-07-01-r1-3f9c1c0a52d7"
_HEAD = {"run_id": _RUN, "as_of": "2025-07-01"}
_ROW: dict[str, Any] = {
    "run_id": _RUN, "as_of": "2025-07-01", "account_id": "a01", "name": "Acme Rail",
    "segment": "enterprise", "csm": "Ada", "currency": "USD", "mrr": 9200.0,
    "next_renewal_on": "2025-09-30", "horizon_months": 3, "p_retain": 0.98, "p_renew": 0.97,
    "renew_basis": "decision", "p_expand": 0.35, "p_contract": 0.03, "p_flat": 0.6,
    "p_churn": 0.02, "expected_mrr": 9016.0, "mrr_p10": 9200.0, "mrr_p50": 9200.0,
    "mrr_p90": 10120.0, "expected_expansion_mrr": 483.0, "expected_loss_mrr": 184.0,
    "retention_health": "High", "expansion_readiness": "High", "cell": "HH", "raw_cell": "HH",
    "previous_cell": "HM", "moved_because": ["96 % of seats in use"],
    "action": "Priority expansion outreach; bring in sales", "guard": None, "lever": "seat",
    "maturity_stage": "habit", "maturity_score": 54.0, "data_coverage": 0.91,
    "reasons_retention": [],
    "reasons_expansion": [{"signal": "seat_use", "value": 0.96, "unit": "share", "effect": 0.14,
                           "phrase": "96 % of seats in use"}],
    "triggers": ["seat_limit"], "csm_call": None, "status": "scored", "status_reason": None,
    "model_version": "3",
}  # fmt: skip
_CALL = {
    "retention": "Medium", "expansion": None, "note": "sponsor is leaving", "csm": "Ada",
    "until": "2025-10-01", "made_at": "2025-07-01T06:30:00+00:00", "disagrees": True,
}  # fmt: skip
_PAST = (
    "as_of", "run_id", "mrr", "p_renew", "p_expand", "p_churn", "expected_mrr", "cell", "raw_cell",
    "moved_because", "maturity_score", "data_coverage", "status", "model_version",
)  # fmt: skip
_PLACE = {
    "rank": 1, "account_id": "a01", "name": "Acme Rail", "csm": "Ada", "segment": "enterprise",
    "cell": "HH", "kind": "expansion", "play": "Seat expansion",
    "action": "Priority expansion outreach; bring in sales", "mrr": 9200.0,
    "expected_value": 5796.0, "p_event": 0.35, "next_renewal_on": "2025-09-30", "guard": None,
    "lever": "seat", "reasons": _ROW["reasons_expansion"], "triggers": ["seat_limit"],
    "evidence": None, "how": None, "others": [], "note": None, "csm_call": None, "propensity": None,
}  # fmt: skip
_WINDOW = {
    "from": "2024-06-30", "to": "2025-06-30", "cut": {}, "accounts": 11, "opening_mrr": 35000.0,
    "new_mrr": 450.0, "reactivation_mrr": 0.0, "expansion_mrr": 3100.0, "contraction_mrr": 400.0,
    "churned_mrr": 461.31, "fx_mrr": 0.0, "closing_mrr": 37688.69, "nrr": 1.0639, "grr": 0.9754,
    "organic_nrr": 1.05, "logo_churn": 0.0833,
}  # fmt: skip
_FIGURE = {
    "figure": "expansion_mrr", "name": "Expansion MRR added", "value": 310.0,
    "unit": "USD of MRR", "period": {"from": "2025-05-31", "to": "2025-06-30"},
    "definition": "Sums of the ledger's monthly movements over the whole book.", "target": None,
    "series": [{"to": "2025-06-30", "value": 310.0, "new_logo_mrr": 450.0}], "reason": None,
    "beside": {"new_logo_mrr": 450.0},
}  # fmt: skip
_DETAIL = {
    "first_paid_on": "2023-02-01",
    "usage": {"until": "2025-06-29", "events": [827, 771], "users": [39, 41]},
    "tickets": {"months": ["2025-06"], "opened": [2], "solved": [1], "open_now": 1},
    "lines": [{"product": "core", "plan": "pro", "kind": "recurring", "seats": 120,
               "mrr": 9200.0, "list_mrr": 9200.0, "currency": "USD", "discount": 0,
               "starts_on": "2024-09-30", "term_months": 12, "next_decision_on": "2025-09-30",
               "auto_renew": True, "canceled_on": None}],
    "renewals": {
        "past": [{"on": "2024-09-30", "product": "core", "outcome": "expanded",
                  "mrr_before": 8000.0, "mrr_after": 9200.0, "currency": "USD"}],
        "next": [{"on": "2025-09-30", "product": "core", "mrr": 9200.0, "currency": "USD",
                  "auto_renew": True, "canceled_on": None}],
    },
    "movements": [{"month": "2024-09-30", "class": "expansion", "lever": "seat",
                   "product": "core", "amount": 1200.0}],
    "contacts": [{"contact": "c-17", "area": "finance", "role": "sponsor", "left_on": None}],
    "milestones": [{"on": "2025-05-12", "kind": "qbr", "value": None, "contact": "c-17"}],
}  # fmt: skip

EXAMPLES: dict[str, Example] = {
    "accounts": Example(
        {**_HEAD, "total": 2, "items": [_ROW], "next_cursor": None},
        query={"cell": "HH", "min_mrr": 1000, "sort": "-mrr", "limit": 100},
    ),
    "account": Example({**_ROW, "call": _CALL}, path="a01"),
    "account_history": Example(
        {"account_id": "a01", "items": [{name: _ROW[name] for name in _PAST}], "next_before": None},
        path="a01",
        query={"limit": 53},
    ),
    "account_detail": Example(
        {**_HEAD, "account_id": "a01", "detail": _DETAIL, "reason": None}, path="a01"
    ),
    "put_call": Example(
        {"account_id": "a01", "call": _CALL}
        | {"machine": {"retention_health": "High", "expansion_readiness": "High"}},
        path="a01",
        body={
            "retention": "Medium",
            "expansion": None,
            "note": "sponsor is leaving",
            "until": "2025-10-01",
        },
    ),
    "matrix": Example(
        {
            **_HEAD,
            "accounts": 12,
            "mrr": 37688.69,
            "cells": {
                "HH": {
                    "accounts": 2,
                    "mrr": 11950.0,
                    "retention_health": "High",
                    "expansion_readiness": "High",
                    "action": _ROW["action"],
                }
            },
            "flows": [{"from": "HM", "to": "HH", "accounts": 1, "mrr": 9200.0}],
            "moved": 1,
            "new": 0,
        },
        query={"csm": "Ada"},
    ),
    "outreach": Example(
        {**_HEAD, "total": 7, "items": [_PLACE]}, query={"csm": "Ada", "capacity": 5}
    ),
    "log_contact": Example(
        {
            "account_id": "a01",
            "play": "Priority expansion",
            "acted_on": "2025-06-30",
            "outcome": "meeting booked",
            "csm": "Ada",
            "logged_at": "2025-07-01T06:30:00+00:00",
        },
        path="a01",
        body={"play": "Priority expansion", "on": "2025-06-30", "outcome": "meeting booked"},
    ),
    "metrics": Example(
        {
            **_HEAD,
            "reason": None,
            "currency": "USD",
            "definition": {"basis": "committed"},
            "windows": [_WINDOW],
            "series": [_WINDOW],
            "months": [_WINDOW],
            "warnings": [],
        }
    ),
    "expansion": Example({**_HEAD, "currency": "USD", "figures": [_FIGURE], "reason": None}),
    "score": Example({"items": [_ROW]}, body={"account_ids": ["a01"]}),
    "runs": Example(
        {
            "current": _RUN,
            "items": [
                {
                    "run_id": _RUN,
                    "as_of": "2025-07-01",
                    "revision": 1,
                    "snapshot_id": "8c1f0a6d1f6e7c0b9a55",
                    "model_version": "3",
                    "model_digest": "5f70…",
                    "settings_digest": "11ab…",
                    "digest": "c0de…",
                    "accounts": 12,
                    "published_at": "2025-07-01T06:30:00+00:00",
                    "status": "published",
                    "held_because": None,
                    "approved_at": None,
                    "approved_by": None,
                }
            ],
        },
        query={"limit": 10},
    ),
    "models": Example(
        {
            "serving": {
                "status": "ready",
                "model_version": "3",
                "model_digest": "5f70…",
                "troubles": [],
            },
            "items": [
                {
                    "version": "3",
                    "digest": "5f70…",
                    "serves": True,
                    "runs": 1,
                    "first_as_of": "2025-07-01",
                    "last_as_of": "2025-07-01",
                }
            ],
        }
    ),
}


def shown(operation: str, model: Any) -> dict[int | str, dict[str, Any]]:
    """Describe an operation's answer by its model and its example.

    Examples
    --------
    >>> list(shown("runs", BaseModel)[200])
    ['model', 'content']
    """
    example = EXAMPLES[operation].answer
    return {200: {"model": model, "content": {"application/json": {"example": example}}}}


def body_of(operation: str, model: type[BaseModel]) -> dict[str, Any]:
    """Describe what an operation takes by its model and its example."""
    content = {"schema": whole(model), "example": dict(EXAMPLES[operation].body or {})}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}
