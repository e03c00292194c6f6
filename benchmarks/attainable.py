"""How much of what can be learned is learned: many simulated worlds of four sizes, truth known.

Per scenario one ceiling: our learner on a large book of other luck. Per world a small book, on which
ours, the calendar, plain LightGBM, plain logistic regression and a free form over all leads are
fitted. All are judged on the same fresh accounts by the log-loss expected under their true
probabilities of three months ahead. *Share*: what a contender gains over the world's own calendar,
summed over worlds, divided by what the ceiling gains over it.

Every job is a process of its own, two at a time; what is done is remembered, so that a stopped run
goes on; with other code everything is done again.

Usage: ``python -m benchmarks.attainable [--share 1.0] [--live 90 250] [--cache DIR] [--null]``
(``make bench-attainable``). The outcome is printed and kept in ``benchmarks/results/attainable.json``
(``attainable_small.json`` of some sizes alone: live accounts);
``--null`` runs 60 worlds in which nothing tells who leaves or grows, and counts the claims.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.outcome import circumstances, keep
from benchmarks.remembered import Runs, sources_of

__all__ = ["SIZES", "main", "shares"]

HERE = Path(__file__).parent
LIBRARIES = ("lightgbm", "numpy", "scikit-learn")
TARGETS = ("churn", "expand", "contract")
SIZES = ((90, 150, 60), (250, 420, 40), (600, 1_000, 20), (1_800, 3_000, 20))
"""Live accounts at the end, about; accounts ever simulated for that; worlds."""
REACH = {90: 0.85, 250: 0.95, 600: 0.95, 1_800: 0.95}
SCENARIOS = ("default", "no-shock", "strong-shock")
CEILING_ACCOUNTS, FRESH_ACCOUNTS = 20_000, 5_000
NULL_WORLDS, NULL_ACCOUNTS, MOST_CLAIMS = 60, 420, 6
CODE = sources_of(
    "features/**/*.py", "models/**/*.py", "training/**/*.py", "benchmarks/attainable_*.py"
)
SURES = (0.7, 0.8, 0.85, 0.9)
DRAWS = 1_000
Job = dict[str, Any]
Found = dict[str, Any]


def ceiling_jobs(folder: Path, scenarios: Sequence[str]) -> list[Job]:
    """One large book per scenario, and its fresh accounts."""
    return [
        {"kind": "ceiling", "scenario": name, "seed": 9_000 + 10 * at, "accounts": CEILING_ACCOUNTS,
         "fresh_accounts": FRESH_ACCOUNTS, "fresh": str(folder / f"fresh-{name}.parquet")}
        for at, name in enumerate(scenarios)
    ]  # fmt: skip


def world_jobs(folder: Path, share: float, sizes: Collection[int]) -> list[Job]:
    """List small books of some sizes, the scenarios in turn."""
    jobs = []
    for live, accounts, worlds in (size for size in SIZES if size[0] in sizes):
        for at in range(max(1, round(share * worlds))):
            scenario = SCENARIOS[at % len(SCENARIOS)]
            fresh = str(folder / f"fresh-{scenario}.parquet")
            jobs.append({"kind": "world", "scenario": scenario, "seed": 1_000 * live + at,
                         "accounts": accounts, "live": live, "fresh": fresh})  # fmt: skip
    return jobs


def shares(
    worlds: Sequence[Mapping[str, Any]], ceilings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Give each contender's share of the ceiling's gains, per target and over all.

    Parameters
    ----------
    worlds : sequence of mapping
        ``scenario`` and ``contenders``: per name and target ``loss``, ``auc``, ``slope``.
    ceilings : mapping of scenario to the same

    Returns
    -------
    dict
        Per contender and target (and ``all``): ``share`` with its 90 % bootstrap interval over
        worlds, ``auc_gap`` to the ceiling (mean) and ``slope`` (median over worlds); ``of_all``,
        the share of what the ceiling gains over one chance for everybody.
    """
    names = [name for name in worlds[0]["contenders"] if name != "calendar"]
    told: dict[str, Any] = {}
    for name in names:
        gains = np.array([_gains(world, ceilings, name) for world in worlds])
        whole = np.array([_gains(world, ceilings, name, "alike") for world in worlds])
        told[name] = {
            target: _share(gains[:, at]) | _beside(worlds, ceilings, name, target)
            for at, target in enumerate(TARGETS)
        } | {"all": _share(gains.sum(axis=1)), "of_all": _share(whole.sum(axis=1))}
    return told


def _gains(
    world: Mapping[str, Any],
    ceilings: Mapping[str, Mapping[str, Any]],
    name: str,
    over: str = "calendar",
) -> list[list[float]]:
    """Give per target what a contender gains, and what the ceiling does, over a baseline."""
    ours, best = world["contenders"], ceilings[world["scenario"]]["contenders"]["ceiling"]
    base = {t: world["alike"][t] if over == "alike" else ours[over][t]["loss"] for t in TARGETS}
    return [[base[t] - ours[name][t]["loss"], base[t] - best[t]["loss"]] for t in TARGETS]


