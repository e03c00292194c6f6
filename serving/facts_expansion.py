"""The expansion dashboard: eight figures, each with its unit, period, definition and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["FIGURES", "expansion_figures"]

FIGURES = (
    "expansion_mrr",
    "net_expansion",
    "nrr_ttm",
    "grr_ttm",
    "pipeline",
    "conversion_90d",
    "time_to_first_expansion",
    "no_expansion_24m",
)
"""The eight, in the order in which they are shown."""

Row = Mapping[str, Any]

_MOVEMENTS = "Sums of the ledger's monthly movements over the whole book"


def expansion_figures(told: Row, nrr_target: float | None = None) -> dict[str, Any]:
    """Tell the eight figures from a statement that knows months and weeks.

    Parameters
    ----------
    told : mapping
        What `features.statement.statement` gives for the window ``ttm``, with ``months`` and
        ``weeks``.
    nrr_target : float, optional
        ``[forecast] nrr_target``.

    Returns
    -------
    dict
        ``as_of``, ``currency`` and ``figures``: for each of `FIGURES` its ``figure``, ``name``,
        ``value``, ``unit``, ``period``, ``definition``, ``target`` (null where the design names
        none), ``series`` (``to`` and ``value``, the oldest first; null where none makes sense),
        ``reason`` (why the value is null, else null) and ``beside``: what stands beside it.
    """
    months = [row for row in told["months"] if not row["cut"]]
    years = [row for row in (*told["windows"], *told["series"]) if not row["cut"]]
    figures = [
        _expansion(months, told),
        _net(months, told),
        _ratio("nrr", "NRR, trailing 12 months", _NRR, years, nrr_target),
        _ratio("grr", "GRR, trailing 12 months", _GRR, years, None),
        _pipeline(told),
        _conversion(told),
        _time(told),
        _still(told),
    ]
    return {"as_of": told["as_of"], "currency": told["currency"], "figures": figures}


def _figure(figure: str, name: str, value: Any, unit: str, period: Any, **more: Any) -> Row:
    rest: dict[str, Any] = {
        "definition": "",
        "target": None,
        "series": None,
        "reason": None,
        "beside": {},
    }
    if value is None and not more.get("reason"):
        more["reason"] = "nothing to measure it by yet"
    if value is not None:
        more["reason"] = None
    named: dict[str, Any] = {
        "figure": figure,
        "name": name,
        "value": value,
        "unit": unit,
        "period": period,
    }
    return named | rest | more


def _expansion(months: Sequence[Row], told: Row) -> Row:
    last = months[0] if months else {}
    return _figure(
        "expansion_mrr",
        "Expansion MRR added",
        last.get("expansion_mrr"),
        f"{told['currency']} of MRR",
        _span(last),
        definition=f"{_MOVEMENTS}: what accounts that paid already pay more; beside it what new "
        "logos brought. The last closed month; weeks beside the months.",
        series=_series(months, "expansion_mrr", new_logo_mrr="new_mrr"),
        reason="no month of the ledger is closed yet",
        beside={
            "new_logo_mrr": last.get("new_mrr"),
            "weekly": told.get("expansion_mrr_by_week"),
        },
    )


def _net(months: Sequence[Row], told: Row) -> Row:
    last = _netted(months[0]) if months else {}
    return _figure(
        "net_expansion",
        "Contraction MRR and net expansion",
        last.get("net_expansion_mrr"),
        f"{told['currency']} of MRR",
        _span(last),
        definition=f"{_MOVEMENTS}: expansion less contraction of accounts that still pay; churn is "
        "not in it. The last closed month.",
        series=_series(
            [_netted(row) for row in months],
            "net_expansion_mrr",
            contraction_mrr="contraction_mrr",
        ),
        reason="no month of the ledger is closed yet",
        beside={"contraction_mrr": last.get("contraction_mrr")},
    )


def _netted(row: Row) -> Row:
    cents = round(100 * row["expansion_mrr"]) - round(100 * row["contraction_mrr"])
    return {**row, "net_expansion_mrr": cents / 100}


_NRR = (
    "MRR now of the accounts that paid twelve months ago, over their MRR then: expansion, "
    "contraction and churn of that cohort; new accounts are not in it."
)
_GRR = (
    "The same, no account counted above what it paid twelve months ago: what is kept without any "
    "expansion. It never exceeds 100 %."
)


def _ratio(key: str, name: str, definition: str, years: Sequence[Row], target: Any) -> Row:
    last = years[0]
    shown = [row for row in years if row[key] is not None]
    return _figure(
        f"{key}_ttm",
        name,
        last[key],
        "share of opening MRR",
        _span(last),
        definition=definition,
        target=target,
        series=_series(shown, key),
        reason=last.get("reason"),
        beside={
            "accounts": last["accounts"],
            "opening_mrr": last["cohort"]["opening_mrr"],
            "closing_mrr": last["cohort"]["closing_mrr"],
        },
    )


def _pipeline(told: Row) -> Row:
    found = told["pipeline"]
    total = found.get("total") or {}
    return _figure(
        "pipeline",
        "Expansion pipeline, weighted by probability",
        total.get("weighted_mrr"),
        f"{told['currency']} of MRR",
        {"from": None, "to": told["as_of"]},
        definition=found.get("definition", "Open deals of accounts that already pay, by stage."),
        reason=found.get("reason") or total.get("reason"),
        beside={name: found.get(name) for name in ("stages", "total", "win_rate", "won")},
    )


def _conversion(told: Row) -> Row:
    found = told["expansion_conversion_90d"]
    names = ("qualified", "won_in_time", "qualified_mrr", "won_in_time_mrr", "rate_of_mrr")
    return _figure(
        "conversion_90d",
        "Expansion conversion within 90 days",
        found["rate"],
        "share of qualified deals",
        {"from": None, "to": told["as_of"]},
        definition=found.get("definition", "Qualified expansion deals won within 90 days."),
        reason=found.get("reason"),
        beside={name: found.get(name) for name in names},
    )


def _time(told: Row) -> Row:
    found = told["time_to_first_expansion"]
    names = (
        "accounts", "events", "censored", "interval_days", "quartiles_days", "organic", "segments",
        "note",
    )  # fmt: skip
    return _figure(
        "time_to_first_expansion",
        "Time to first expansion, median",
        found["median_days"],
        "days",
        {"from": None, "to": told["as_of"]},
        definition=found["definition"],
        target=found["targets"],
        reason=found.get("reason"),
        beside={name: found.get(name) for name in names},
    )


def _still(told: Row) -> Row:
    found = told["no_expansion_24m"]
    names = ("mrr", "paid_so_long", "share_of_accounts", "share_of_mrr", "listed")
    known = found["paid_so_long"] > 0
    return _figure(
        "no_expansion_24m",
        "No expansion in 24 months and more",
        found["accounts"] if known else None,
        "accounts",
        {"from": None, "to": told["as_of"]},
        definition=found["definition"],
        reason=found.get("reason"),
        beside={name: found.get(name) for name in names},
    )


def _span(row: Row) -> dict[str, Any]:
    return {"from": row.get("from"), "to": row.get("to")}


def _series(rows: Sequence[Row], key: str, **beside: str) -> list[dict[str, Any]]:
    """Give a figure over time, the oldest first."""
    return [
        {"to": row["to"], "value": row[key]} | {name: row[of] for name, of in beside.items()}
        for row in reversed(rows)
    ]
