"""Paces: how soon accounts expand, which never do, and what each month brought.

Time to first expansion is estimated by Kaplan and Meier: an account that has not expanded is not
dropped; it says that it took longer than it has been seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.amounts import money
from features.asof import month_of
from features.measure import SMALL_COHORT

__all__ = ["STILL_AFTER", "TARGETS", "expansion_by_month", "no_expansion", "time_to_expansion"]

TARGETS = {"plg": 90, "enterprise": 180}
"""Days to the first expansion below which a product-led and an enterprise book should be (S003)."""

STILL_AFTER = 24
"""Months without an expansion after which an account is on the list of those that stand still."""

_LISTED = 50
_QUARTILES = {"p25": 0.75, "p50": 0.5, "p75": 0.25}


def time_to_expansion(
    journeys: pa.Table, segments: Mapping[str, str | None] | None = None
) -> dict[str, Any]:
    """Estimate the days from the first paid day to the first expansion.

    Parameters
    ----------
    journeys : pyarrow.Table
        As `features.journeys.journeys` gives them.
    segments : mapping of str to str, optional
        Segment of each account; each is then estimated by itself too.

    Returns
    -------
    dict
        ``accounts``, ``events``, ``censored``, ``median_days`` with its 95 % interval
        ``interval_days`` (log-log), ``quartiles_days``, ``targets``; the same of seats, tier,
        product and usage alone under ``organic``, and by segment under ``segments``. What is
        not reached is null, with a ``reason``. ``from_first_month`` counts the accounts that pay
        from the book's first month on; a ``note`` says so where they are a fifth and more.
    """
    frame = journeys.select(["account_id", "first_on", "expanded_on", "organic_on", "last_on"])
    paths = frame.to_pandas(date_as_object=False)
    told = {"definition": _DEFINITION} | _estimate(paths, "expanded_on")
    told |= _beginning(paths["first_on"])
    told["organic"] = _estimate(paths, "organic_on")
    named = paths["account_id"].map(dict(segments or {}))
    groups = paths.groupby(named, sort=True) if segments else []
    told["segments"] = [
        {"segment": name}
        | _estimate(group, "expanded_on")
        | {"small_cohort": len(group) < SMALL_COHORT}
        for name, group in groups
    ]
    return told


_DEFINITION = (
    "Days from the first paid day to the first expansion movement of the ledger, whatever its "
    "lever but a merger (organic: seat, tier, product, usage); the day is that on which the lines "
    "that make it start, the month-end where no line says. Kaplan-Meier: accounts without one are "
    "censored at the last day on which they were seen paying. Interval: 95 %, log-log. Null: not "
    "reached by the last day seen."
)


def _beginning(first_on: pd.Series) -> dict[str, Any]:
    """Count the accounts whose first paid day may lie before the book begins."""
    if first_on.empty:
        return {"from_first_month": 0}
    first = first_on.min()
    count = int((first_on < first + pd.offsets.MonthBegin(1)).sum())
    if count < _MANY * len(first_on):
        return {"from_first_month": count}
    note = (
        f"{count} of {len(first_on)} accounts paid in the book's first month ({first:%Y-%m}): their "
        "first day may lie before it, and what they expanded by then is not seen"
    )
    return {"from_first_month": count, "note": note}


_MANY = 0.2


def _estimate(paths: pd.DataFrame, event: str) -> dict[str, Any]:
    happened = paths[event].notna()
    days = (paths[event].fillna(paths["last_on"]) - paths["first_on"]).dt.days.clip(lower=0)
    counts = {
        "accounts": len(paths),
        "events": int(happened.sum()),
        "censored": int((~happened).sum()),
    }
    if not len(paths):
        return counts | _UNKNOWN | {"reason": "no account has paid yet"}
    return counts | _kaplan_meier(days.to_numpy(), happened.to_numpy())


def _kaplan_meier(days: np.ndarray, happened: np.ndarray) -> dict[str, Any]:
    # Imported here: it takes a second or two, and no other command needs it.
    from lifelines import KaplanMeierFitter
    from lifelines.utils import qth_survival_time

    fitted = KaplanMeierFitter().fit(days, happened)
    curve = fitted.survival_function_.iloc[:, 0]
    reached = {name: _day(qth_survival_time(q, curve)) for name, q in _QUARTILES.items()}
    bounds = fitted.confidence_interval_survival_function_
    interval = [_day(qth_survival_time(0.5, bounds.iloc[:, n])) for n in (0, 1)]
    told: dict[str, Any] = {
        "median_days": reached["p50"],
        "interval_days": interval,
        "quartiles_days": reached,
        "targets": _judged(reached["p50"], int(days.max())),
    }
    if reached["p50"] is None:
        share = 1 - float(curve.iloc[-1])
        told["reason"] = f"not reached: {share:.1%} have expanded within {int(days.max())} days"
    return told


def _day(time: float) -> int | None:
    return int(time) if np.isfinite(time) else None


def _judged(median: int | None, seen: int) -> list[dict[str, Any]]:
    """Lay the targets beside the median; a median beyond what was seen may still be judged."""
    return [
        {
            "for": name,
            "days": days,
            "met": median < days if median is not None else _missed(days, seen),
        }
        for name, days in TARGETS.items()
    ]


def _missed(days: int, seen: int) -> bool | None:
    return False if seen >= days else None


_UNKNOWN: dict[str, Any] = {
    "median_days": None,
    "interval_days": [None, None],
    "quartiles_days": dict.fromkeys(_QUARTILES),
    "targets": [{"for": name, "days": days, "met": None} for name, days in TARGETS.items()],
}


def no_expansion(journeys: pa.Table, last: int | None) -> dict[str, Any]:
    """List the accounts that have paid for 24 months and more and not expanded in that time.

    Parameters
    ----------
    journeys : pyarrow.Table
        As `features.journeys.journeys` gives them.
    last : int or None
        Number of the last month; None if nobody ever paid.

    Returns
    -------
    dict
        ``accounts`` and ``mrr`` of the list; ``share_of_accounts`` and ``share_of_mrr`` of those
        that have paid so long (``paid_so_long``; null with a ``reason`` if nobody has);
        ``listed``: the first fifty, the largest first.
    """
    last = last or 0
    least = last - STILL_AFTER
    lasting = journeys.filter(pc.less_equal(journeys["since_m"], least))
    still = lasting.filter(pc.fill_null(pc.less_equal(lasting["risen_m"], least), True))
    still = still.sort_by([("paying_micros", "descending"), ("account_id", "ascending")])
    mrr, whole = (sum(table["paying_micros"].to_pylist()) for table in (still, lasting))
    told: dict[str, Any] = {
        "months": STILL_AFTER,
        "definition": _STILL,
        "paid_so_long": len(lasting),
        "accounts": len(still),
        "mrr": money(mrr),
        "share_of_accounts": len(still) / len(lasting) if len(lasting) else None,
        "share_of_mrr": mrr / whole if whole else None,
        "listed": [_listed(row, last) for row in still.slice(0, _LISTED).to_pylist()],
    }
    if not len(lasting):
        told["reason"] = f"no account has paid for {STILL_AFTER} months without a break"
    return told


_STILL = (
    "Accounts that pay at the last month-end, have paid for at least 24 months without a break, "
    "and whose last expansion movement was 24 months ago or more, or never."
)


def _listed(row: dict[str, Any], last: int) -> dict[str, Any]:
    risen = row["risen_m"]
    return {
        "account_id": row["account_id"],
        "mrr": money(row["paying_micros"]),
        "months_paying": last - row["since_m"],
        "last_expansion": None if risen is None else f"{month_of(risen):%Y-%m}",
    }


def expansion_by_month(
    ledger: pa.Table, last: int | None, months: int = 13
) -> list[dict[str, Any]]:
    """Tell what expansion brought month by month, beside what new logos brought.

    Parameters
    ----------
    ledger : pyarrow.Table
        As `features.ledger.month_table` gives it, by account.
    last : int or None
        Number of the last month; None if nobody ever paid.
    months : int
        How many months, the latest first.

    Returns
    -------
    list of dict
        ``month``, ``expansion_mrr``, ``contraction_mrr``, ``net_expansion_mrr`` (the one less
        the other, without churn) and ``new_logo_mrr``, of the whole book.
    """
    if last is None:
        return []
    names = ("expansion", "contraction", "new")
    first = pc.min(ledger["m"]).as_py()
    recent = ledger.filter(pc.greater(ledger["m"], last - months))
    sums = recent.group_by("m").aggregate([(f"{name}_micros", "sum") for name in names])
    found = {row["m"]: [row[f"{name}_micros_sum"] for name in names] for row in sums.to_pylist()}
    return [
        _month_told(month, *found.get(month, (0, 0, 0)))
        for month in range(last, max(last - months, first - 1), -1)
    ]


def _month_told(month: int, expansion: int, contraction: int, new: int) -> dict[str, Any]:
    return {
        "month": f"{month_of(month):%Y-%m}",
        "expansion_mrr": money(expansion),
        "contraction_mrr": money(contraction),
        "net_expansion_mrr": money(expansion - contraction),
        "new_logo_mrr": money(new),
    }
