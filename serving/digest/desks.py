"""The outreach list, desk by desk: whom each CSM should call first this week."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.outreach import UNASSIGNED
from serving.digest.lines import ALONE, Line, Row, alarms, desk, for_it, line, sentences
from serving.digest.reading import Week

__all__ = ["TOP", "Desk", "desks"]

TOP = 5
WHY, ENOUGH = 3, 2


@dataclass(frozen=True)
class Desk:
    """One CSM's part of the list.

    Attributes
    ----------
    csm : str
    accounts : int
        Accounts in the CSM's charge.
    mrr : float
        Their MRR.
    places : int
        Length of the CSM's list, also of what is not shown.
    value : float
        Yearly value of acting on all of it, less its cost.
    lines : tuple of Line
        The first of it; ``amount`` is the yearly value, ``share`` the chance of what the play is
        about.
    """

    csm: str
    accounts: int
    mrr: float
    places: int
    value: float
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        """Its CSM, or that nobody is in charge."""
        return "Without a CSM" if self.csm == UNASSIGNED else self.csm

    @property
    def more(self) -> int:
        """How many places are not shown."""
        return self.places - len(self.lines)


def desks(week: Week) -> tuple[Desk, ...]:
    """Give each CSM's first places, CSMs by name, what is in nobody's charge last.

    One desk that was asked for is told whole.
    """
    top = TOP if week.csm is None else len(week.listed)
    listed: dict[str, list[Row]] = {}
    for row in week.listed:
        listed.setdefault(desk(row), []).append(row)
    before = {(row["account_id"], row["play"]) for row in week.listed_before}
    book: dict[str, list[float]] = {}
    for row in week.rows.values():
        book.setdefault(desk(row), []).append(float(row["mrr"] or 0.0))
    return tuple(
        _desk(name, rows, book.get(name, []), before, week.rows, top)
        for name, rows in sorted(listed.items(), key=lambda one: (one[0] == UNASSIGNED, one[0]))
    )


def _desk(
    name: str,
    rows: list[Row],
    mrr: list[float],
    before: set[tuple[Any, Any]],
    scored: Mapping[str, Row],
    top: int,
) -> Desk:
    lines = tuple(_line(row, before, scored) for row in rows[:top])
    value = sum(float(row["expected_value"] or 0.0) for row in rows)
    return Desk(name, len(mrr), sum(mrr), len(rows), value, lines)


def _line(row: Row, before: set[tuple[Any, Any]], scored: Mapping[str, Row]) -> Line:
    """Say why: what the play goes by, reasons that speak for it, then what its triggers saw."""
    expansion = row["kind"] == "expansion"
    says = (*sentences([row.get("evidence")]), *for_it(row["reasons"], up=expansion))
    was = scored.get(row["account_id"], {}).get("previous_cell")
    said = (
        says[:WHY] if len(says) >= ENOUGH else tuple(dict.fromkeys((*says, *_seen(row))))[:ENOUGH]
    )
    return line(
        row if expansion else row | {"guard": None},
        said or (ALONE,),
        against=alarms(row) if expansion else (),
        was=was if was not in (None, row["cell"]) else None,
        amount=row["expected_value"],
        share=row["p_event"],
        play=row["play"] or row["action"],
        kind=row["kind"],
        lever=row["lever"] if expansion else None,
        again=(row["account_id"], row["play"]) in before,
        note=row.get("note"),
    )


def _seen(row: Row) -> tuple[str, ...]:
    """Give the evidence of an account's triggers that ask for its play's side."""
    side = "expansion" if row["kind"] == "expansion" else "retention"
    told = [one for one in row["triggers"] or () if isinstance(one, Mapping)]
    return sentences(one.get("evidence") for one in told if one.get("side") == side)
