"""Real money, forecast from every past quarter: the next three and twelve months beside what came.

The book is `sponsors` (``../shared/data/sponsors``): the recurring sponsorships of an open source
project, read as ``docs/examples/sponsors`` says. At every quarter from 2021 to 2026 all is fitted
anew on what had closed there, and its forecast of NRR laid beside what happened and beside every
baseline. Both what serves (the score only where it had beaten the calendar) and the calendar alone
are told. Whatever comes out is printed: nothing here passes or fails.

Usage: ``python -m benchmarks.sponsors_forecast`` (``make bench-sponsors``). The outcome is kept in
``benchmarks/results/sponsors_forecast.json``: sums over the book only, no row of it and no name.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.outcome import circumstances, keep
from benchmarks.real_books import LIBRARIES, SHARED, history_of
from training.accuracy import accuracy, told_period
from training.backtest import Backtest, backtest
from training.history import History
from training.origins import monthly_origins

__all__ = ["HORIZONS", "judged", "main", "rolled"]

BOOK = "sponsors"
FIRST = date(2021, 1, 1)
HORIZONS = ("3", "12")
UNITS = {
    "origins": "days on which all was fitted anew, with what had closed there",
    "mae_points, bias_points": "points of NRR; bias is forecast less actual",
    "periods": "origins whose months have closed; n_eff of them are independent",
    "compared": "the baseline was there at every origin; others are told on the origins they have",
    "coverage": "share of the actual values inside the interval, with a 90 % interval on n_eff",
    "skill": "1 - MAE / that of the best baseline, which is known only afterwards",
    "served": "the forecast that a training would publish; the choice of what serves saw all origins",
    "calendar": "the forecast of the calendar alone",
}


def rolled(history: History, step: int, seed: int, first: date = FIRST) -> Backtest:
    """Replay every ``step`` months from the first day on; say how far it is, with the seconds."""
    days = [day for day in monthly_origins(history) if day >= first]
    days = [day for day in days if (day.month - first.month) % step == 0]
    begun = time.perf_counter()

    def progress(stage: str, done: int, of: int) -> None:
        spent = time.perf_counter() - begun
        print(f"{stage}: {done} of {of}, {spent:.0f} s", file=sys.stderr, flush=True)

    return backtest(history, lambda _: {}, seed, progress, days)


def judged(past: Backtest) -> dict[str, Any]:
    """Judge what serves and the calendar alone, by horizon; give the periods that were judged."""
    told = {"served": past.periods, "calendar": past.calendar_periods}
    found = {name: _by_horizon(accuracy(periods)) for name, periods in told.items()}
    return {
        "origins": [replay.origin.isoformat() for replay in past.replays],
        "serves": dict(past.serves),
        "accuracy": found,
        "periods": [_kept(one) for one in past.periods if str(one["horizon_months"]) in HORIZONS],
    }


def _by_horizon(told: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {horizon: told[horizon] for horizon in HORIZONS}


def _kept(period: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a period what is a ratio over the book: neither its money nor its accounts."""
    told = told_period(period)
    return {name: told[name] for name in told if name not in ("accounts", "opening_mrr")}


def shown(found: Mapping[str, Any]) -> str:
    """Write the outcome as a table."""
    origins = found["origins"]
    lines = [f"{BOOK}: {len(origins)} origins, {origins[0]} to {origins[-1]}"]
    lines.append(f"serves: {', '.join(f'{k} {v}' for k, v in found['serves'].items())}")
    for horizon in HORIZONS:
        for name, by_horizon in found["accuracy"].items():
            lines += _part(f"{horizon} months, {name}", by_horizon[horizon])
    lines += _periods(found["periods"])
    return "\n".join(lines)


def _part(title: str, told: Mapping[str, Any]) -> list[str]:
    lines = [f"{title}: {told['periods']} periods, n_eff {told['n_eff']:.1f} ({told['width']})"]
    if not told["applicable"]:
        return [*lines, "  too few periods: not applicable"]
    lines += [f"  {name:24s}{_error(one)}" for name, one in told["errors"].items()]
    for name in ("80", "90"):
        held = told[f"coverage_{name}"]
        reach = f"{100 * held['share']:.0f} % ({100 * held['low']:.0f} to {100 * held['high']:.0f})"
        lines.append(f"  {name} % interval held {held['events']} of {held['count']}: {reach}")
    skill = "none" if told["skill"] is None else f"{told['skill']:+.3f}"
    return [*lines, f"  skill over {told['best_baseline']} {skill}"]


def _error(one: Mapping[str, Any]) -> str:
    if not one["periods"]:
        return "no past for it"
    said = f"MAE {one['mae_points']:6.2f}  bias {one['bias_points']:+7.2f}  points"
    return said if one["compared"] else f"{said}, {one['periods']} periods only"


def _periods(periods: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["origin      months   mean    p10    p90  actual"]
    for one in periods:
        nrr = (one["nrr"][name] for name in ("mean", "p10", "p90"))
        figures = "  ".join(f"{100 * value:5.1f}" for value in (*nrr, one["actual_nrr"]))
        lines.append(f"{one['origin']}  {one['horizon_months']:6d}  {figures}")
    return lines


def main() -> int:
    """Replay the book where it lies beside the project, print and keep the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--step", type=int, choices=(1, 3), default=3, help="months; 3 is kept")
    parser.add_argument("--first", type=date.fromisoformat, default=FIRST, help="another: not kept")
    asked = parser.parse_args()
    if not (SHARED / BOOK).is_dir():
        print(f"{BOOK}: not beside the project (../shared/data/{BOOK}), nothing to measure")
        return 0
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        history = history_of(BOOK, Path(folder) / BOOK)
        found = judged(rolled(history, asked.step, asked.seed, asked.first))
    print(shown(found), flush=True)
    if asked.step == 3 and asked.first == FIRST:
        outcome = circumstances("sponsors_forecast", LIBRARIES) | {"units": UNITS}
        seconds = round(time.perf_counter() - begun, 1)
        keep("sponsors_forecast", outcome | {"seconds": seconds} | found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
