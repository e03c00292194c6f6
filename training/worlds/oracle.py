"""The oracle of a simulated world: NRR and GRR as forecast by one who knows the hidden state.

At each quarter end every customer's life is taken up again, on many paths, under the very same
laws that made the book: the common factor, moves, price rises, late renewals and returns
included. What the book then really did is one more path, so its rank among them is uniform.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.worlds.accounts import Roster
from training.worlds.chronicle import resumed
from training.worlds.hidden import next_factor
from training.worlds.parameters import Laws
from training.worlds.past import History
from training.worlds.timeline import Timeline, as_dates

__all__ = ["QUANTILES", "Futures", "oracle_table", "origins"]

HORIZONS = (1, 3, 12)
QUANTILES = (5, 10, 25, 50, 75, 90, 95)
WORK = 30_000_000
BLOCK = 100_000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Futures:
    """Futures of the customers of one month-end, and what really came of them.

    Attributes
    ----------
    nrr, grr : dict of int to array of float
        Per horizon in months, the ratio on each path.
    """

    opening: float
    accounts: int
    nrr: dict[int, Floats]
    grr: dict[int, Floats]
    real: dict[str, float]

    @classmethod
    def drawn(
        cls,
        row: int,
        world: tuple[Roster, History, Timeline, Laws],
        worth: Floats,
        paths: int,
        rng: np.random.Generator,
    ) -> Futures:
        """Draw them; ``worth`` is the value of a cent of each account in the book's currency."""
        history = world[1]
        who = np.flatnonzero(history.alive[row])
        held = history.billed[row, who] * worth[who]
        factors = _factors(float(history.factor[row]), paths, rng)
        sums = np.zeros((2, len(HORIZONS), paths))
        size = max(1, BLOCK // max(paths, 1))
        for begin in range(0, len(who), size):
            some = who[begin : begin + size]
            sums += _block(row, some, world, worth[some], factors, rng)
        real = _real(row, who, history, worth)
        ratios = sums / held.sum()
        ratios[1] = np.minimum(ratios[1], 1.0)
        return cls(
            opening=float(held.sum() / 100.0),
            accounts=len(who),
            nrr=dict(zip(HORIZONS, ratios[0], strict=True)),
            grr=dict(zip(HORIZONS, ratios[1], strict=True)),
            real=real,
        )


def origins(time: Timeline, fiscal_year_starts: int) -> list[int]:
    """List the month-ends, as rows of the history, that end a quarter of the fiscal year."""
    rows = np.arange(time.months + 1)
    ends = (time.calendar_month(rows) - fiscal_year_starts) % 3 == 0
    return [int(row) for row in rows[ends] if int(time.start(row)) <= time.last + 1]


def oracle_table(
    roster: Roster,
    history: History,
    time: Timeline,
    laws: Laws,
    rates: pd.DataFrame | None,
    seed: tuple[int, ...],
    paths: int | None = None,
    rows: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Give the distribution of NRR and GRR at each quarter end, 1, 3 and 12 months ahead.

    ``rows`` of the history may be asked for instead of the quarter ends.

    The ratios are those of the ledger: the customers of the month-end, what they pay later over
    what they pay now (GRR: no more than they pay now), returns at what they pay then.

    Returns
    -------
    DataFrame
        ``as_of`` (the first of the month after the quarter), ``horizon_months``, ``paths``,
        ``accounts``, ``opening_mrr``, and for ``nrr`` and ``grr`` each ``_mean``, ``_sd``,
        ``_p05``, ``_p10``, ``_p25``, ``_p50``, ``_p75``, ``_p90``, ``_p95``, ``_real`` (what
        came of it; beyond the book's last day too) and ``_rank`` (share of paths below it).
    """
    rows = origins(time, laws.fiscal_year_starts) if rows is None else list(rows)
    count = paths or _paths(history, rows)
    world = (roster, history, time, laws)

    def one(row: int) -> pd.DataFrame:
        rng = np.random.default_rng((*seed, row))
        worth = _worth(roster, laws, rates, time, row)
        return _told(row, Futures.drawn(row, world, worth, count, rng), time)

    with ThreadPoolExecutor(2) as hands:
        return pd.concat(list(hands.map(one, rows)), ignore_index=True)


def _paths(history: History, rows: list[int]) -> int:
    """Take as many paths as keep the work bounded: 100 to 1,000."""
    steps = int(history.alive[rows].sum()) * max(HORIZONS)
    return int(np.clip(WORK // max(steps, 1), 100, 1_000))


def _factors(now: float, paths: int, rng: np.random.Generator) -> Floats:
    """Draw the common factor of the months to come, one row a month."""
    rows = [np.full(paths, now)]
    for _ in range(max(HORIZONS) - 1):
        rows.append(next_factor(rows[-1], rng.standard_normal(paths)))
    return np.stack(rows)


def _block(
    row: int,
    who: NDArray[np.int64],
    world: tuple[Roster, History, Timeline, Laws],
    worth: Floats,
    factors: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Sum later and retained MRR of some customers on every path."""
    roster, history, time, laws = world
    paths = factors.shape[1]
    life = resumed(roster, history, row, np.repeat(who, paths), time, laws, rng)
    held = (history.billed[row, who] * worth)[:, None]
    sums = np.zeros((2, len(HORIZONS), paths))
    for ahead in range(max(HORIZONS)):
        life.month(row + ahead, np.tile(factors[ahead], len(who)))
        if ahead + 1 in HORIZONS:
            paid = life.billed(row + ahead).reshape(len(who), paths) * worth[:, None]
            at = HORIZONS.index(ahead + 1)
            sums[:, at] = paid.sum(axis=0), np.minimum(paid, held).sum(axis=0)
    return sums


def _real(row: int, who: NDArray[np.int64], history: History, worth: Floats) -> dict[str, float]:
    held = history.billed[row, who] * worth[who]
    later = {h: history.billed[row + h, who] * worth[who] for h in HORIZONS}
    nrr = {f"nrr_{h}": float(paid.sum() / held.sum()) for h, paid in later.items()}
    kept = {h: np.minimum(paid, held).sum() / held.sum() for h, paid in later.items()}
    grr = {f"grr_{h}": min(float(share), 1.0) for h, share in kept.items()}
    return nrr | grr


def _worth(
    roster: Roster, laws: Laws, rates: pd.DataFrame | None, time: Timeline, row: int
) -> Floats:
    """Value each account's currency in the book's, at the rates of that fiscal year."""
    values = np.ones(len(laws.currencies))
    if rates is not None:
        since = (time.calendar_month(row - 1) - laws.fiscal_year_starts) % 12
        first = time.date_of(time.start(row - 1 - since))
        known = rates[rates.date <= pd.Timestamp(first)]
        last = known.groupby("currency").rate.last()
        values[1:] = [last[code] for code in laws.currencies[1:]]
    return np.asarray(values[roster.currency])


def _told(row: int, futures: Futures, time: Timeline) -> pd.DataFrame:
    """Write one origin's lines, one a horizon."""
    lines = []
    for horizon in HORIZONS:
        line: dict[str, Any] = {
            "horizon_months": horizon,
            "paths": len(futures.nrr[horizon]),
            "accounts": futures.accounts,
            "opening_mrr": futures.opening,
        }
        for name, paths in (("nrr", futures.nrr[horizon]), ("grr", futures.grr[horizon])):
            real = futures.real[f"{name}_{horizon}"]
            spread = np.percentile(paths, QUANTILES)
            line |= {f"{name}_mean": paths.mean(), f"{name}_sd": paths.std(ddof=1)}
            line |= {f"{name}_p{q:02}": x for q, x in zip(QUANTILES, spread, strict=True)}
            line |= {f"{name}_real": real, f"{name}_rank": _rank(paths, real)}
        lines.append(line)
    frame = pd.DataFrame(lines)
    frame.insert(0, "as_of", as_dates(np.full(len(frame), time.start(row))))
    return frame


def _rank(paths: Floats, real: float) -> float:
    """Share of paths below what came, ties counted half."""
    near = np.isclose(paths, real, rtol=0.0, atol=1e-12)
    return float(((paths < real) & ~near).mean() + 0.5 * near.mean())
