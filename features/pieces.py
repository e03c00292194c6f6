"""Pieces: the lines laid out over month-ends, and what each of them adds and takes away.

A piece is a line, or a part of one, over the month-ends ``s`` to ``e - 1``: nothing changes
within it, neither holder nor rate nor pause. Where it starts and where it ends stands an event.
"""

from __future__ import annotations

from features.book import Book
from features.fx import Valuation, conversion, has_foreign
from features.steps import Steps, month_number

__all__ = ["AMOUNTS", "event_steps", "held_steps", "piece_steps"]

AMOUNTS = ("total", "list", "paused")
"""What a position is made of: all of it, its list price, and the part that is paused."""

_KEYS = "entity, product, usage"


def held_steps(lines: tuple[str, ...], holdings: str | None) -> Steps:
    """Give every line its holder, and number the entities that the ledger is kept by.

    Parameters
    ----------
    lines : tuple of str
        Empty for a ledger by account; else the columns of lines (``product``, ``plan``) that
        make, with the account, an entity of their own.
    holdings : str or None
        Name of the table of `features.holders.holdings`; None where every account holds its own.

    Returns
    -------
    dict of str to str
        ``entities`` (entity, account_id and the columns of ``lines``) and ``entity_lines`` (the
        lines by entity, with ``heir``: the entity that a merger gives it to at its end).
    """
    keys = "".join(f", {name}" for name in lines)
    same = "".join(f" AND {{table}}.{name} = line.{name}" for name in lines)
    number = f"CAST(row_number() OVER (ORDER BY account_id{keys}) AS INTEGER) AS entity"
    if holdings:
        return {
            "held_lines": _HELD.format(holdings=holdings),
            "entities": f"""
    SELECT {number}, * FROM (SELECT DISTINCT holder AS account_id{keys} FROM held_lines)""",
            "entity_lines": f"""
    SELECT owner.entity, heirs.entity AS heir, {_LINE} FROM held_lines AS line
    JOIN entities AS owner ON owner.account_id = line.holder{same.format(table="owner")}
    LEFT JOIN entities AS heirs ON heirs.account_id = line.heir{same.format(table="heirs")}""",
        }
    if not lines:
        return {
            "entities": "SELECT code AS entity, name AS account_id FROM customers",
            "entity_lines": f"""
    SELECT account_id AS entity, CAST(NULL AS INTEGER) AS heir, {_LINE} FROM lines AS line""",
        }
    return {
        "entities": f"""
    SELECT {number}, * EXCLUDE (account_id, name), name AS account_id FROM (
        SELECT DISTINCT account_id, name{keys} FROM lines JOIN customers ON code = account_id)""",
        "entity_lines": f"""
    SELECT owner.entity, CAST(NULL AS INTEGER) AS heir, {_LINE} FROM lines AS line
    JOIN customers ON code = line.account_id
    JOIN entities AS owner ON owner.account_id = name{same.format(table="owner")}""",
    }


def piece_steps(book: Book, valued: Valuation, last: int, *, pauses: bool) -> Steps:
    """Lay the lines out over month-ends, cut where a pause or a rate begins.

    Parameters
    ----------
    book : Book
        Where the currency comes from.
    valued : Valuation
        Which month has which rate; the step ``rates`` stands already.
    last : int
        Number of the last month.
    pauses : bool
        Whether any line may be paused.

    Returns
    -------
    dict of str to str
        ``pieces``: entity, product, usage, plan, seats, ramp, ``s``, ``e``, on_day,
        grace (its first month in grace), involuntary, heir, the `AMOUNTS` and
        each as carried into month ``e``.
    """
    start, end = month_number("starts_on"), month_number("ends_on")
    steps = {
        "laid": f"""
    SELECT * EXCLUDE (ends_on) RENAME (starts_on AS on_day), {start} AS s,
        CAST(least(coalesce({end}, {last + 1}), {last + 1}) AS BIGINT) AS e, false AS is_paused
    FROM entity_lines WHERE {start} <= {last} AND {start} < coalesce({end}, {last + 1})"""
    }
    source = "laid"
    if pauses:
        steps["with_pauses"] = _PAUSED_PIECES.format(
            p=month_number("paused_from"), r=month_number("paused_to")
        )
        source = "with_pauses"
    if has_foreign(book):
        steps["by_rate"] = _BY_RATE.format(
            source=source, now=valued.period("s"), own=book.facts.currency.replace("'", "''"),
            each=valued.period("month"), then=valued.period("month - 1"),
        )  # fmt: skip
        return steps | {"pieces": _foreign_pieces(valued)}
    paused = "CASE WHEN is_paused THEN total ELSE 0 END"
    return steps | {
        "pieces": f"""
    SELECT {_KEYS}, plan, seats, ramp, s, e, on_day, {_GRACE} AS grace, involuntary,
        heir, total, list, {paused} AS paused, total AS total_carried,
        list AS list_carried, {paused} AS paused_carried FROM {source}"""
    }


def _foreign_pieces(valued: Valuation) -> str:
    values = ", ".join(
        f"{conversion(amount, f'{rate}.rate')} AS {amount}{suffix}"
        for rate, suffix in (("now", ""), ("later", "_carried"))
        for amount in ("total", "list")
    )
    return f"""
    SELECT *, CASE WHEN is_paused THEN total ELSE 0 END AS paused,
        CASE WHEN is_paused THEN total_carried ELSE 0 END AS paused_carried
    FROM (
        SELECT {_KEYS}, plan, seats, ramp, s, e, on_day, {_GRACE} AS grace, involuntary,
            heir, is_paused, {values}
        FROM by_rate AS piece
        LEFT JOIN rates AS now ON now.currency = piece.currency AND now.period = {valued.period("s")}
        LEFT JOIN rates AS later ON later.currency = piece.currency
            AND later.period = {valued.period("e")})"""


