"""What is counted of weekly runs: moves, moves taken back, delays, cells and guards reached.

A *move* is another published cell than in the run before. On one axis a move is *reversed* by the
next one if that goes the other way, however much later within the year; a band that starts afresh
after a renewal reverses nothing. A *delay* is the number of weeks from a raw band rising (towards
more risk, towards more readiness) and staying there for at least three weekly runs until the
published band is there; 0 where it stood there already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bands import log_odds
from models.hysteresis import HysteresisSettings, State, follow, start

__all__ = ["GUARDS", "counted", "figures", "pooled", "true_moves"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

AXES = {"retention": (0, {"H": 0, "M": 1, "L": 2}), "expansion": (1, {"L": 0, "M": 1, "H": 2})}
ABSENT = -1
TRUE = {"retention": "p_churn_3", "expansion": "p_expand_3"}
AT_ONCE = HysteresisSettings(up_at_once=0.0, up_weeks=1, back_weeks=1)
LASTING = 3
WITHIN = (4, 8, 13)
WEEKS = 52
GUARDS = (
    "Retention is Low", "an urgent ticket is open", "the last NPS is a detractor",
    "a bill shock is coming", "a payment is past due", "days of use", "stabilise retention first",
    "no cross-sell before the renewal", "is being negotiated", "contacted for it",
    "no contact is known", "let it land", "few of the paid seats are in use",
)  # fmt: skip
"""How each guard is recognised in what is said."""


def counted(weeks: Sequence[tuple[date, pd.DataFrame, float]]) -> dict[str, Any]:
    """Count weekly runs.

    Parameters
    ----------
    weeks : sequence of (date, DataFrame, float)
        As-of date; ``account_id, cell, raw_cell, guard, next_renewal_on``; how far reasons were
        off.
    """
    tables = [table for _, table, _ in weeks]
    accounts = pd.Index(sorted(set().union(*(table["account_id"] for table in tables))))
    renewed = _renewed(weeks, accounts)
    told: dict[str, Any] = {}
    moved: list[Bools] = []
    for axis, (letter, levels) in AXES.items():
        shown, raw = (
            _grid(tables, accounts, column, letter, levels) for column in ("cell", "raw_cell")
        )
        skip = renewed if axis == "retention" else np.zeros_like(renewed)
        told[axis] = _moves(shown, skip) | {"raw": _moves(raw, skip)} | _delays(shown, raw)
        moved.append(_steps(shown) != 0)
        alive = (shown[1:] >= 0) & (shown[:-1] >= 0)
    guards = Counter(g for t in tables for said in t["guard"].dropna() for g in GUARDS if g in said)
    cells = Counter(cell for table in tables for cell in table["cell"])
    return {
        "account_weeks": int(alive.sum()),
        "cell_moves": int((moved[0] | moved[1]).sum()),
        **told,
        "cells": dict(cells),
        "guards": dict(guards),
        "off": max(off for _, _, off in weeks),
    }


def true_moves(truth: pd.DataFrame, since: date) -> dict[str, Any]:
    """Count how the true chances of a world move between bands, month by month, by the same rule.

    What no model can be steadier than without being late: bands of the true three-month chances of
    leaving and of expanding, cut at 1.5 and 3 times their own base odds; a band rises at once, and
    falls back beyond -.4 (a month has more than three weekly scorings).

    Parameters
    ----------
    truth : DataFrame
        ``account_id, as_of, p_churn_3, p_expand_3`` of every month that an account pays.
    since : date
        The first month that counts.
    """
    rows = truth[pd.to_datetime(truth["as_of"]) >= pd.Timestamp(since)]
    told: dict[str, Any] = {}
    for axis, column in TRUE.items():
        chance = rows.pivot(index="as_of", columns="account_id", values=column)
        shown = _banded(chance.to_numpy(dtype=np.float64))
        told[axis] = _moves(shown, np.zeros(shown.shape, dtype=bool))
        alive = (shown[1:] >= 0) & (shown[:-1] >= 0)
    return {"account_months": int(alive.sum()), **told}


def _banded(chance: Floats) -> Ints:
    """Follow the bands of monthly chances, (months, accounts); -1 where there is none."""
    known = np.isfinite(chance)
    odds = np.nanmean(chance) / (1.0 - np.nanmean(chance))
    distance = log_odds(np.nan_to_num(chance))[:, :, None] - np.log(odds * np.array([1.5, 3.0]))
    grid = np.full(chance.shape, ABSENT)
    level = start(distance[0], AT_ONCE)
    for month, far in enumerate(distance):
        fresh = start(far, AT_ONCE)
        new = known[month] & ((month == 0) | ~known[month - 1])
        moved = follow(level, far, np.ones(len(far), dtype=bool), AT_ONCE)
        level = State(np.where(new, fresh.level, moved.level), moved.up, moved.back)
        grid[month] = np.where(known[month], level.level, ABSENT)
    return grid


def pooled(books: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add the counts of several books up; of distances the largest.

    Examples
    --------
    >>> pooled([{"off": 1.0, "cells": {"HH": 2}}, {"off": 0.5, "cells": {"HL": 1}}])
    {'off': 1.0, 'cells': {'HH': 2, 'HL': 1}}
    """
    total: dict[str, Any] = {}
    for book in books:
        for key, value in book.items():
            if isinstance(value, Mapping):
                total[key] = pooled([total.get(key, {}), value])
            elif key == "off":
                total[key] = max(total.get(key, 0.0), value)
            else:
                total[key] = total.get(key, 0) + value
    return total


