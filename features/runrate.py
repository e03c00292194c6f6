"""Run-rate: what a line pays per month, exact, rounded once (half-up) to micro-units.

Prices come in as whole pico-units (10⁻¹² of the currency's major unit), so a price of 100 over 3
months with 10 % off is (100 · 0.9 / 3) computed in integers: 30 exactly.
"""

from __future__ import annotations

__all__ = ["half_up", "line_rates", "to_micros"]

MICRO = f"{10**6}::HUGEINT"
ONE = f"{10**12}::HUGEINT"


def half_up(numerator: str, denominator: str) -> str:
    """Give the SQL of an integer division, half away from zero.

    Examples
    --------
    >>> import duckdb
    >>> sql = f"SELECT {half_up('n', '2')} FROM (VALUES (5), (4), (-5)) AS t(n)"
    >>> [n for n, in duckdb.sql(sql).fetchall()]
    [3, 2, -3]
    """
    n, d = f"({numerator})", f"({denominator})"
    return f"(sign({n}) * ((2 * abs({n}) + {d}) // (2 * {d})))"


def to_micros(column: str) -> str:
    """Give the SQL that takes pico-units to micro-units."""
    return f"CAST({half_up(column, MICRO)} AS BIGINT)"


def line_rates(net_of_discount: bool) -> tuple[str, str]:
    """Give the SQL of a line's run-rate net of discount, and before it.

    Parameters
    ----------
    net_of_discount : bool
        Whether the price already has the discount taken off.

    Examples
    --------
    >>> import duckdb
    >>> net, gross = line_rates(False)
    >>> row = "NULL::HUGEINT AS mrr, (100 * 10**12)::HUGEINT AS amount, 3 AS interval_months"
    >>> duckdb.sql(f"SELECT {net}, {gross} FROM (SELECT {row}, 0.1 AS discount)").fetchone()
    (30000000, 33333333)
    """
    price = 'coalesce("mrr", "amount")'
    months = """CASE WHEN "mrr" IS NULL THEN "interval_months" ELSE 1 END"""
    per = f"{months}::HUGEINT * {MICRO}"
    left = f"""({ONE} - CAST(round(coalesce("discount", 0) * 1e12) AS HUGEINT))"""
    plain = f"CAST({half_up(price, per)} AS BIGINT)"
    if net_of_discount:
        before = half_up(f"{price} * {ONE}", f"{per} * {left}")
        return plain, f"CASE WHEN {left} = 0 THEN {plain} ELSE CAST({before} AS BIGINT) END"
    return f"CAST({half_up(f'{price} * {left}', f'{per} * {ONE}')} AS BIGINT)", plain
