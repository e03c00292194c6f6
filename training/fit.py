"""One whole fit: from a book's history, as closed at an origin, to a health model."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.catalog import CATALOG
from models.calendar_fit import PRIOR_ACCOUNTS
from models.outcomes import LEADS
from models.prediction import HealthModel
from models.sizes import Closed, fit_sizes
from models.target import TARGETS, TargetModel
from models.uplift import uplift_by_lead
from training.history import History
from training.labels import Outcomes
from training.ladder import Material, fit_target, search
from training.metering import metered_growth
from training.rows import ROWS_PER_FIT, Rows, all_rows

__all__ = ["fit_health", "material_of", "rows_of", "searched"]

Floats = NDArray[np.float64]

LOCKED_PRIOR = 0.001
"""Monthly rate of leaving within a term, before anything was seen."""
THREADS = 2


def material_of(history: History, seed: int) -> Material:
    """Give the ladder its material: values, calendar facts and declared signs."""
    declared = {signal.slug: signal for signal in CATALOG}
    signs: dict[str, list[int]] = {
        "churn": [declared[slug].churn for slug in history.signals],
        "expand": [declared[slug].expansion for slug in history.signals],
        "contract": [declared[slug].churn for slug in history.signals],
    }
    values = history.frame.loc[:, list(history.signals)].to_numpy(dtype=float)
    return Material(values, history.facts, history.signals, signs, history.month(), seed)


def rows_of(history: History, outcomes: Outcomes) -> Mapping[str, Rows]:
    """List every target's closed rows."""
    modelled = history.modelled
    return {name: all_rows(name, outcomes, history.facts, modelled) for name in TARGETS}


def searched(history: History, known_until: date, seed: int) -> Mapping[str, Mapping[str, Any]]:
    """Choose each target's configuration from what was closed at a date."""
    material = material_of(history, seed)
    rows = rows_of(history, history.outcomes(known_until))
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda name: search(name, rows[name], material), TARGETS)
        return dict(zip(TARGETS, found, strict=True))


def fit_health(
    history: History,
    origin: date,
    options: Mapping[str, Mapping[str, Any]],
    seed: int,
    most_rows: int = ROWS_PER_FIT,
) -> HealthModel:
    """Fit every target on what was closed at ``origin``; the targets run side by side.

    ``most_rows`` caps the rows of each fit; with 0 only the calendar is fitted.
    """
    outcomes = history.outcomes(origin)
    rows, material = rows_of(history, outcomes), material_of(history, seed)

    def fitted(name: str) -> TargetModel:
        return fit_target(name, rows[name], material, options.get(name), most_rows)

    with ThreadPoolExecutor(THREADS) as pool:
        targets = dict(zip(TARGETS, pool.map(fitted, TARGETS), strict=True))
    return HealthModel(
        signals=history.signals,
        targets=targets,
        locked_rate=_locked_rate(history, outcomes),
        returns=_returns(history, origin),
        sizes=fit_sizes(_closed(history, outcomes, material.values, targets["expand"])),
        fiscal_year_starts=history.facts.fiscal_year_starts,
        metered=metered_growth(history, outcomes, origin),
    )


def _closed(history: History, outcomes: Outcomes, values: Floats, target: TargetModel) -> Closed:
    """Lay out what became of accounts that pay, beside what the model says of it."""
    told = (history.modelled & outcomes.by_event)[:, None]
    row, column = np.nonzero(outcomes.closed & ~outcomes.gone & told)
    at, lead, band = (row, column), column + 1, history.facts.band[row]
    score = target.scores(values)[row]
    calendar = target.calendar.logit(history.facts, row, lead)
    return Closed(
        change=outcomes.change[at],
        mrr=outcomes.opening[row] / 1e6,
        band=band,
        lead=lead,
        decided=history.facts.decided(row, lead),
        expand=outcomes.expand[at],
        contract=outcomes.contract[at],
        score=score,
        chance=expit(target.raised(calendar, band, lead, score)),
        calendar=expit(calendar),
        priced=uplift_by_lead(history.frame)[at] != 0.0,
    )


def _locked_rate(history: History, outcomes: Outcomes) -> float:
    """Empirical-Bayes monthly rate of leaving in months that hold no decision."""
    locked = ~history.facts.free() & outcomes.still_paying_before & outcomes.closed
    locked &= history.modelled[:, None]
    events = float((outcomes.gone & locked).sum())
    return (events + PRIOR_ACCOUNTS * LOCKED_PRIOR) / (float(locked.sum()) + PRIOR_ACCOUNTS)


def _returns(history: History, origin: date) -> Floats:
    """Share of departures that are paying again d months later, shrunk to none; never falling."""
    ledger = history.panel
    known = history.outcomes(origin)
    month = history.month()
    last = int((month[:, None] + np.arange(1, LEADS + 1))[known.closed].max(initial=0))
    paying = ledger.mrr[:, : last + 1] > 0
    left = paying[:, :-1] & ~paying[:, 1:]
    rates = np.zeros(LEADS)
    for months in range(1, LEADS):
        seen = left[:, : max(left.shape[1] - months, 0)]
        back = paying[:, 1 + months :][:, : seen.shape[1]] & seen
        rates[months] = float(back.sum()) / (float(seen.sum()) + PRIOR_ACCOUNTS)
    return np.asarray(np.maximum.accumulate(rates))
