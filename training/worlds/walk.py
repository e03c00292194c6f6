"""The walk of customers into their futures: how much of each is still there, and has moved how.

On every path an account is carried in parts that sum to one: told (notice is given), gone, and
free; the free part is unmoved, or moved first upwards or first downwards. Each moved part has one
traveller that stands for it, drawn anew as more of the account joins it, and lives on under the
laws. So chances stay exact where they can be, and only what follows a first move is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.worlds.accounts import Roster
from training.worlds.changes import Changes
from training.worlds.contracts import Contracts
from training.worlds.hidden import (
    SPREAD,
    Fate,
    Situation,
    State,
    leaving,
    moved,
    moving,
    wishes,
)
from training.worlds.outreach import propensities
from training.worlds.parameters import Laws
from training.worlds.past import History

__all__ = ["MOVES", "Customers", "Walk"]

MOVES = 0.02
FADING = 0.08
REGAINED = 0.10
Floats = NDArray[np.float64]
Shape = tuple[int, int]


@dataclass(frozen=True)
class Customers:
    """The customers at a month-end, as columns of one row per account (traits are (n, 1))."""

    who: NDArray[np.int64]
    segment: Any
    soundness: Any
    growth: Any
    term: Any
    due_month: Any
    first_month: Any
    noticed: Any
    contracts: Contracts
    mrr: Floats

    @classmethod
    def of(cls, row: int, roster: Roster, history: History) -> Customers:
        """Read the customers of a month-end."""
        who = np.flatnonzero(history.alive[row])
        return cls(
            who=who,
            segment=roster.segment[who, None],
            soundness=roster.soundness[who, None],
            growth=roster.growth[who, None],
            term=history.term[row, who, None],
            due_month=history.due_month[row, who, None],
            first_month=history.first_month[who, None],
            noticed=history.noticed[row, who, None],
            contracts=history.contracts_at(row, who),
            mrr=history.mrr[row, who],
        )

    def situation(self, month: int, laws: Laws, treated: Any) -> Situation:
        """See what a month holds for those who are still there."""
        wait = month - self.due_month
        due = (self.term > 1) & (wait >= 0) & (wait % self.term == 0)
        tenure = np.maximum(month - self.first_month, 0)
        raised = laws.raised(month, self.term, due)
        return Situation(self.segment, self.term == 1, due, tenure, raised, treated)

    def propensity(self, month: int) -> Any:
        """Give the chance to be treated in a quarter to come."""
        left = self.due_month - month
        left = np.where((self.term > 1) & (left < 0), left + self.term, left)
        return propensities(self.term, left, self.segment)

    def smaller(self) -> Floats:
        """Give the chance that a return on half to all of the seats is a contraction."""
        seats, core = self.contracts.seats, self.contracts.unit * (1.0 - self.contracts.discount)
        fewer = np.maximum(np.ceil(MOVES * self.mrr / core), 1)
        reach = ((seats - fewer + 0.5) / seats - 0.5) / 0.5
        return np.where(seats > 1, np.clip(reach, 0.0, 1.0), 0.0)

    def again(self, laws: Laws) -> Floats:
        """Give the monthly chance to leave again of one that came back (0 on a term)."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(7)
        mood = SPREAD * nodes
        now = Situation(self.segment, True, False, np.full(self.segment.shape, 99))
        calm, faded = (
            leaving(State(mood, fades, False, 0.0), self.soundness + mood, now, 0.0, laws)
            for fades in (np.False_, np.True_)
        )
        chance = (1 - FADING) * calm + FADING * faded
        return np.asarray((chance @ weights) / weights.sum() * (self.term[:, 0] == 1))


@dataclass
class Travellers:
    """One traveller per path, account and direction of the first move (0 up, 1 down), in a row."""

    contracts: Contracts
    state: State
    organic: Floats

    @classmethod
    def start(cls, customers: Customers, shape: Shape) -> Travellers:
        """Begin with contracts as they are; nobody has moved yet."""
        which = np.tile(np.repeat(np.arange(shape[0]), shape[1]), 2)
        n = len(which)
        state = State(np.zeros(n), np.zeros(n, bool), np.zeros(n, bool), np.zeros(n))
        return cls(customers.contracts.copies(which), state, np.zeros(n))

    def begin(self, who: Any, customers: Customers, state: State, shape: Shape) -> None:
        """Set travellers back to what the unmoved part of their account is."""
        place = who % (shape[0] * shape[1])
        account = place // shape[1]
        for name in ("seats", "plan", "unit", "addons"):
            getattr(self.contracts, name)[who] = getattr(customers.contracts, name)[account]
        self.state.gap[who] = np.ravel(state.gap)[place]
        self.state.exploring[who] = np.ravel(state.exploring)[place]
        self.organic[who] = 0.0

    def change(self, shrinks: Any, adds: Any, upgrades: Any, rng: np.random.Generator) -> None:
        """Make the moves of a month, each given as the travellers that make it."""
        changes = Changes(self.contracts, self.state, rng)
        steps = ((shrinks, changes.shrink), (adds, changes.add_seats), (upgrades, changes.upgrade))
        for who, step in steps:
            before = self.contracts.mrr(who)
            step(who)
            self.organic[who] += self.contracts.mrr(who) - before


