"""Metered revenue: usage that is billed by service month, averaged over three."""

from __future__ import annotations

from datetime import date

from features.steps import Steps, month_number

__all__ = ["metered_steps"]


def metered_steps(until: date) -> Steps:
    """Average billed usage over its last three service months, known at each month's end.

    Two months without a bill are zero at once, and so is an account that had recurring lines
    too, from the day on which none of its lines is alive.
    """
    last = until.year * 12 + until.month - 1
    start, end = month_number("starts_on"), month_number("ends_on")
    stop = f"least(coalesce(greatest({end}, {start} + 1), {last + 1}), {last + 1})"
    return {
        "billed": f"""
    SELECT account_id, product, currency, service, sum(mrr_micros) AS micros FROM (
        SELECT *, unnest(range({start}, {stop})) AS service
        FROM known_lines WHERE kind = 'usage') GROUP BY ALL""",
        "billed_since": """
    SELECT account_id, product, currency, min(service) AS since FROM billed GROUP BY ALL""",
        "usage_means": """
    SELECT account_id, product, currency, service + lag AS m, min(since) AS since,
        sum(micros) AS micros, sum(micros) FILTER (lag = 0) AS this_month,
        sum(micros) FILTER (lag < 2) AS two_months
    FROM billed JOIN billed_since USING (account_id, product, currency),
        (VALUES (0), (1), (2)) AS lags (lag)
    GROUP BY ALL""",
        "usage_lines": """
    SELECT account_id, product, currency, CAST((2 * micros + least(3, m - since + 1))
            // (2 * least(3, m - since + 1)) AS BIGINT) AS mrr_micros,
        last_day(make_date(m // 12, m % 12 + 1, 1)) AS starts_on,
        last_day(make_date((m + 1) // 12, (m + 1) % 12 + 1, 1)) AS next_on
    FROM usage_means WHERE two_months > 0""",
        # All lines of accounts that have both kinds: where none is alive, the account is closed.
        "both_kinds": """
    SELECT account_id, starts_on, ends_on FROM held
    WHERE account_id IN (SELECT account_id FROM billed_since)
    UNION ALL
    SELECT account_id, starts_on, ends_on FROM known_lines
    WHERE kind = 'usage' AND account_id IN (SELECT account_id FROM held)""",
        "closings": """
    SELECT DISTINCT account_id, ends_on AS day FROM both_kinds AS line
    WHERE ends_on IS NOT NULL AND NOT EXISTS (FROM both_kinds AS other
        WHERE other.account_id = line.account_id AND other.starts_on <= line.ends_on
        AND (other.ends_on IS NULL OR other.ends_on > line.ends_on))""",
        "closed": """
    SELECT DISTINCT account_id, usage.starts_on FROM usage_lines AS usage
    JOIN both_kinds USING (account_id)
    WHERE NOT EXISTS (FROM both_kinds AS line WHERE line.account_id = usage.account_id
        AND line.starts_on <= usage.starts_on
        AND (line.ends_on IS NULL OR line.ends_on > usage.starts_on))""",
        "open_usage": """
    SELECT usage.*, least(next_on, coalesce(closing.day, next_on)) AS ends_on
    FROM usage_lines AS usage
    ANTI JOIN closed ON closed.account_id = usage.account_id
        AND closed.starts_on = usage.starts_on
    ASOF LEFT JOIN closings AS closing ON closing.account_id = usage.account_id
        AND closing.day > usage.starts_on""",
    }
