"""How far the forecast of NRR is off, beside who knows the truth and beside every baseline.

Many simulated books of two sizes and three strengths of shock, each replayed from its past quarters
by the product's own backtest (trained again at every origin with what was known then). The floor is
the error of the mean of the oracle, who knows every hidden state and the laws, but not the luck to
come. A baseline counts where its past is long enough; the best one is chosen after the fact, which
favours it. Intervals: 90 %, from drawing worlds again.

What is done is remembered, so that a stopped run goes on; with other code all is done again.

Usage: ``python -m benchmarks.forecast_error [--share 1.0] [--cache DIR]`` (``make bench-error``).
Printed, and kept in ``benchmarks/results/forecast_error.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.outcome import circumstances, keep
from benchmarks.remembered import Runs, sources_of
from models.outcomes import HORIZONS

__all__ = ["Told", "jobs_of", "main", "of_horizon"]

HERE = Path(__file__).parent
LIBRARIES = ("numpy", "scipy", "scikit-learn", "lightgbm", "statsmodels")
CODE = sources_of(
    "models/*.py", "training/*.py", "training/worlds/*.py", "features/*.py",
    "benchmarks/forecast_error_world.py",
)  # fmt: skip
SCENARIOS = ("default", "no-shock", "strong-shock")
SIZES = (420, 1_000)
WORLDS = 10
FIRST_SEED = 7_000
FLOOR = {1: 1.10, 3: 1.10, 12: 1.20}
GAIN = {1: 0.0, 3: 0.15, 12: -0.02}
DRAWS = 1_000
Floats = NDArray[np.float64]
Told = dict[str, Any]


def jobs_of(share: float) -> list[dict[str, Any]]:
    """List the worlds of a part of the whole, the scenarios and sizes in turn.

    Examples
    --------
    >>> len(jobs_of(1.0)), jobs_of(0.1)[0]
    (60, {'accounts': 420, 'scenario': 'default', 'seed': 7000})
    """
    worlds = max(1, round(share * WORLDS))
    return [
        {"accounts": size, "scenario": scenario, "seed": FIRST_SEED + at}
        for at in range(worlds) for scenario in SCENARIOS for size in SIZES
    ]  # fmt: skip


def of_horizon(worlds: Sequence[Sequence[Told]], horizon: int) -> dict[str, Any]:
    """Judge one horizon: errors in points of NRR, and their ratios with 90 % intervals.

    Examples
    --------
    >>> period = {"horizon": 3, "actual": 1.0, "oracle": 1.02, "ours": 1.03,
    ...     "ours, not combined": 1.03, "interval": [0.9, 0.95, 1.1, 1.2],
    ...     "baselines": {"no change": 1.04}}
    >>> told = of_horizon([[period], [period]], 3)
    >>> round(told["mae_points"]["ours"], 3), round(told["over_floor"]["ratio"], 3)
    (3.0, 1.5)
    """
    mine = [[one for one in world if one["horizon"] == horizon] for world in worlds]
    mine = [world for world in mine if world]
    names = sorted({*mine[0][0]["baselines"]})
    names = [n for n in names if all(one["baselines"][n] is not None for w in mine for one in w)]
    who = ("oracle", "ours", "ours, not combined", *names)
    errors = {name: [_errors(world, name) for world in mine] for name in who}
    mae = {name: _mean_size(parts) for name, parts in errors.items()}
    best = min(names, key=lambda name: mae[name])
    return {
        "worlds": len(mine),
        "periods": sum(map(len, mine)),
        "mae_points": mae,
        "bias_points": {name: float(np.mean(np.concatenate(p))) for name, p in errors.items()},
        "bias_to_oracle_points": _drawn(
            [_errors(world, "ours", "oracle") for world in mine], None, _mean
        ),
        "over_floor": _drawn(errors["ours"], errors["oracle"], _ratio),
        "best_baseline": best,
        "gain_on_best": _drawn(errors["ours"], errors[best], _gain),
        "inside": {
            "80": _inside(mine, 1, 2),
            "90": _inside(mine, 0, 3),
        },
    }


def _errors(world: Sequence[Told], name: str, truth: str = "actual") -> Floats:
    """Give what a forecaster said less what came, or less what another said, in points."""
    return np.array([100.0 * (_said_by(one, name) - _said_by(one, truth)) for one in world])


def _said_by(one: Told, name: str) -> float:
    return float(one[name] if name in one else one["baselines"][name])


def _mean_size(parts: Sequence[Floats]) -> float:
    return float(np.abs(np.concatenate(parts)).mean())


def _mean(ours: Sequence[Floats], _: Sequence[Floats]) -> float:
    return float(np.concatenate(ours).mean())


def _ratio(ours: Sequence[Floats], others: Sequence[Floats]) -> float:
    return _mean_size(ours) / _mean_size(others)


def _gain(ours: Sequence[Floats], others: Sequence[Floats]) -> float:
    return 1.0 - _ratio(ours, others)


def _drawn(
    ours: Sequence[Floats],
    others: Sequence[Floats] | None,
    figure: Callable[[Sequence[Floats], Sequence[Floats]], float],
) -> dict[str, Any]:
    """Give a figure and its 90 % interval from drawing worlds again."""
    rivals = ours if others is None else others
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(ours), size=(DRAWS, len(ours)))
    values = [figure([ours[at] for at in row], [rivals[at] for at in row]) for row in draws]
    low, high = np.percentile(values, [5, 95])
    return {"ratio": figure(ours, rivals), "interval90": [float(low), float(high)]}


def _inside(worlds: Sequence[Sequence[Told]], low: int, high: int) -> float:
    inside = [
        one["interval"][low] <= one["actual"] <= one["interval"][high]
        for world in worlds
        for one in world
    ]
    return float(100 * np.mean(inside))


def _shown(told: Mapping[int, Mapping[str, Any]]) -> str:
    lines = []
    for horizon, one in told.items():
        floor, gain, bias = (
            one[key] for key in ("over_floor", "gain_on_best", "bias_to_oracle_points")
        )
        lines += [
            f"{horizon} months ahead: {one['worlds']} worlds, {one['periods']} periods "
            f"(mean absolute error in points of NRR; bias in brackets)",
            *(
                f"  {who:28s} {mae:6.2f} ({one['bias_points'][who]:+.2f})"
                for who, mae in sorted(one["mae_points"].items(), key=lambda item: item[1])
            ),
            f"  over the oracle's floor {_said(floor)} (limit {FLOOR[horizon]}); "
            f"better than {one['best_baseline']} by {_said(gain)} (limit {GAIN[horizon]})",
            f"  our mean less the oracle's {_said(bias)} points; inside a nominal 80 / 90 %: "
            f"{one['inside']['80']:.0f} / {one['inside']['90']:.0f} %",
        ]
    return "\n".join(lines)


def _said(figure: Mapping[str, Any]) -> str:
    low, high = figure["interval90"]
    return f"{figure['ratio']:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Run the worlds, print the table, keep the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the worlds")
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "forecast_error")
    asked = parser.parse_args()
    folder = asked.cache.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    outcome = circumstances("forecast_error", LIBRARIES)
    runs = Runs(folder, "benchmarks.forecast_error_world", CODE, ("scenario", "accounts", "seed"))
    worlds = [found for _, found in runs.done(jobs_of(asked.share))]
    told = {horizon: of_horizon(worlds, horizon) for horizon in HORIZONS}
    print(_shown(told))
    if asked.share == 1.0:
        keep("forecast_error", outcome | {"horizons": told})


if __name__ == "__main__":
    main()
