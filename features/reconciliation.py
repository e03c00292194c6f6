"""Reconciliation: the way from one definition's NRR and GRR to another's, one rule at a time.

The rules change in the order of the fields of `features.rules.Rules`, from the first definition to
the second; rules that need one another change together. Each step is measured on the whole book,
as an exact fraction, and rounded to four decimals of a point; a line is the difference of two such
figures, so the lines add up to the whole to the last digit. The order is fixed because an effect
depends on what changed before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pydantic import ValidationError

from features.amounts import money
from features.book import Book
from features.definition import not_applied
from features.faults import DataRejected, InternalFault
from features.presets import PRESETS
from features.ratios import Ratios, points, points_apart, ratios
from features.retention import last_closing
from features.rules import Rules
from features.windows import Window, windows

__all__ = ["reconcile", "rule_groups", "side_by_side"]

TOGETHER = (
    ("reactivation", "reactivation_gap_days"),
    ("late_renewal_days", "late_renewal_min_term"),
    ("fx", "fx_date"),
)
"""Rules of which one means nothing without the other."""

_NO_EFFECT = "no effect in this window"


def reconcile(
    book: Book, rules: Rules, other: Rules, window: str, as_of: date | None
) -> dict[str, Any]:
    """Walk from one definition's NRR and GRR to another's, one line per rule.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    rules, other : Rules
        Where the walk starts, and where it ends.
    window : str
        ``month``, ``quarter``, ``ttm`` or ``FROM:TO``; the latest one under ``rules``, and the
        same for every step.
    as_of : date or None
        Only what was known before it counts; None for the latest knowledge.

    Returns
    -------
    dict
        ``window`` (from, to), ``from`` and ``to`` (preset, definition, accounts, opening and
        closing MRR, NRR, GRR), ``lines`` (``rule``, ``from``, ``to``: the values of the rule;
        ``nrr``, ``grr``: as fractions after the step, with six decimals; ``nrr_points``,
        ``grr_points``: its effect, with four; ``note``), ``nrr_points`` and ``grr_points``: the
        whole, which is the exact sum of the lines. Where a step has no ratio the walk ends there:
        its line and the whole are null, with a ``reason``.

    Raises
    ------
    UsageFault
        ``window.unknown``.
    DataRejected
        ``fx.missing`` if a step needs a rate that the book has not.

    Examples
    --------
    >>> import pandas as pd
    >>> from features.book import BookFacts
    >>> from features.contracts import canonical
    >>> paid = [("a", "2025-04-01", 100), ("a", "2025-05-01", 130), ("a", "2025-06-01", 100)]
    >>> rows = pd.DataFrame(paid, columns=["account_id", "month", "mrr_micros"])
    >>> facts = BookFacts(as_of=date(2025, 7, 1))
    >>> book = Book.of({"mrr_by_month": canonical("mrr_by_month", rows)}, facts)
    >>> told = reconcile(book, Rules(), Rules(losses="movements"), "2025-04:2025-06", None)
    >>> [(line["rule"], line["nrr_points"], line["grr_points"]) for line in told["lines"]]
    [('losses', 0.0, -30.0)]
    """
    return _walk(_sight(book, rules, window, as_of), rules, other)


def side_by_side(book: Book, window: str, as_of: date | None, rules: Rules) -> dict[str, Any]:
    """Measure one window under every preset, with the walk to each from these rules.

    Returns
    -------
    dict
        ``window`` and ``presets``: per preset ``preset``, ``accounts``, ``opening_mrr``,
        ``closing_mrr``, ``nrr``, ``grr`` and ``reconciliation`` (as `reconcile` gives it). Where
        the book lacks what a preset needs (a rate of exchange), null with a ``reason``.
    """
    sight = _sight(book, rules, window, as_of)
    return {
        "window": _pair(sight.window),
        "presets": [_beside(sight, rules, name) for name in PRESETS],
    }


def rule_groups(rules: Rules, other: Rules) -> list[tuple[str, ...]]:
    """List the rules in which two definitions differ, in the order in which they change.

    Examples
    --------
    >>> rule_groups(Rules(), Rules(late_renewal_days=0, late_renewal_min_term=1))
    [('late_renewal_days', 'late_renewal_min_term')]
    """
    tied = {key: group for group in TOGETHER for key in group}
    groups = dict.fromkeys(tied.get(key, (key,)) for key in Rules.model_fields if key != "preset")
    differing = (
        tuple(key for key in group if getattr(rules, key) != getattr(other, key))
        for group in groups
    )
    return [group for group in differing if group]


@dataclass
class _Sight:
    """One window of one book; what was measured under some rules is not measured again."""

    book: Book
    window: Window
    as_of: date | None
    found: dict[Rules, Ratios] = field(default_factory=dict)

    def under(self, rules: Rules) -> Ratios:
        if rules not in self.found:
            (self.found[rules],) = ratios(self.book, rules, [self.window], self.as_of)
        return self.found[rules]


def _sight(book: Book, rules: Rules, window: str, as_of: date | None) -> _Sight:
    last = last_closing(book, rules, as_of)
    latest = windows(window, last, book.facts.fiscal_year_starts)[0]
    return _Sight(book, latest, as_of)


def _walk(sight: _Sight, rules: Rules, other: Rules) -> dict[str, Any]:
    first, last = sight.under(rules), sight.under(other)
    told = {
        "window": _pair(sight.window),
        "from": _end(rules, first),
        "to": _end(other, last),
    }
    lines, reason = [], first.reason if first.nrr is None else ""
    for here, there in () if reason else _steps(rules, other):
        lines.append(line := _line(sight, here, there))
        if line["nrr"] is None:
            reason = f"with {line['rule']} = {line['to']}: {line['reason']}"
            break
    if reason:
        return told | {"lines": lines, **dict.fromkeys(_POINTS), "reason": reason}
    whole = points_apart(first, last)
    _adds_up(lines, whole)
    return told | {"lines": lines, **whole}


def _adds_up(lines: list[dict[str, Any]], whole: dict[str, float | None]) -> None:
    for name, told in whole.items():
        summed = sum((Decimal(str(line[name])) for line in lines), Decimal())
        if summed != Decimal(str(told)):
            message = f"reconciliation: {name} of the lines make {summed}, not {told}"
            raise InternalFault("identity.broken", message)


def _steps(rules: Rules, other: Rules) -> Iterator[tuple[Rules, Rules]]:
    """Give each step's rules before and after it; what is refused alone changes with the next."""
    here, waiting = rules, dict[str, Any]()
    for group in rule_groups(rules, other):
        waiting |= {key: getattr(other, key) for key in group}
        there = _changed(here, waiting)
        if there is not None:
            yield here, there
            here, waiting = there, {}


