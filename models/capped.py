"""A cohort in which no account counts above what it paid at a reference date: what GRR is made of.

What an account keeps is min(M, R): M is what it will pay, R what it paid at the reference date.
An account that has grown since (it pays B > R today) still keeps R after a small fall; one that
has shrunk may grow back, to R at most. The expectation is that of the minimum, not the minimum of
the expectation, so the laws of rise and fall are cut where R lies: the rise is lognormal, the fall
beta, as in ``models.laws``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincc, ndtr

from models.flows import Cohort
from models.laws import Drift, Sizes

__all__ = ["capped", "rise_at_most", "fall_beyond"]

Floats = NDArray[np.float64]

SMALLEST = 1e-12


def capped(cohort: Cohort, reference: Floats) -> Cohort:
    """Give the cohort whose closing is the sum of min(M, R).

    Parameters
    ----------
    cohort : Cohort
        The accounts as they are expected at one date.
    reference : array of float, (n,)
        R of each account, in units of currency, above 0.

    Returns
    -------
    Cohort
        Its accounts open with min(what they pay, R) and rise to R at most.

    Examples
    --------
    >>> one, no = np.ones(1), np.zeros(1, dtype=bool)
    >>> grown = Cohort(120 * one, 0.1 * one, 0.2 * one, 0.3 * one, np.full((1, 3), 0.5),
    ...     np.array([[0.5, 0.25, 0.125]]), no, 0 * one, 0 * one, no)
    >>> kept = capped(grown, 100 * one)  # a fall by half leaves 60 of the 100; a rise adds nothing
    >>> kept.mrr.tolist(), kept.up[:, 0].tolist(), kept.down[:, 0].round(3).tolist()
    ([100.0], [0.0], [0.4])
    """
    room = np.maximum(reference / np.maximum(cohort.mrr, SMALLEST) - 1.0, 0.0)
    spare = np.maximum(1.0 - reference / np.maximum(cohort.mrr, SMALLEST), 0.0)
    base = np.minimum(cohort.mrr, reference)
    then = np.minimum(cohort.mrr + cohort.signed_up - cohort.signed_down, reference)
    change = np.where(cohort.signed, then - base, 0.0)
    drift = Drift.of(cohort.flat_up, cohort.flat_down)
    return replace(
        cohort,
        mrr=base,
        up=rise_at_most(cohort.up, room),
        down=fall_beyond(cohort.down, spare),
        signed_up=np.maximum(change, 0.0),
        signed_down=np.maximum(-change, 0.0),
        flat_up=_drifting(cohort.flat_up, drift.up, rise_at_most, room),
        flat_down=_drifting(cohort.flat_down, drift.down, fall_beyond, spare),
    )


def rise_at_most(up: Floats, room: Floats) -> Floats:
    """Give the raw moments of min(rise, room), (n, 3), of a lognormal rise.

    Examples
    --------
    >>> rise_at_most(np.array([[0.2, 0.05, 0.02]] * 2), np.array([0.0, 50.0])).round(3).tolist()
    [[0.0, 0.0, 0.0], [0.2, 0.05, 0.016]]
    """
    law = Sizes.of(up, np.zeros_like(up))
    log_room, sd = np.log(np.maximum(room, SMALLEST)), np.maximum(law.log_sd, SMALLEST)
    full = ndtr((law.log_mean - log_room) / sd)
    moments = [
        np.exp(k * law.log_mean + (k * sd) ** 2 / 2)
        * ndtr((log_room - law.log_mean - k * sd**2) / sd)
        + room**k * full
        for k in (1, 2, 3)
    ]
    possible = (room > 0.0) & (up[:, 0] > 0.0)
    return np.where(possible[:, None], np.stack(moments, axis=1), 0.0)


def fall_beyond(down: Floats, spare: Floats) -> Floats:
    """Give the raw moments of what a fall takes of the rest beyond ``spare``, (n, 3).

    The fall d is beta in (0, 1); what it takes is (d - spare) / (1 - spare) where that is positive.
    Nothing to spare: the moments that came in.

    Examples
    --------
    >>> fall_beyond(np.array([[0.5, 1 / 3, 0.25]] * 2), np.array([0.0, 0.5])).round(4).tolist()
    [[0.5, 0.3333, 0.25], [0.25, 0.1667, 0.125]]
    """
    law = Sizes.of(np.zeros_like(down), down)
    inner = (law.fall > 0.0) & (law.fall < 1.0)
    fall = np.where(inner, law.fall, 0.5)
    strength = np.where(inner, np.maximum(law.strength, SMALLEST), 2.0)
    excess = _beta_excess(fall * strength, (1.0 - fall) * strength, spare)
    left = np.maximum(1.0 - spare, SMALLEST)[:, None] ** np.arange(1, 4)
    sure = np.where((law.fall >= 1.0)[:, None], 1.0, 0.0)  # all or nothing
    cut = np.where(inner[:, None], np.maximum(excess, 0.0) / left, sure)
    return np.where((spare <= 0.0)[:, None], down, cut)


def _beta_excess(a: Floats, b: Floats, spare: Floats) -> Floats:
    """Give the mean of (d - spare)^k where d is above it, k = 1 to 3, of a beta(a, b)."""
    first = a / (a + b)
    second = first * (a + 1.0) / (a + b + 1.0)
    whole = [np.ones_like(a), first, second, second * (a + 2.0) / (a + b + 2.0)]
    above = [whole[k] * betaincc(a + k, b, spare) for k in range(4)]
    return np.stack(
        [
            above[1] - spare * above[0],
            above[2] - 2 * spare * above[1] + spare**2 * above[0],
            above[3] - 3 * spare * above[2] + 3 * spare**2 * above[1] - spare**3 * above[0],
        ],
        axis=1,
    )


def _drifting(
    moments: Floats, chance: Floats, cut: Callable[[Floats, Floats], Floats], at: Floats
) -> Floats:
    """Cut the rise or fall of accounts that count as flat; the moments count those that stay."""
    some = chance[:, None]
    given = np.divide(moments, some, out=np.zeros(moments.shape), where=some > 0.0)
    return np.where((at > 0.0)[:, None] | (cut is rise_at_most), some * cut(given, at), moments)
