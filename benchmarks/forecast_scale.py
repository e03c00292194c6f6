"""How long a forecast takes: 100,000 accounts, twenty values of a cut, beside plain Monte Carlo.

One horizon (the factor's scale, the whole and every cut) must take less than 0.5 seconds, the
forecast with its 12-month path less than 5, in less than 2 GB. Beside it plain numpy draws every
account again and again. Its draws are also the judge: each published quantile of each group must
lie within their sampling error (a cut's, some of which come from paths of ours, within both). Our
own error in probability, their noise taken out, says how many draws plain Monte Carlo needs for
p05 and p95 as exact as ours; its time is that many draws. Every run is a process of its own; the
two take turns.

Usage: ``python -m benchmarks.forecast_scale [--quick] [--rounds N]`` (``make bench-forecast``).
The outcome is printed and kept in ``benchmarks/results/forecast_scale.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.forecast_scale_contenders import GROUPS
from benchmarks.outcome import circumstances, keep
from models.figures import FIGURES, LEVELS
from models.shape import FEWEST_PATHS

__all__ = ["agreement", "equal_draws", "report"]

Floats = NDArray[np.float64]

HORIZON_LIMIT, PATH_LIMIT, GB_LIMIT = 0.5, 5.0, 2.0
DRAWS, ROUNDS = 10_000, 5
FAR = 4.5  # standard errors: of a thousand quantiles, one lies beyond by luck in 150 runs
UNITS = {
    "seconds": "wall seconds of the work, without start-up and without making the book; median",
    "gb": "peak resident memory of the whole process, 10^9 bytes, the book included",
    "farthest": "largest miss of a published quantile, or mean, in standard errors",
    "error_in_probability": "root mean square of P(draws <= quantile) - level at p05 and p95 of "
    "all groups and figures but logos, the draws' own noise taken out, and twice its error added",
    "equal_draws": "draws at which plain Monte Carlo's standard error is that error",
}


def _run(*words: str) -> dict[str, Any]:
    """Run a contender in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.forecast_scale_contenders", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def agreement(
    quantiles: Floats, draws: Floats, own: int = 0, levels: tuple[float, ...] = LEVELS
) -> Floats:
    """Give how far each quantile lies from its level, in standard errors of the draws.

    Where ``own`` is given, ours come from so many paths, at least, and have an error too.

    Parameters
    ----------
    quantiles : array of float, (groups, figures, levels)
    draws : array of float, (draws, groups, figures)
    own : int
    levels : tuple of float

    Examples
    --------
    >>> draws = np.arange(100.0)[:, None, None]
    >>> agreement(np.array([[[49.0, 59.0]]]), draws, levels=(0.5, 0.5)).round(2).tolist()
    [[[0.0, 1.8]]]
    """
    below, upto = _below(quantiles, draws)
    level, luck = np.asarray(levels), 1.0 / len(draws) + (1.0 / own if own else 0.0)
    miss = np.maximum(np.maximum(below - level, level - upto), 0.0)
    return np.asarray(miss / np.sqrt(level * (1.0 - level) * luck))


def _below(quantiles: Floats, draws: Floats) -> tuple[Floats, Floats]:
    """Give the shares of draws below a quantile, and up to it; an atom is hit in its last digits."""
    near = 1e-9 * np.maximum(np.abs(quantiles), 1.0)
    low, high = np.moveaxis(quantiles - near, 2, 0), np.moveaxis(quantiles + near, 2, 0)
    below = np.stack([np.mean(draws < edge, axis=0) for edge in low], axis=-1)
    upto = np.stack([np.mean(draws <= edge, axis=0) for edge in high], axis=-1)
    return below, upto


def equal_draws(quantiles: Floats, draws: Floats) -> tuple[float, float]:
    """Give our error in probability at p05 and p95, and how many draws have as large a one."""
    ends = [LEVELS.index(0.05), LEVELS.index(0.95)]
    smooth = [at for at, name in enumerate(FIGURES) if name != "logos_lost"]
    _, upto = _below(quantiles[:, smooth][..., ends], draws[..., smooth])
    luck = 0.05 * 0.95 / len(draws)
    square = np.mean((upto - np.array([0.05, 0.95])) ** 2 - luck, axis=(1, 2))
    error = max(float(square.mean()), 0.0) + 2.0 * float(square.std() / np.sqrt(len(square)))
    return float(np.sqrt(error)), float(0.05 * 0.95 / error)


