"""Metered revenue: usage that is billed by service month, averaged over three."""

from __future__ import annotations

from datetime import date

from features.rules import Rules
from features.steps import Steps, month_number

__all__ = ["metered_steps"]


def metered_steps(until: date, rules: Rules) -> Steps:
    """Average billed usage over its last three service months, known at each month's end.

    Under ``usage = "billed_month"`` each month stands for itself. Where usage is left out there
    is none.

    Two months without a bill are zero at once, and so is an account that has had recurring lines
    too, from the day on which none of its lines is alive.
    """
    last = until.year * 12 + until.month - 1
    start, end = month_number("starts_on"), month_number("ends_on")
    counted = str(rules.basis != "committed" and rules.usage != "excluded").lower()
    months = 1 if rules.usage == "billed_month" else 3
    lags = ", ".join(f"({lag})" for lag in range(months))
    stop = f"least(coalesce(greatest({end}, {start} + 1), {last + 1}), {last + 1})"
    return {
        "billed": f"""
    SELECT account_id, product, currency, service, sum(mrr_micros) AS micros FROM (
        SELECT *, unnest(range({start}, {stop})) AS service
        FROM known_lines WHERE kind = 'usage' AND {counted}) GROUP BY ALL""",
        "billed_since": """
    SELECT account_id, product, currency, min(service) AS since FROM billed GROUP BY ALL""",
        "usage_means": f"""
    SELECT account_id, product, currency, service + lag AS m, min(since) AS since,
        sum(micros) AS micros, sum(micros) FILTER (lag = 0) AS this_month,
        sum(micros) FILTER (lag < 2) AS two_months
    FROM billed JOIN billed_since USING (account_id, product, currency),
        (VALUES {lags}) AS lags (lag)
    GROUP BY ALL""",
        "usage_lines": f"""
    SELECT account_id, product, currency, CAST((2 * micros + least({months}, m - since + 1))
            // (2 * least({months}, m - since + 1)) AS BIGINT) AS mrr_micros,
        last_day(make_date(m // 12, m % 12 + 1, 1)) AS starts_on,
        last_day(make_date((m + 1) // 12, (m + 1) % 12 + 1, 1)) AS next_on
    FROM usage_means WHERE two_months > 0""",
        # The spans of accounts that have both kinds, each once (a tie would have no order): where none
        # is alive, the account is closed.
        "both_kinds": """
    SELECT account_id, starts_on, ends_on FROM held
    WHERE account_id IN (SELECT account_id FROM billed_since)
    UNION
    SELECT account_id, starts_on, ends_on FROM known_lines
    WHERE kind = 'usage' AND account_id IN (SELECT account_id FROM held)""",
        "covers": """
    SELECT account_id, starts_on, coalesce(ends_on, DATE '9999-12-31') AS ends_on,
        max(coalesce(ends_on, DATE '9999-12-31')) OVER (PARTITION BY account_id
            ORDER BY starts_on, ends_on ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM both_kinds""",
        "numbered": """
    SELECT *, count(*) FILTER (before IS NULL OR before < starts_on) OVER (
        PARTITION BY account_id ORDER BY starts_on, ends_on ROWS UNBOUNDED PRECEDING) AS stretch
    FROM covers""",
        "stretches": """
    SELECT account_id, min(starts_on) AS opened_on, max(ends_on) AS closed_on
    FROM numbered GROUP BY account_id, stretch""",
        "open_usage": """
    SELECT usage.*, CASE WHEN contract.account_id IS NOT NULL AND stretch.closed_on < usage.next_on
        THEN stretch.closed_on ELSE usage.next_on END AS ends_on
    FROM usage_lines AS usage
    LEFT JOIN (SELECT account_id, min(starts_on) AS since FROM held GROUP BY account_id)
        AS contract ON contract.account_id = usage.account_id AND contract.since <= usage.starts_on
    LEFT JOIN stretches AS stretch ON stretch.account_id = usage.account_id
        AND stretch.opened_on <= usage.starts_on AND stretch.closed_on > usage.starts_on
    WHERE contract.account_id IS NULL OR stretch.account_id IS NOT NULL""",
    }
