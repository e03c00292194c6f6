"""Why an account moved: what its probability, its signals and its triggers did since last time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.memory import Memory

__all__ = ["effects_of", "moved_because", "trigger_name", "trigger_names"]

SHOWN = 2
LEAST_POINTS = 0.01
NAMES = ("trigger", "slug", "code", "kind", "name")


def trigger_name(trigger: Any) -> str:
    """Name a trigger, given as its name or as an object that carries it.

    Examples
    --------
    >>> trigger_name("champion_left"), trigger_name({"slug": "seat_limit", "level": "act"})
    ('champion_left', 'seat_limit')
    """
    if isinstance(trigger, Mapping):
        return next((str(trigger[name]) for name in NAMES if name in trigger), "unnamed")
    return str(trigger)


def trigger_names(triggers: Iterable[Any] | None) -> list[str]:
    """Name the triggers that fire, each once, in order of name."""
    return sorted({trigger_name(trigger) for trigger in triggers or ()})


def effects_of(reasons: Sequence[Mapping[str, Any]] | None) -> dict[str, float]:
    """Add the effects of an account's reasons up per group of signals.

    Examples
    --------
    >>> effects_of([{"signal": "usage_slope", "group": "usage", "effect": -0.04},
    ...     {"signal": "usage_gap", "group": "usage", "effect": -0.02}])
    {'usage': -0.06}
    """
    total: dict[str, float] = {}
    for reason in reasons or ():
        group = str(reason.get("group", reason.get("signal")))
        total[group] = total.get(group, 0.0) + float(reason.get("effect") or 0.0)
    return {group: round(effect, 6) for group, effect in sorted(total.items())}


def moved_because(
    before: Memory | None, now: Memory, *, hard: bool, renewed: bool, rule_based: bool
) -> list[str]:
    """Say in short sentences what drove an account from its previous cell; empty if it stayed.

    Examples
    --------
    >>> before = Memory("2025-W26", "HL", [0, 0, 0, 3, 3], [0, 0, 0, 3, 3], [0.95, 0.02],
    ...     effects={"usage": 0.01})
    >>> now = Memory("2025-W27", "ML", [1, 1, 0, 0, 0], [0, 0, 0, 3, 3], [0.80, 0.02],
    ...     triggers=["gone_quiet"], effects={"usage": -0.11})
    >>> for line in moved_because(before, now, hard=False, renewed=False, rule_based=False):
    ...     print(line)
    chance of renewal 95% before, 80% now
    usage moved it by -12 points
    trigger appeared: gone quiet
    """
    if before is None or before.cell == now.cell:
        return []
    lines = ["a renewal was passed"] if renewed else []
    lines += ["a hard event: it moves at once"] if hard else []
    lines += [] if rule_based else _chances(before, now)
    lines += _groups(before, now) if before.cell[0] != now.cell[0] else []
    lines += [
        f"trigger appeared: {_words(t)}" for t in sorted({*now.triggers} - {*before.triggers})
    ]
    lines += [f"trigger cleared: {_words(t)}" for t in sorted({*before.triggers} - {*now.triggers})]
    return lines


def _chances(before: Memory, now: Memory) -> list[str]:
    """Say the probabilities of the axes that moved."""
    names = ("renewal", "expansion")
    return [
        f"chance of {names[axis]} {before.p[axis]:.0%} before, {now.p[axis]:.0%} now"
        for axis in (0, 1)
        if before.cell[axis] != now.cell[axis]
    ]


def _groups(before: Memory, now: Memory) -> list[str]:
    """Say which groups of signals moved the chance of renewal most."""
    groups = {*before.effects, *now.effects}
    change = {g: now.effects.get(g, 0.0) - before.effects.get(g, 0.0) for g in groups}
    largest = sorted(change, key=lambda g: (-abs(change[g]), g))[:SHOWN]
    return [
        f"{_words(group)} moved it by {100 * change[group]:+.0f} points"
        for group in largest
        if abs(change[group]) >= LEAST_POINTS
    ]


def _words(slug: str) -> str:
    return slug.replace("_", " ")
