"""Books that we did not write: ours beside the calendar and plain models, out of time.

Two books, where they lie beside the project (``../shared/data``), read as ``docs/examples`` says: a
third party's simulated SaaS (`crm`, nothing past 2023-12-31) and the real sponsorships of an open
source project (`sponsors`). At every past quarter everybody learns from what had closed there:
same rows, same signals, same outcomes, three months ahead. Then what happened is laid beside what
each said, among the accounts that nothing was booked of and, for churn, that could leave.

- **score**: our fit, calendar and score, whether or not it would have served.
- **served**: what a training at that quarter would have served: the score only where it had
  beaten the calendar at the quarters that it could replay by then.
- **calendar**, **lightgbm** and **logistic** (both with their defaults, on all our signals).

Usage: ``python -m benchmarks.real_books`` (``make bench-books``). The outcome is printed and kept
in ``benchmarks/results/real_books.json``. The exit code is 1 where, on `crm`, the score's AUC at risk is
surely below plain boosted trees', or its log-loss is not lower.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.attainable_rivals import HORIZON, plain
from benchmarks.outcome import circumstances, keep
from features.book import open_book
from features.ingest import ingest
from features.mapping import read_workspace
from features.rules import Rules
from models.calibration import calibration_slope
from models.target import TARGETS
from training.backtest import backtest
from training.evaluate import auc, log_loss
from training.history import History, gather
from training.replay import Replay

__all__ = ["BOOKS", "Told", "compared", "main", "told_by"]

Floats = NDArray[np.float64]
HERE = Path(__file__).parent
SHARED, EXAMPLES = HERE.parents[1] / "shared" / "data", HERE.parent / "docs" / "examples"
BOOKS: Mapping[str, date] = {"crm": date(2024, 1, 1), "sponsors": date(2026, 9, 1)}
"""Until when each book may be measured."""
LIBRARIES = ("duckdb", "lightgbm", "numpy", "pandas", "scikit-learn")
RIVALS = ("lightgbm", "logistic")
NAMES = ("score", "served", "calendar", *RIVALS)
DRAWS = 2_000
LEAST_EVENTS = 10
"""Events below which neither an order nor a difference is told."""
UNITS = {
    "origins": "days on which all were fitted, and judged by the three months that followed",
    "rows": "accounts of which nothing was booked, and that could leave (churn), over all origins",
    "events": "those of them to which it happened within three months",
    "auc": "area under the ROC curve, over rows",
    "log_loss": "nats a row",
    "skill": "1 - log_loss / the calendar's",
    "slope": "factor by which logits should be stretched: 1 is right, less is too sure",
    "auc, slope": "None below ten events",
    "ahead": "the score less another: skill and AUC, each with a 90 % interval, whole accounts drawn",
    "serves": "what a training at each origin would have served",
}


@dataclass(frozen=True)
class Told:
    """What everybody said of one event at every origin, beside what happened.

    Attributes
    ----------
    p : mapping of contender to array of float, (n,)
    y, account : array of int, (n,)
    """

    p: Mapping[str, Floats]
    y: NDArray[np.int64]
    account: NDArray[np.int64]


def history_of(book: str, home: Path) -> History:
    """Ingest a book and gather its history."""
    day = BOOKS[book]
    workspace = read_workspace(EXAMPLES / book / "perennial.toml", SHARED / book)
    ingest(workspace, home, datetime(day.year, 10, 1, tzinfo=UTC))
    return gather(open_book(home), Rules().by_account(), day)


def known_at(history: History, origin: date) -> History:
    """Give the history that a training at an origin would have gathered."""
    rows = np.flatnonzero(history.frame["as_of"].to_numpy() <= np.datetime64(origin))
    frame = history.frame.iloc[rows].reset_index(drop=True)
    return replace(history, frame=frame, facts=history.facts.take(rows), known_until=origin)


def told_by(history: History, seed: int) -> tuple[dict[str, Told], dict[str, Any]]:
    """Let everybody learn and tell at every origin; give also what would have served there."""
    told: dict[str, list[Told]] = {target: [] for target in TARGETS}
    serves: dict[str, Any] = {}
    for replay in backtest(history, lambda _: {}, seed).replays:
        before = backtest(known_at(history, replay.origin), lambda _: {}, seed)
        serves[str(replay.origin)] = before.serves
        for target, one in _at(history, replay, before.serves).items():
            told[target].append(one)
    return {target: _pooled(parts) for target, parts in told.items()}, serves


def _at(history: History, replay: Replay, serves: Mapping[str, str]) -> dict[str, Told]:
    frame = history.frame.iloc[replay.rows].reset_index(drop=True)
    rivals = {kind: plain(history, kind, replay.origin).probabilities(frame) for kind in RIVALS}
    served = replay.model.served_by(serves).predict(frame)
    outcomes, account = history.outcomes(), pd.factorize(history.frame["account_id"])[0]
    event = {"churn": outcomes.gone, "expand": outcomes.expand, "contract": outcomes.contract}
    could = history.facts.free()[replay.rows, :HORIZON].any(axis=1)
    ours = {"score": replay.prediction, "served": served, "calendar": replay.calendar}
    found = {}
    for target in TARGETS:
        risk = history.modelled[replay.rows] & (could | (target != "churn"))
        p = {name: getattr(one, f"p_{target}")[:, HORIZON - 1] for name, one in ours.items()}
        p |= {kind: one[target] for kind, one in rivals.items()}
        y = event[target][replay.rows, HORIZON - 1].astype(np.int64)
        at_risk = {name: np.asarray(each)[risk] for name, each in p.items()}
        found[target] = Told(at_risk, y[risk], account[replay.rows][risk])
    return found


def _pooled(parts: list[Told]) -> Told:
    p = {name: np.concatenate([part.p[name] for part in parts]) for name in NAMES}
    y, account = (np.concatenate([getattr(o, name) for o in parts]) for name in ("y", "account"))
    return Told(p, y, account)


def compared(told: Told, seed: int) -> dict[str, Any]:
    """Judge everybody on the same rows, and the score beside each of the others."""
    draws = _draws(told.account, seed)
    losses = {name: log_loss(p, told.y) for name, p in told.p.items()}
    found: dict[str, Any] = {"rows": len(told.y), "events": int(told.y.sum())}
    found["contenders"] = {name: _judged(told, losses, name) for name in NAMES}
    if found["events"] < LEAST_EVENTS:
        return found | {"ahead": {}}
    found["ahead"] = {name: _ahead(told, losses, name, draws) for name in NAMES if name != "score"}
    return found


def _judged(told: Told, losses: Mapping[str, Floats], name: str) -> dict[str, float | None]:
    found: dict[str, float | None] = {
        "log_loss": round(float(losses[name].mean()), 5),
        "skill": round(1 - float(losses[name].mean() / losses["calendar"].mean()), 4),
    }
    if (area := auc(told.p[name], told.y)) is None or told.y.sum() < LEAST_EVENTS:
        return found | {"auc": None, "slope": None, "slope_error": None}
    p = np.clip(told.p[name], 1e-6, 1 - 1e-6)
    slope, error = calibration_slope(np.log(p / (1 - p)), told.y.astype(float))
    told_by_order = {"auc": area, "slope": slope, "slope_error": error}
    return found | {key: round(value, 4) for key, value in told_by_order.items()}


def _draws(account: NDArray[np.int64], seed: int) -> list[NDArray[np.int64]]:
    """Draw whole accounts with replacement: the rows of each draw."""
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(account == one) for one in np.unique(account)]
    picks = rng.integers(0, len(rows), (DRAWS, len(rows)))
    return [np.concatenate([rows[one] for one in pick]) for pick in picks]


def _ahead(
    told: Told, losses: Mapping[str, Floats], name: str, draws: list[NDArray[np.int64]]
) -> dict[str, Any]:
    """Give by how much the score is ahead of another: skill points and AUC, with intervals."""

    def gained(rows: NDArray[np.int64] | slice) -> tuple[float, float]:
        y = told.y[rows]
        ours, theirs = (auc(told.p[one][rows], y) for one in ("score", name))
        loss = float((losses[name][rows] - losses["score"][rows]).mean())
        area = np.nan if ours is None or theirs is None else ours - theirs
        return loss / float(losses["calendar"][rows].mean()), area

    found = gained(slice(None))
    low, high = np.nanquantile(np.array([gained(rows) for rows in draws]), [0.05, 0.95], axis=0)
    return {
        key: {"by": round(found[at], 4), "p05": round(low[at], 4), "p95": round(high[at], 4)}
        for at, key in enumerate(("skill", "auc"))
    }


def missed(books: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say where ours is surely behind plain boosted trees in AUC, or not better in log-loss."""
    said = []
    for target, found in books.get("crm", {}).get("events", {}).items():
        ahead = found["ahead"]["lightgbm"]
        if ahead["auc"]["p95"] < 0:
            said.append(f"crm, {target}: AUC at risk below LightGBM's by {-ahead['auc']['by']}")
        if ahead["skill"]["by"] <= 0:
            said.append(f"crm, {target}: log-loss not lower than LightGBM's")
    return said


