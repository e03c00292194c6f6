"""The customers that a book opens with: those who stayed, of all who signed before it.

Each of them is drawn with its segment, its term and its age; some hopefuls that are alike in
these sign that long ago and live under the world's laws until the book opens, and one that is
still there opens it. So age tells of health, and size of growth, as in any book of some age.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from training.worlds.accounts import Roster, traits
from training.worlds.contracts import Contracts, first_contracts
from training.worlds.hidden import State, first_state
from training.worlds.life import Life
from training.worlds.parameters import Laws
from training.worlds.timeline import Timeline

__all__ = ["Opening", "opening"]

Integers = NDArray[np.int64]

HOPEFULS = 6
YOUNGER = 0.7


@dataclass(frozen=True)
class Opening:
    """How a book opens: its accounts, their contracts and what is hidden in them.

    Accounts that sign later stand in it as they will be when they sign.
    """

    roster: Roster
    contracts: Contracts
    state: State


def opening(roster: Roster, time: Timeline, laws: Laws, rng: np.random.Generator) -> Opening:
    """Let the customers of the opening live from their signing on, under a calm common factor.

    Where none of an account's hopefuls stayed, they try again at 7/10 of its age.
    """
    mine = roster.copies(np.arange(len(roster)))
    book = Opening(mine, first_contracts(mine, time, laws, rng), first_state(len(mine), rng))
    calm = replace(laws, effect="none")
    missing = np.flatnonzero(roster.month < 0)
    while len(missing):
        life = _lived(book.roster, np.repeat(missing, HOPEFULS), time, calm, rng)
        there = life.alive.reshape(-1, HOPEFULS)
        found = there.any(axis=1)
        stayed = np.flatnonzero(found) * HOPEFULS + there[found].argmax(axis=1)
        _take(book, missing[found], life, stayed)
        missing = missing[~found]
        age = time.start(0) - book.roster.signed[missing]
        book.roster.signed[missing] = time.start(0) - np.maximum(age * YOUNGER, 1).astype(np.int64)
    _cut(book, np.flatnonzero(roster.month < 0), time)
    return book


def _lived(
    roster: Roster, who: Integers, time: Timeline, laws: Laws, rng: np.random.Generator
) -> Life:
    """Let hopefuls sign when their account did, and live until the book opens."""
    named = roster.copies(who)
    soundness, growth = traits(named.channel, rng)
    month = time.month_of(named.signed)
    hopefuls = replace(named, month=month, soundness=soundness, growth=growth)
    contracts = first_contracts(hopefuls, time, laws, rng)
    contracts.closed = None
    state = first_state(len(who), rng)
    nobody = np.zeros(len(who), dtype=bool)
    life = Life.begun(hopefuls, time, laws, (rng, rng), contracts, state, nobody, month)
    for at in range(int(month.min()), 0):
        life.month(at, 0.0)
    return life


def _take(book: Opening, who: Integers, life: Life, stayed: Integers) -> None:
    """Put those who stayed in the places of the accounts that they are."""
    for name in ("soundness", "growth"):
        getattr(book.roster, name)[who] = getattr(life.roster, name)[stayed]
    for name in ("mood", "fading", "exploring", "gap"):
        getattr(book.state, name)[who] = getattr(life.state, name)[stayed]
    for part in fields(Contracts):
        if part.name != "closed":
            getattr(book.contracts, part.name)[who] = getattr(life.contracts, part.name)[stayed]


def _cut(book: Opening, who: Integers, time: Timeline) -> None:
    """Let the running lines start with the book, as an export that reaches back no further."""
    first = int(time.start(0))
    book.contracts.start[who] = first
    notice = book.contracts.notice[who]
    book.contracts.notice[who] = np.where(notice >= 0, np.maximum(notice, first), -1)
