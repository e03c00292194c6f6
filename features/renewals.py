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
        "account_openings": "SELECT DISTINCT account_id, starts_on FROM openings",
        "accompanied": """
    SELECT DISTINCT lapse.account_id, lapse.ends_on FROM lapses AS lapse JOIN recurring AS other
        ON other.account_id = lapse.account_id AND other.starts_on <= lapse.ends_on
        AND (other.ends_on IS NULL OR other.ends_on > lapse.ends_on)""",
        "renewals": """
    SELECT lapse.account_id, lapse.product, lapse.ends_on, same.starts_on AS same_on,
        CASE WHEN accompanied.account_id IS NULL THEN any_line.starts_on END AS any_on
    FROM lapses AS lapse
    ASOF LEFT JOIN openings AS same ON same.account_id = lapse.account_id
        AND same.product = lapse.product AND same.starts_on > lapse.ends_on
    ASOF LEFT JOIN account_openings AS any_line ON any_line.account_id = lapse.account_id
        AND any_line.starts_on > lapse.ends_on
    LEFT JOIN accompanied ON accompanied.account_id = lapse.account_id
        AND accompanied.ends_on = lapse.ends_on""",
        "graces": f"""
    SELECT account_id, product, ends_on, held_until FROM (
        SELECT *, CASE WHEN same_on - ends_on <= {days} THEN same_on
            WHEN any_on - ends_on <= {days} THEN any_on END AS held_until FROM renewals)
    WHERE held_until IS NOT NULL""",
        "held": f"""
    SELECT line.* REPLACE (CASE WHEN line.term >= {rules.late_renewal_min_term}
        THEN coalesce(grace.held_until, line.ends_on) ELSE line.ends_on END AS ends_on)
    FROM recurring AS line LEFT JOIN graces AS grace USING (account_id, product, ends_on)""",
    }
