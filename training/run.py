"""The story of a training: history, baseline, backtest, fit, gate, registry."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.book import Book
from features.faults import Busy, DataRejected, DependencyDown
from features.rules import Rules
from models.bands import Bands, BandSettings, carry_over, fit_bands, rule_of
from models.bundle import open_bundle, write_bundle
from models.carried import Carried, read_bundle
from models.combined import combination
from models.hysteresis import HysteresisSettings
from models.outcomes import HORIZONS
from models.prediction import HealthModel
from models.registry import Registry, Version
from models.renewal import Renewal
from models.target import TARGETS
from training.backtest import Backtest, backtest, calibrated
from training.challenge import challenge
from training.evidence import catalog_digest, figures, papers
from training.fit import fit_health, searched
from training.gate import Check, gate, nrr_errors, nrr_gaps
from training.history import History, gather
from training.origins import origins, sealed_of
from training.report import BacktestReport, written
from training.width import factor_of

__all__ = ["Trained", "train"]

Progress = Callable[[str, int, int], None]
GOLDEN_ROWS = 8
CALENDAR = "calendar"
LONGEST_TAG = 1000


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes
    ----------
    version : Version
        The registered model.
    promoted : bool
        Whether it serves from now on.
    checks : tuple of Check
        The gate's record.
    carried : Carried
    past : Backtest
    dropped : tuple of str
        Signals that say nothing in this book: constant or absent throughout.
    seconds : float
    """

    version: Version
    promoted: bool
    checks: tuple[Check, ...]
    carried: Carried
    past: Backtest
    dropped: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Give the training in the shape of CONTRACT section 2."""
        targets = self.carried.model.targets
        return {
            "version": self.version.number,
            "promoted": self.promoted,
            "gate": [check.to_json() for check in self.checks],
            "metrics": {
                name: {"rung": targets[name].rung, "distinct_events": targets[name].events}
                | {"serves": targets[name].serves}
                | self.past.probabilities[name]
                for name in TARGETS
            },
            "baselines": {
                f"nrr_mae_points_{h}m": nrr_errors(self.past.periods, h) for h in HORIZONS
            }
            | {f"nrr_gap_points_{h}m": nrr_gaps(self.past.periods, h) for h in HORIZONS},
            "signals": {
                "used": list(self.carried.model.signals),
                "dropped": list(self.dropped),
            },
            "seconds": round(self.seconds, 2),
        }


def train(
    book: Book,
    rules: Rules,
    as_of: date,
    registry: Registry,
    *,
    bands: BandSettings | None = None,
    promote: bool = True,
    seed: int = 0,
    budget_seconds: float | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train on a book as known at ``as_of``, and promote what passes the gate.

    The calendar alone is registered and promoted first where nothing serves yet, so that a
    scoring always has a model.

    Raises
    ------
    DependencyDown
        ``registry.unavailable`` where MLflow does not answer: the trained bundle is kept, and
        ``Registry.register_waiting`` registers it later (exit code 69).
    Busy
        ``train.over_budget`` where it took longer than ``budget_seconds``: what is registered by
        then is whole, and serves on (exit code 75).
    """
    step = _within(budget_seconds, progress)
    with threadpool_limits(limits=1):  # two fits run side by side; a BLAS of its own would thrash
        return _train(book, rules, as_of, registry, bands, promote, seed, step)


def _within(budget_seconds: float | None, progress: Progress | None) -> Progress:
    """Tell the progress on, and stop at the first step beyond the budget."""
    until = float("inf") if budget_seconds is None else time.monotonic() + budget_seconds

    def step(what: str, done: int, whole: int) -> None:
        if time.monotonic() >= until:
            said = f"over its {budget_seconds:,.0f} s at {what} {done + 1} of {whole}"
            raise Busy("train.over_budget", said, "give it more time: --minutes")
        if progress is not None:
            progress(what, done, whole)

    return step


