"""The report of a backtest: what would have been forecast and listed, beside what happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from features.book import Book
from features.rules import Rules
from models.bands import BandSettings
from models.target import TARGETS
from training.accuracy import LEAST_PERIODS, accuracy, told_period
from training.backtest import Backtest, backtest, served
from training.banded import banded, pooled
from training.baselines import BASELINES
from training.calls import MONTHS, Calls, calls
from training.endings import endings_of, summed
from training.history import History, gather
from training.lift import lift
from training.origins import monthly_origins
from training.reliability import reliability
from training.shares import CONFIDENCE

__all__ = ["DEFINITIONS", "BacktestReport", "report", "written"]

Progress = Callable[[str, int, int], None]

FEW_EVENTS = 30
"""Events below which a figure is called thin."""
LEAST_EVENTS = 10
"""Events below which no score of the chances is told."""
LISTED = 10

DEFINITIONS: Mapping[str, str] = {
    "NRR": "closing / opening MRR of the accounts that paid at the origin, new ones apart",
    "origin": "a past day; everything was fitted again on what had closed by then",
    "sealed": "the last origins: what serves, and which calibration, was chosen without them",
    "error": "forecast less actual NRR, in points of NRR; MAE is its mean size, bias its mean",
    "coverage": "share of the past periods whose actual NRR lay inside the interval",
    "GRR": "the same with each account counted at no more than it opened with; never above 100 %",
    "CRPS": "mean distance from the forecast's distribution to the actual NRR, less half its own "
    "spread, points; smaller is better; of a rule that says one number it is the MAE",
    "Winkler": "width of the interval, points, and 2 / (1 - its level) times how far outside it "
    "the actual NRR lay; smaller is better",
    "combined": "mean of our forecast and the top-down rules that had surely been nearer by then, "
    "by inverse error; what it adds is shared over the accounts by their variance",
    "trailing 12 months": "NRR and GRR at the end of the month, fiscal quarter and fiscal year of "
    "the origin, of the accounts that paid 12 months before that end; months by then are actual",
    "not combined": "our forecast alone, before the top-down rules: what combining changed",
    "n_eff": "periods that do not overlap; below 2 an interval's width is the prior's",
    "at risk": "nothing booked and, for churn, a decision within the three months",
    "AUC at risk": "chance that an account with the event was ranked above one without: .5 is luck",
    "skill": "1 - log-loss / the calendar's log-loss, at risk; 0 = no better than the calendar",
    "calibration slope": "1 is right; below 1 chances are too extreme, above 1 too timid",
    "observed / expected": "events seen / events expected; 1 is right",
    "reliability": "accounts at risk in equal groups by chance: mean chance beside what came true",
    "lift": "share of an event's accounts (MRR) that a list of that length held at the origins",
    "renewed": "of the accounts with a decision in the quarter, those still paying at its end",
    "expanded": "of all accounts, those paying organically at least 2 % more at the quarter's end",
    "band": "as that day's chances place an account, by that day's cut-offs; no hysteresis, guards",
    "churn": "not paying three months after the origin",
    "expand": "paying organically at least 2 % more three months after the origin",
    "contract": "paying organically at least 2 % less three months after the origin",
} | {f"baseline: {name}": text for name, text in BASELINES.items()}
"""What every figure of the report means."""


@dataclass(frozen=True)
class BacktestReport:
    """What a backtest shows.

    Attributes
    ----------
    as_of : date
        What was known by then is what is looked at.
    origins : tuple of date
    sealed : tuple of date
        Those on which nothing was chosen.
    monthly : bool
        Whether every month was an origin, and not every third.
    periods : tuple of dict
        Forecast, intervals and actual NRR per origin and horizon (`training.accuracy.told_period`).
    accuracy : mapping
        By horizon (`training.accuracy.accuracy`).
    endings : tuple of dict
        Past trailing-twelve-month forecasts beside what they became (`training.endings`).
    endings_accuracy : mapping
        By ending: month, quarter, fiscal_year.
    probabilities : mapping
        By event: `training.evaluate.judge`'s figures, which of score and calendar serves, and
        ``sealed`` (its figures at the sealed origins); ``applicable``: with fewer than 3 origins or 10 events only ``rows`` and ``events``.
    reliability, lift, lists : mapping
        By event.
    quarters : tuple of dict
        Bands by origin (`training.banded.banded`).
    bands : mapping
        The same, added up.
    notes : tuple of str
        What is thin, and what could not be measured.
    currency : str
    definition : mapping
        The revenue choices behind every NRR.
    seconds : float
    """

    as_of: date
    origins: tuple[date, ...]
    sealed: tuple[date, ...]
    monthly: bool
    periods: tuple[dict[str, Any], ...]
    accuracy: Mapping[str, dict[str, Any]]
    probabilities: Mapping[str, dict[str, Any]]
    reliability: Mapping[str, dict[str, Any]]
    lift: Mapping[str, list[dict[str, Any]]]
    lists: Mapping[str, list[dict[str, Any]]]
    quarters: tuple[dict[str, Any], ...]
    bands: Mapping[str, Any]
    notes: tuple[str, ...]
    endings: tuple[dict[str, Any], ...] = ()
    endings_accuracy: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    currency: str = "USD"
    definition: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def applicable(self) -> bool:
        """Whether there are origins enough to judge by."""
        return len(self.origins) >= LEAST_PERIODS

    def to_json(self) -> dict[str, Any]:
        """Give the report as one JSON object."""
        return {
            "as_of": self.as_of.isoformat(),
            "origins": [day.isoformat() for day in self.origins],
            "sealed": [day.isoformat() for day in self.sealed],
            "step_months": 1 if self.monthly else MONTHS,
            "applicable": self.applicable,
            "interval": CONFIDENCE,
            "currency": self.currency,
            "definition": dict(self.definition),
            "periods": list(self.periods),
            "accuracy": dict(self.accuracy),
            "ttm": list(self.endings),
            "ttm_accuracy": dict(self.endings_accuracy),
            "probabilities": dict(self.probabilities),
            "reliability": dict(self.reliability),
            "lift": dict(self.lift),
            "lists": dict(self.lists),
            "quarters": list(self.quarters),
            "bands": dict(self.bands),
            "notes": list(self.notes),
            "definitions": dict(DEFINITIONS),
            "seconds": round(self.seconds, 2),
        }


def report(
    book: Book,
    rules: Rules,
    as_of: date,
    *,
    bands: BandSettings | None = None,
    per_csm: int = 10,
    monthly: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> BacktestReport:
    """Replay a book's past as known at ``as_of``; nothing is registered, nothing promoted."""
    begun = time.monotonic()
    with threadpool_limits(limits=1):  # two fits run side by side; a BLAS of its own would thrash
        history = gather(book, rules, as_of, progress)
        days = monthly_origins(history) if monthly else None
        past = backtest(history, lambda _: {}, seed, progress, days)
        if progress:
            progress("report", 0, 1)
        told = written(history, past, bands=bands, per_csm=per_csm, monthly=monthly, seed=seed)
    seconds = time.monotonic() - begun
    stamp = rules.stamp()
    return replace(told, currency=book.facts.currency, definition=stamp, seconds=seconds)