def _changed(rules: Rules, values: dict[str, Any]) -> Rules | None:
    try:
        return Rules.model_validate(rules.model_dump() | values)
    except ValidationError:
        return None


def _line(sight: _Sight, here: Rules, there: Rules) -> dict[str, Any]:
    keys = [key for group in rule_groups(here, there) for key in group]
    before, after = sight.under(here), sight.under(there)
    effect = points_apart(before, after)
    line: dict[str, Any] = {
        "rule": " + ".join(keys),
        "from": _values(here, keys),
        "to": _values(there, keys),
        "nrr": _six(after.nrr),
        "grr": _six(after.grr),
        **effect,
        "note": "",
    }
    if after.nrr is None:
        return line | {"reason": after.reason}
    if not any(effect.values()):
        absent = _without_data(sight.book, here, there)
        line["note"] = next((absent[key] for key in keys if key in absent), _NO_EFFECT)
    return line


def _without_data(book: Book, *sides: Rules) -> dict[str, str]:
    """Say of the rules that this book has no data for, and of those with them, why not."""
    told = {key: why for rules in sides for key, why in not_applied(book, rules).items()}
    joined = {key: told[one] for group in TOGETHER for one in group if one in told for key in group}
    return joined | told


def _values(rules: Rules, keys: list[str]) -> Any:
    stamp = rules.stamp()
    return stamp[keys[0]] if len(keys) == 1 else {key: stamp[key] for key in keys}


def _end(rules: Rules, found: Ratios) -> dict[str, Any]:
    told = {"preset": rules.preset, "definition": rules.stamp()} | _figures(found)
    return told | ({"reason": found.reason} if found.reason else {})


def _figures(found: Ratios) -> dict[str, Any]:
    amounts = {name: found.micros.get(name) for name in ("opening", "closing")}
    return {
        "accounts": found.accounts,
        **{f"{name}_mrr": None if v is None else money(v) for name, v in amounts.items()},
        "nrr": _six(found.nrr),
        "grr": _six(found.grr),
    }


def _six(ratio: Fraction | None) -> float | None:
    rounded = points(ratio)
    return None if rounded is None else float(rounded.scaleb(-2))


def _beside(sight: _Sight, rules: Rules, name: str) -> dict[str, Any]:
    try:
        walk = _walk(sight, rules, Rules.model_validate({"preset": name}))
    except DataRejected as lacking:
        return {"preset": name, **dict.fromkeys(_BESIDE), "reason": str(lacking)}
    shown = {key: walk["to"][key] for key in walk["to"] if key not in ("preset", "definition")}
    return {"preset": name} | shown | {"reconciliation": walk}


def _pair(window: Window) -> dict[str, str]:
    return {"from": str(window.opening), "to": str(window.closing)}


_POINTS = ("nrr_points", "grr_points")
_BESIDE = ("accounts", "opening_mrr", "closing_mrr", "nrr", "grr", "reconciliation")
