"""A simulated world: a book in the shape of the source tables, and the truth about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.faults import UsageFault
from training.worlds.accounts import Roster, accounts_table, enlist
from training.worlds.contracts import RATES, subscriptions_table
from training.worlds.life import live_through
from training.worlds.parameters import Laws, laws_of
from training.worlds.past import History
from training.worlds.pressure import events_table, limits_table
from training.worlds.relationship import touchpoints_table
from training.worlds.support import tickets_table
from training.worlds.timeline import Timeline, as_dates
from training.worlds.truth import truth_table
from training.worlds.usage import catalog_table, usage_table
from training.worlds.write import write_book

__all__ = ["World", "simulate"]

LAST_DAY = date(2025, 12, 31)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class World:
    """A book and its truth.

    Attributes
    ----------
    tables : dict of str to DataFrame
        The source tables of CONTRACT section 1, by name.
    truth : DataFrame
        True probabilities and outcomes per customer and month (see ``truth.truth_table``).
    time : Timeline
        Months of the book and its last day.
    laws : Laws
        What held in this world.
    """

    tables: dict[str, pd.DataFrame]
    truth: pd.DataFrame
    time: Timeline
    laws: Laws

    def write(self, directory: Path) -> None:
        """Write the tables, a ``perennial.toml`` and ``truth/`` into a directory."""
        write_book(self.tables, self.truth, self.time, self.laws.fiscal_year_starts, directory)


def simulate(
    accounts: int = 1500,
    months: int = 36,
    seed: int = 0,
    scenario: str = "default",
    last_day: date = LAST_DAY,
    progress: Progress | None = None,
) -> World:
    """Simulate a book of subscriptions with everything that surrounds it.

    Parameters
    ----------
    accounts : int
        How many accounts are ever customers; about three in five are at the end.
    months : int
        Length of the book, up to and including the month of ``last_day``.
    seed : int
        Same seed, same world, byte for byte.
    scenario : str
        A name of ``parameters.SCENARIOS``.
    last_day : date
        Last day of the book: nothing is written that happened later.
    progress : callable, optional
        Called with (months lived, months in all).

    Raises
    ------
    UsageFault
        ``scenario.unknown``, or ``simulate.size`` for fewer than 10 accounts or 6 months.

    Examples
    --------
    >>> world = simulate(accounts=20, months=6, scenario="tiny")
    >>> len(world.tables["accounts"])
    20
    >>> bool((world.tables["subscriptions"].starts_on <= "2025-12-31").all())
    True
    """
    laws = laws_of(scenario)
    _refuse_small(accounts, months)
    time = Timeline(min(months, laws.most_months), last_day)
    rng = np.random.default_rng(seed)
    roster = enlist(min(accounts, laws.most_accounts), time, laws, rng)
    history = live_through(roster, time, laws, rng, progress)
    truth = truth_table(roster, history, time, laws, rng)
    return World(_tables(roster, history, time, laws, rng), truth, time, laws)


def _refuse_small(accounts: int, months: int) -> None:
    if accounts < 10 or months < 6:
        found = f"{accounts} accounts, {months} months"
        raise UsageFault("simulate.size", found, "ask for at least 10 accounts and 6 months")


def _tables(
    roster: Roster, history: History, time: Timeline, laws: Laws, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Write all source tables; an account that signs only after the last day is left out."""
    live = np.flatnonzero(history.alive[-1])
    subscriptions = subscriptions_table(history.contracts, live, roster, time, laws)
    tables = {
        "accounts": accounts_table(roster, time.last, rng),
        "subscriptions": subscriptions,
        "usage": usage_table(roster, history, time, laws, rng),
        "feature_catalog": catalog_table(),
        "tickets": tickets_table(roster, history, time, rng),
        "touchpoints": touchpoints_table(roster, history, time, rng),
        "limits": limits_table(roster, history, time, rng),
        "events": events_table(roster, history, time, rng),
    }
    if len(laws.currencies) > 1:
        tables["fx_rates"] = _fx_rates(time, laws, rng)
    known = set(subscriptions.account_id)
    tables["accounts"] = tables["accounts"][tables["accounts"].account_id.isin(known)]
    return {name: table.reset_index(drop=True) for name, table in tables.items()}


def _fx_rates(time: Timeline, laws: Laws, rng: np.random.Generator) -> pd.DataFrame:
    """Write the value of each foreign currency in USD on the first day of each month."""
    days = time.start(np.arange(-1, time.months))
    parts = []
    for code in laws.currencies[1:]:
        walk = np.exp(np.cumsum(0.015 * rng.standard_normal(len(days))))
        rate = np.round(walk / RATES[code], 6)
        parts.append(pd.DataFrame({"currency": code, "date": as_dates(days), "rate": rate}))
    return pd.concat(parts, ignore_index=True)
