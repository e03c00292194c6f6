"""The contracts of a simulated world: what runs today, and every line that ever ran.

A term is a line of its own; a change in mid-term ends the line on that day and starts another
with the same contracted end. A monthly contract is one open line until it changes or ends.
Money is in cents; days are day numbers; -1 means "none".
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.worlds.accounts import Roster
from training.worlds.parameters import PLAN_PRICES, PLANS, PRODUCTS, Laws
from training.worlds.timeline import Days, Timeline, as_dates

__all__ = ["Contracts", "first_contracts", "subscriptions_table"]

Integers = NDArray[np.int64]
RATES = {"USD": 1.0, "EUR": 0.92, "GBP": 0.79}


@dataclass
class Contracts:
    """The running contract of each account, in arrays of one entry per account.

    Attributes
    ----------
    term : array of int
        Months; 1 is month to month.
    plan, seats, unit : array of int
        Position in ``PLANS``, seats, price of a seat a month in cents.
    discount : array of float
        Share off the core product.
    addons : array of int, (n, 2)
        Monthly price in cents of the products after core, 0 where not bought.
    start, end : array of int
        Day the running line started; day the term ends (exclusive), -1 for monthly.
    signed, notice : array of int
        Day of signing; day on which notice was given.
    closed : list of dict or None
        The lines that ended, by column; None where nobody will ask for them.
    """

    term: Integers
    plan: Integers
    seats: Integers
    unit: Integers
    discount: NDArray[np.float64]
    addons: Integers
    start: Days
    end: Days
    signed: Days
    notice: Days
    closed: list[dict[str, NDArray[Any]]] | None = field(default_factory=list)

    def mrr(self, who: Any = slice(None)) -> NDArray[np.float64]:
        """Monthly run-rate net of discount, in cents."""
        core = self.seats[who] * self.unit[who] * (1.0 - self.discount[who])
        return np.asarray(core + (self.addons[who, 0] + self.addons[who, 1]))

    def copies(self, who: Integers) -> Contracts:
        """Give the contracts of some accounts, each as often as it is named; without lines."""
        named = [part.name for part in fields(self) if part.name != "closed"]
        return Contracts(**{name: getattr(self, name)[who] for name in named}, closed=None)

    def close(self, who: Integers, ends: Any, canceled: Any) -> None:
        """End the running lines of some accounts on a day (-1: still running)."""
        if self.closed is None:
            return
        ends, canceled = np.broadcast_arrays(ends, canceled, np.empty(len(who)))[:2]
        for product in range(len(PRODUCTS)):
            has = np.full(len(who), True) if product == 0 else self.addons[who, product - 1] > 0
            self.closed.append(self._ended(who[has], product, ends[has], canceled[has]))

    def lines(self) -> pd.DataFrame:
        """Give all lines that ended so far."""
        parts = self.closed or []
        return pd.DataFrame({name: np.concatenate([p[name] for p in parts]) for name in parts[0]})

    def _ended(
        self, who: Integers, product: int, ends: Any, canceled: Any
    ) -> dict[str, NDArray[Any]]:
        core, ones = product == 0, np.ones(len(who), dtype=np.int64)
        return {
            "account": who,
            "product": product * ones,
            "plan": self.plan[who],
            "seats": self.seats[who] if core else -ones,
            "mrr": self.seats[who] * self.unit[who] if core else self.addons[who, product - 1],
            "discount": self.discount[who] if core else 0.0 * ones,
            "starts_on": self.start[who],
            "ends_on": ends.astype(np.int64),
            "term_months": self.term[who],
            "renews_on": self.end[who],
            "canceled_on": canceled.astype(np.int64),
            "signed_on": self.signed[who],
        }


def first_contracts(
    roster: Roster, time: Timeline, laws: Laws, rng: np.random.Generator
) -> Contracts:
    """Write the first contract of every account, from its contract value."""
    n = len(roster)
    rank = np.log(roster.acv / 1_500.0) / np.log(6.0) + 0.5 * rng.standard_normal(n)
    plan = np.clip(rank.astype(np.int64), 0, len(PLANS) - 1)
    rate = np.array([RATES[code] for code in laws.currencies])[roster.currency]
    unit = np.rint(np.array(PLAN_PRICES)[plan] * rate * rng.uniform(0.9, 1.1, size=n))
    discount = rng.choice([0.0, 0.1, 0.15, 0.2], size=n, p=[0.6, 0.2, 0.12, 0.08])
    monthly_cents = roster.acv * 100.0 / 12.0 * rate
    seats = np.maximum(1, np.rint(monthly_cents / (unit * (1.0 - discount)))).astype(np.int64)
    has_addon = rng.random((n, 2)) < np.array([0.15, 0.08])
    share = rng.uniform(0.12, 0.22, size=(n, 2))
    start, end = _first_term(roster, time, laws)
    return Contracts(
        term=roster.term.copy(),
        plan=plan,
        seats=seats,
        unit=unit.astype(np.int64),
        discount=discount,
        addons=np.rint(has_addon * share * (seats * unit)[:, None]).astype(np.int64),
        start=start,
        end=end,
        signed=roster.signed.copy(),
        notice=np.full(n, -1, dtype=np.int64),
    )


def _first_term(roster: Roster, time: Timeline, laws: Laws) -> tuple[Days, Days]:
    """Place the first term; a share of them is aligned with the fiscal year's end."""
    day, month = roster.day_of_month, roster.month
    to_fiscal = (laws.fiscal_year_starts - time.calendar_month(month)) % 12
    to_fiscal = to_fiscal + np.where(to_fiscal < 6, 12, 0) + np.where(to_fiscal == 0, 12, 0)
    ends = np.where(roster.aligned, to_fiscal + roster.term - 12, roster.term)
    return time.day(month, day), np.where(roster.term > 1, time.day(month + ends, day), -1)