def _share(gains: np.ndarray[Any, Any]) -> dict[str, float]:
    rng = np.random.default_rng(0)
    drawn = gains[rng.integers(0, len(gains), (DRAWS, len(gains)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.05, 0.95])
    found = gains.sum(axis=0)
    return {
        "share": round(float(found[0] / found[1]), 3),
        "p05": round(float(low), 3),
        "p95": round(float(high), 3),
    }


def _beside(
    worlds: Sequence[Mapping[str, Any]],
    ceilings: Mapping[str, Mapping[str, Any]],
    name: str,
    target: str,
) -> dict[str, float]:
    best = [ceilings[w["scenario"]]["contenders"]["ceiling"][target]["auc"] for w in worlds]
    auc = [w["contenders"][name][target]["auc"] for w in worlds]
    slopes = [w["contenders"][name][target]["slope"] for w in worlds]
    return {
        "auc": round(float(np.mean(auc)), 4),
        "auc_gap": round(float(np.mean(np.array(best) - np.array(auc))), 4),
        "slope": round(float(np.median(slopes)), 3),
    }


def sized(found: Sequence[tuple[Job, Found]], ceilings: Mapping[str, Found]) -> dict[str, Any]:
    """Judge every size by itself."""
    told: dict[str, Any] = {}
    for live, _, _ in SIZES:
        worlds = [{"scenario": job["scenario"]} | one for job, one in found if job["live"] == live]
        if worlds:
            served = {
                t: float(np.mean([w["serves"][t] == "score" for w in worlds])) for t in TARGETS
            }
            told[str(live)] = {
                "worlds": len(worlds),
                "live": float(np.mean([world["live"] for world in worlds])),
                "score_serves": served,
                "reach": REACH[live],
                "contenders": shares(worlds, ceilings),
            }
    return told


def _shown(told: Mapping[str, Any]) -> str:
    lines = ["share of the ceiling's gain over the calendar (90 % interval over worlds)"]
    for live, size in told.items():
        lines.append(f"{live} live accounts, {size['worlds']} worlds, to reach {size['reach']:.0%}")
        for name, found in size["contenders"].items():
            figures = "  ".join(
                f"{target} {found[target]['share']:5.2f} ({found[target]['p05']:.2f}–"
                f"{found[target]['p95']:.2f})"
                for target in (*TARGETS, "all", "of_all")
            )
            lines.append(f"  {name:24s} {figures}")
    return "\n".join(lines)


def null_worlds(runs: Runs) -> dict[str, Any]:
    """Count the targets whose score would serve where nothing tells anything."""
    jobs = [
        {"kind": "null", "scenario": "null", "seed": at, "accounts": NULL_ACCOUNTS}
        for at in range(NULL_WORLDS)
    ]
    found = [one for _, one in runs.done(jobs)]
    claims = sum("score" in one["serves"].values() for one in found)
    return {"worlds": len(found), "claims": claims, "most": MOST_CLAIMS,
            "by_target": {t: sum(one["serves"][t] == "score" for one in found) for t in TARGETS},
            "claims_if_sure": {str(sure): sum(_claims(one, sure) for one in found) for sure in SURES}}  # fmt: skip


def _claims(found: Found, sure: float) -> bool:
    """Say whether a score of a world beat the calendar with a certainty, its calibration aside."""
    return any((one["p_better"] or 0.0) >= sure for one in found["judged"].values())


def main() -> int:
    """Run the worlds, print the table, keep the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the worlds of every size")
    every = [live for live, _, _ in SIZES]
    parser.add_argument("--live", type=int, nargs="+", default=every, choices=every)
    parser.add_argument("--null", action="store_true", help="the null worlds alone")
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "attainable")
    asked = parser.parse_args()
    folder = asked.cache.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    runs = Runs(
        folder, "benchmarks.attainable_world", CODE, ("kind", "scenario", "accounts", "seed")
    )
    outcome = circumstances("attainable", LIBRARIES)
    if asked.null:
        found = null_worlds(runs)
        print(f"{found['claims']} claims of signal in {found['worlds']} null worlds", flush=True)
        keep("attainable_null", outcome | found)
        return int(found["claims"] > MOST_CLAIMS)
    ceilings = {job["scenario"]: one for job, one in runs.done(ceiling_jobs(folder, SCENARIOS))}
    told = sized(list(runs.done(world_jobs(folder, asked.share, asked.live))), ceilings)
    print(_shown(told))
    name = "attainable" if asked.live == every else "attainable_small"
    keep(name, outcome | {"ceilings": ceilings, "sizes": told})
    return 0


if __name__ == "__main__":
    sys.exit(main())
