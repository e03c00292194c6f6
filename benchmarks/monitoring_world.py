"""A simulated world as monitoring sees it: a model trained once, and the months after it.

The model is fitted on what had closed two thirds into the book, which is where a world of scenario
``regime-change`` turns. Every month after it is foretold by that same model and counted once its
labels have closed, as `serving.monitoring` does. Worked on by ``benchmarks.monitoring``.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from threadpoolctl import threadpool_limits

from features.asof import first_of_month
from features.book import open_book
from features.ingest import ingest
from features.mapping import read_workspace
from features.rules import Rules
from models.foretold import foretold
from models.metered import mostly_metered
from serving.monitoring.became import Ledger
from training.fit import fit_health
from training.history import gather
from training.worlds import simulate

__all__ = ["main", "months_of"]

Job = dict[str, Any]
SEED = 1
LEAD = 1
SETTLING = 2
"""Months at the end whose labels have not closed."""


def months_of(job: Job, room: Path) -> list[dict[str, Any]]:
    """Foretell the months after the training, and count what became of them.

    Parameters
    ----------
    job : dict
        ``accounts``, ``months``, ``seed``, ``scenario``.
    room : Path
        An empty folder.

    Returns
    -------
    list of dict
        ``as_of`` and by event `models.foretold.Foretold.judged`, a month ahead.
    """
    world = simulate(job["accounts"], job["months"], job["seed"], job["scenario"])
    world.write(room / "book")
    noon = datetime.combine(date(2026, 6, 1), time(12), tzinfo=UTC)
    ingest(read_workspace(room / "book" / "perennial.toml"), room / "home", noon)
    book, rules = open_book(room / "home"), Rules().by_account()
    history, ledger = gather(book, rules, first_of_month(book.facts.as_of)), Ledger(book, rules)
    dates = history.dates
    turn = dates[len(dates) - job["months"] // 3]
    model, found = fit_health(history, turn, {}, SEED), []
    for day in [one for one in dates if one >= turn][:-SETTLING]:
        frame = history.frame.iloc[history.at(day)].reset_index(drop=True)
        outlook = model.outlook(frame, model.predict(frame))
        said = foretold(outlook, LEAD, mostly_metered(frame))
        happened = ledger.of(outlook.accounts, day, LEAD).happened
        events = {name: one.judged(happened[name]) for name, one in said.items()}
        found.append({"as_of": day.isoformat(), "events": events})
    return found


def main() -> None:
    """Live through one world, and print its months."""
    with threadpool_limits(limits=1), TemporaryDirectory() as room:
        print(json.dumps(months_of(json.loads(sys.argv[1]), Path(room))))


if __name__ == "__main__":
    main()
