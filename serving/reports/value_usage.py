"""How an account uses the product: by week, against the quarter and the year before, by feature.

People, weeks and what was known when are counted as the signals of usage count them: weeks end
where the feed ends, named users come before totals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.rollup import SCALE
from features.usage_rows import QUARTER, YEAR, known_usage
from features.view import View
from serving.digest.lines import plain

__all__ = ["TIERS", "adoption", "reached", "usage"]

Body = Mapping[str, Any]

SHOWN = 182  # days of which the periods are shown
_DAYS = YEAR + SHOWN
STEPS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
TIERS = {
    "core": "Core",
    "advanced": "Advanced",
    "integration": "Integrations",
    "admin": "Administration",
    "advocacy": "Community",
}
"""What a tier of the catalogue is called before a customer."""
_OTHER = "Further features"


def usage(view: View, account: str) -> dict[str, Any] | None:
    """Tell an account's usage by week, and of 13 weeks beside those before.

    Returns
    -------
    dict or None
        ``days`` of a period (7, or 28 where rows are monthly) and ``of``, how many make a
        quarter; ``weeks`` (half a year: ``week``, its first day; ``events``; ``people``, null
        where the feed names nobody), and of the last quarter ``people`` (mean a period) and
        ``events`` (sum), beside ``people_before``, ``events_before`` (the quarter before) and
        ``people_year_ago``, ``events_year_ago`` (null where usage does not reach back so far).
        None without a feed.
    """
    feed = view.feeds.get("usage")
    if feed is None:
        return None
    step = max(7, feed.grain)
    quarter, year, half = QUARTER // step, YEAR // step, SHOWN // step
    known = (feed.end - feed.starts) // step
    events = _events(view, account, step)
    people = _people(view, account, step)
    weeks = [
        {
            "week": _date(feed.end - step * (back + 1)),
            "events": events.get(back, 0.0),
            "people": people(back),
        }
        for back in range(min(half, known) - 1, -1, -1)
    ]
    told: dict[str, Any] = {"days": step, "of": quarter, "weeks": weeks}
    for name, first in (("", 0), ("_before", quarter), ("_year_ago", year)):
        within = range(first, first + quarter) if known >= first + quarter else ()
        told[f"events{name}"] = sum(events.get(k, 0.0) for k in within) if within else None
        told[f"people{name}"] = _mean([people(k) for k in within])
    return told


def adoption(view: View, account: str) -> dict[str, Any] | None:
    """Tell which features were used in the last quarter, in how many of its weeks, since when.

    Returns
    -------
    dict or None
        ``features``: by tier and name ``feature``, ``tier`` (its heading), ``weeks`` (or months) and
        ``first_used_on`` (null where usage begins with it); ``before``: how many were used in
        the quarter before. None without a feed.
    """
    feed = view.feeds.get("usage")
    if feed is None:
        return None
    rows = known_usage(view, "usage_by_feature").filter(
        nw.col("account_id") == account, nw.col("count") > 0
    )
    found: pd.DataFrame = rows.select("feature", "day", "age").collect("pandas").to_native()
    step = max(7, feed.grain)
    quarter = QUARTER // step
    found = found.assign(week=found["age"] // step)
    recent = found[found["week"] < quarter]
    before = found[(found["week"] >= quarter) & (found["week"] < 2 * quarter)]
    first = found.groupby("feature")["day"].min()
    tiers = _tiers(view)
    features: list[dict[str, Any]] = [
        {
            "feature": plain(str(name).replace("_", " "), 60),
            "tier": TIERS.get(tiers.get(name, ""), _OTHER),
            "weeks": int(weeks),
            "first_used_on": None if first[name] < feed.starts + 28 else _date(first[name]),
        }
        for name, weeks in recent.groupby("feature")["week"].nunique().items()
    ]
    order = [*TIERS.values(), _OTHER]
    features.sort(key=lambda one: (order.index(one["tier"]), -one["weeks"], one["feature"]))
    return {"features": features, "before": int(before["feature"].nunique())}


def reached(told: Body | None) -> list[dict[str, str]]:
    """Tell when the people of a week first reached a round number.

    Examples
    --------
    >>> weeks = [{"week": "2025-06-02", "people": 4}, {"week": "2025-06-09", "people": 12}]
    >>> reached({"weeks": weeks})
    [{'on': '2025-06-09', 'what': '10 people active in a week'}]
    """
    people = [(one["week"], one["people"]) for one in (told or {}).get("weeks", ())]
    known = [(week, count) for week, count in people if count is not None]
    if not known:
        return []
    first = known[0][1]
    found: dict[str, int] = {}
    for step in STEPS:
        week = next((week for week, count in known if count >= step > first), None)
        if week is not None:
            found[week] = step
    return [
        {"on": week, "what": f"{step:,} people active in a week"} for week, step in found.items()
    ]


def _events(view: View, account: str, step: int) -> dict[int, float]:
    """Sum the events of each period before the feed's end."""
    rows = known_usage(view, "usage_by_day", _DAYS).filter(nw.col("account_id") == account)
    found: pd.DataFrame = rows.select("age", "count").collect("pandas").to_native()
    sums = found.groupby(found["age"] // step)["count"].sum() / SCALE
    return {int(week): float(count) for week, count in sums.items()}


def _people(view: View, account: str, step: int) -> Callable[[int], int | None]:
    """Count the people of a period: named users where there are any, else the largest total."""
    named = known_usage(view, "usage_by_user", _DAYS).filter(nw.col("account_id") == account)
    found: pd.DataFrame = named.select("age", "user_id").collect("pandas").to_native()
    if len(found):
        counts = found.groupby(found["age"] // step)["user_id"].nunique()
        return lambda week: int(counts.get(week, 0))
    totals = known_usage(view, "usage_by_day", _DAYS).filter(
        nw.col("account_id") == account, ~nw.col("users").is_null()
    )
    told: pd.DataFrame = totals.select("age", "users").collect("pandas").to_native()
    if told.empty:
        return lambda _: None
    most = told.groupby(told["age"] // step)["users"].max()
    return lambda week: int(most.get(week, 0))


def _tiers(view: View) -> dict[str, str]:
    if not view.book.has("feature_catalog"):
        return {}
    rows = view.book.table("feature_catalog").select("feature", "tier")
    found: pd.DataFrame = rows.collect("pandas").to_native()
    return dict(zip(found["feature"], found["tier"].fillna("").str.lower(), strict=True))


def _mean(counts: Sequence[float | None]) -> float | None:
    known = [one for one in counts if one is not None]
    return sum(known) / len(known) if known else None


def _date(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=int(number))).isoformat()
