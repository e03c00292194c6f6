"""Words of the board's page: what is said at a glance, and what each figure is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.dashboard.figures import day, percent
from serving.reports.spelling import cents, points

__all__ = ["DEFINITIONS", "endings", "glance", "meaning", "target_said"]

Body = Mapping[str, Any]

ENDINGS = {
    "month": "this month",
    "quarter": "this fiscal quarter",
    "fiscal_year": "this fiscal year",
}

DEFINITIONS: tuple[tuple[str, str], ...] = (
    ("MRR", "Monthly recurring revenue: contract amount over the months of its term, on a day."),
    (
        "NRR",
        "MRR at the end of the window of the accounts that paid at its beginning, over their MRR "
        "then. Accounts that left count zero; new customers are in neither.",
    ),
    ("GRR", "The same, no account counted above what it paid at the beginning."),
    ("Organic NRR", "NRR with only seats, tiers, products and usage as expansion: no price rises."),
    (
        "Logo churn",
        "Accounts that paid at the beginning and pay nothing at the end, over all those.",
    ),
    (
        "80 % interval",
        "One chance in ten to end below it, one in ten above. How often past intervals held is "
        "said beside it.",
    ),
    ("Point", "A hundredth: from 88.0 % to 89.0 % is one point."),
)


def glance(body: Body) -> list[str]:
    """Say the page in at most four sentences.

    Examples
    --------
    >>> cohort = {"opening_mrr": 100.0, "closing_mrr": 110.0}
    >>> window = {"nrr": 1.1, "grr": 0.9, "from": "2024-12-31", "to": "2025-12-31",
    ...           "accounts": 3, "cohort": cohort}
    >>> glance({"window": window, "currency": "USD", "segments": [], "worst_cohort": None})[0]
    'The 3 accounts that paid USD 100.00 a month on 31 Dec 2024 pay USD 110.00 on 31 Dec 2025: NRR is 110.0\xa0%. Without what they added it would be 90.0\xa0% (GRR).'
    """
    window = body["window"]
    if window["nrr"] is None:
        return [f"No twelve months can be shown: {window.get('reason') or 'nobody paid'}."]
    cohort, unit = window["cohort"], body["currency"]
    who = "The 1 account" if window["accounts"] == 1 else f"The {window['accounts']:,} accounts"
    said = [
        f"{who} that paid {unit} {cents(cohort['opening_mrr'])} a month on {day(window['from'])} "
        f"pay {unit} {cents(cohort['closing_mrr'])} on {day(window['to'])}: NRR is "
        f"{percent(window['nrr'])}. Without what they added it would be {percent(window['grr'])} "
        "(GRR)."
    ]
    return [*said, *_spread(body), *_gap(body)]


def _spread(body: Body) -> list[str]:
    """Name the best and the worst segment."""
    found = [one for one in body["segments"] if one["nrr"] is not None and one["accounts"]]
    if len(found) < 2:
        return []
    best, worst = (pick(found, key=lambda one: one["nrr"]) for pick in (max, min))
    apart = points(best["nrr"] - worst["nrr"]).lstrip("+")
    return [
        f"By segment, NRR reaches from {percent(worst['nrr'])} ({_value(worst)}) to "
        f"{percent(best['nrr'])} ({_value(best)}): {apart} points apart."
    ]


def _gap(body: Body) -> list[str]:
    worst = body["worst_cohort"]
    if worst is None:
        return []
    gap = points(worst["gap"]).lstrip("+")
    return [
        f"The weakest cohort, {worst['cohort']} ({worst['accounts']:,} accounts), stands at "
        f"{percent(worst['nrr'])}, {gap} points below the whole."
    ]


def _value(window: Body) -> str:
    return ", ".join("none" if value is None else str(value) for value in window["cut"].values())


def target_said(target: Body) -> str:
    """Say what is known of the target, also where there is none.

    Examples
    --------
    >>> none = {"nrr_target": None, "of_run": None, "scored": True}
    >>> target_said(none)[:24], target_said(none | {"nrr_target": 1.1})[:30]
    ('No target is configured:', 'The target is 110.0\xa0% now, and')
    """
    wanted, told = target["nrr_target"], target["of_run"]
    if wanted is None and told is None:
        return (
            "No target is configured: set nrr_target under [forecast] in perennial.toml (1.10 for "
            "110 %), and score again."
        )
    if not target["scored"]:
        return f"Target {percent(wanted)}: no forecast is published yet."
    if wanted != told:
        was = "none" if told is None else percent(told)
        now = "none" if wanted is None else percent(wanted)
        return (
            f"The target is {now} now, and was {was} when the run was scored: score again for its "
            "chance."
        )
    return f"The chance that NRR is at least the target of {percent(told)}:"


def endings(target: Body) -> list[tuple[str, Body]]:
    """Name the ends at which the target is judged; those of one day are one.

    Examples
    --------
    >>> one, other = {"date": "2026-01-31"}, {"date": "2026-04-30"}
    >>> [name for name, _ in endings({"ends": {"month": one, "quarter": one, "fiscal_year": other}})]
    ['this month, this fiscal quarter', 'this fiscal year']
    """
    days: dict[str, list[str]] = {}
    for name, one in target["ends"].items():
        days.setdefault(one["date"], []).append(name)
    return [
        (", ".join(ENDINGS.get(name, name) for name in names), target["ends"][names[0]])
        for names in days.values()
    ]


def meaning(body: Body) -> str:
    """Say of what the forecast speaks: its opening, its accounts, its basis."""
    return (
        f"{body['cohort_accounts']:,} accounts that pay {cents(body['opening_mrr'])} a month at the "
        "opening, new customers apart"
    )
