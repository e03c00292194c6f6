"""A line of the digest: one account, with what is said of it; and listings of such lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from models.outreach import UNASSIGNED

__all__ = [
    "ALONE",
    "alarms",
    "HELD",
    "SHOWN",
    "Line",
    "Listing",
    "desk",
    "for_it",
    "largest",
    "line",
    "listing",
    "plain",
    "sentences",
]

Row = dict[str, Any]

SHOWN = 10
LONGEST, LONGEST_SENTENCE = 120, 400
REST = ("other", "calendar", "leaves_first")
"""Lines that only make an account's sum complete: no reason to tell."""
GRAVE = ("hard", "red")
ALONE = "no signal stands out: its contract, tenure and size say so by themselves"
"""What is said where only the calendar speaks for something."""
JOINERS = ("\u200c", "\u200d")
HELD = "no expansion play"
"""How a guard says that it holds an expansion talk back."""
SPOKEN = ("phrase", "said", "text", "evidence")
"""Where a reason that is an object keeps its words."""


@dataclass(frozen=True)
class Line:
    """One account as the digest tells it.

    Attributes
    ----------
    account_id, name, csm, segment : str or None
        As in the book, made safe to print (`plain`).
    cell, was : str or None
        Its cell now, and at the last run where it was another.
    mrr : float
        What it pays a month, at the run's opening.
    says : tuple of str
        Why it is told of, in short sentences.
    guard : str or None
        What holds an expansion talk back.
    against : tuple of str
        What speaks of leaving where growth is talked of: evidence of hard and red triggers.
    next_renewal_on : date or None
        Its next contract decision.
    amount, share : float or None
        A further amount and a probability, where the section defines them.
    play, kind, lever : str or None
        What to do, of which kind, and what would likely grow.
    again : bool
        Whether it was on the list of the last run for the same play.
    note : str or None
        What the list itself notes of it.
    """

    account_id: str
    name: str | None
    csm: str | None
    segment: str | None
    cell: str | None
    was: str | None
    mrr: float
    says: tuple[str, ...] = ()
    guard: str | None = None
    against: tuple[str, ...] = ()
    next_renewal_on: date | None = None
    amount: float | None = None
    share: float | None = None
    play: str | None = None
    kind: str | None = None
    lever: str | None = None
    again: bool = False
    note: str | None = None

    @property
    def held(self) -> bool:
        """Whether its guard holds an expansion talk back, and is not only to be minded."""
        return self.guard is not None and HELD in self.guard

    @property
    def label(self) -> str:
        """Its name, or its id where the book has no name."""
        return self.name or self.account_id


@dataclass(frozen=True)
class Listing:
    """Some accounts under one heading.

    Attributes
    ----------
    title, what : str
        What they have in common, and how it is defined.
    accounts : int
    mrr : float
        Their number and MRR, also of those that are not shown.
    lines : tuple of Line
        The first of them.
    """

    title: str
    what: str
    accounts: int
    mrr: float
    lines: tuple[Line, ...]

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.accounts - len(self.lines)

    @property
    def more_mrr(self) -> float:
        """MRR of those that are not shown."""
        return self.mrr - sum(one.mrr for one in self.lines)


def plain(text: Any, longest: int = LONGEST) -> str:
    """Make a text of the book safe to print: one line, nothing invisible, not too long.

    Examples
    --------
    >>> plain("Acme\\n Rail"), plain("a\\u202egnp.exe"), len(plain("x" * 500))
    ('Acme Rail', 'agnp.exe', 120)
    """
    told = str(text)
    if not (told.isascii() and told.isprintable()):
        told = "".join(map(_seen, told))
    told = " ".join(told.split())
    return told if len(told) <= longest else f"{told[: longest - 1]}…"


def _seen(each: str) -> str:
    if each in JOINERS:
        return each
    kind = unicodedata.category(each)
    if kind in ("Zs", "Zl", "Zp") or each in "\t\n\r":
        return " "
    return "" if kind in ("Cc", "Cf", "Cs", "Cn") else each


def desk(row: Row) -> str:
    """Name the CSM in charge; ``unassigned`` where there is none."""
    return plain(row["csm"]) or UNASSIGNED if row["csm"] is not None else UNASSIGNED


def sentences(items: Iterable[Any] | None) -> tuple[str, ...]:
    """Give what can be read of texts, or of objects that carry a phrase, each once.

    Examples
    --------
    >>> sentences(["a renewal was passed", {"group": "usage", "phrase": "usage fell"}, {}])
    ('a renewal was passed', 'usage fell')
    """
    said = [one if isinstance(one, str) else _phrase(one) for one in items or ()]
    return tuple(dict.fromkeys(plain(one, LONGEST_SENTENCE) for one in said if one))


def for_it(reasons: Iterable[Any] | None, *, up: bool) -> tuple[str, ...]:
    """Give the reasons that speak for a rise (``up``) or a fall; what has no effect says neither.

    Examples
    --------
    >>> told = [{"signal": "a", "effect": 0.2, "phrase": "more"}, {"signal": "other", "effect": 1},
    ...     {"signal": "b", "effect": -0.1, "phrase": "less"}]
    >>> for_it(told, up=True), for_it(told, up=False)
    (('more',), ('less',))
    """
    objects = [one for one in reasons or () if isinstance(one, Mapping)]
    told = [one for one in objects if one.get("signal") not in REST]
    sign = 1.0 if up else -1.0
    return sentences(one for one in told if sign * float(one.get("effect") or 0.0) > 0.0)


def alarms(row: Row) -> tuple[str, ...]:
    """Give what an account's hard and red triggers have seen, two at most.

    Examples
    --------
    >>> alarms({"triggers": [{"trigger": "a", "level": "red", "evidence": "quiet"}, "b"]})
    ('quiet',)
    """
    told = [one for one in row["triggers"] or () if isinstance(one, Mapping)]
    return sentences(one.get("evidence") for one in told if one.get("level") in GRAVE)[:2]


def line(row: Row, says: Sequence[str] = (), **more: Any) -> Line:
    """Make a line of an account's row; further fields are by their names in `Line`."""
    named = {name: plain(more.pop(name)) for name in ("play", "lever", "note") if more.get(name)}
    return Line(
        account_id=plain(row["account_id"]),
        name=plain(row["name"]) or None if row["name"] is not None else None,
        csm=desk(row),
        segment=plain(row["segment"]) if row["segment"] is not None else None,
        cell=row["cell"],
        was=more.pop("was", None),
        mrr=float(row["mrr"] or 0.0),
        says=tuple(says),
        guard=plain(row["guard"], LONGEST_SENTENCE) if row.get("guard") else None,
        next_renewal_on=row["next_renewal_on"],
        **(more | named),
    )


def listing(
    title: str, what: str, rows: Sequence[Row], made: Callable[[Row], Line], shown: int = SHOWN
) -> Listing:
    """Sum accounts up, and make lines of the first of them."""
    mrr = sum(float(row["mrr"] or 0.0) for row in rows)
    return Listing(title, what, len(rows), mrr, tuple(made(row) for row in rows[:shown]))


def largest(rows: Iterable[Row]) -> list[Row]:
    """Order accounts by MRR, the largest first, ties by id."""
    return sorted(rows, key=lambda row: (-float(row["mrr"] or 0.0), str(row["account_id"])))


def _phrase(one: Any) -> str | None:
    if not isinstance(one, Mapping):
        return None
    return next((str(one[name]) for name in SPOKEN if one.get(name)), None)
