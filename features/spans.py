"""Spans: stretches of days of an account, those that overlap or touch made one."""

from __future__ import annotations

from features.steps import Steps

__all__ = ["joined_spans"]


def joined_spans(name: str, source: str, start: str, end: str) -> Steps:
    """Write the steps that end in ``name``: account_id and the two columns, once per stretch.

    Parameters
    ----------
    name : str
        How the result is called.
    source : str
        The step that has the spans: account_id and the two columns, none of them null.
    start, end : str
        First day of a span, and first day after it.

    Examples
    --------
    >>> list(joined_spans("spells", "arrears", "late_on", "paid_on"))
    ['spells_once', 'spells_covered', 'spells_numbered', 'spells']
    """
    order = f"PARTITION BY account_id ORDER BY {start}, {end}"
    return {
        # Each once: two that are the same would have no order, and the count below none either.
        f"{name}_once": f"SELECT DISTINCT account_id, {start}, {end} FROM {source}",
        f"{name}_covered": f"""
    SELECT *, max({end}) OVER ({order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM {name}_once""",
        f"{name}_numbered": f"""
    SELECT *, count(*) FILTER (before IS NULL OR before < {start}) OVER (
        {order} ROWS UNBOUNDED PRECEDING) AS stretch
    FROM {name}_covered""",
        name: f"""
    SELECT account_id, min({start}) AS {start}, max({end}) AS {end}
    FROM {name}_numbered GROUP BY account_id, stretch""",
    }
