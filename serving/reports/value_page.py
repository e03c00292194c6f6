"""The customer's page: what was reached together, in words that a customer may read."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from serving.digest.words import many
from serving.reports.charts import weekly
from serving.reports.paper import render
from serving.reports.spelling import change

__all__ = ["value_page"]

Body = Mapping[str, Any]


def value_page(body: Body) -> str:
    """Write the page: one HTML file, no script, no other file, no other host.

    Parameters
    ----------
    body : mapping
        What `serving.reports.value.value` gives.
    """
    used, adopted = body["usage"], body["adoption"]
    weeks = used["weeks"] if used else []
    return render(
        "value.html",
        {
            "v": body,
            "used": used if used and any(one["events"] for one in weeks) else None,
            "span": _span(used),
            "people": weekly(weeks, "people", "people"),
            "events": weekly(weeks, "events", "actions"),
            "tiers": _tiers(adopted),
            "count": len(adopted["features"]) if adopted else 0,
            "together": _together(body),
            "glance": _glance(body),
        },
    )


def _span(used: Body | None) -> str:
    """Name the period of the comparisons.

    Examples
    --------
    >>> _span({"days": 7, "of": 13}), _span(None)
    ('13 weeks', '')
    """
    if used is None:
        return ""
    return f"{used['of']} weeks" if used["days"] == 7 else f"{used['of']} months"


def _tiers(adopted: Body | None) -> list[tuple[str, list[Body]]]:
    found = adopted["features"] if adopted else []
    return [(name, list(rows)) for name, rows in groupby(found, key=lambda one: one["tier"])]


def _together(body: Body) -> str:
    """Count what was done together; what was not done is not said.

    Examples
    --------
    >>> _together({"together": {"business review": 2, "training session": 0}})
    '2 business reviews'
    """
    counts = {what: times for what, times in (body["together"] or {}).items() if times}
    return ", ".join(many(times, what) for what, times in counts.items())


def _glance(body: Body) -> list[str]:
    """Say in at most three sentences what the page shows; nothing where nothing is known."""
    return [one for one in (_people(body), _features(body), _solved(body)) if one]


def _people(body: Body) -> str:
    used = body["usage"]
    if not used or not used["people"]:
        return ""
    period = "a week" if used["days"] == 7 else "a month"
    told = f"{used['people']:,.0f} of your people were active {period}, in the mean"
    past = [
        f"{change(used['people'], used[key])} {words}"
        for key, words in (
            ("people_before", f"on the {_span(used)} before"),
            ("people_year_ago", "on a year ago"),
        )
        if used[key]
    ]
    return f"{told}: {', '.join(past)}." if past else f"{told}."


def _features(body: Body) -> str:
    """Say how many features are in use.

    Examples
    --------
    >>> _features({"adoption": {"features": [{}, {}], "before": 1}, "usage": {"days": 7, "of": 13}})
    '2 features were in use in the last 13 weeks, 1 in the 13 weeks before.'
    """
    adopted = body["adoption"]
    if not adopted or not adopted["features"]:
        return ""
    count = len(adopted["features"])
    told = "1 feature was" if count == 1 else f"{count} features were"
    before = f", {adopted['before']} in the {_span(body['usage'])} before"
    return f"{told} in use in the last {_span(body['usage'])}{before if adopted['before'] else ''}."


def _solved(body: Body) -> str:
    """Say how many requests were solved, and how fast.

    Examples
    --------
    >>> _solved({"tickets": {"solved_91d": 8, "median_days_91d": 1.5}})
    '8 support requests were solved in the last 91 days, half of them within 1.5 days.'
    """
    told = body["tickets"]
    if not told or not told["solved_91d"]:
        return ""
    count, days = told["solved_91d"], told["median_days_91d"]
    solved = "1 support request was" if count == 1 else f"{count:,} support requests were"
    when = "on the day" if days < 1 else f"within {days:.3g} day{'' if days == 1 else 's'}"
    fast = f"solved {when}" if count == 1 else f"half of them {when}"
    if count == 1:
        return f"{solved} {fast} in the last 91 days."
    return f"{solved} solved in the last 91 days, {fast}."