def _train(
    book: Book,
    rules: Rules,
    as_of: date,
    registry: Registry,
    bands: BandSettings | None,
    promote: bool,
    seed: int,
    progress: Progress,
) -> Trained:
    clock = _Clock()
    history = gather(book, rules, as_of, progress)
    clock.lap("snapshots")
    serving = _serving(history, registry, bands, seed)
    clock.lap("calendar")
    sealed = sealed_of(origins(history))

    @cache
    def chosen() -> Mapping[str, Mapping[str, Any]]:
        return searched(history, min((*sealed, as_of)), seed)

    past = backtest(history, lambda day: chosen() if day in sealed else {}, seed, progress)
    progress("fits", 0, 2)
    options = chosen()
    clock.lap("past quarters and search")
    progress("fits", 1, 2)
    model = fit_health(history, as_of, options, seed)
    model = calibrated(model, past.replays, history, as_of, past.sealed).served_by(past.serves)
    champion = _opened(registry, serving)
    carried = _carry(model, history, past, bands, champion)
    clock.lap("fit")
    against = challenge(history, past, champion, seed, model, _following(bands))
    checks = (*gate(history, past, seed), *against)
    clock.lap("gate")
    said = _said(book, history, model, options, seed, clock)
    with tempfile.TemporaryDirectory() as folder:
        again = _written(book, rules, history, past, bands, seed)
        shown = papers(Path(folder) / "papers", past, checks, said, again)
        clock.lap("drawings")
        measured = figures(past) | clock.figures()
        tags = _tags(model, checks)
        version = _register(carried, history, registry, measured, tags, said, shown)
        promoted = promote and serving is not None and all(check.passed for check in checks)
        if serving and promoted and version.number != serving.number:
            registry.promote(version, expected=serving.number)
        if serving and promote and not promoted and serving.tags.get("kind") == CALENDAR:
            _renew_calendar(model, history, past, registry, serving, bands, said, shown)
    return Trained(version, promoted, checks, carried, past, history.dropped, clock.seconds)


class _Clock:
    """How long every stage took, and all of it."""

    def __init__(self) -> None:
        self.begun = self.last = time.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Say that a stage has ended."""
        now = time.monotonic()
        self.laps[stage], self.last = now - self.last, now

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.begun

    def figures(self) -> dict[str, float]:
        """Give the seconds of every stage, by name."""
        return {f"seconds.{stage.replace(' ', '_')}": took for stage, took in self.laps.items()}


def _said(
    book: Book,
    history: History,
    model: HealthModel,
    options: Mapping[str, Mapping[str, Any]],
    seed: int,
    clock: _Clock,
) -> dict[str, Any]:
    """Say what was learned from, and by what."""
    return {
        "snapshot": book.snapshot_id,
        "catalog": catalog_digest(),
        "seed": seed,
        "rungs": {name: one.rung for name, one in model.targets.items()},
        "distinct_events": {name: one.events for name, one in model.targets.items()},
        "configurations": {name: dict(one) for name, one in options.items()},
        "seconds": {stage: round(took, 2) for stage, took in clock.laps.items()},
        "dropped": list(history.dropped),
    }


def _written(
    book: Book,
    rules: Rules,
    history: History,
    past: Backtest,
    bands: BandSettings | None,
    seed: int,
) -> BacktestReport:
    """Write the backtest up: what the Model page shows of a version."""
    told = written(history, past, bands=bands, seed=seed)
    return replace(told, currency=book.facts.currency, definition=rules.stamp())


def _following(bands: BandSettings | None) -> HysteresisSettings | None:
    """Give how published cells follow, where the settings say it."""
    return bands if isinstance(bands, HysteresisSettings) else None


def _serving(
    history: History, registry: Registry, bands: BandSettings | None, seed: int
) -> Version | None:
    """Give what serves, the calendar where nothing did; None where MLflow does not answer.

    The training goes on then: what it learns waits as a bundle until it can be registered.
    """
    try:
        return registry.champion() or _register_calendar(history, registry, bands, seed)
    except DependencyDown:
        return None


def _opened(registry: Registry, serving: Version | None) -> Carried | None:
    """Open the champion to be compared with; None for the calendar, or what cannot be opened."""
    if serving is None or serving.tags.get("kind") == CALENDAR:
        return None
    try:
        return read_bundle(open_bundle(registry.fetch(serving), serving.digest))
    except (DataRejected, DependencyDown):
        return None  # a champion that is damaged, or of other signals, holds nobody up


def _register_calendar(
    history: History, registry: Registry, bands: BandSettings | None, seed: int
) -> Version:
    """Register and promote the calendar alone, before anything else was tried."""
    model = fit_health(history, history.known_until, {}, seed, most_rows=0)
    nothing = Backtest((), {name: {"rows": 0, "events": 0} for name in TARGETS}, ())
    carried = _carry(model, history, nothing, bands)
    version = _register(carried, history, registry, {}, {"kind": CALENDAR})
    registry.promote(version, expected=None)
    return version


def _renew_calendar(
    model: HealthModel,
    history: History,
    past: Backtest,
    registry: Registry,
    serving: Version,
    bands: BandSettings | None,
    said: Mapping[str, Any],
    shown: Mapping[str, Path],
) -> None:
    """Let the calendar serve on, with its own record: its forecasts of the past quarters."""
    plain = replace(past, periods=past.calendar_periods)
    carried = _carry(model.bare(), history, plain, bands)
    tags = {"kind": CALENDAR}
    version = _register(carried, history, registry, figures(plain), tags, said, shown)
    if version.number != serving.number:
        registry.promote(version, expected=serving.number)


def _carry(
    model: HealthModel,
    history: History,
    past: Backtest,
    settings: BandSettings | None,
    champion: Carried | None = None,
) -> Carried:
    return Carried(
        model=model,
        bands=_bands(model, history, settings, champion),
        stability=_stability(past, history),
        factor={str(h): one for h, one in factor_of(past.periods).items()},
        periods=past.periods,
        probabilities=past.probabilities,
        trained_through=history.known_until,
        combined=combination(past.periods),
    )


def _bands(
    model: HealthModel,
    history: History,
    settings: BandSettings | None,
    champion: Carried | None = None,
) -> Bands:
    """Find the cut-offs on the last twelve snapshots of the history, by its own base rates.

    Within a quarter a retrained model keeps the champion's cut-offs, mapped by quantile: a cell
    means the same share of the book as before. A new quarter, or other settings, finds new ones.
    """
    rows = np.concatenate([history.at(day) for day in history.dates[-12:]])
    frame = history.frame.iloc[rows].reset_index(drop=True)
    risk, basis, expand = _chances(model, frame)
    day = history.known_until
    quarter = f"{day.year}-Q{(day.month - 1) // 3 + 1}"
    if champion is not None and _frozen(champion, quarter, settings):
        before = _chances(champion.model, frame)
        return carry_over(champion.bands, before, (risk, basis, expand), settings)
    return fit_bands(risk, basis, expand, settings=settings, quarter=quarter)


def _chances(
    model: HealthModel, frame: pd.DataFrame
) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[np.float64]]:
    """Give risk, its basis and readiness as a model says them, nothing booked."""
    prediction = model.predict(frame)
    told = Renewal(model, prediction)
    return 1 - told.modelled(), told.basis, prediction.p_expand[:, 2]


def _frozen(champion: Carried, quarter: str, settings: BandSettings | None) -> bool:
    """Say whether the champion's cut-offs hold on: same quarter, same settings, no rules."""
    bands = champion.bands
    return (bands.quarter, bands.rule, champion.rule_based) == (quarter, rule_of(settings), False)


