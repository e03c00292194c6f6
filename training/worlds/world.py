"""A simulated world: a book in the shape of the source tables, and the truth about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.faults import UsageFault
from training.worlds.accounts import Roster, accounts_table, enlist
from training.worlds.chronicle import live_through, opened
from training.worlds.contracts import RATES, subscriptions_table
from training.worlds.hidden import macro_path
from training.worlds.oracle import oracle_table
from training.worlds.outreach import log_table
from training.worlds.parameters import Laws
from training.worlds.past import History
from training.worlds.pressure import events_table, limits_table
from training.worlds.relationship import touchpoints_table
from training.worlds.scenarios import laws_of
from training.worlds.support import tickets_table
from training.worlds.timeline import BEYOND, Timeline, as_dates
from training.worlds.truth import Chance, truth_table
from training.worlds.usage import catalog_table, usage_table
from training.worlds.write import write_book

__all__ = ["World", "simulate"]

LAST_DAY = date(2025, 12, 31)
Progress = Callable[[int, int], None]


# One random stream for each thing that joined the simulator later: what was there stays as it was.
LUCK, WALK, LOG, ORACLE, FRESH = 1, 2, 3, 4, 5


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
    roster : Roster
        The accounts with their hidden traits.
    history : History
        What happened, hidden state included, to twelve months beyond the last day.
    seed : tuple of int
        What all of it was drawn from.
    """

    tables: dict[str, pd.DataFrame] = field(repr=False)
    truth: pd.DataFrame = field(repr=False)
    time: Timeline
    laws: Laws
    roster: Roster = field(repr=False)
    history: History = field(repr=False)
    seed: tuple[int, ...]

    def oracle(self, paths: int | None = None, as_of: Sequence[date] | None = None) -> pd.DataFrame:
        """Forecast NRR and GRR as one would who knows the hidden state (``oracle_table``).

        Parameters
        ----------
        paths : int, optional
            Futures drawn at each date; by default 100 to 1,000, fewer for larger books.
        as_of : sequence of date, optional
            First days of months; by default those after a quarter of the fiscal year.
        """
        rates = self.tables.get("fx_rates")
        book = (self.roster, self.history, self.time, self.laws)
        rows = None if as_of is None else [int(self.time.month_of(np.datetime64(d))) for d in as_of]
        return oracle_table(*book, rates, (*self.seed, ORACLE), paths, rows)

    def fresh(self, accounts: int, draw: int = 0) -> World:
        """Simulate other accounts of the same world: same laws, same common factor, other luck.

        Parameters
        ----------
        accounts : int
            How many; their ids begin at ``A00001`` again, for it is a book of its own.
        draw : int
            Another number gives other accounts.

        Examples
        --------
        >>> world = simulate(accounts=20, months=6)
        >>> others = world.fresh(30)
        >>> len(others.tables["accounts"]), bool((others.truth.factor == world.history.factor[0])[0])
        (30, True)
        """
        seed = (*self.seed, FRESH, draw)
        return _lived(accounts, self.time, self.laws, seed, None, self.history.factor)

    def write(self, directory: Path, oracle: bool = False) -> None:
        """Write the tables, a ``perennial.toml`` and ``truth/`` into a directory.

        With ``oracle`` the truth has the oracle's forecasts too, which take some seconds.
        """
        truths = {"truth": self.truth} | ({"oracle": self.oracle()} if oracle else {})
        write_book(self.tables, truths, self.time, self.laws.fiscal_year_starts, directory)


def simulate(
    accounts: int | None = None,
    months: int | None = None,
    seed: int = 0,
    scenario: str = "default",
    last_day: date = LAST_DAY,
    progress: Progress | None = None,
) -> World:
    """Simulate a book of subscriptions with everything that surrounds it.

    Parameters
    ----------
    accounts : int, optional
        How many accounts are ever customers (about three in five are at the end); by default
        1,500, or what the scenario says.
    months : int, optional
        Length of the book, up to and including the month of ``last_day``; by default 36, or
        what the scenario says.
    seed : int
        Same seed, same world, byte for byte.
    scenario : str
        A name of ``scenarios.SCENARIOS``, or several joined by commas.
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
    >>> world = simulate(accounts=20, months=6)
    >>> len(world.tables["accounts"])
    20
    >>> bool((world.tables["subscriptions"].starts_on <= "2025-12-31").all())
    True
    """
    laws = laws_of(scenario)
    size = laws.accounts if accounts is None else accounts
    laws = replace(laws, accounts=size, months=laws.months if months is None else months)
    _refuse_small(laws.accounts, laws.months)
    return _lived(size, Timeline(laws.months, last_day), laws, (seed,), progress)


def _lived(
    accounts: int,
    time: Timeline,
    laws: Laws,
    seed: tuple[int, ...],
    progress: Progress | None = None,
    factor: NDArray[np.float64] | None = None,
) -> World:
    """Draw the accounts, let them live, and write down what happened and what was to be."""
    rng = np.random.default_rng(seed[0] if len(seed) == 1 else seed)
    luck, walk, log = (np.random.default_rng((*seed, part)) for part in (LUCK, WALK, LOG))
    roster = enlist(accounts, time, laws, rng)
    factor = macro_path(time.months + BEYOND + 1, rng) if factor is None else factor
    life = opened(roster, time, laws, rng, luck)
    roster, history = life.roster, live_through(life, factor, progress)
    truth = truth_table(roster, history, time, laws, Chance(rng, walk))
    tables = _tables(roster, history, time, laws, rng)
    if laws.effect != "none":
        csm = tables["accounts"].set_index("account_id").csm
        tables["outreach_log"] = log_table(roster, history, time, csm, log)
    return World(tables, truth, time, laws, roster, history, seed)


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
    """Write the value of each foreign currency in USD on the first of each month, and a year before."""
    days = time.start(np.arange(-12, time.months))
    parts = []
    for code in laws.currencies[1:]:
        walk = np.exp(np.cumsum(0.015 * rng.standard_normal(len(days))))
        rate = np.round(walk / RATES[code], 6)
        parts.append(pd.DataFrame({"currency": code, "date": as_dates(days), "rate": rate}))
    return pd.concat(parts, ignore_index=True)