def event_steps(last: int) -> Steps:
    """Turn every piece into what it adds at its start and takes away at its end.

    Returns
    -------
    dict of str to str
        ``events``: entity, product, usage, plan, m, n (pieces), unseated, ramps, seats, the
        `AMOUNTS`, the fx of each (``<amount>_fx``, what carrying it into the month changes),
        what merges (``<amount>_merged``, seats_merged), in_grace and involuntary.
    """
    fx = ", ".join(f"{a}_carried - {a} AS {a}_fx" for a in AMOUNTS)
    no_fx = ", ".join(f"0 AS {a}_fx" for a in AMOUNTS)
    zeros = ", ".join("0" for _ in AMOUNTS)
    merged_in = ", ".join(_MERGING.values())
    return {
        "events": f"""
    SELECT {_KEYS}, plan, s AS m, 1 AS n, {_counts(1)}, {", ".join(AMOUNTS)}, {no_fx}, {_NOT_MERGED},
        CASE WHEN grace <= s THEN total ELSE 0 END AS in_grace, false AS involuntary FROM pieces
    UNION ALL
    SELECT {_KEYS}, plan, e, -1, {_counts(-1)}, {", ".join(f"-{a}" for a in AMOUNTS)}, {fx},
        {_MERGED_OUT}, CASE WHEN grace < e THEN -total ELSE 0 END, involuntary
    FROM pieces WHERE e <= {last}
    UNION ALL
    SELECT heir, product, usage, plan, e, 0, 0, 0, 0, {zeros}, {zeros}, {merged_in}, 0, false
    FROM pieces WHERE heir IS NOT NULL AND e <= {last}
    UNION ALL
    SELECT {_KEYS}, plan, grace, 0, 0, 0, 0, {zeros}, {zeros}, {zeros}, 0, total, false
    FROM pieces WHERE grace > s AND grace < e AND grace <= {last}"""
    }


def _counts(sign: int) -> str:
    return f"""CASE WHEN seats IS NULL THEN {sign} ELSE 0 END AS unseated,
        CASE WHEN ramp THEN {sign} ELSE 0 END AS ramps, coalesce({sign} * seats, 0) AS seats"""


_MERGING = {**{a: f"{a}_carried" for a in AMOUNTS}, "seats": "coalesce(seats, 0)"}
_NOT_MERGED = ", ".join(f"0 AS {name}_merged" for name in _MERGING)
_MERGED_OUT = ", ".join(
    f"CASE WHEN heir IS NULL THEN 0 ELSE -{value} END AS {name}_merged"
    for name, value in _MERGING.items()
)

_LINE = """line.product, usage, line.plan, seats, currency, ramp, mrr_micros AS total,
        list_micros AS list, starts_on, ends_on, paused_from, paused_to, grace_from, involuntary"""

# Months of grace end with the piece; a piece that starts after the service ended is all grace. What
# is paused is not held: it counts nothing.
_GRACE = f"CASE WHEN grace_from IS NOT NULL AND NOT is_paused THEN {month_number('grace_from')} END"

_HELD = """
    SELECT line.* REPLACE (CASE WHEN since > starts_on THEN since ELSE starts_on END AS starts_on,
            CASE WHEN till < coalesce(ends_on, DATE '9999-12-31') THEN till ELSE ends_on END AS ends_on,
            involuntary AND coalesce(till >= ends_on, true) AS involuntary),
        coalesce(holder, name) AS holder,
        CASE WHEN till <= coalesce(ends_on, DATE '9999-12-31') THEN heir END AS heir
    FROM lines AS line JOIN customers ON code = line.account_id
    LEFT JOIN {holdings} AS held ON held.account_id = customers.name
    WHERE since IS NULL OR (since < coalesce(ends_on, DATE '9999-12-31') AND till > starts_on)"""

_PAUSED_PIECES = """
    SELECT * REPLACE (greatest(s, from_m) AS s, least(e, till_m) AS e, part = 1 AS is_paused,
        CASE WHEN part = 2 THEN paused_to ELSE on_day END AS on_day,
        CASE WHEN e <= till_m THEN heir END AS heir,
        involuntary AND e <= till_m AS involuntary)
    FROM (
        SELECT *, CASE part WHEN 0 THEN s WHEN 1 THEN p ELSE r END AS from_m,
            CASE part WHEN 0 THEN p WHEN 1 THEN r ELSE e END AS till_m
        FROM (
            SELECT *, coalesce({p}, e) AS p,
                CASE WHEN paused_from IS NULL THEN e ELSE greatest(coalesce({r}, e), {p}) END AS r
            FROM laid), (VALUES (0), (1), (2)) AS parts (part))
    WHERE greatest(s, from_m) < least(e, till_m)"""

# A piece in a foreign currency is cut where a new rate begins.
_BY_RATE = """
    SELECT * EXCLUDE (month, starts) REPLACE (month AS s, next_month AS e,
        CASE WHEN next_month = e THEN heir END AS heir,
        involuntary AND next_month = e AS involuntary) FROM (
        SELECT *, lead(month, 1, e) OVER (PARTITION BY piece_id ORDER BY month) AS next_month FROM (
            SELECT *, month = s OR {each} <> {then} AS starts FROM (
                SELECT *, unnest(range(s, e)) AS month FROM (
                    SELECT *, row_number() OVER () AS piece_id FROM {source}
                    WHERE currency <> '{own}'))) WHERE starts)
    UNION ALL BY NAME
    SELECT *, NULL AS piece_id, NULL AS next_month FROM {source} WHERE currency = '{own}'"""