def _stability(past: Backtest, history: History) -> dict[str, dict[str, float]]:
    """Per target, the share of refits in which a ridge's signal kept its most frequent sign."""
    return {name: _stable(name, past, history) for name in TARGETS}


def _stable(target: str, past: Backtest, history: History) -> dict[str, float]:
    ridges = [replay.model.targets[target].score.ridge for replay in past.replays]
    signs = np.array([np.sign(ridge.weights) for ridge in ridges if ridge is not None])
    if not len(signs):
        return {}
    used = (signs != 0).sum(axis=0)
    most = np.maximum((signs > 0).sum(axis=0), (signs < 0).sum(axis=0))
    return {slug: float(most[at] / used[at]) for at, slug in enumerate(history.signals) if used[at]}


def _tags(model: HealthModel, checks: tuple[Check, ...]) -> dict[str, str]:
    rungs = {f"rung.{name}": target.rung for name, target in model.targets.items()}
    serves = {f"serves.{name}": target.serves for name, target in model.targets.items()}
    failed = ", ".join(check.check for check in checks if not check.passed)
    held = {
        check.code: str(check.value)[:LONGEST_TAG]
        for check in checks
        if check.code and not check.passed
    }
    return {"kind": "health", "gate": failed or "passed"} | held | rungs | serves


def _register(
    carried: Carried,
    history: History,
    registry: Registry,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    said: Mapping[str, Any] | None = None,
    shown: Mapping[str, Path] | None = None,
) -> Version:
    golden = history.frame.loc[:, list(history.signals)].tail(GOLDEN_ROWS)
    parameters = {
        "as_of": history.known_until.isoformat(),
        "rows": len(history.frame),
        "snapshots": len(history.dates),
        "signals": len(history.signals),
    } | {name: (said or {})[name] for name in ("snapshot", "catalog", "seed") if said}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "bundle"
        write_bundle(directory, carried.contract(), carried.boosters(), golden)
        return registry.register_or_leave(
            directory, params=parameters, metrics=metrics, tags=tags, artifacts=shown
        )
