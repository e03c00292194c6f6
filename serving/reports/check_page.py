"""The page of a check-up: what a book can answer, what it lacks, and what its breaches cost."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from features.catalog import CATALOG
from serving.reports.paper import render

__all__ = ["check_page"]

Body = Mapping[str, Any]
ORDER = ("no", "partly", "yes")
_ALL = 1.0


def check_page(body: Body) -> str:
    """Write the page: one HTML file, no script, no other file, no other host.

    Parameters
    ----------
    body : mapping
        What ``perennial check --json`` prints.
    """
    coverage = {"as_of": None, "accounts": None, "currency": None} | dict(body["coverage"])
    answers = sorted(coverage.get("answers", ()), key=lambda one: ORDER.index(one["answer"]))
    lasting = coverage.get("tables", {})
    return render(
        "check.html",
        {
            "c": coverage,
            "refusals": body["refusals"],
            "refused": body["status"] == "refused",
            "full": [one for one in answers if one["answer"] == "yes"],
            "lacking": [one for one in answers if one["answer"] != "yes"],
            "tables": [_table(name, one, lasting) for name, one in body["tables"].items()],
            "rows": {key: _sum(body, key) for key in ("rows_in", "quarantined")},
            "families": _families(coverage.get("signals") or {}),
            "costs": coverage.get("costliest", []),
            "fresh": coverage.get("freshness", []),
            "absent": [one for one in coverage.get("gains", ()) if "with" in one],
            "notes": [
                *coverage.get("limits", ()),
                *(one["said"] for one in coverage.get("gains", ()) if "with" not in one),
                *body["warnings"],
            ],
        },
    )


def _sum(body: Body, key: str) -> int:
    return sum(one[key] for one in body["tables"].values())


def _table(name: str, report: Body, lasting: Body) -> dict[str, Any]:
    """Join what became of a table's rows and what they cover."""
    covered = {"accounts_covered": None, "first": None, "last": None} | lasting.get(name, {})
    return {"name": name} | dict(report) | covered


def _families(told: Body) -> list[dict[str, Any]]:
    """Group the signals, and count those that all, some and no accounts have."""
    found = []
    for name, family in groupby(CATALOG, key=lambda signal: signal.family):
        rows = [{"slug": one.slug} | told[one.slug] for one in family if one.slug in told]
        shares = [row["share"] for row in rows]
        full, none = shares.count(_ALL), shares.count(0.0)
        if rows:
            found.append(
                {
                    "name": name,
                    "signals": rows,
                    "full": full,
                    "some": len(rows) - full - none,
                    "none": none,
                    "share": sum(shares) / len(shares),
                }
            )
    return found
