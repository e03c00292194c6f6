"""Late renewals: a line that ended is held until the line that renews it starts."""

from __future__ import annotations

from features.rules import Rules
from features.steps import Steps

__all__ = ["bridge_steps"]


def bridge_steps(rules: Rules) -> Steps:
    """Hold a line that ended until its late renewal starts.

    Its renewal is the next line of its product; where nothing else of the account is alive at
    its end, the account's next line. A line that goes on where another one of its product ends
    is that other one's renewal.
    """
    days = rules.late_renewal_days
    return {
        "lapses": f"""
    SELECT DISTINCT account_id, product, ends_on FROM recurring AS line
    WHERE ends_on IS NOT NULL AND term >= {rules.late_renewal_min_term} AND NOT EXISTS (
        FROM recurring AS next WHERE next.account_id = line.account_id
        AND next.product = line.product AND next.starts_on = line.ends_on)""",
        "openings": """
    SELECT DISTINCT account_id, product, starts_on FROM recurring AS line WHERE NOT EXISTS (
        FROM recurring AS last WHERE last.account_id = line.account_id
        AND last.product = line.product AND last.ends_on = line.starts_on)""",
        # Most accounts have no late renewal. By stretches of days: a range alone is quadratic.
        "late": f"""
    SELECT DISTINCT account_id FROM (
        SELECT DISTINCT account_id, ends_on, {_stretch("ends_on", days)} + later AS stretch
        FROM lapses, (VALUES (0), (1)) AS laters (later))
    JOIN (SELECT DISTINCT account_id, starts_on, {_stretch("starts_on", days)} AS stretch
        FROM openings) USING (account_id, stretch)
    WHERE starts_on >= ends_on AND starts_on - ends_on <= {days}""",
        # One timeline of starts, openings and lapses; a join as of a date would be quadratic.
        "timeline": """
    SELECT * FROM (SELECT account_id, product, starts_on AS day, coalesce(ends_on, DATE '9999-12-31') AS reaches,
        NULL AS opening, false AS lapsed FROM recurring
    UNION ALL SELECT account_id, product, starts_on, NULL, starts_on, false FROM openings
    UNION ALL SELECT account_id, product, ends_on, NULL, NULL, true FROM lapses)
    SEMI JOIN late USING (account_id)""",
        "looked_ahead": """
    SELECT account_id, product, day AS ends_on, lapsed,
        min(opening) OVER (PARTITION BY account_id, product ORDER BY day DESC) AS same_on,
        min(opening) OVER (PARTITION BY account_id ORDER BY day DESC) AS next_on,
        max(reaches) OVER (PARTITION BY account_id ORDER BY day) > day AS accompanied
    FROM timeline""",
        "renewals": """
    SELECT account_id, product, ends_on, same_on, CASE WHEN NOT accompanied THEN next_on END AS any_on
    FROM looked_ahead WHERE lapsed""",
        "graces": f"""
    SELECT account_id, product, ends_on, held_until FROM (
        SELECT *, CASE WHEN same_on - ends_on <= {days} THEN same_on
            WHEN any_on - ends_on <= {days} THEN any_on END AS held_until FROM renewals)
    WHERE held_until IS NOT NULL""",
        "held": f"""
    SELECT line.* REPLACE ({_in_grace(rules, "held_until", "line.ends_on")} AS ends_on),
        {_in_grace(rules, "line.ends_on", "NULL")} AS grace_from
    FROM recurring AS line LEFT JOIN graces USING (account_id, product, ends_on)""",
    }


def _stretch(day: str, days: int) -> str:
    """Number the stretches of so many days: who is so near is in the same one or the next."""
    return f"datediff('day', DATE '1970-01-01', {day}) // {days}"


def _in_grace(rules: Rules, then: str, otherwise: str) -> str:
    """Write what holds for a line that is held, and what for one whose term is too short.

    A condition on the term in the join itself would make it quadratic.
    """
    long = f"line.term >= {rules.late_renewal_min_term} AND held_until IS NOT NULL"
    return f"CASE WHEN {long} THEN {then} ELSE {otherwise} END"