def _shown(book: str, found: Mapping[str, Any]) -> str:
    lines = [f"{book}: origins {', '.join(found['serves'])}"]
    for target, one in found["events"].items():
        lines.append(f"  {target}: {one['events']} of {one['rows']} rows")
        for name, judged in one["contenders"].items():
            figures = "  ".join(f"{key} {judged[key]}" for key in ("auc", "log_loss", "skill"))
            lines.append(
                f"    {name:9s} {figures}  slope {judged['slope']} ± {judged['slope_error']}"
            )
        for name, ahead in one["ahead"].items():
            figures = "  ".join(
                f"{key} {each['by']:+.4f} ({each['p05']:+.4f} to {each['p95']:+.4f})"
                for key, each in ahead.items()
            )
            lines.append(f"    score less {name:9s} {figures}")
    return "\n".join(lines)


def main() -> int:
    """Replay the books that are there, print and keep the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--book", choices=list(BOOKS), help="this one alone; keeps nothing")
    asked = parser.parse_args()
    books: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        for book in [asked.book] if asked.book else BOOKS:
            if not (SHARED / book).is_dir():
                print(f"{book}: not beside the project, left out")
                continue
            told, serves = told_by(history_of(book, Path(folder) / book), asked.seed)
            events = {target: compared(one, asked.seed) for target, one in told.items()}
            books[book] = {"events": events, "serves": serves}
            print(_shown(book, books[book]), flush=True)
    said = missed(books)
    print("\n".join(said))
    if books and not asked.book:
        outcome = circumstances("real_books", LIBRARIES) | {"units": UNITS, "books": books}
        keep("real_books", outcome | {"not_ahead": said})
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
