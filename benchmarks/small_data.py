"""A churn table that anybody can have: ours beside plain models, on all of it and on 500 rows.

The table is real: 9,379 customers of a TV provider in 2014, of whom 449 left, with 46 anonymous
columns. The package `empulse` ships it (``pip install empulse``); the file is read where pip put
it, nothing of the package is imported and nothing is downloaded. It has no calendar, no accounts
seen twice and no declared signs: what is compared is the regularised fit alone. Ours is the fit
of ``training.ladder`` as it trains, with a calendar that knows nothing but the base rate.

- **all rows**: five folds, ten times, customers with the same columns in one fold.
- **500 rows, 30 events**: a hundred draws; fitted on the draw, judged on all other rows, thinned to
  the draw's rate of events; and five folds within each draw, which leaves 24 events to learn from.

Usage: ``python -m benchmarks.small_data`` (``make bench-small``). The outcome is printed and kept
in ``benchmarks/results/small_data.json``. The exit code is 1 where a rival or the base rate is not behind ours
in mean log-loss.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from benchmarks.outcome import circumstances, keep
from benchmarks.small_contenders import BASE, CONTENDERS, Contender
from models.calibration import calibration_slope
from training.evaluate import auc, log_loss

__all__ = ["Table", "Trial", "compared", "draw", "folds", "main", "read_table"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PACKAGE, SHIPPED = "empulse", "empulse/datasets/data/churn_tv_subscriptions.csv.gz"
NOT_SIGNALS = ("id", "C_FP", "C_FN", "C_TP", "C_TN", "target")
"""A number of the row, costs made for another study, and what happened."""
LIBRARIES = ("empulse", "lightgbm", "numpy", "scikit-learn")
FOLDS, REPEATS = 5, 10
DRAWS, DRAWN_ROWS, DRAWN_EVENTS = 100, 500, 30
UNITS = {
    "log_loss": "nats a row",
    "skill": "1 - log-loss / that of the base rate of the rows that were learned from",
    "auc": "area under the ROC curve",
    "slope": "factor by which logits should be stretched: 1 is right, less is too sure",
    "error": "standard error of the mean over repeats (draws); repeats share their rows",
    "above_base": "share of repeats (draws) with a skill above zero",
    "ours_saves": "the contender's log-loss less ours, on the same rows",
    "error_over_rows": "its standard error if other customers had been seen, each judged once",
}


@dataclass(frozen=True)
class Table:
    """Columns, outcome, and which rows have the same columns.

    Attributes
    ----------
    values : array of float, (n, columns)
    y : array of int, (n,)
    alike : array of int, (n,)
    """

    values: Floats
    y: Ints
    alike: Ints

    def take(self, rows: Ints) -> Table:
        """Give some rows."""
        return Table(self.values[rows], self.y[rows], self.alike[rows])


@dataclass(frozen=True)
class Trial:
    """One repeat: rows to learn from beside rows to judge by, once or once a fold.

    Attributes
    ----------
    table : Table
    row : array of int
        Which row of the whole table each of its rows is.
    splits : sequence of (learned, judged)
    seed : int
    """

    table: Table
    row: Ints
    splits: Sequence[tuple[Ints, Ints]]
    seed: int


def shipped() -> Path:
    """Find the file of the table."""
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(SHIPPED)))
    except metadata.PackageNotFoundError:
        raise SystemExit(
            "the table is not here: make bench-small, or pip install empulse"
        ) from None
    if not path.exists():
        raise SystemExit(f"{PACKAGE} {metadata.version(PACKAGE)} ships no {SHIPPED}")
    return path


def read_table(path: Path) -> Table:
    """Read the table."""
    frame = pd.read_csv(path)
    columns = frame.drop(columns=list(NOT_SIGNALS))
    alike = columns.groupby(list(columns), sort=True).ngroup().to_numpy(dtype=np.int64)
    return Table(columns.to_numpy(dtype=float), frame["target"].to_numpy(dtype=np.int64), alike)


def folds(table: Table, seed: int) -> list[tuple[Ints, Ints]]:
    """Split into folds of about the same rate, rows with the same columns in one."""
    split = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    return list(split.split(table.values, table.y, table.alike))


def whole(table: Table, repeats: int) -> Iterator[Trial]:
    """Give all rows, split anew each time."""
    for seed in range(repeats):
        yield Trial(table, np.arange(len(table.y)), folds(table, seed), seed)


def thinned(table: Table, draws: int) -> Iterator[Trial]:
    """Give draws to learn from, beside all other rows at the draw's rate of events."""
    for seed in range(draws):
        drawn, rest = draw(table, seed)
        yield Trial(table, np.arange(len(table.y)), [(drawn, rest)], seed)


def within(table: Table, draws: int) -> Iterator[Trial]:
    """Give the same draws, each split into folds."""
    for seed in range(draws):
        drawn = draw(table, seed)[0]
        few = table.take(drawn)
        yield Trial(few, drawn, folds(few, seed), seed)


