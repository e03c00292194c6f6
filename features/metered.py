"""Metered revenue: usage that is billed by service month, averaged over three."""

from __future__ import annotations

from datetime import date

from features.asof import month_index
from features.rules import Rules
from features.spans import joined_spans
from features.steps import Steps, month_end_sql, month_number

__all__ = ["metered_steps"]


def metered_steps(until: date, rules: Rules) -> Steps:
    """Average billed usage over its last three service months, known at each month's end.

    Under ``usage = "billed_month"`` each month stands for itself. Where usage is left out there
    is none.

    Two months without a bill are zero at once, and so is an account that has had recurring lines
    too, from the day on which none of its lines is alive.
    """
    return _mean_steps(until, rules) | _closure_steps()


def _mean_steps(until: date, rules: Rules) -> Steps:
    """Write the steps to ``usage_lines``: what each month's usage is worth, from its last day."""
    after = month_index(until) + 1
    start, end = month_number("starts_on"), month_number("ends_on")
    counted = str(rules.basis != "committed" and rules.usage != "excluded").lower()
    months = 1 if rules.usage == "billed_month" else 3
    lags = ", ".join(f"({lag})" for lag in range(months))
    stop = f"least(coalesce(greatest({end}, {start} + 1), {after}), {after})"
    return {
        "billed": f"""
    SELECT account_id, product, currency, service, sum(mrr_micros) AS micros FROM (
        SELECT *, unnest(range({start}, {stop})) AS service
        FROM known_lines WHERE kind = 'usage' AND {counted}) GROUP BY ALL""",
        "billed_since": """
    SELECT account_id, product, currency, min(service) AS since FROM billed GROUP BY ALL""",
        "usage_means": f"""
    SELECT account_id, product, currency, service + lag AS m, min(since) AS since,
        sum(micros) AS micros, sum(micros) FILTER (lag < 2) AS two_months
    FROM billed JOIN billed_since USING (account_id, product, currency),
        (VALUES {lags}) AS lags (lag)
    GROUP BY ALL""",
        "usage_lines": f"""
    SELECT account_id, product, currency, CAST((2 * micros + least({months}, m - since + 1))
            // (2 * least({months}, m - since + 1)) AS BIGINT) AS mrr_micros,
        {month_end_sql("m")} AS starts_on, {month_end_sql("(m + 1)")} AS next_on
    FROM usage_means WHERE two_months > 0""",
    }


def _closure_steps() -> Steps:
    """Write the steps to ``open_usage``: usage ends on the day on which its account closes."""
    return {
        # The lines of accounts that have both kinds: where none is alive, the account is closed.
        "both_kinds": """
    SELECT account_id, starts_on, coalesce(ends_on, DATE '9999-12-31') AS ends_on FROM held
    WHERE account_id IN (SELECT account_id FROM billed_since)
    UNION ALL
    SELECT account_id, starts_on, coalesce(ends_on, DATE '9999-12-31') FROM known_lines
    WHERE kind = 'usage' AND account_id IN (SELECT account_id FROM held)""",
        **joined_spans("stretches", "both_kinds", "starts_on", "ends_on"),
        "open_usage": """
    SELECT usage.*, CASE WHEN contract.account_id IS NOT NULL AND stretch.ends_on < usage.next_on
        THEN stretch.ends_on ELSE usage.next_on END AS ends_on
    FROM usage_lines AS usage
    LEFT JOIN (SELECT account_id, min(starts_on) AS since FROM held GROUP BY account_id)
        AS contract ON contract.account_id = usage.account_id AND contract.since <= usage.starts_on
    LEFT JOIN stretches AS stretch ON stretch.account_id = usage.account_id
        AND stretch.starts_on <= usage.starts_on AND stretch.ends_on > usage.starts_on
    WHERE contract.account_id IS NULL OR stretch.account_id IS NOT NULL""",
    }
