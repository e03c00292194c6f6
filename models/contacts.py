"""Contacts: what is known of past outreach when a list is made, and a CSM's own calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from models.holdout import Holdout
from models.plays import named

__all__ = ["Call", "Contacts", "last_contacts"]

LEVELS = ("High", "Medium", "Low")


@dataclass(frozen=True)
class Call:
    """A CSM's own call of an account, kept beside the machine's and never in its place.

    Attributes
    ----------
    retention, expansion : str or None
        High, Medium or Low; None where the CSM says nothing of it.
    note, csm : str or None
    until : date or None
        First day on which it no longer holds; None: until it is withdrawn.
    """

    retention: str | None = None
    expansion: str | None = None
    note: str | None = None
    csm: str | None = None
    until: date | None = None

    def told(self) -> str:
        """Say it in one line.

        Examples
        --------
        >>> Call("Medium", None, "new sponsor", "Ana", date(2025, 9, 1)).told()
        'Retention Medium (Ana, until 2025-09-01): new sponsor'
        """
        sides = {"Retention": self.retention, "Expansion": self.expansion}
        said = ", ".join(f"{side} {level}" for side, level in sides.items() if level)
        until = f"until {self.until}" if self.until else None
        whose = ", ".join(part for part in (self.csm, until) if part)
        return said + (f" ({whose})" if whose else "") + (f": {self.note}" if self.note else "")

    def disagrees(self, retention: Any, expansion: Any) -> bool:
        """Say whether the machine's Retention Health or Expansion Readiness is another.

        Examples
        --------
        >>> Call("Medium").disagrees("High", "Low"), Call("Medium").disagrees("Medium", "Low")
        (True, False)
        """
        pairs = ((self.retention, retention), (self.expansion, expansion))
        return any(mine is not None and mine != other for mine, other in pairs)


@dataclass(frozen=True)
class Contacts:
    """What is known of past outreach before an as-of date.

    Attributes
    ----------
    contacted : mapping of (str, str) to date
        The last day on which an account was contacted for a play.
    listed : mapping of (str, str) to int
        In how many published lists in a row an account stood with a play, up to the last.
    calls : mapping of str to Call
        The CSMs' calls that hold, by account.
    holdout : Holdout or None
        Who is held out in the quarter, where that was drawn already.
    quarter : str
        The fiscal quarter of the as-of date; empty: the calendar's.
    """

    contacted: Mapping[tuple[str, str], date] = field(default_factory=dict)
    listed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    calls: Mapping[str, Call] = field(default_factory=dict)
    holdout: Holdout | None = None
    quarter: str = ""

    def cooling(self, account: str, play: str, as_of: date, days: int) -> str | None:
        """Say that an account was contacted for a play within its cool-down; None if it was not.

        Examples
        --------
        >>> known = Contacts({("a", "Renewal brief"): date(2025, 6, 20)})
        >>> known.cooling("a", "Renewal brief", date(2025, 7, 1), 30)
        'contacted for it on 2025-06-20'
        >>> known.cooling("a", "Renewal brief", date(2025, 7, 20), 30) is None
        True
        """
        last = self.contacted.get((account, play))
        within = last is not None and 0 <= (as_of - last).days < days
        return f"contacted for it on {last}" if within else None

    def last_of(self, kind: str) -> dict[str, date]:
        """Give the last day on which each account was contacted for any play of a kind.

        Examples
        --------
        >>> Contacts({("a", "Plant seeds"): date(2025, 6, 20)}).last_of("expansion")
        {'a': datetime.date(2025, 6, 20)}
        """
        found: dict[str, date] = {}
        for (account, name), day in self.contacted.items():
            play = named(name)
            if play is not None and play.kind == kind:
                found[account] = max(day, found.get(account, day))
        return found


def last_contacts(rows: Iterable[tuple[str, str, date]]) -> dict[tuple[str, str], date]:
    """Give the last day of each account and play; plays of other names than ours are left out.

    Examples
    --------
    >>> rows = [("a", "plant seeds", date(2025, 6, 1)), ("a", "Plant seeds", date(2025, 6, 9))]
    >>> last_contacts([*rows, ("a", "newsletter", date(2025, 6, 9))])
    {('a', 'Plant seeds'): datetime.date(2025, 6, 9)}
    """
    found: dict[tuple[str, str], date] = {}
    for account, name, day in rows:
        play = named(name)
        if play is not None:
            key = (account, play.name)
            found[key] = max(day, found.get(key, day))
    return found