def subscriptions_table(
    contracts: Contracts, live: Integers, roster: Roster, time: Timeline, laws: Laws
) -> pd.DataFrame:
    """Write all lines as the source table ``subscriptions``, as an export of the last day."""
    contracts.close(live, contracts.end[live], contracts.notice[live])
    lines = contracts.lines()
    lines = _as_of(lines[lines.starts_on <= time.last], time.last)
    lines = lines.sort_values(["account", "starts_on", "product"], kind="stable")
    currency = np.array(laws.currencies, dtype=object)[roster.currency[lines.account]]
    return pd.DataFrame(
        {
            "subscription_id": [f"S{number + 1:06d}" for number in range(len(lines))],
            "account_id": roster.ids[lines.account],
            "product": np.array(PRODUCTS, dtype=object)[lines["product"]],
            "plan": np.array(PLANS, dtype=object)[lines.plan],
            "seats": pd.array(lines.seats, dtype="Int64"),
            "currency": currency,
            "mrr": lines.mrr.to_numpy() / 100.0,
            "discount": lines.discount.to_numpy(),
            "starts_on": as_dates(lines.starts_on.to_numpy()),
            "ends_on": as_dates(lines.ends_on.to_numpy()),
            "term_months": lines.term_months.to_numpy(),
            "renews_on": as_dates(lines.renews_on.to_numpy()),
            "auto_renew": (lines.term_months.to_numpy() == 1) | (lines.account.to_numpy() % 3 > 0),
            "canceled_on": as_dates(lines.canceled_on.to_numpy()),
            "signed_on": as_dates(lines.signed_on.to_numpy()),
        }
    ).assign(seats=lambda frame: frame.seats.mask(frame.seats < 0))


def _as_of(lines: pd.DataFrame, last: int) -> pd.DataFrame:
    """Take back what an export of the last day cannot know: later changes and cancellations."""
    unknown = (lines.ends_on > last) & ((lines.canceled_on > last) | (lines.canceled_on == -1))
    return lines.assign(
        ends_on=lines.ends_on.where(~unknown, lines.renews_on),
        canceled_on=lines.canceled_on.where(lines.canceled_on <= last, -1),
    )
