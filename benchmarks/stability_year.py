"""A simulated year of weekly runs: what a company that scored every week would have seen.

A book is simulated and ingested once. Every week of its last year is scored as known on that day,
each run remembering the one before. The model is trained at the start of each quarter on what had
closed by then, with cut-offs of its own, as a company would.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.stability_counts import counted, true_moves
from features.asof import first_of_month
from features.book import Book, open_book
from features.ingest import ingest
from features.mapping import read_workspace
from features.rules import Rules
from features.snapshot import snapshot
from models.bands import fit_bands
from models.carried import Carried
from models.choices import Choices
from models.judging import judge_accounts
from models.memory import iso_week, recall
from models.moves import AXES, split
from models.renewal import Renewal
from training.fit import fit_health
from training.history import History, gather
from training.worlds import simulate

__all__ = ["additive", "book_of", "main", "weeks_of"]

Job = dict[str, Any]
MONTHS = 36
QUARTER_WEEKS = 13
COLUMNS = ["account_id", "cell", "raw_cell", "guard", "next_renewal_on"]
FACTOR = {str(h): {"strength": 1.0, "n_eff": 1.0, "stretch": 1.0} for h in (1, 3, 12)}


def book_of(accounts: int, seed: int, folder: Path, months: int = MONTHS) -> Book:
    """Simulate a book, write it and ingest it; its last day is the simulator's."""
    simulate(accounts, months, seed).write(folder / "book")
    noon = datetime.combine(date(2026, 6, 1), time(12), tzinfo=UTC)
    ingest(read_workspace(folder / "book" / "perennial.toml"), folder / "home", noon)
    return open_book(folder / "home")


def weeks_of(book: Book, weeks: int, seed: int) -> Iterator[tuple[date, pd.DataFrame, float]]:
    """Score every week of the book's last ones, one after the other.

    Yields
    ------
    (date, DataFrame, float)
        As-of date; one row per account: ``COLUMNS``; how far the reasons of any account were from
        its probability, or the parts of a change from the change.
    """
    rules, end = Rules().by_account(), book.facts.as_of
    days = [end - timedelta(weeks=back) for back in range(weeks, -1, -1)]
    history = gather(book, rules, end)
    previous, serving = None, _trained(history, first_of_month(days[0]), seed, 0)
    for at, day in enumerate(days):
        earlier = None
        if at and at % QUARTER_WEEKS == 0:
            earlier, serving = serving, _trained(history, first_of_month(day), seed, at)
        frame = snapshot(book, day, rules)
        _, table = judge_accounts(frame, serving, previous, day, Choices(), earlier)
        yield day, table[COLUMNS], additive(table, previous, day, swapped=earlier is not None)
        previous = table[["account_id", "memory"]]


def _trained(history: History, day: date, seed: int, number: int) -> Carried:
    """Fit on what had closed at a day; cut-offs on the twelve snapshots before it."""
    model = fit_health(history, day, {}, seed)
    dates = [one for one in history.dates if one <= day][-12:]
    rows = np.concatenate([history.at(one) for one in dates])
    frame = history.frame.iloc[rows].reset_index(drop=True)
    prediction = model.predict(frame)
    told = Renewal(model, prediction)
    bands = fit_bands(1 - told.modelled(), told.basis, prediction.p_expand[:, 2])
    stability: dict[str, dict[str, float]] = {name: {} for name in model.targets}
    judged = {name: {"rows": 0} for name in model.targets}
    digest = f"{number:012d}"
    return Carried(model, bands, stability, FACTOR, (), judged, day, digest=digest)


def additive(
    table: pd.DataFrame, previous: pd.DataFrame | None, as_of: date, *, swapped: bool = False
) -> float:
    """Give how far reasons are from their probability, and parts of a change from the change."""
    off = [0.0]
    for reasons, p in (("reasons_retention", "p_renew"), ("reasons_expansion", "p_expand")):
        sums = np.array([sum(line["effect"] for line in lines) for lines in table[reasons]])
        off.append(float(np.abs(sums - table[p].to_numpy(dtype=float)).max(initial=0.0)))
    if previous is not None:
        past = dict(zip(previous["account_id"], previous["memory"], strict=True))
        between = table["parts_before"] if swapped else [None] * len(table)
        for account, text, then in zip(table["account_id"], table["memory"], between, strict=True):
            before, now = recall(past.get(account), iso_week(as_of)), json.loads(text)
            for at, axis in enumerate(AXES):
                if before is not None:
                    parts = split(before.parts[axis], now["parts"][axis], then and then[axis])
                    off.append(abs(sum(parts.values()) - (now["p"][at] - before.p[at])))
    return max(off)


def main() -> None:
    """Live through the year of one job, and print what is needed of it."""
    job: Job = json.loads(sys.argv[1])
    with threadpool_limits(limits=1), TemporaryDirectory() as room:
        book = book_of(job["accounts"], job["seed"], Path(room))
        weeks = list(weeks_of(book, job["weeks"], job["seed"]))
        truth = pd.read_parquet(Path(room) / "book" / "truth" / "truth.parquet")
        print(json.dumps(counted(weeks) | {"truth": true_moves(truth, weeks[0][0])}))


if __name__ == "__main__":
    main()