def draw(table: Table, seed: int) -> tuple[Ints, Ints]:
    """Draw 500 rows with 30 events, and from what is not like them as many as keep that rate."""
    rng = np.random.default_rng(seed)
    left, stayed = (rng.permutation(np.flatnonzero(table.y == one)) for one in (1, 0))
    quiet = DRAWN_ROWS - DRAWN_EVENTS
    drawn = np.concatenate([left[:DRAWN_EVENTS], stayed[:quiet]])
    left, stayed = (one[~np.isin(table.alike[one], table.alike[drawn])] for one in (left, stayed))
    events = min(len(left), len(stayed) * DRAWN_EVENTS // quiet)
    rest = np.concatenate([left[:events], stayed[: events * quiet // DRAWN_EVENTS]])
    return np.sort(drawn), np.sort(rest)


def compared(trials: Iterator[Trial]) -> dict[str, Any]:
    """Let every contender learn and be judged in every trial, and tell the means."""
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    losses: list[pd.DataFrame] = []
    for trial in trials:
        judged = np.concatenate([rows for _, rows in trial.splits])
        y, told = trial.table.y[judged], {n: _told(trial, one) for n, one in CONTENDERS.items()}
        for name, p in told.items():
            figures[name].append(_figures(p, y, told[BASE]))
        by_row = {name: log_loss(p, y) for name, p in told.items()}
        losses.append(pd.DataFrame(by_row, index=trial.row[judged]))
    each = pd.concat(losses).groupby(level=0).mean()
    return {
        name: _summary(one) | {"ours_saves": _saved(losses, each, name)}
        for name, one in figures.items()
    }


def _saved(losses: Sequence[pd.DataFrame], each: pd.DataFrame, name: str) -> dict[str, float]:
    """Give what ours saves, with its error over trials and over the rows that were judged."""
    by_trial = [float((one[name] - one["ours"]).mean()) for one in losses]
    by_row = (each[name] - each["ours"]).to_numpy()
    error = float(by_row.std(ddof=1)) / len(by_row) ** 0.5
    return _mean_and_error(by_trial) | {"error_over_rows": round(error, 5)}


def _told(trial: Trial, contender: Contender) -> Floats:
    values, y = trial.table.values, trial.table.y
    return np.concatenate(
        [contender(values[a], y[a], values[b], trial.seed) for a, b in trial.splits]
    )


def _figures(p: Floats, y: Ints, base: Floats) -> dict[str, float]:
    loss = float(log_loss(p, y).mean())
    found = {"log_loss": loss, "skill": 1 - loss / float(log_loss(base, y).mean())}
    if p is not base:
        found["auc"] = auc(p, y) or float("nan")
        found["slope"] = calibration_slope(logit(np.clip(p, 1e-6, 1 - 1e-6)), y.astype(float))[0]
    return found


def _summary(figures: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    told = {key: _mean_and_error([one[key] for one in figures]) for key in figures[0]}
    above = float(np.mean([one["skill"] > 0 for one in figures]))
    return {**told, "above_base": round(above, 3)}


def _mean_and_error(values: Sequence[float]) -> dict[str, float]:
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return {"mean": round(float(np.mean(values)), 5), "error": round(error, 5)}


def missed(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say where ours is not ahead of a rival, or of the base rate."""
    said = []
    for name, part in found.items():
        ahead = part["ours"]["skill"]["mean"]
        said += [
            f"{name}: {rival} has a skill of {part[rival]['skill']['mean']}, ours {ahead}"
            for rival in part
            if rival != "ours" and part[rival]["skill"]["mean"] >= ahead
        ]
    return said


def _shown(name: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [name]
    for contender, told in found.items():
        figures = "  ".join(
            f"{key} {told[key]['mean']:7.4f} ± {told[key]['error']:.4f}"
            for key in ("skill", "auc", "slope", "ours_saves")
            if key in told
        )
        figures += f" ({told['ours_saves']['error_over_rows']:.4f} over rows)"
        lines.append(f"  {contender:24s} {figures}  above base {told['above_base']:.0%}")
    return "\n".join(lines)


def main() -> int:
    """Compare on the whole table and on draws of it, print and keep the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few repeats; keeps nothing")
    quick = parser.parse_args().quick
    path = shipped()
    table = read_table(path)
    found: dict[str, Any] = {}
    parts = {
        "all rows, five folds": whole(table, 2 if quick else REPEATS),
        "500 rows with 30 events, judged on the rest": thinned(table, 4 if quick else DRAWS),
        "500 rows with 30 events, five folds": within(table, 4 if quick else DRAWS),
    }
    with threadpool_limits(limits=1):
        for name, trials in parts.items():
            found[name] = compared(trials)
            print(_shown(name, found[name]), flush=True)
    said = missed(found)
    print("\n".join(said) or "ours is ahead of every rival and the base rate in all three")
    if not quick:
        keep("small_data", circumstances("small_data", LIBRARIES) | {
            "units": UNITS,
            "table": {"rows": len(table.y), "events": int(table.y.sum()), "columns": table.values.shape[1],
                      "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
            "parts": found,
            "not_ahead": said,
        })  # fmt: skip
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
