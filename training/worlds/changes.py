"""How a simulated contract changes: fewer seats, more seats, another plan, one more product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.worlds.contracts import Contracts
from training.worlds.hidden import State
from training.worlds.parameters import PLAN_PRICES, PLANS

__all__ = ["Changes"]

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Changes:
    """Changes of the contracts of some accounts; each also settles what was wanted."""

    contracts: Contracts
    state: State
    rng: np.random.Generator

    def shrink(self, who: Integers) -> None:
        """Remove seats, or step down a plan."""
        contracts = self.contracts
        steps_down = (self.rng.random(len(who)) < 0.25) | (contracts.seats[who] < 2)
        steps_down &= contracts.plan[who] > 0
        self._change_plan(who[steps_down], -1)
        less = who[~steps_down]
        wish = np.minimum(self.state.gap[less], -0.05) * self.rng.uniform(0.5, 1.0, len(less))
        kept = np.clip(np.exp(wish), 0.4, 0.97)
        wanted = np.floor(contracts.seats[less] * kept).astype(np.int64)
        self._set_seats(less, np.maximum(1, np.minimum(wanted, contracts.seats[less] - 1)))

    def add_seats(self, who: Integers) -> None:
        """Buy the seats that are wanted and some room."""
        room = self.rng.uniform(0.02, 0.22, size=len(who))
        factor = np.exp(np.maximum(self.state.gap[who], -0.03) + room)
        wanted = np.ceil(self.contracts.seats[who] * factor).astype(np.int64)
        self._set_seats(who, np.maximum(wanted, self.contracts.seats[who] + 1))

    def upgrade(self, who: Integers) -> None:
        """Move up a plan, or buy a product (or more of the last one)."""
        up = (self.rng.random(len(who)) < 0.55) & (self.contracts.plan[who] < len(PLANS) - 1)
        self._change_plan(who[up], 1)
        self._buy(who[~up])
        self.state.exploring[who] = False

    def raise_prices(self, who: Integers) -> None:
        """Raise the price of a seat by two to six per cent."""
        rise = 1.0 + self.rng.uniform(0.02, 0.06, size=len(who))
        self.contracts.unit[who] = np.rint(self.contracts.unit[who] * rise).astype(np.int64)

    def raise_list_price(self, who: Integers, rise: float) -> None:
        """Raise the price of a seat by what the list says."""
        raised = np.rint(self.contracts.unit[who] * (1.0 + rise)).astype(np.int64)
        self.contracts.unit[who] = raised

    def _buy(self, who: Integers) -> None:
        contracts = self.contracts
        core = contracts.seats[who] * contracts.unit[who]
        price = np.rint(core * self.rng.uniform(0.12, 0.22, len(who))).astype(np.int64)
        which = np.where(contracts.addons[who, 0] == 0, 0, 1)
        contracts.addons[who, which] += np.maximum(price, 1)

    def _change_plan(self, who: Integers, step: int) -> None:
        prices = np.array(PLAN_PRICES)
        old = self.contracts.plan[who]
        ratio = (prices[old + step] / prices[old]) ** 0.6
        self.contracts.unit[who] = np.rint(self.contracts.unit[who] * ratio).astype(np.int64)
        self.contracts.plan[who] = old + step

    def _set_seats(self, who: Integers, seats: Integers) -> None:
        self.state.gap[who] += np.log(self.contracts.seats[who] / seats)
        self.contracts.seats[who] = seats
