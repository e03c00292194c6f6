"""The one shared factor: what moves all accounts of a book at once.

Every account's chances lean on one standard normal number z that all accounts share: +tau z on
the logit of churn, +1.3 tau z on that of contraction, -0.5 tau z on that of expansion (the last
two given that the account still pays). Given z the accounts are independent. Each account's
level is solved so that the mean over z is exactly the probability that went in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy.special import logit, ndtri

__all__ = [
    "LEAN",
    "Chances",
    "Leaning",
    "blocks",
    "factor_nodes",
    "factor_strata",
    "few_nodes",
    "lean",
]

Floats = NDArray[np.float64]

LEAN = {"churn": 1.0, "contract": 1.3, "expand": -0.5}
"""How strongly each event leans on the factor, as a multiple of tau."""

REACH = 6.0
CERTAIN = 1.0 - 1e-12
IMPOSSIBLE = 1e-12
SMALL_STEP = 3e-5
MILD = 0.5  # lean of a logit up to which its level is guessed from its curvature
BLOCK = 2048
FEW = {0.1: 5, 0.2: 7, 0.3: 9, 0.5: 13, 0.8: 17}


@dataclass(frozen=True)
class Chances:
    """Probabilities of churn, contract and expand, each (accounts, values of the factor)."""

    churn: Floats
    contract: Floats
    expand: Floats

    @property
    def flat(self) -> Floats:
        """Chance of none of the three; what rounding leaves below zero is zero."""
        return np.asarray(np.maximum(1.0 - self.churn - self.contract - self.expand, 0.0))


@dataclass(frozen=True)
class Leaning:
    """The solved levels: logits at z = 0, infinite where an event is certain or impossible.

    Attributes
    ----------
    churn, contract, expand : array of float, (n,)
        Logit of not paying; of paying less given paying and not more; of paying more given paying.
    tau : float
        Scale of the factor on the churn logit.
    """

    churn: Floats
    contract: Floats
    expand: Floats
    tau: float

    def at(self, z: Floats) -> Chances:
        """Give the chances at values of the factor.

        Examples
        --------
        >>> leaning = lean(np.array([0.2]), np.array([0.1]), np.array([0.3]), 0.0)
        >>> leaning.at(np.array([-1.0, 1.0])).churn.round(6)
        array([[0.2, 0.2]])
        """
        leave = _chance(self.churn, self.tau * LEAN["churn"] * z)
        rise = _chance(self.expand, self.tau * LEAN["expand"] * z)
        fall = _chance(self.contract, self.tau * LEAN["contract"] * z)
        stay = 1.0 - leave
        expand = stay * rise
        return Chances(leave.T, ((stay - expand) * fall).T, expand.T)

    def of(self, who: NDArray[np.int64] | slice) -> Leaning:
        """Take some of the accounts, by position."""
        return Leaning(self.churn[who], self.contract[who], self.expand[who], self.tau)


def factor_nodes(tau: float) -> tuple[Floats, Floats]:
    """Give evenly spaced nodes of a standard normal and their weights.

    Even spacing integrates smooth functions of a normal to machine precision, and a spline over
    such nodes gives what lies between them; a large tau makes the logit steeper and takes twice
    the nodes, a small one half.

    Examples
    --------
    >>> z, weight = factor_nodes(0.3)
    >>> len(z), round(float(weight.sum()), 12), round(float(weight @ z**2), 6)
    (25, 1.0, 1.0)
    """
    z = np.linspace(-REACH, REACH, 13 if tau <= 0.1 else 25 if tau <= 1.5 else 49)
    weight = np.exp(-0.5 * z**2)
    return z, weight / weight.sum()


def few_nodes(tau: float) -> tuple[Floats, Floats]:
    """Give the fewest nodes over which means are exact to 1e-8; nothing is splined over them.

    Examples
    --------
    >>> z, weight = few_nodes(0.2)
    >>> len(z), round(float(weight @ z**4), 6)
    (7, 3.0)
    """
    count = next((count for most, count in FEW.items() if tau <= most), None)
    if count is None:
        return factor_nodes(tau)
    return _hermite(count)


@cache
def _hermite(count: int) -> tuple[Floats, Floats]:
    """Give the nodes of Gauss and Hermite, and their weights; nobody writes into them."""
    z, weight = hermegauss(count)
    weight /= weight.sum()
    z.flags.writeable = weight.flags.writeable = False
    return z, weight


def factor_strata(count: int) -> Floats:
    """Give equally likely values of a standard normal, with variance one.

    Examples
    --------
    >>> factor_strata(2).tolist()
    [-1.0, 1.0]
    """
    z = np.asarray(ndtri((np.arange(count) + 0.5) / count))
    return np.asarray(z / np.sqrt(np.mean(z**2)))


def lean(p_churn: Floats, p_contract: Floats, p_expand: Floats, tau: float) -> Leaning:
    """Solve the levels so that the mean over the factor is the given probability.

    Parameters
    ----------
    p_churn, p_contract, p_expand : array of float, (n,)
        Probabilities of the states; exactly 0 and 1 are allowed.
    tau : float
        Scale of the factor on the churn logit, zero for independent accounts.

    Examples
    --------
    >>> leaning = lean(np.array([0.2, 0.0]), np.array([0.1, 0.5]), np.array([0.3, 0.5]), 0.8)
    >>> z, weight = factor_nodes(0.8)
    >>> (leaning.at(z).contract @ weight).round(6).tolist()
    [0.1, 0.5]
    """
    parts = [
        _lean(p_churn[block], p_contract[block], p_expand[block], tau)
        for block in blocks(len(p_churn))
    ]
    churn, contract, expand = (np.concatenate(levels) for levels in zip(*parts, strict=True))
    return Leaning(churn, contract, expand, tau)


def blocks(accounts: int) -> list[slice]:
    """Cut a book into blocks that fit a processor's cache; an empty book is one block.

    Examples
    --------
    >>> blocks(3000)
    [slice(0, 2048, None), slice(2048, 4096, None)]
    """
    return [slice(first, first + BLOCK) for first in range(0, max(accounts, 1), BLOCK)]


def _lean(
    p_churn: Floats, p_contract: Floats, p_expand: Floats, tau: float
) -> tuple[Floats, Floats, Floats]:
    """Solve churn, then contraction and expansion given paying."""
    z, weight = few_nodes(tau)
    everyone = np.repeat(weight[:, None], len(p_churn), axis=1)
    churn = _level(p_churn, everyone, tau * LEAN["churn"] * z)
    paying = everyone * (1.0 - _chance(churn, tau * LEAN["churn"] * z))
    expand = _level(p_expand, paying, tau * LEAN["expand"] * z)
    not_more = paying * (1.0 - _chance(expand, tau * LEAN["expand"] * z))
    contract = _level(p_contract, not_more, tau * LEAN["contract"] * z)
    return churn, contract, expand


def _chance(level: Floats, shift: Floats) -> Floats:
    """Give expit(level + shift), (shifts, levels): odds multiply, so there is no exp in it."""
    odds = np.exp(-shift)[:, None] * np.exp(-level)
    odds += 1.0
    return np.asarray(np.divide(1.0, odds, out=odds))


def _level(target: Floats, weight: Floats, shift: Floats) -> Floats:
    """Solve sum(weight * expit(level + shift)) = target, by Newton's steps on the logit scale."""
    total = weight.sum(axis=0)
    possible = total > IMPOSSIBLE
    share = np.clip(np.divide(target, total, out=np.zeros_like(total), where=possible), 0.0, 1.0)
    share = np.where(share >= CERTAIN, 1.0, np.where(share <= IMPOSSIBLE, 0.0, share))
    goal = np.asarray(logit(share))
    free = np.isfinite(goal)
    if not (free.any() and np.any(shift)):
        return goal
    part = weight / np.where(possible, total, 1.0)
    part[:, ~possible] = 1.0 / len(shift)  # these columns are solved for nothing, and harmlessly
    level = _newton(np.where(free, goal, 0.0), np.where(free, share, 0.5), part, shift)
    return np.where(free, level, goal)


def _newton(goal: Floats, share: Floats, part: Floats, shift: Floats) -> Floats:
    """Solve the levels that can be solved; ``part`` sums to 1 over the shifts."""
    middle = np.einsum("mn,m->n", part, shift)
    spread = np.einsum("mn,m->n", part, shift**2) - middle**2
    level = goal.copy()
    if spread.max() <= MILD**2:
        level -= middle + 0.5 * spread * (1.0 - 2.0 * share)
    for _ in range(50):
        chance = _chance(level, shift)
        near = part * chance
        mean = near.sum(axis=0)
        slope = (mean - np.einsum("mn,mn->n", near, chance)) / (mean * (1.0 - mean))
        step = (goal - logit(mean)) / slope
        level += step
        if np.abs(step).max() < SMALL_STEP:  # Newton's error is its last step squared
            break
    return level
