"""Every choice of the revenue rules that is open today, found by asking the rules themselves.

A choice that is refused alone is left out, and comes in by itself on the day that it opens.
"""

from __future__ import annotations

from datetime import date
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from features.rules import Rules

NUMBERS = {
    "reactivation_gap_days": (None, 45, 120),
    "late_renewal_days": (31, 0, 10, 90),
    "late_renewal_min_term": (3, 0, 12),
    "dunning_days": (30, 0, 90),
}
DATES = {"fx_date": (None, date(2023, 7, 1))}
TOGETHER = {"fx": {"fx_date": date(2023, 7, 1)}}


def choices() -> dict[str, tuple[Any, ...]]:
    """Give the values of each rule that are open, the default first."""
    return {key: open_values(key) for key in Rules.model_fields if key != "preset"}


def open_values(key: str) -> tuple[Any, ...]:
    default = getattr(Rules(), key)
    known = (NUMBERS | DATES).get(key) or literals(Rules.model_fields[key].annotation)
    return tuple(value for value in known if value == default or accepted({key: value}))


def accepted(values: dict[str, Any]) -> Rules | None:
    """Make rules of these values, with what they need beside them; None if they are refused."""
    needed = {name: more for key in values for name, more in TOGETHER.get(key, {}).items()}
    for given in (values, needed | values):
        try:
            return Rules.model_validate(given)
        except ValidationError:
            continue
    return None


def single_choices() -> list[Rules]:
    """Give the default rules, and each open choice alone beside them."""
    alone = [{key: value} for key, values in choices().items() for value in values[1:]]
    return [Rules(), *(rules for values in alone if (rules := accepted(values)))]


def literals(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    parts = get_args(annotation) if isinstance(annotation, UnionType) else ()
    return tuple(value for part in parts for value in literals(part))
