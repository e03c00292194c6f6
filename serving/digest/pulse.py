"""The expansion pulse: how much expansion is expected, by which lever, and the best opportunities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serving.digest.lines import ALONE, HELD, Line, Listing, Row, alarms, for_it, line, listing
from serving.digest.reading import Week

__all__ = ["BEST", "Pulse", "pulse"]

BEST = 10
WHY = 3
LEAST = 1.0


@dataclass(frozen=True)
class Pulse:
    """What is expected of expansion.

    Attributes
    ----------
    months : int
        Within how many months.
    best : Listing
        The best opportunities that nothing holds back; ``amount`` is the expected expansion MRR,
        ``share`` the chance to expand.
    held : Listing
        Those that a guard holds back.
    held_amount : float
        Expected expansion MRR of all that are held back.
    by_lever : mapping of str to float
        Expected expansion MRR by lever, the largest first; empty for one desk. A lever with less
        than one unit of currency is left out.
    """

    months: int
    best: Listing
    held: Listing
    held_amount: float
    by_lever: Mapping[str, float]


def pulse(week: Week) -> Pulse:
    """Rank the accounts by expected expansion MRR: the chance to expand times its usual size."""
    hopeful = [row for row in week.rows.values() if _amount(row) > 0.0]
    hopeful.sort(key=lambda row: (-_amount(row), str(row["account_id"])))
    held = [row for row in hopeful if row["guard"] and HELD in row["guard"]]
    free = [row for row in hopeful if not (row["guard"] and HELD in row["guard"])]
    what = f"Expected expansion MRR within {week.horizon} months, nothing holding it back."
    body = week.forecasts.get(week.horizon) or {}
    return Pulse(
        months=week.horizon,
        best=listing("Best opportunities", what, free, _line, BEST),
        held=listing("Held back", "A guard holds an expansion talk back now.", held, _line, WHY),
        held_amount=sum(map(_amount, held)),
        by_lever=_levers(body.get("expansion_by_lever") or {}),
    )


def _amount(row: Row) -> float:
    return float(row["expected_expansion_mrr"] or 0.0)


def _line(row: Row) -> Line:
    says = for_it(row["reasons_expansion"], up=True)[:WHY] or (ALONE,)
    amount, share = row["expected_expansion_mrr"], row["p_expand"]
    return line(row, says, amount=amount, share=share, lever=row["lever"], against=alarms(row))


def _levers(told: Mapping[str, float]) -> dict[str, float]:
    largest = sorted(told.items(), key=lambda one: (-one[1], one[0]))
    return {lever: amount for lever, amount in largest if amount >= LEAST}