def figures(total: Mapping[str, Any]) -> dict[str, Any]:
    """Give rates of counts: moves per account a year, the share reversed, delays in weeks.

    Examples
    --------
    >>> one = {"moves": 2, "reversed": 1, "reversed_within": {"4": 0}}
    >>> axis = one | {"raw": one, "delays": {"0": 8, "1": 2}}
    >>> told = figures({"account_weeks": 52, "cell_moves": 3, "retention": axis, "expansion": axis})
    >>> told["moves"], told["reversed"], told["delay"]
    ({'cell': 3.0, 'retention': 2.0, 'expansion': 2.0}, 0.5, {'median': 0, 'p90': 1, 'crossings': 20})
    """
    years = total["account_weeks"] / WEEKS
    truth = total.get("truth", {})
    axes = {axis: total[axis] for axis in AXES}
    raw = {axis: one["raw"] for axis, one in axes.items()}
    moves = {axis: one["moves"] / years for axis, one in axes.items()}
    return {
        "moves": {"cell": total["cell_moves"] / years} | moves,
        "raw_moves": {axis: one["moves"] / years for axis, one in raw.items()},
        "reversed": _share(axes.values(), "reversed"),
        "raw_reversed": _share(raw.values(), "reversed"),
        "reversed_within_weeks": {
            k: sum(one["reversed_within"][k] for one in axes.values()) / _all(axes.values())
            for k in total["retention"]["reversed_within"]
        },
        **(_of_truth(truth) if truth else {}),
        "delay": _quantiles([one["delays"] for one in axes.values()]),
        "delay_where_it_was_not_there": _quantiles([one.get("late", {}) for one in axes.values()]),
    }


def _of_truth(truth: Mapping[str, Any]) -> dict[str, Any]:
    """Give the moves of the true chances per account a year, and the share of them reversed."""
    axes = {axis: truth[axis] for axis in AXES}
    years = truth["account_months"] / 12
    moves = {axis: one["moves"] / years for axis, one in axes.items()}
    return {"true_moves": moves, "true_reversed": _share(axes.values(), "reversed")}


def _all(axes: Any) -> int:
    return max(1, sum(one["moves"] for one in axes))


def _share(axes: Any, key: str) -> float:
    return float(sum(one[key] for one in axes) / _all(axes))


def _quantiles(counts: Sequence[Mapping[str, int]]) -> dict[str, int | None]:
    waited = sorted(int(k) for one in counts for k, n in one.items() for _ in range(n))
    if not waited:
        return {"median": None, "p90": None, "crossings": 0}
    median, p90 = (waited[int(np.ceil(q * len(waited))) - 1] for q in (0.5, 0.9))
    return {"median": median, "p90": p90, "crossings": len(waited)}


def _grid(
    tables: Sequence[pd.DataFrame], accounts: pd.Index, column: str, letter: int, levels: Any
) -> Ints:
    """Give the level of every account in every run, (runs, accounts); -1 where it is not there."""
    grid = np.full((len(tables), len(accounts)), ABSENT)
    for row, table in zip(grid, tables, strict=True):
        row[accounts.get_indexer(table["account_id"])] = table[column].str[letter].map(levels)
    return grid


def _renewed(weeks: Sequence[tuple[date, pd.DataFrame, float]], accounts: pd.Index) -> Bools:
    """Say where a renewal that was ahead had passed at a run, (runs, accounts)."""
    passed = np.zeros((len(weeks), len(accounts)), dtype=bool)
    for at, ((_, before, _), (day, _, _)) in enumerate(pairwise(weeks), 1):
        due = pd.to_datetime(before["next_renewal_on"]) < pd.Timestamp(day)
        passed[at, accounts.get_indexer(before.loc[due, "account_id"])] = True
    return passed


def _steps(grid: Ints) -> Ints:
    alive = (grid[1:] >= 0) & (grid[:-1] >= 0)
    return np.where(alive, grid[1:] - grid[:-1], 0)


def _moves(grid: Ints, renewed: Bools) -> dict[str, Any]:
    """Count the moves of an axis, and those that the next one takes back."""
    steps, moves, waits = _steps(grid), 0, []
    for account in np.flatnonzero(steps.any(axis=0)):
        at = np.flatnonzero(steps[:, account])
        moves += len(at)
        signs = np.sign(steps[at, account])
        back = (signs[1:] != signs[:-1]) & ~renewed[at[1:] + 1, account]
        waits += np.diff(at)[back].tolist()
    within = {str(k): int(sum(wait <= k for wait in waits)) for k in WITHIN}
    return {"moves": moves, "reversed": len(waits), "reversed_within": within}


def _delays(shown: Ints, raw: Ints) -> dict[str, dict[str, int]]:
    """Count the weeks from a lasting rise of the raw band to the published one, by their number.

    ``late`` are those of rises at which the published band did not stand there already.
    """
    waited: dict[str, Counter[str]] = {"delays": Counter(), "late": Counter()}
    for week in range(1, len(raw) - LASTING + 1):
        rose = (raw[week - 1] >= 0) & (raw[week] > raw[week - 1])
        lasts = (raw[week : week + LASTING] >= raw[week]).all(axis=0)
        for account in np.flatnonzero(rose & lasts & (shown[week - 1] >= 0)):
            there = np.flatnonzero(shown[week:, account] >= raw[week, account])
            weeks = str(int(there[0]) if len(there) else len(raw))
            waited["delays"][weeks] += 1
            if shown[week - 1, account] < raw[week, account]:
                waited["late"][weeks] += 1
    return {name: dict(one) for name, one in waited.items()}