@dataclass
class Walk:
    """Where the probability of every account stands, on every path.

    Attributes
    ----------
    free, told : array of float, (n, paths)
        Parts that are there without and with notice.
    left : list of array of float, (n,)
        Part that left in each month, over the paths.
    unmoved : array of float, (n, paths)
        Share of the free part that has not moved; ``moved`` (2, n, paths) has.
    told_moved : array of float, (2, n, paths)
        Shares of the told part that had grown and shrunk when notice was given.
    """

    customers: Customers
    free: Any
    told: Any
    unmoved: Any
    moved: Any
    told_moved: Any
    travellers: Travellers
    left: list[Floats] = field(default_factory=list)

    @classmethod
    def start(cls, customers: Customers, shape: Shape) -> Walk:
        """Begin with everybody there and nothing moved."""
        told = np.broadcast_to(customers.noticed * 1.0, shape)
        nobody = np.zeros((2, *shape))
        travellers = Travellers.start(customers, shape)
        return cls(customers, 1.0 - told, told, np.ones(shape), nobody, nobody.copy(), travellers)

    def leave(
        self, state: State, now: Situation, ahead: Situation, factor: Any, laws: Laws
    ) -> None:
        """Let the part leave that leaves in a month, and the part that gives notice give it."""
        health = self.customers.soundness + state.mood
        share = laws.notice_share
        odds = leaving(state, health, now, factor, laws)
        odds = np.where(now.due, (1.0 - share) * odds / (1.0 - share * odds), odds)
        self.left.append((self.free * odds + self.told * now.due).mean(axis=1))
        self.free, self.told = self.free * (1.0 - odds), self.told * ~now.due
        if share > 0 and ahead.due.any():
            coming = share * ahead.due * leaving(state, health, ahead, factor, laws)
            self.told_moved = np.where(ahead.due, self.grown_and_shrunk(), self.told_moved)
            self.told = self.told + self.free * coming
            self.free = self.free * (1.0 - coming)

    def move(
        self,
        state: State,
        now: Situation,
        factor: Any,
        laws: Laws,
        fate: Fate,
        rng: np.random.Generator,
    ) -> State:
        """Let the free part move, and the hidden state of all; answer the unmoved one's."""
        customers, shape = self.customers, self.free.shape
        health = customers.soundness + state.mood
        odds = moving(state, health, now, factor, laws)
        self._travel(health, now, factor, laws, rng)
        self._set_out(odds, state, shape, rng)
        traits = (customers.growth, customers.segment, laws, fate)
        after, _ = moved(state, customers.soundness, *traits)
        others = State(None, None, *self._wants(shape))
        wish = wishes(others, customers.soundness + after.mood, after.fading, *traits)
        self.travellers.state.exploring, self.travellers.state.gap = (w.ravel() for w in wish)
        return after

    def chances(self, laws: Laws) -> dict[str, Floats]:
        """Give the chances of each state after the months walked."""
        grown, shrunk = (
            (self.free * now + self.told * then).mean(axis=1)
            for now, then in zip(self.grown_and_shrunk(), self.told_moved, strict=True)
        )
        back = self.returned(laws)
        gone = np.sum(self.left, axis=0) - back
        contract = shrunk + back * (1.0 - REGAINED) * self.customers.smaller()
        return {"churn": gone, "contract": contract, "expand": grown + back * REGAINED}

    def lost(self, laws: Laws) -> Floats:
        """Give the chance to be gone after the months walked."""
        return np.asarray(np.sum(self.left, axis=0) - self.returned(laws))

    def returned(self, laws: Laws) -> Floats:
        """Give the part that left, came back two months later or more, and has stayed since."""
        rate, months = laws.return_rate, len(self.left)
        stays = 1.0 - self.customers.again(laws)
        back = np.zeros(len(stays))
        for month, part in enumerate(self.left):
            for later in range(month + 2, months):
                chance = rate * (1.0 - rate) ** (later - month - 2)
                back += part * chance * stays ** (months - 1 - later)
        return back

    def grown_and_shrunk(self) -> Floats:
        """Give the shares of the free part that stand above and below their opening MRR."""
        change = self.travellers.organic.reshape(self.moved.shape) / self.customers.mrr[:, None]
        parts = [(self.moved * (sign * change >= MOVES)).sum(axis=0) for sign in (1, -1)]
        return np.stack(parts)

    def _wants(self, shape: Shape) -> tuple[Any, Any]:
        state = self.travellers.state
        return state.exploring.reshape(2, *shape), state.gap.reshape(2, *shape)

    def _travel(
        self, health: Any, now: Situation, factor: Any, laws: Laws, rng: np.random.Generator
    ) -> None:
        """Let those who have moved move again."""
        exploring, gap = self._wants(self.free.shape)
        odds = moving(State(None, None, exploring, gap), health, now, factor, laws)
        draw = rng.random((3, *gap.shape))
        there = self.moved > 0
        shrinks = there & (draw[0] < odds[0])
        adds, upgrades = (there & ~shrinks & (draw[k] < odds[k]) for k in (1, 2))
        who = [np.flatnonzero(moves) for moves in (shrinks, adds, upgrades)]
        self.travellers.change(who[0], who[1], who[2], rng)

    def _set_out(self, odds: Any, state: State, shape: Shape, rng: np.random.Generator) -> None:
        """Let the unmoved part set out, upwards or downwards, and its travellers be drawn anew."""
        shrink, seats, upgrade = odds
        grow = 1.0 - (1.0 - seats) * (1.0 - upgrade)
        parts = self.unmoved * np.stack([(1.0 - shrink) * grow, np.broadcast_to(shrink, shape)])
        self.moved = self.moved + parts
        self.unmoved = self.unmoved - parts.sum(axis=0)
        fresh = rng.random(parts.shape) * self.moved < parts
        who = np.flatnonzero(fresh)
        self.travellers.begin(who, self.customers, state, shape)
        up, down = who[who < grow.size], who[who >= grow.size]
        adds, both = (np.ravel(part)[up] for part in (seats / grow, upgrade * np.ones(shape)))
        adds = rng.random(len(up)) < adds
        upgrades = ~adds | (rng.random(len(up)) < both)
        self.travellers.change(down, up[adds], up[upgrades], rng)