def written(
    history: History,
    past: Backtest,
    *,
    bands: BandSettings | None = None,
    per_csm: int = 10,
    monthly: bool = False,
    seed: int = 0,
) -> BacktestReport:
    """Write up a backtest: everything of the report but the book's currency and rules."""
    said = calls(history, past, seed)
    quarters = banded(history, past, bands)
    independent = next(iter(said.values())).independent
    told = {name: _told(past, name) for name in TARGETS}
    enough = [name for name in TARGETS if told[name]["applicable"]]
    errors = accuracy(past.periods)
    endings = endings_of(
        past.replays,
        history,
        lambda replay: served(replay, past.serves, history),
        past.periods,
        past.rivals,
    )
    return BacktestReport(
        as_of=history.known_until,
        origins=tuple(replay.origin for replay in past.replays),
        sealed=past.sealed,
        monthly=monthly,
        periods=tuple(told_period(period) for period in past.periods),
        accuracy=errors,
        probabilities=told,
        reliability={name: reliability(said[name]) for name in enough},
        lift={name: lift(said[name], per_csm, seed) for name in enough},
        lists={name: _listed(said[name]) for name in TARGETS},
        quarters=tuple(quarters),
        bands=pooled(quarters, independent),
        notes=tuple(_notes(past, errors)),
        endings=tuple(endings),
        endings_accuracy=summed(endings),
    )


def _told(past: Backtest, name: str) -> dict[str, Any]:
    """Give an event's scores; where origins or events are too few, only how many there were."""
    judged = dict(past.probabilities[name])
    enough = len(past.replays) >= LEAST_PERIODS and judged["events"] >= LEAST_EVENTS
    late = past.sealed_on.get(name, {"rows": 0, "events": 0})
    stamp: dict[str, Any] = {"serves": past.serves[name], "applicable": enough}
    if enough and late["events"] >= LEAST_EVENTS:
        stamp["sealed"] = dict(late)
    kept = judged if enough else {key: judged[key] for key in ("rows", "events")}
    return stamp | kept


def _listed(said: Calls) -> list[dict[str, Any]]:
    """Give the first ten of the latest origin's list, by chance x MRR, with what happened."""
    if not said.origins:
        return []
    here = np.flatnonzero((said.origin == len(said.origins) - 1) & said.at_risk)
    stake = said.served[here] * said.mrr[here]
    first = here[np.argsort(-stake, kind="stable")[:LISTED]]
    return [
        {
            "origin": said.origins[-1].isoformat(),
            "account_id": said.accounts["account_id"][at],
            "name": said.accounts["name"][at],
            "mrr": float(said.mrr[at]),
            "chance": float(said.served[at]),
            "happened": bool(said.y[at]),
        }
        for at in first
    ]


def _notes(past: Backtest, errors: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """Say what is thin."""
    count = len(past.replays)
    if count < LEAST_PERIODS:
        said = f"{count} past origin{'' if count == 1 else 's'} closed, {LEAST_PERIODS} needed"
        return [f"not applicable: {said}: errors, coverage, lift and reliability are not judged"]
    notes = []
    for horizon, one in errors.items():
        period = f"{one['periods']} past period{'' if one['periods'] == 1 else 's'}"
        if not one["applicable"]:
            notes.append(f"{_span(horizon)}: not applicable: {period} closed, 3 needed")
        elif one["width"] != "measured":
            said = f"its {period} overlap and count as {one['n_eff']:.1f}"
            notes.append(f"{_span(horizon)}: prior-driven width: {said}")
    for name, judged in past.probabilities.items():
        if judged["events"] < FEW_EVENTS:
            few = ": not judged" if judged["events"] < LEAST_EVENTS else ""
            said = f"{judged['events']} events among the accounts at risk"
            notes.append(f"{name}: thin: {said}{few}")
        if past.serves[name] == "calendar":
            notes.append(f"{name}: the calendar serves: the score was not surely better")
    return notes


def _span(horizon: str) -> str:
    return f"{horizon} month{'' if horizon == '1' else 's'} ahead"
