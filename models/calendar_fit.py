"""The fit of the calendar: published rates, moved by what the book shows, as far as it shows it.

Every level of every column may move the published logit; two scales say how far, one for what
decides by itself (the term, the decisions passed) and one for the rest (size, tenure, season,
lead). The scales are those under which the book's outcomes were most likely (empirical Bayes by
Laplace's approximation): a small book keeps what is published, a large one speaks for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from models.calendar import COLUMNS, TERMS, CalendarModel
from models.outcomes import LEADS
from models.published import published

__all__ = ["PRIOR_ACCOUNTS", "SCALES", "fit_calendar"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIOR_ACCOUNTS = 20.0
"""Weight of a prior rate, in observations: (n r + 20 r0) / (n + 20)."""
SCALES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Prior variances of a level's move, on the logit, that are tried."""
FIRST = (4, 2)
"""Where the search begins: .3 for what decides by itself, .03 for the rest."""
DECIDING = ("term", "decided")
STEEP = 10.0
"""Stretches a column so far that its prior hardly holds it."""
FREE = 1e6
"""Prior variance of the level of all."""
DAMPED = 0.5
"""Share of a trend that is believed beyond the last lead that the past has seen."""
LEAST_RIDGE = 1e-3
"""Shares what a single cell shows between its term and its band."""
STEPS = 50


def fit_calendar(
    target: str, codes: Ints, y: Ints, few: bool, leads: Ints, share: float = 1.0
) -> CalendarModel:
    """Fit the calendar on coded rows; with few events, empirical-Bayes rates by term and band.

    A state grows likelier with its lead. That slope, on the logarithm of the lead, is free of the
    prior: a short past has seen no twelve months, and must not take them for the average lead.
    Beyond the last lead that was seen the slope goes on damped.

    Parameters
    ----------
    target : {"churn", "expand", "contract"}
    codes : array of int, (rows, columns)
        From ``CalendarFacts.codes``.
    y : array of int, (rows,)
        1 where the event happened.
    few : bool
        True below ten events: nothing is fitted, published rates are updated by what was seen.
    leads : array of int, (rows,)
    share : float
        Account-months per row: many rows see the same ones, and a prior that weighs as much as
        twenty observations must not take them for more. A state lasts: its rows weigh no more
        than the events that began in their first month.

    Examples
    --------
    >>> codes = np.zeros((40, len(COLUMNS)), dtype=int)
    >>> y, leads = (np.arange(40) % 4 == 0).astype(int), np.ones(40, dtype=int)
    >>> model = fit_calendar("churn", codes, y, False, leads)
    >>> 0.2 < float(expit(model.of(codes[:1]))[0]) < 0.3
    True
    """
    cumulative = target != "churn"
    horizon = float(np.mean(leads)) if cumulative and len(leads) else 1.0
    before = published(target, horizon, cumulative)
    if few or y.min(initial=1) == y.max(initial=0):
        return _updated(before, codes, y, share / horizon)
    if cumulative:
        share = min(share, max(int(y[leads == 1].sum()), 1) / float(y.sum()))
    seen = _Seen.of(before, codes, y, share)
    moves = _likeliest(seen)
    return _moved(before, moves, int(leads.max()))


@dataclass(frozen=True)
class _Seen:
    """Outcomes by distinct pattern of codes, and the columns that may move their logits."""

    design: Floats
    base: Floats
    rows: Floats
    events: Floats

    @classmethod
    def of(cls, before: CalendarModel, codes: Ints, y: Ints, share: float) -> _Seen:
        patterns, inverse = _patterns(codes)
        rows = share * np.bincount(inverse, minlength=len(patterns)).astype(float)
        events = share * np.bincount(inverse, weights=y, minlength=len(patterns)).astype(float)
        trend = _by_lead(before.cumulative)[patterns[:, 5]]
        design = np.column_stack([np.ones(len(patterns)), _one_hot(patterns), trend])
        return cls(design, before.of(patterns), rows, events)


def _by_lead(cumulative: bool) -> Floats:
    return np.asarray(STEEP * np.log(np.arange(1, LEADS + 1)) * cumulative)


def _likeliest(seen: _Seen) -> Floats:
    """Climb over the two scales to the moves under which the outcomes were most likely."""
    at, tried = FIRST, {FIRST: _posterior(seen, FIRST, np.zeros(seen.design.shape[1]))}
    while True:
        start = tried[at][1]
        for one, other in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            near = at[0] + one, at[1] + other
            if near not in tried and all(0 <= scale < len(SCALES) for scale in near):
                tried[near] = _posterior(seen, near, start)
        best = max(tried, key=lambda scales: tried[scales][0])
        if best == at:
            return tried[at][1]
        at = best


