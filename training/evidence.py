"""Evidence: what a reviewer needs beside a model, as files and figures of its run.

Nothing of it names an account.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.catalog import CATALOG
from models.outcomes import HORIZONS
from models.schema import schema_of
from training.backtest import Backtest
from training.gate import Check, nrr_errors, nrr_gaps
from training.report import BacktestReport

__all__ = ["catalog_digest", "figures", "papers"]


def catalog_digest() -> str:
    """Give the digest of all signals: name, type, unit, window, and the signs declared.

    Examples
    --------
    >>> len(catalog_digest())
    64
    """
    schema = schema_of([signal.slug for signal in CATALOG], CATALOG)
    signs = {signal.slug: [signal.churn, signal.expansion] for signal in CATALOG}
    said = json.dumps([[slug, schema[slug], signs[slug]] for slug in schema])
    return hashlib.sha256(said.encode("ascii")).hexdigest()


def papers(
    folder: Path,
    past: Backtest,
    checks: Sequence[Check],
    told: Mapping[str, Any],
    report: BacktestReport | None = None,
) -> dict[str, Path]:
    """Write the gate's record, all scores, the quarters, and two pictures into a folder.

    Parameters
    ----------
    folder : Path
        Is made.
    past : Backtest
    checks : sequence of Check
    told : mapping
        What is said beside the scores: rungs, digests, durations.
    report : BacktestReport, optional
        The backtest written up: kept as ``backtest.json``, without the lists, which name accounts.

    Returns
    -------
    dict of str to Path
        By name in the run's artifacts.
    """
    from training.drawings import draw_lift, draw_reliability  # heavy: matplotlib

    folder.mkdir(parents=True)
    scores = {
        "all quarters": past.probabilities,
        "open to choices": past.chosen_on,
        "sealed": past.sealed_on,
    }
    baselines = {f"{h} months": nrr_gaps(past.periods, h) for h in HORIZONS}
    errors = {f"{h} months": nrr_errors(past.periods, h) for h in HORIZONS}
    sealed = [day.isoformat() for day in past.sealed]
    _write(folder / "gate.json", [check.to_json() for check in checks])
    _write(folder / "quarters.json", list(past.periods))
    _write(
        folder / "scores.json",
        dict(told)
        | {"serves": dict(past.serves), "sealed": sealed, "probabilities": scores}
        | {"nrr_mae_points": errors, "nrr_gap_points": baselines},
    )
    if report is not None:
        _write(folder / "backtest.json", report.to_json() | {"lists": {}})
    draw_reliability(past.pooled, past.serves, folder / "reliability.png")
    draw_lift(past.pooled, past.serves, folder / "lift.png")
    return {path.name: path for path in sorted(folder.iterdir())}


def figures(past: Backtest) -> dict[str, float]:
    """Give MLflow the backtest's numbers, by name; what could not be measured is left out."""
    found: dict[str, float | None] = {}
    for ground, scores in (("", past.probabilities), ("sealed.", past.sealed_on)):
        for name, judged in scores.items():
            found |= {f"{ground}{name}.{key}": value for key, value in judged.items()}
    for horizon in HORIZONS:
        for name, error in nrr_errors(past.periods, horizon).items():
            found[f"nrr_mae_points_{horizon}m.{_plain(name)}"] = error
        for name, gap in nrr_gaps(past.periods, horizon).items():
            said = f"nrr_gap_points_{horizon}m.{_plain(name)}"
            found |= {f"{said}.{key}": value for key, value in gap.items()}
    return {key: float(value) for key, value in found.items() if value is not None}


def _plain(name: str) -> str:
    return name.replace(" ", "_")


def _write(path: Path, said: Any) -> None:
    path.write_text(json.dumps(said, allow_nan=False, indent=1), encoding="utf-8")
