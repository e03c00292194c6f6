"""Why the forecast changed: its change since the last run, split into parts that add up exactly.

What is split is the mean of MRR at the forecast's horizon, account by account, in millionths of the
currency. For an account of both runs with MRR m and expected MRR E, the identity

    E1 - E0 = (m1 - m0) x mean(E / m) + mean(m) x (E1 / m1 - E0 / m0)

parts what it pays now from what is expected of it. The second term belongs to what is settled, to
another model, or else to the signals: a group's part is the change of its effect on the chance to
renew (or to expand), times the money that such a point moves. What no signal explains is the
calendar's: contract dates, tenure, and a period that starts later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from serving.digest.lines import Line, Row, line
from serving.digest.reading import Week
from serving.digest.rounding import apportion, micros, rounded

__all__ = ["PARTS", "Part", "parts_of", "split"]

Parts = dict[str, int]

PARTS: dict[str, tuple[str, str]] = {
    "new": ("New accounts", "what is expected of accounts that did not pay at the last run"),
    "gone": ("Accounts that left", "what was expected of accounts that pay nothing now"),
    "paid": ("What accounts pay now", "MRR that rose or fell since, at the chances of both runs"),
    "booked": ("Settled since", "notice given or withdrawn, renewals signed"),
    "model": ("Another model", "the model that serves is another than at the last run"),
    "unsplit": ("Changed chances", "not told apart: a run kept no parts of its chances"),
    "signals:usage": ("Usage and adoption", "changed chances, by signals of use"),
    "signals:seats": ("Seats", "changed chances, by seats bought and used"),
    "signals:commercial": ("Commercial", "changed chances, by price, payments, past expansion"),
    "signals:relationship": ("Relationship", "changed chances, by contacts, meetings, answers"),
    "signals:support": ("Support", "changed chances, by tickets"),
    "signals:other": ("Other signals", "changed chances, by signals that are not main reasons"),
    "calendar": (
        "Calendar",
        "contract dates, tenure and size, and a period that starts later",
    ),
    "book": ("The book as a whole", "small drifts, and the correction to the book's own trend"),
}
"""Key, name and meaning of every part, in the order in which they are told."""

SETTLED = "booked"
TIMELESS = ("calendar", "leaves_first", SETTLED)
TINY = 1e-9
NAMED = 3


class Side(NamedTuple):
    """One side of what is expected of an account: the parts of its chance, and the money that they move."""

    part: str
    flow: str
    renewal: bool


SIDES = (
    Side("renew", "expected_loss_mrr", renewal=True),
    Side("expand", "expected_expansion_mrr", renewal=False),
)


@dataclass(frozen=True)
class Part:
    """One part of a change.

    Attributes
    ----------
    key, name, what : str
    mrr : float
        As shown: the shown parts add up to the shown change.
    micros : int
        The part itself, in millionths; they add up too.
    accounts : int
        Accounts that contribute.
    largest : tuple of Line
        Those that contribute most; ``amount`` is their contribution.
    """

    key: str
    name: str
    what: str
    mrr: float
    micros: int
    accounts: int
    largest: tuple[Line, ...]


def split(week: Week, now: int, then: int, decimals: int) -> tuple[Part, ...]:
    """Split the change of expected MRR between two runs.

    Parameters
    ----------
    week : Week
        With a run before.
    now, then : int
        Expected MRR of both, in millionths.
    decimals : int
        With how many decimals it is shown.
    """
    by_account = _accounts(week)
    totals: dict[str, int] = {}
    for parts in by_account.values():
        for key, amount in parts.items():
            totals[key] = totals.get(key, 0) + amount
    rest = now - then - sum(totals.values())
    totals["book"] = rest
    known = {key: totals[key] for key in _order(totals) if totals[key]}
    whole = rounded(now, decimals) - rounded(then, decimals)
    shown = apportion(list(known.values()), whole, decimals)
    return tuple(
        _part(key, amount, steps / 10**decimals, by_account, week)
        for (key, amount), steps in zip(known.items(), shown, strict=True)
    )


def parts_of(row: Row, past: Row, *, other_model: bool) -> Parts:
    """Split the change of one account's expected MRR, in millionths.

    Examples
    --------
    >>> told = {"renew_basis": "horizon", "p_renew": 0.9, "p_expand": 0.0, "mrr": 100.0,
    ...     "expected_mrr": 90.0, "expected_loss_mrr": 10.0, "expected_expansion_mrr": 0.0,
    ...     "parts": {"renew": {"calendar": 0.9}}}
    >>> less = told | {"p_renew": 0.8, "expected_mrr": 80.0, "expected_loss_mrr": 20.0,
    ...     "parts": {"renew": {"calendar": 0.9, "usage": -0.1}}}
    >>> parts_of(less, told, other_model=False)
    {'signals:usage': -10000000, 'calendar': 0}
    """
    change = micros(row["expected_mrr"]) - micros(past["expected_mrr"])
    m1, m0 = float(row["mrr"] or 0.0), float(past["mrr"] or 0.0)
    if m0 <= TINY or m1 <= TINY:
        return {"paid": change}
    share1, share0 = row["expected_mrr"] / m1, past["expected_mrr"] / m0
    parts: Parts = {"paid": micros((m1 - m0) * (share1 + share0) / 2)} if m1 != m0 else {}
    left = change - sum(parts.values())
    if _settled(row) or _settled(past):
        return parts | {"booked": left}
    if other_model:
        return parts | {"model": left}
    if not (row["parts"] and past["parts"]):
        return parts | {"unsplit": left}
    parts |= _signals(row, past, (m1 + m0) / 2)
    return parts | {"calendar": change - sum(parts.values())}


def _accounts(week: Week) -> dict[str, Parts]:
    other = week.before is not None and week.before.model_digest != week.run.model_digest
    found: dict[str, Parts] = {}
    for name, row in week.rows.items():
        past = week.past.get(name)
        if past is None:
            found[name] = {"new": micros(row["expected_mrr"])}
        else:
            found[name] = parts_of(row, past, other_model=other)
    gone = {name: past for name, past in week.past.items() if name not in week.rows}
    return found | {name: {"gone": -micros(past["expected_mrr"])} for name, past in gone.items()}


def _signals(row: Row, past: Row, mrr: float) -> Parts:
    """Give each group of signals its part, by both sides of what is expected."""
    parts: Parts = {}
    for side in SIDES:
        if side.renewal and row["renew_basis"] != past["renew_basis"]:
            continue  # another question was answered: nothing to compare
        rate = _rate(side, row, past)
        now, then = _effects(row, side), _effects(past, side)
        for group in sorted(now.keys() | then.keys()):
            moved = now.get(group, 0.0) - then.get(group, 0.0)
            key = f"signals:{group}"
            parts[key] = parts.get(key, 0) + micros(mrr * rate * moved)
    return {key: amount for key, amount in parts.items() if amount}


def _rate(side: Side, row: Row, past: Row) -> float:
    """Give the share of MRR that goes with the whole chance, as both runs had it."""
    chances = [1.0 - one["p_renew"] if side.renewal else one["p_expand"] for one in (row, past)]
    flows = row[side.flow] / row["mrr"] + past[side.flow] / past["mrr"]
    return float(flows / sum(chances)) if sum(chances) > TINY else 0.0


def _effects(row: Row, side: Side) -> dict[str, float]:
    """Give each group of signals its effect on a chance; what time does by itself is no signal's."""
    kept = row["parts"].get(side.part, {})
    return {group: effect for group, effect in kept.items() if group not in TIMELESS}


def _settled(row: Row) -> bool:
    return bool(row["parts"].get("renew", {}).get(SETTLED))


def _order(totals: Mapping[str, int]) -> list[str]:
    """Order the parts as declared; a group of signals that is not stands after the others."""
    keys = list(PARTS)
    place = {key: at for at, key in enumerate(keys)}
    return sorted(totals, key=lambda key: (place.get(key, keys.index("signals:other")), key))


def _part(key: str, amount: int, shown: float, by_account: Mapping[str, Parts], week: Week) -> Part:
    group = key.removeprefix("signals:").replace("_", " ")
    name, what = PARTS.get(key, (group.capitalize(), f"changed chances, by signals of {group}"))
    mine = [(name_, parts[key]) for name_, parts in by_account.items() if parts.get(key)]
    mine.sort(key=lambda one: (-abs(one[1]), one[0]))
    largest = tuple(_named(week, account, part) for account, part in mine[:NAMED])
    return Part(key, name, what, shown, amount, len(mine), largest)


def _named(week: Week, account: str, part: int) -> Line:
    row = week.rows.get(account) or week.past[account]
    return line(row, amount=part / 1_000_000)
