"""Triggers that are new since the last run, and those that the digest has a section for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.moves import trigger_name
from serving.digest.lines import SHOWN, Line, Listing, Row, for_it, line, listing, plain, sentences
from serving.digest.reading import Week

__all__ = ["LEVELS", "NewTrigger", "business_growth", "long_since_expansion", "new_triggers"]

LEVELS = ("hard", "red", "act", "attention")
"""Levels of a trigger, the gravest first."""
EXAMPLES = {"hard": 10, "red": 6, "act": 5, "attention": 3}
"""How many accounts are named of a new trigger, by its level."""
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
    found: dict[tuple[int, str], list[Line]] = {}
    for name in week.rows.keys() & week.past.keys():
        row = week.rows[name]
        now, then = _levels(row), _levels(week.past[name])
        for trigger, (level, says) in now.items():
            if level < then.get(trigger, (len(LEVELS), ""))[0]:
                one = line(row, sentences([says]))
                found.setdefault((level, trigger), []).append(one)
    firing, past = _counted(week.rows), _counted(week.past)
    told = [
        _told(trigger, LEVELS[level], lines, firing[level, trigger], past, week)
        for (level, trigger), lines in found.items()
    ]
    return tuple(
        sorted(told, key=lambda one: (LEVELS.index(one.level), -one.listing.mrr, one.name))
    )


def long_since_expansion(week: Week) -> Listing:
    """List the accounts that have not expanded for long, the largest first."""
    what = (
        "No expansion for 24 months or more, or never in as long as a customer (730 days unless "
        "long_since_expansion in [triggers] says otherwise)."
    )
    return listing("No expansion in 24+ months", what, _largest(_with(week, LONG_SINCE)), SHOWN)


def business_growth(week: Week) -> Listing:
    """List the accounts whose own business shows signs of growth, the largest first."""
    what = (
        "Signs of growth of the customer's own business in the last 91 days: headcount, funding, "
        "hiring, new regions, buying intent."
    )
    return listing("Business growth", what, _largest(_with(week, GROWTH, SIGNS)), SHOWN)


def _with(week: Week, trigger: str, signals: str = "\0") -> list[Line]:
    """List the accounts on which a trigger fires, with its evidence and what such signals say."""
    lines = []
    for row in week.rows.values():
        found = _levels(row).get(trigger)
        if found is not None:
            lines.append(
                line(row, sentences([found[1], *_of(row, signals)]), share=row["p_expand"])
            )
    return lines


def _of(row: Row, signals: str) -> tuple[str, ...]:
    """Give what an account's reasons to expand say of some signals."""
    told = row["reasons_expansion"] or ()
    named = (one for one in told if isinstance(one, Mapping))
    return for_it((one for one in named if str(one.get("signal")).startswith(signals)), up=True)


def _levels(row: Row) -> dict[str, tuple[int, str]]:
    """Give each trigger's level (0 is the gravest) and its evidence."""
    found: dict[str, tuple[int, str]] = {}
    for trigger in row["triggers"] or ():
        name = trigger_name(trigger)
        found[name] = min(found.get(name, (len(LEVELS), "")), (_level(trigger), _evidence(trigger)))
    return found


def _level(trigger: Any) -> int:
    level = trigger.get("level") if isinstance(trigger, Mapping) else None
    return LEVELS.index(level) if level in LEVELS else len(LEVELS) - 1


def _evidence(trigger: Any) -> str:
    return str(trigger.get("evidence") or "") if isinstance(trigger, Mapping) else ""


def _counted(rows: Mapping[str, Row]) -> dict[tuple[int, str], set[str]]:
    found: dict[tuple[int, str], set[str]] = {}
    for name, row in rows.items():
        for trigger, (level, _) in _levels(row).items():
            found.setdefault((level, trigger), set()).add(name)
    return found


def _told(
    trigger: str,
    level: str,
    lines: list[Line],
    firing: set[str],
    past: Mapping[tuple[int, str], set[str]],
    week: Week,
) -> NewTrigger:
    title = plain(trigger.replace("_", " "))
    before = past.get((LEVELS.index(level), trigger), set()) & week.rows.keys()
    cleared = sum(trigger not in _levels(week.rows[name]) for name in before)
    told = listing(title, "", _largest(lines), EXAMPLES[level])
    return NewTrigger(trigger, level, told, len(firing), cleared)


def _largest(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda one: (-one.mrr, one.account_id))
