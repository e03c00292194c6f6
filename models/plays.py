"""Plays: what a CSM does with an account, each with its name, what it goes by, and how it is done.

The cell gives one play; what fires on the account gives others beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd

__all__ = ["BEYOND", "CELL_PLAYS", "PLAYS", "Play", "asks", "named", "qualified"]

Row = Mapping[Any, Any]
Evidence = Callable[[Row, date], str | None]

FALLING = ("active_users_drop", "gone_quiet", "billable_usage_falls", "contraction", "seats_idle")
"""Triggers that say that usage, seats or tier are falling."""
SILENT = "renewal_without_contact"
RENEWAL_DAYS, REVIEW_DAYS, REACH = 120, 90, 92


@dataclass(frozen=True)
class Play:
    """A play.

    Attributes
    ----------
    kind : str
        ``save`` or ``expansion``.
    name : str
        Its name, by which it is listed and logged.
    how : str
        One paragraph, in a CSM's words.
    """

    kind: str
    name: str
    how: str


HH = Play(
    "expansion",
    "Priority expansion",
    "Bring sales in this week. Open with what the account has reached, show the limit or the "
    "feature that it runs into, and agree one next step with an owner and a date.",
)
HM = Play(
    "expansion",
    "Plant seeds",
    "A trigger asks for it now: name what you saw, ask what they are trying to do, and show once "
    "how the next plan would help. Leave the offer open; do not press.",
)
MH = Play(
    "save",
    "Stabilise first",
    "They would buy more, and they could leave. Settle what troubles them before any offer: agree "
    "the open points, a date for each, and talk of growth when Retention is High again.",
)
MM = Play(
    "save",
    "Quarterly review",
    "Hold the quarterly review: goals against what was reached, usage, open tickets, and the plan "
    "for the next quarter. Write down what would make them renew.",
)
ML = Play(
    "save",
    "Investigate risk",
    "Find out what has changed before you offer anything. Ask the people who use it and the one "
    "who pays, check the reasons on this line, and write down the one thing to put right.",
)
LH = Play(
    "save",
    "Investigate before expanding",
    "Much interest and little health is unusual: find out which of the two is true. Talk to the "
    "sponsor about the renewal first, and hold every expansion talk until that is clear.",
)
LM = Play(
    "save",
    "Engage at once",
    "Call this week, with the sponsor in the room. Name the risk openly, agree a plan of thirty "
    "days with dates, and tell your lead what help you need.",
)
LL = Play(
    "save",
    "Intervene at once",
    "Raise it to your lead today and call the sponsor. Ask straight out whether they mean to "
    "leave and why; offer a way back that fits the reason, and agree the next date in the call.",
)
CONTRACTION = Play(
    "save",
    "Contraction ahead",
    "They use less than they pay for, and a renewal comes. Find the real reason (people left, a "
    "project ended, the value was not seen). Offer an adoption plan instead of a cheaper plan. "
    "Where it cannot be held, negotiate the floor, and agree the day of a re-expansion review.",
)
BRIEF = Play(
    "save",
    "Renewal brief",
    "The renewal is near and nobody has spoken with them. Read up on goals, usage and open "
    "tickets, then book a talk with the one who signs: what they got, what comes next, and what "
    "they need in order to renew.",
)
SECURE = Play(
    "save",
    "Secure the renewal",
    "Nothing looks wrong, but much is at stake and they decide soon. Confirm who signs and when, "
    "ask whether anything stands in the way, and send the short list of what they got this year.",
)
REVIEW = Play(
    "expansion",
    "Re-expansion review",
    "When they went down you agreed to look at it again, and the day has come. Bring the usage "
    "since then, ask whether the reason still holds, and offer the way back up step by step.",
)
QUALIFIED = Play(
    "expansion",
    "Product-qualified",
    "The product itself says that they want more. Write to the person who ran into it, on the day "
    "if you can, about that one thing; offer help first and the next plan second.",
)

CELL_PLAYS: Mapping[str, Play] = {
    "HH": HH,
    "HM": HM,
    "MH": MH,
    "MM": MM,
    "ML": ML,
    "LH": LH,
    "LM": LM,
    "LL": LL,
}
"""The play of every cell; High/Low has none: the relationship is maintained."""


def asks(trigger: Any) -> bool:
    """Say whether a trigger asks for an expansion now.

    Examples
    --------
    >>> asks({"trigger": "gate_hits", "side": "expansion", "level": "act"}), asks("gate_hits")
    (True, False)
    """
    side = isinstance(trigger, Mapping) and trigger.get("side") == "expansion"
    return side and trigger.get("level", "act") == "act"


def qualified(row: Row) -> bool:
    """Say whether an account is product-qualified: an expansion trigger at "act", and no guard.

    Examples
    --------
    >>> fires = [{"trigger": "gate_hits", "side": "expansion", "level": "act"}]
    >>> qualified({"triggers": fires, "expansion_held": True}), qualified({"triggers": fires})
    (False, True)
    """
    return not row.get("expansion_held") and any(map(asks, _fired(row)))


def named(name: str) -> Play | None:
    """Give the play of a name, however it is capitalised; None where there is none.

    Examples
    --------
    >>> named("renewal brief").kind, named("check-in")
    ('save', None)
    """
    return PLAYS.get(" ".join(name.split()).casefold())


def _contraction(row: Row, as_of: date) -> str | None:
    """Usage, seats or tier fall before a renewal, and Retention is not Low: else leaving comes first."""
    days = _days(row.get("next_renewal_on"), as_of)
    said = _said(row, FALLING)
    if days is None or not 0 <= days <= RENEWAL_DAYS or str(row.get("cell"))[:1] == "L":
        return None
    return f"renewal in {days} days; {said}" if said else None


def _brief(row: Row, _as_of: date) -> str | None:
    """A renewal is near, and nobody has been in touch (the trigger's days)."""
    return _said(row, (SILENT,))


def _secure(row: Row, as_of: date) -> str | None:
    """Retention is High and a decision is within reach: worth it only where much is at stake."""
    days = _days(row.get("next_renewal_on"), as_of)
    monthly = row.get("renew_basis") == "horizon"
    if str(row.get("cell"))[:1] != "H" or not (
        monthly or (days is not None and 0 <= days <= REACH)
    ):
        return None
    return "a decision every month" if monthly else f"renewal in {days} days"


def _review(row: Row, as_of: date) -> str | None:
    """The day of an agreed review has come, at most a quarter ago."""
    days = row.get("days_to_review")
    if days is None or pd.isna(days) or not -REVIEW_DAYS <= days <= 0:
        return None
    return f"the review agreed for {as_of + timedelta(days=int(days))} is due"


def _qualified(row: Row, _as_of: date) -> str | None:
    """An expansion trigger asks to act; what holds it back is told by the guard."""
    return "; ".join(_told(each) for each in _fired(row) if asks(each)) or None


BEYOND: tuple[tuple[Play, Evidence], ...] = (
    (CONTRACTION, _contraction),
    (BRIEF, _brief),
    (SECURE, _secure),
    (REVIEW, _review),
    (QUALIFIED, _qualified),
)
"""The plays beyond the cell, each with what says that it is due and on what evidence."""

PLAYS: Mapping[str, Play] = {
    play.name.casefold(): play for play in (*CELL_PLAYS.values(), *(play for play, _ in BEYOND))
}
"""Every play, by its name in small letters."""


def _fired(row: Row) -> Sequence[Any]:
    fired = row.get("triggers")
    return () if fired is None else fired


def _said(row: Row, names: tuple[str, ...]) -> str | None:
    """Give the evidence of the triggers of some names that fire."""
    found = [each for each in _fired(row) if isinstance(each, Mapping)]
    return "; ".join(_told(each) for each in found if each.get("trigger") in names) or None


def _told(trigger: Mapping[Any, Any]) -> str:
    return str(trigger.get("evidence") or str(trigger.get("trigger")).replace("_", " "))


def _days(day: Any, as_of: date) -> int | None:
    return None if day is None or pd.isna(day) else (pd.Timestamp(day).date() - as_of).days
