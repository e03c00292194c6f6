"""The lines of a book: what was known of each at a date, and until when it holds.

A line is a stretch of days ``[starts_on, ends_on)`` on which an account pays a constant
run-rate for one product. This file writes the steps of a query (name -> SELECT), which
`features.ledger` completes; whatever the book was made of, its last step is ``lines``.
"""

from __future__ import annotations

from datetime import date

from features.book import Book
from features.faults import InputMissing
from features.rules import Rules

__all__ = ["Steps", "line_steps", "month_number", "unbilled", "with_steps"]

Steps = dict[str, str]

_MONTHLY = """
    SELECT account_id, coalesce(product, '') AS product, coalesce(plan, '') AS plan, seats,
        currency, coalesce(kind, 'recurring') AS kind, mrr_micros, mrr_micros AS list_micros,
        false AS ramp, CAST(date_trunc('month', month) AS DATE) AS starts_on,
        CAST(date_trunc('month', month) + INTERVAL 1 MONTH AS DATE) AS ends_on, 1 AS term,
        CAST(NULL AS DATE) AS paused_from, CAST(NULL AS DATE) AS paused_to
    FROM mrr_by_month WHERE mrr_micros > 0 AND {known}"""

_SUBSCRIPTIONS = """
    SELECT account_id, coalesce(product, '') AS product, coalesce(plan, '') AS plan, seats,
        currency, coalesce(kind, 'recurring') AS kind, mrr_micros,
        coalesce(list_mrr_micros, mrr_micros) AS list_micros, coalesce(ramp, false) AS ramp,
        starts_on, {end} AS ends_on,
        coalesce(term_months, interval_months, CASE WHEN ends_on = CAST(
            starts_on + to_months(CAST(datediff('month', starts_on, ends_on) AS INTEGER)) AS DATE)
            THEN datediff('month', starts_on, ends_on) END, 1) AS term,
        paused_from, paused_to
    FROM subscriptions
    WHERE mrr_micros > 0 AND (ends_on IS NULL OR ends_on > starts_on) AND {known}"""

# An end is known before its day only if it is the term's end, or was recorded or cancelled.
_KNOWN_END = """CASE WHEN ends_on < DATE '{day}' OR canceled_on < DATE '{day}'
            OR recorded_at < TIMESTAMPTZ '{day} 00:00:00+00' OR ends_on = renews_on
            OR ends_on = CAST(starts_on + to_months(CAST(term_months AS INTEGER)) AS DATE)
            OR ends_on = CAST(starts_on + to_months(CAST(interval_months AS INTEGER)) AS DATE)
        THEN ends_on END"""


def month_number(column: str) -> str:
    """Write a date as its month's number, counted from year 0: 2025-07 is 24306.

    The month-ends on which a line ``[s, e)`` is alive are those of the months from
    ``month_number(s)`` to ``month_number(e) - 1``.

    Examples
    --------
    >>> month_number("starts_on")
    '(12 * year(starts_on) + month(starts_on) - 1)'
    """
    return f"(12 * year({column}) + month({column}) - 1)"


def with_steps(steps: Steps, ending: str) -> str:
    """Write a query whose steps are named, and its ending.

    Examples
    --------
    >>> print(with_steps({"one": "SELECT 1 AS n"}, "FROM one"))
    WITH one AS MATERIALIZED (SELECT 1 AS n)
    FROM one
    """
    parts = ",\n".join(f"{name} AS MATERIALIZED ({select})" for name, select in steps.items())
    return f"WITH {parts}\n{ending}"


def line_steps(book: Book, rules: Rules, until: date, as_of: date | None) -> Steps:
    """Write the steps that end in ``lines``: paid lines, late renewals bridged, usage averaged.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    rules : Rules
        The choices of ``[revenue]``.
    until : date
        Last day that will be asked for.
    as_of : date, optional
        Only what was known before it counts; None for the latest knowledge.

    Returns
    -------
    dict of str to str
        Columns of ``lines``: account_id, product, plan, seats, currency, usage (bool),
        mrr_micros, list_micros, ramp, starts_on, ends_on (null = open), paused_from, paused_to.
    """
    return (
        {"known_lines": _known_lines(book, as_of)}
        | {"recurring": "SELECT * FROM known_lines WHERE kind NOT IN ('usage','one_time','trial')"}
        | (_bridge_steps(rules) if rules.late_renewal_days else {"held": "SELECT * FROM recurring"})
        | _usage_steps(until)
        | {"lines": _LINES}
    )


def unbilled(book: Book, month_end: date, as_of: date | None) -> bool:
    """Say whether usage was billed for the month before this one, but not yet for this one."""
    month = month_number(f"DATE '{month_end}'")
    steps = {"known_lines": _known_lines(book, as_of)} | _usage_steps(month_end)
    ending = f"SELECT max(service) = {month} - 1 FROM billed"
    wanted = {name: steps[name] for name in ("known_lines", "billed")}
    return bool(book.connection.execute(with_steps(wanted, ending)).fetchall()[0][0])


def _known_lines(book: Book, as_of: date | None) -> str:
    known = f"known_at < TIMESTAMPTZ '{as_of} 00:00:00+00'" if as_of else "true"
    if book.has("subscriptions"):
        end = _KNOWN_END.format(day=as_of) if as_of else "ends_on"
        return _SUBSCRIPTIONS.format(known=known, end=end)
    if book.has("mrr_by_month"):
        return _MONTHLY.format(known=known)
    cure = "add subscriptions or mrr_by_month"
    raise InputMissing("table.missing", "the book has no table of revenue", cure)


def _bridge_steps(rules: Rules) -> Steps:
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


def _usage_steps(until: date) -> Steps:
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


_LINES = """
    SELECT account_id, product, plan, seats, currency, false AS usage, mrr_micros, list_micros,
        ramp, starts_on, ends_on, paused_from, paused_to FROM held
    UNION ALL
    SELECT account_id, product, '' AS plan, NULL AS seats, currency, true, mrr_micros,
        mrr_micros, false, starts_on, ends_on, NULL, NULL FROM open_usage"""
