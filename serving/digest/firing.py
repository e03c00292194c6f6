"""Triggers that are new since the last run, and those that the digest has a section for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.moves import trigger_name
from serving.digest.lines import (
    Line,
    Listing,
    Row,
    for_it,
    largest,
    line,
    listing,
    plain,
    sentences,
)
from serving.digest.reading import Week

Levels = dict[str, tuple[int, str]]
Firing = tuple[int, str]

__all__ = ["LEVELS", "NewTrigger", "business_growth", "long_since_expansion", "new_triggers"]

LEVELS = ("hard", "red", "act", "attention")
"""Levels of a trigger, the gravest first."""
EXAMPLES = {"hard": 10, "red": 6, "act": 5, "attention": 3}
"""How many accounts are named of a new trigger, by its level."""
WEAKEST = (len(LEVELS), "")
LONG_SINCE, GROWTH = "long_since_expansion", "business_growth"
SIGNS = "growth_"


@dataclass(frozen=True)
class NewTrigger:
    """A trigger that began to fire.

    Attributes
    ----------
    name, level : str
    listing : Listing
        The accounts on which it is new.
    firing : int
        Accounts on which it fires now, at this level, new ones included.
    cleared : int
        Accounts on which it fired at this level at the last run, and does not fire any more.
    """

    name: str
    level: str
    listing: Listing
    firing: int
    cleared: int


def new_triggers(week: Week) -> tuple[NewTrigger, ...]:
    """List the triggers that are new on accounts that both runs know, the gravest first.

    A trigger is new where it did not fire at the last run, or fired at a weaker level.
    """
    if week.before is None:
        return ()
    now, then = (
        {name: _levels(row) for name, row in side.items()} for side in (week.rows, week.past)
    )
    new: dict[Firing, list[str]] = {}
    for name in sorted(now.keys() & then.keys()):
        for trigger, (level, _) in now[name].items():
            if level < then[name].get(trigger, WEAKEST)[0]:
                new.setdefault((level, trigger), []).append(name)
    firing, past = _counted(now), _counted(then)
    told = []
    for key, names in new.items():
        rows = largest(week.rows[name] for name in names)
        before = past.get(key, set()) & now.keys()
        cleared = sum(key[1] not in now[name] for name in before)
        told.append(_told(key, rows, len(firing[key]), cleared))
    return tuple(
        sorted(told, key=lambda one: (LEVELS.index(one.level), -one.listing.mrr, one.name))
    )


def long_since_expansion(week: Week) -> Listing:
    """List the accounts that have not expanded for long, the largest first."""
    what = (
        "No expansion for 24 months or more, or never in as long as a customer (730 days unless "
        "long_since_expansion in [triggers] says otherwise)."
    )
    return _with(week, "No expansion in 24+ months", what, LONG_SINCE)


def business_growth(week: Week) -> Listing:
    """List the accounts whose own business shows signs of growth, the largest first."""
    what = (
        "Signs of growth of the customer's own business in the last 91 days: headcount, funding, "
        "hiring, new regions, buying intent."
    )
    return _with(week, "Business growth", what, GROWTH)


def _with(week: Week, title: str, what: str, trigger: str) -> Listing:
    """List the accounts on which a trigger fires, with its evidence and signs of growth."""
    fired = {name: _levels(row) for name, row in week.rows.items()}
    rows = largest(week.rows[name] for name, found in fired.items() if trigger in found)
    signals = SIGNS if trigger == GROWTH else "\0"

    def made(row: Row) -> Line:
        evidence = fired[row["account_id"]][trigger][1]
        return line(row, sentences([evidence, *_of(row, signals)]), share=row["p_expand"])

    return listing(title, what, rows, made)


def _of(row: Row, signals: str) -> tuple[str, ...]:
    """Give what an account's reasons to expand say of some signals."""
    told = row["reasons_expansion"] or ()
    named = (one for one in told if isinstance(one, Mapping))
    return for_it((one for one in named if str(one.get("signal")).startswith(signals)), up=True)


def _levels(row: Row) -> Levels:
    """Give each trigger's level (0 is the gravest) and its evidence."""
    found: Levels = {}
    for trigger in row["triggers"] or ():
        name = trigger_name(trigger)
        found[name] = min(found.get(name, WEAKEST), (_level(trigger), _evidence(trigger)))
    return found


def _level(trigger: Any) -> int:
    level = trigger.get("level") if isinstance(trigger, Mapping) else None
    return LEVELS.index(level) if level in LEVELS else len(LEVELS) - 1


def _evidence(trigger: Any) -> str:
    return str(trigger.get("evidence") or "") if isinstance(trigger, Mapping) else ""


def _counted(fired: Mapping[str, Levels]) -> dict[Firing, set[str]]:
    """Give the accounts on which each trigger fires, by its level."""
    found: dict[Firing, set[str]] = {}
    for name, levels in fired.items():
        for trigger, (level, _) in levels.items():
            found.setdefault((level, trigger), set()).add(name)
    return found


def _told(key: Firing, rows: list[Row], firing: int, cleared: int) -> NewTrigger:
    level, trigger = LEVELS[key[0]], key[1]
    title = plain(trigger.replace("_", " "))

    def made(row: Row) -> Line:
        return line(row, sentences([_levels(row)[trigger][1]]))

    told = listing(title, "", rows, made, EXAMPLES[level])
    return NewTrigger(trigger, level, told, firing, cleared)
