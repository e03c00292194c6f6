"""Levers: what an account's change of MRR is made of.

A change of one product from one month-end to the next is split in a fixed order: merger, new
(or left) product, plan, seats at the old unit price, discount, ramp, price. Each part is an
integer, and the last takes the rest, so the parts add up exactly.
"""

from __future__ import annotations

from features.steps import Steps

__all__ = ["LEVERS", "LEVERS_OF_CHURN", "ORGANIC", "lever_steps"]

LEVERS = ("seat", "tier", "product", "usage", "price", "ramp", "discount", "pause", "merger")
ORGANIC = ("seat", "tier", "product", "usage")

LEVERS_OF_CHURN = ("involuntary", "pause", "merger")
"""What a churn can be told apart by; without any of them it was the customer's own will."""

# Below half a cent a part is the rounding of a run-rate, and goes with the part beside it.
_CRUMB = 5_000


def lever_steps() -> Steps:
    """Write the steps from ``changes`` to ``parts``, one row per product, month and lever.

    ``changes`` has entity, product, usage, m, and before and after the change (prefixes
    ``b_`` and ``n_``, at one rate set): total (with what is paused), paused, list, seats, ramp;
    whether the plan is another (tier), and what merged in or out (merger, signed, which ``b_``
    has already). ``parts`` has entity, product, m, lever, micros (signed).

    Examples
    --------
    >>> list(lever_steps())
    ['sized', 'seated', 'split', 'parts']
    """
    return {"sized": _SIZED, "seated": _SEATED, "split": _SPLIT, "parts": _PARTS}


_SIZED = """
    SELECT *, n_total - b_total AS delta, b_paused - n_paused AS pause,
        NOT usage AND b_total > 0 AND n_total > 0 AS stays
    FROM changes"""

_SEATED = """
    SELECT *,
        CASE WHEN stays AND b_seats > 0 AND n_seats <> b_seats THEN CAST(
            CAST(b_total AS HUGEINT) * n_seats AS HUGEINT) END AS at_old_price,
        CASE WHEN stays AND b_list > 0 AND (b_list <> b_total OR n_list <> n_total) THEN n_total
            - TRY_CAST((2 * CAST(n_list AS HUGEINT) * b_total + b_list) // (2 * b_list) AS BIGINT)
            END AS raw_discount
    FROM sized"""

_SPLIT = f"""
    SELECT entity, product, m, delta, pause, merger, stays, usage,
        CASE WHEN abs(raw_discount) > {_CRUMB} THEN raw_discount ELSE 0 END AS discount,
        coalesce(TRY_CAST((2 * at_old_price + b_seats) // (2 * b_seats) AS BIGINT) - b_total, 0)
            AS raw_seat,
        CASE WHEN tier THEN 'tier' WHEN n_ramp THEN 'ramp' ELSE 'price' END AS last
    FROM seated"""

_PARTS = f"""
    SELECT entity, product, m, lever, CAST(sum(micros) AS BIGINT) AS micros FROM (
        SELECT entity, product, m, 'pause' AS lever, pause AS micros FROM split WHERE pause <> 0
        UNION ALL
        SELECT entity, product, m, 'merger', merger FROM split WHERE merger <> 0
        UNION ALL
        SELECT entity, product, m, CASE WHEN usage THEN 'usage' ELSE 'product' END, delta
        FROM split WHERE NOT stays
        UNION ALL
        SELECT entity, product, m, 'discount', discount FROM split WHERE stays AND discount <> 0
        UNION ALL
        SELECT entity, product, m, 'seat', CASE WHEN abs(delta - raw_seat - discount) > {_CRUMB}
            OR raw_seat = 0 THEN raw_seat ELSE delta - discount END FROM split WHERE stays
        UNION ALL
        SELECT entity, product, m, last, CASE WHEN abs(delta - raw_seat - discount) > {_CRUMB}
            OR raw_seat = 0 THEN delta - raw_seat - discount ELSE 0 END FROM split WHERE stays)
    GROUP BY ALL HAVING sum(micros) <> 0"""
