"""The foot of a page: by which rules its figures were made, and at which exchange rates."""

from __future__ import annotations

from collections.abc import Sequence

from serving.definition import idle_rules, rules_line
from serving.terminal.paper import Body, tell, write

__all__ = ["chosen"]


def chosen(definition: Body, currency: str, end: str) -> None:
    """Say what differs from the default, what has no data, and the rates at the window's end."""
    write(f"rules: {rules_line(definition)}")
    if idle := idle_rules(definition):
        write(f"rules without data in this book: {idle}")
    if rates := definition.get("fx_rates"):
        tell(_rates(rates, currency, end))


def _rates(rates: Sequence[Body], currency: str, end: str) -> str:
    """Name for each currency the latest rate up to the window's end.

    Examples
    --------
    >>> days = ("2024-01-01", "2025-01-01", "2026-01-01")
    >>> euros = [{"currency": "EUR", "day": day, "rate": 1.1} for day in days]
    >>> _rates(euros, "USD", "2025-12-31")
    'exchange rates to USD: EUR 1.10 on 2025-01-01 (2 more: --json)'
    """
    by_day = sorted(rates, key=lambda one: str(one["day"]))
    then = [one for one in by_day if one["day"] <= end] or by_day
    latest = {str(one["currency"]): one for one in then}
    told = ", ".join(f"{name} {_rate(latest[name])}" for name in sorted(latest))
    others = len(rates) - len(latest)
    more = f" ({others} more: --json)" if others else ""
    return f"exchange rates to {currency}: {told}{more}"


def _rate(one: Body) -> str:
    """Spell a rate with all its digits, two decimals at least.

    Examples
    --------
    >>> _rate({"rate": 0.0064, "day": "2025-01-01"}), _rate({"rate": 2, "day": "2025-01-01"})
    ('0.0064 on 2025-01-01', '2.00 on 2025-01-01')
    """
    whole, _, part = f"{one['rate']:.12f}".rstrip("0").partition(".")
    return f"{whole}.{part:0<2} on {one['day']}"