def _posterior(seen: _Seen, scales: tuple[int, int], start: Floats) -> tuple[float, Floats]:
    """Give the logarithm of the evidence under two scales, and the likeliest moves, by Newton."""
    precision = _precision(SCALES[scales[0]], SCALES[scales[1]])
    moves, value = start, _penalised(seen, precision, start)
    for _ in range(STEPS):
        p = expit(seen.base + seen.design @ moves)
        slope = (seen.rows * p - seen.events) @ seen.design + precision * moves
        curve = (seen.design.T * (seen.rows * p * (1 - p))) @ seen.design + np.diag(precision)
        step, length = np.linalg.solve(curve, slope), 1.0
        while (after := _penalised(seen, precision, moves - length * step)) > value + 1e-9:
            length /= 2
        moves, gained, value = moves - length * step, value - after, after
        if gained < 1e-8:
            break
    evidence = -value + (np.log(precision).sum() - np.linalg.slogdet(curve)[1]) / 2
    return float(evidence), moves


def _penalised(seen: _Seen, precision: Floats, moves: Floats) -> float:
    eta = seen.base + seen.design @ moves
    loss = seen.rows @ np.logaddexp(0, eta) - seen.events @ eta
    return float(loss + (precision * moves) @ moves / 2)


def _precision(deciding: float, rest: float) -> Floats:
    """Lay out the prior precisions: the level of all, every column's levels, the slope."""
    by_column = [
        np.full(levels, 1 / (deciding if name in DECIDING else rest)) for name, levels in COLUMNS
    ]
    return np.concatenate([[1 / FREE], *by_column, [1.0]])


def _moved(before: CalendarModel, moves: Floats, last: int) -> CalendarModel:
    """Move the published weights; unseen leads follow the slope, damped."""
    ends = np.cumsum([levels for _, levels in COLUMNS])[:-1]
    weights = [np.asarray(column) for column in before.weights]
    weights = [w + part for w, part in zip(weights, np.split(moves[1:-1], ends), strict=True)]
    trend = moves[-1] * _by_lead(before.cumulative)
    unseen = np.arange(LEADS) >= last
    weights[5] = weights[5] + np.where(
        unseen, trend[last - 1] + DAMPED * (trend - trend[last - 1]), trend
    )
    told = tuple(tuple(map(float, column)) for column in weights)
    return CalendarModel(before.intercept + float(moves[0]), told, before.cumulative)


def _patterns(codes: Ints) -> tuple[Ints, Ints]:
    """Give the distinct rows of codes, and which of them each row is."""
    levels = tuple(count for _, count in COLUMNS)
    flat, inverse = np.unique(np.ravel_multi_index(tuple(codes.T), levels), return_inverse=True)
    return np.column_stack(np.unravel_index(flat, levels)), inverse


def _one_hot(codes: Ints) -> Floats:
    blocks = [np.eye(levels)[codes[:, at]] for at, (_, levels) in enumerate(COLUMNS)]
    return np.concatenate(blocks, axis=1)


def _updated(before: CalendarModel, codes: Ints, y: Ints, share: float) -> CalendarModel:
    """Update published rates by what was seen, one shift per term and one per band.

    Every cell of term and band that was seen also counts twenty observations at its published
    rate: a cell alone comes out at (n r + 20 r0) / (n + 20), however high its rate.
    """
    cells = np.unique(codes[:, :2], axis=0)
    supposed = np.column_stack([cells, np.zeros((len(cells), len(COLUMNS) - 2), dtype=np.int64)])
    patterns, inverse = _patterns(codes)
    seen = np.bincount(inverse, minlength=len(patterns))
    events = np.bincount(inverse, weights=y, minlength=len(patterns))
    terms, bands = (np.asarray(before.weights[at]) for at in (0, 1))
    base = terms[cells[:, 0]] + bands[cells[:, 1]]
    level = np.concatenate([before.of(patterns), base])
    weight = np.concatenate([share * seen, np.full(len(cells), PRIOR_ACCOUNTS)])
    hit = np.concatenate([share * events, PRIOR_ACCOUNTS * expit(base)])
    design = _one_hot(np.concatenate([patterns, supposed]))[:, : len(terms) + len(bands)]

    def loss(shift: Floats) -> tuple[float, Floats]:
        eta = level + design @ shift
        fit = float(weight @ np.logaddexp(0, eta) - hit @ eta)
        slope = (weight * expit(eta) - hit) @ design
        return fit + LEAST_RIDGE * float(shift @ shift) / 2, slope + LEAST_RIDGE * shift

    shift = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", tol=1e-12).x
    by_term, by_band = terms + shift[: len(TERMS)], bands + shift[len(TERMS) :]
    weights = (tuple(map(float, by_term)), tuple(map(float, by_band)), *before.weights[2:])
    return CalendarModel(before.intercept, weights, before.cumulative)
