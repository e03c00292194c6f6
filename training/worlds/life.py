"""The life of a simulated book: month by month, who leaves, shrinks, grows, renews, returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.worlds.accounts import Roster
from training.worlds.changes import Changes
from training.worlds.contracts import Contracts
from training.worlds.hidden import Chances, Fate, Situation, State, chances, first_state, moved
from training.worlds.outreach import assigned
from training.worlds.parameters import Laws
from training.worlds.past import FOREVER
from training.worlds.timeline import Days, Timeline

__all__ = ["Life"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass
class Life:
    """A book in the middle of its life.

    ``luck`` draws what outreach gives to whom, apart from all else; ``laws`` are those of the
    month, out of ``book_laws``; ``factor`` is one number, or one per account where the accounts
    are copies that live on many paths.
    """

    roster: Roster
    time: Timeline
    book_laws: Laws
    rng: np.random.Generator
    luck: np.random.Generator
    contracts: Contracts
    state: State
    alive: Booleans
    organic: Floats
    left_month: Integers
    first_month: Integers
    champion_lost: Booleans
    until: Days
    treated: Booleans
    before: Floats
    factor: Any = 0.0
    plays: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def begun(
        cls,
        roster: Roster,
        time: Timeline,
        laws: Laws,
        chance: tuple[np.random.Generator, np.random.Generator],
        contracts: Contracts,
        state: State,
        alive: Booleans,
        first_month: Integers,
    ) -> Life:
        """Begin a life: who is there, on which contracts, in which state; nothing happened yet."""
        n = len(roster)
        return cls(
            roster=roster,
            time=time,
            book_laws=laws,
            rng=chance[0],
            luck=chance[1],
            contracts=contracts,
            state=state,
            alive=alive.copy(),
            organic=np.zeros(n),
            left_month=np.full(n, -1, dtype=np.int64),
            first_month=first_month,
            champion_lost=np.zeros(n, dtype=bool),
            until=np.full(n, FOREVER),
            treated=np.zeros(n, dtype=bool),
            before=contracts.mrr(),
        )

    def month(self, month: int, factor: Any) -> None:
        """Live one month, from the state at the month-end before."""
        self.factor = factor
        self.laws = self.book_laws.in_month(month)
        self._reach_out(month)
        self.until = np.full(len(self.alive), FOREVER)
        present = self.alive.copy()
        now = self.situation(month)
        odds = chances(self.state, self.roster.soundness, now, factor, self.laws)
        leaves = present & self._leaves(odds, now, month)
        stays = present & ~leaves & (self.contracts.notice < 0)
        draw = self.rng.random((3, len(present)))
        shrinks = stays & (draw[0] < odds.shrink)
        adds = stays & ~shrinks & (draw[1] < odds.seats)
        upgrades = stays & ~shrinks & (draw[2] < odds.upgrade)
        self._leave(np.flatnonzero(leaves), now.due, month)
        self._change(present & ~leaves, shrinks, adds, upgrades, now, month)
        self._return(month)
        self._arrive(month)
        self._move()

    def billed(self, month: int) -> Floats:
        """Give what the ledger says of the month's end: in grace, an account pays the old price."""
        grace = self.contracts.start > self.time.end(month)
        paid = np.where(grace, self.before, self.contracts.mrr())
        return np.where(self.alive, paid, 0.0)

    def situation(self, month: int) -> Situation:
        """See what is visible of the contracts in a month."""
        monthly = self.contracts.term == 1
        due = ~monthly & (self.time.month_of(self.contracts.end) == month)
        tenure = np.maximum(month - self.first_month, 0)
        raised = self.book_laws.raised(month, self.contracts.term, due)
        return Situation(self.roster.segment, monthly, due, tenure, raised, self.treated)

    def _reach_out(self, month: int) -> None:
        """Give outreach to some at the start of a quarter; it is at work for three months."""
        if self.book_laws.effect == "none" or month % 3:
            return
        able = self.alive & (self.contracts.notice < 0)
        due_in = self.time.month_of(self.contracts.end) - month
        play = assigned(able, self.contracts.term, due_in, self.roster.segment, self.luck)
        self.treated = play["treated"]
        self.plays.append({"month": month} | play)

    def _leaves(self, odds: Chances, now: Situation, month: int) -> Booleans:
        """Decide who leaves; a part of those whose term ends next month gives notice first."""
        share = self.laws.notice_share
        rest = (1.0 - share) * odds.leave / (1.0 - share * odds.leave)
        noticed = self.contracts.notice >= 0
        draw = self.rng.random(len(self.alive))
        leaves = np.where(now.due, noticed | (draw < rest), now.monthly & (draw < odds.leave))
        self._give_notice(month)
        return leaves

    def _give_notice(self, month: int) -> None:
        coming = self.situation(month + 1)
        ahead = chances(self.state, self.roster.soundness, coming, self.factor, self.laws)
        draw = self.rng.random(len(self.alive))
        gives = self.alive & coming.due & (draw < self.laws.notice_share * ahead.leave)
        day = self.time.day(month, self.rng.integers(1, 29, size=len(gives)))
        self.contracts.notice = np.where(gives, day, self.contracts.notice)

    def _leave(self, who: Integers, due: Booleans, month: int) -> None:
        """End the service: at the end of the term, or on a day of the month."""
        day = self.time.day(month, self.rng.integers(3, 28, size=len(who)))
        told = np.maximum(day - self.rng.integers(0, 20, size=len(who)), self.time.start(month))
        contracts = self.contracts
        ends = np.where(due[who], contracts.end[who], np.maximum(day, contracts.start[who] + 1))
        canceled = np.where(due[who], contracts.notice[who], np.minimum(told, ends))
        contracts.close(who, ends, canceled)
        contracts.notice[who] = -1
        self.alive[who] = False
        self.until[who] = ends
        self.left_month[who] = month

    def _change(
        self,
        stays: Booleans,
        shrinks: Booleans,
        adds: Booleans,
        upgrades: Booleans,
        now: Situation,
        month: int,
    ) -> None:
        """Renew what is due and change what changes, each as the end of a line and a new one."""
        renews = stays & now.due
        rises = self._price_rises(stays, renews, shrinks | adds | upgrades, now, month)
        listed = stays & self.book_laws.repriced(month, self.contracts.term, now.due)
        who = np.flatnonzero(renews | shrinks | adds | upgrades | rises | listed)
        contracts = self.contracts
        day = self.time.day(month, self.rng.integers(2, 28, size=len(who)))
        day = np.maximum(day, contracts.start[who] + 1)
        renewing = renews[who]
        ends = np.where(renewing, contracts.end[who], day)
        contracts.close(who, ends, np.where(renewing, -1, day))
        before = self.before = contracts.mrr()
        changes = Changes(contracts, self.state, self.rng)
        changes.shrink(np.flatnonzero(shrinks))
        changes.add_seats(np.flatnonzero(adds))
        changes.upgrade(np.flatnonzero(upgrades))
        self.organic += contracts.mrr() - before
        changes.raise_prices(np.flatnonzero(rises))
        changes.raise_list_price(np.flatnonzero(listed), self.book_laws.price_rise)
        self._start_lines(who, ends, renewing)

    def _price_rises(
        self, stays: Booleans, renews: Booleans, busy: Booleans, now: Situation, month: int
    ) -> Booleans:
        """At renewal three in five prices rise; monthly list prices rise once a year."""
        draw = self.rng.random(len(stays))
        yearly = now.monthly & (now.tenure > 12) & (self.time.calendar_month(month) == 3)
        return stays & ((renews & (draw < 0.6)) | (yearly & ~busy & (draw < 0.5)))

    def _start_lines(self, who: Integers, ends: Days, renewing: Booleans) -> None:
        """Start the lines after ``ends``, some renewals late; aligned terms end when they should."""
        contracts = self.contracts
        late = renewing & (self.rng.random(len(who)) < self.laws.late_renewal_share)
        gap = np.where(late, self.rng.integers(1, 21, size=len(who)), 0)
        start = ends + gap
        contracts.start[who] = start
        contracts.signed[who] = start
        renewed = who[renewing]
        counts = np.where(self.roster.aligned[who], ends, start)[renewing]
        contracts.end[renewed] = self._term_end(counts, contracts.term[renewed])
        expired = renewed[self.rng.random(len(renewed)) < 0.25]
        contracts.discount[expired] = 0.0

    def _term_end(self, start: Days, term: Integers) -> Days:
        month = self.time.month_of(start)
        day = np.minimum(start - self.time.start(month) + 1, 28)
        return np.asarray(self.time.day(month + term, day))

    def _return(self, month: int) -> None:
        """Bring back some that left two to eighteen months ago, on a smaller contract."""
        away = month - self.left_month
        could = ~self.alive & (self.left_month >= 0) & (away >= 2) & (away <= 18)
        who = np.flatnonzero(could & (self.rng.random(len(could)) < self.laws.return_rate))
        before = self.contracts.mrr()
        less = self.contracts.seats[who] * self.rng.uniform(0.5, 1.0, size=len(who))
        self.contracts.seats[who] = np.maximum(1, np.rint(less)).astype(np.int64)
        self.organic += self.contracts.mrr() - before
        self._begin(who, self.time.day(month, self.rng.integers(1, 29, size=len(who))))
        self._become_customers(who)

    def _begin(self, who: Integers, start: Days) -> None:
        contracts = self.contracts
        contracts.start[who] = start
        contracts.signed[who] = start
        ends = self._term_end(start, contracts.term[who])
        contracts.end[who] = np.where(contracts.term[who] > 1, ends, -1)

    def _become_customers(self, who: Integers) -> None:
        fresh = first_state(len(who), self.rng)
        for name in ("mood", "fading", "exploring", "gap"):
            getattr(self.state, name)[who] = getattr(fresh, name)
        self.alive[who] = True

    def _arrive(self, month: int) -> None:
        if month < self.time.months:
            self._become_customers(np.flatnonzero(self.roster.month == month))

    def _move(self) -> None:
        roster = self.roster
        fate = Fate.drawn(self.alive.shape, self.rng)
        self.state, lost = moved(
            self.state, roster.soundness, roster.growth, roster.segment, self.laws, fate
        )
        self.champion_lost = lost & self.alive
