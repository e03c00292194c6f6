"""The chronicle of a simulated book: how its life opens, what is kept of it, how it is resumed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.worlds.accounts import Roster
from training.worlds.before import opening
from training.worlds.hidden import State
from training.worlds.life import Life
from training.worlds.parameters import Laws
from training.worlds.past import History
from training.worlds.timeline import BEYOND, Timeline

__all__ = ["live_through", "opened", "resumed"]

Progress = Callable[[int, int], None]
Integers = NDArray[np.int64]


def live_through(
    life: Life, factor: NDArray[np.float64], progress: Progress | None = None
) -> History:
    """Live all months of the book, and those beyond it, under a common factor."""
    total = life.time.months + BEYOND
    rows = [_seen(life, -1)]
    for month in range(total):
        life.month(month, float(factor[month]))
        rows.append(_seen(life, month))
        if progress is not None:
            progress(month + 1, total)
    panels: dict[str, Any] = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return History(
        **panels,
        first_month=life.first_month,
        factor=factor,
        contracts=life.contracts,
        plays=life.plays,
    )


def opened(
    roster: Roster,
    time: Timeline,
    laws: Laws,
    rng: np.random.Generator,
    luck: np.random.Generator,
) -> Life:
    """Set up the book as it opens, its first customers as they have come to be."""
    book = opening(roster, time, laws, rng)
    there = roster.month < 0
    first = np.where(there, time.month_of(book.roster.signed), roster.month)
    chance = (rng, luck)
    return Life.begun(book.roster, time, laws, chance, book.contracts, book.state, there, first)


def resumed(
    roster: Roster,
    history: History,
    row: int,
    who: Integers,
    time: Timeline,
    laws: Laws,
    rng: np.random.Generator,
) -> Life:
    """Take up the life of some customers at a month-end, each as often as it is named.

    What comes after is drawn anew, under the very same laws; no lines are kept.
    """
    contracts = history.contracts_at(row, who)
    state = State(
        mood=history.mood[row, who],
        fading=history.fading[row, who],
        exploring=history.exploring[row, who],
        gap=history.gap[row, who],
    )
    first, alive = history.first_month[who], history.alive[row, who]
    named, chance = roster.copies(who), (rng, rng)
    life = Life.begun(named, time, laws, chance, contracts, state, alive, first)
    life.treated = history.treated[row, who]
    return life


def _seen(life: Life, month: int) -> dict[str, Any]:
    """Copy what the panels keep of a month-end."""
    contracts, state = life.contracts, life.state
    due = np.where(contracts.term > 1, life.time.month_of(contracts.end), -1)
    return {
        "alive": life.alive.copy(),
        "mrr": np.where(life.alive, contracts.mrr(), 0.0),
        "billed": life.billed(month),
        "organic": life.organic.copy(),
        "mood": state.mood.copy(),
        "gap": state.gap.copy(),
        "fading": state.fading.copy(),
        "exploring": state.exploring.copy(),
        "champion_lost": life.champion_lost.copy(),
        "until": life.until.copy(),
        "seats": contracts.seats.copy(),
        "plan": contracts.plan.copy(),
        "term": contracts.term.copy(),
        "due_month": due,
        "noticed": contracts.notice >= 0,
        "unit": contracts.unit.copy(),
        "discount": contracts.discount.copy(),
        "addons": contracts.addons.copy(),
        "end": contracts.end.copy(),
        "treated": life.treated.copy(),
    }