def report(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], draws: Floats
) -> dict[str, Any]:
    """Sum up: medians, the ratio of every pair, whether quantiles agree and the limits hold."""
    quantiles = np.array(ours[0]["figures"])
    whole = agreement(quantiles[:1], draws[:, :1])
    cuts = agreement(quantiles[1:], draws[:, 1:], FEWEST_PATHS)
    far = np.concatenate([whole, cuts])
    error, equal = equal_draws(quantiles, draws)
    each = len(draws) / len(theirs)
    pairs = [
        equal / each * their["seconds"] / our["horizon_seconds"]
        for our, their in zip(ours, theirs, strict=True)
    ]
    means = np.abs(np.array(ours[0]["means"]) - draws.mean(axis=0))
    noise = draws.std(axis=0) / np.sqrt(len(draws))
    off = float(np.max(means / np.where(noise > 0.0, noise, 1.0)))
    told = {
        name: round(statistics.median(our[name] for our in ours), 3)
        for name in ("horizon_seconds", "horizon_cpu", "path_seconds", "path_cpu", "gb")
    }
    worst = {
        name: round(max(our[name] for our in ours), 3)
        for name in ("horizon_seconds", "path_seconds", "gb")
    }
    limits = {"horizon_seconds": HORIZON_LIMIT, "path_seconds": PATH_LIMIT, "gb": GB_LIMIT}
    return {
        **circumstances("forecast_scale", ("numpy", "scipy")),
        "units": UNITS,
        "rounds": len(ours),
        "medians": told,
        "worst": worst,
        "limits": limits,
        "within_limits": all(worst[name] < limit for name, limit in limits.items()),
        "tau": ours[0]["tau"],
        "same_bytes_every_round": all(our["figures"] == ours[0]["figures"] for our in ours),
        "draws": len(draws),
        "seconds_a_draw": round(statistics.median(one["seconds"] for one in theirs) / each, 6),
        "quantiles_compared": far.size,
        "farthest_of_the_whole": round(float(whole.max()), 2),
        "farthest_of_the_cuts": round(float(cuts.max()), 2),
        "beyond_two_standard_errors": round(float((far > 2.0).mean()), 4),
        "farthest_mean_in_standard_errors": round(off, 2),
        "quantiles_agree": bool(far.max() < FAR) and off < FAR,
        "farthest": "largest miss of a published quantile, or mean, in standard errors",
        "error_in_probability": round(error, 6),
        "equal_draws": round(equal),
        "monte_carlo_seconds": round(
            equal / each * statistics.median(t["seconds"] for t in theirs), 2
        ),
        "monte_carlo_over_ours": [round(pair, 1) for pair in pairs],
        "ratio": round(statistics.median(pairs), 1),
        "load_at_the_end": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """Race, print and keep the outcome; 1 if a limit is passed or a quantile does not agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the book; nothing kept")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    accounts = 10_000 if asked.quick else 100_000
    each = DRAWS // asked.rounds
    ours, theirs, draws = [], [], []
    with tempfile.TemporaryDirectory() as home:
        for turn in range(asked.rounds):
            out = Path(home) / f"{turn}.npy"
            ours.append(_run("perennial", str(accounts), "0", "0", str(out)))
            theirs.append(_run("paths", str(accounts), str(each), str(turn), str(out)))
            draws.append(np.load(out))
            said = f"{ours[-1]['horizon_seconds']:.2f} s, path {ours[-1]['path_seconds']:.2f} s"
            print(
                f"round {turn + 1}: {said}; {each} draws {theirs[-1]['seconds']:.1f} s", flush=True
            )
    outcome = {"accounts": accounts, "groups": GROUPS} | report(ours, theirs, np.concatenate(draws))
    print(json.dumps(outcome, indent=1))
    if not asked.quick:
        keep("forecast_scale", outcome)
    fast = asked.quick or outcome["within_limits"]  # the limits are those of the whole book
    good = outcome["quantiles_agree"] and outcome["same_bytes_every_round"]
    return 0 if fast and good else 1


if __name__ == "__main__":
    sys.exit(main())
