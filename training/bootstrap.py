"""The bootstrap of scores: whole accounts and whole quarters, every score on the same draws.

A score is taken apart into what each row adds to it (its influence: the first-order part, which
sums to nothing). Rows of one account are drawn together. Quarters are drawn beside them, as far
as they differ by more than the luck of their rows: of a handful of quarters most of what differs
is that luck, and it is in the accounts' draws already. So the spread of the draws is the two-way
one of Cameron, Gelbach and Miller (2011), accounts + quarters - rows, and never less than the
accounts' own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEVEL", "RESAMPLES", "Clusters", "bounds"]

Floats = NDArray[np.float64]

RESAMPLES = 400
LEVEL = 0.90
"""What an interval of a score covers."""


@dataclass(frozen=True)
class Clusters:
    """Which account and which quarter each row belongs to.

    Attributes
    ----------
    account, origin : array of int, (n,)
    """

    account: NDArray[np.int64]
    origin: NDArray[np.int64]

    def draws(self, influence: Floats, seed: int) -> Floats:
        """Draw how far each score lies from what was found.

        Parameters
        ----------
        influence : array of float, (n, scores)
            What each row adds to each score; every column sums to nothing.
        seed : int

        Returns
        -------
        array of float, (400, scores)

        Examples
        --------
        >>> ten = Clusters(np.arange(10), np.zeros(10, dtype=int))
        >>> found = ten.draws(np.array([[-0.1], [0.1]] * 5), seed=0)
        >>> found.shape, bool(0.2 < found.std() < 0.45)
        ((400, 1), True)
        """
        rng = np.random.default_rng(seed)
        by_account, by_origin = _sums(self.account, influence), _sums(self.origin, influence)
        excess = _beyond_luck(influence, by_origin)
        return (_counts(rng, len(by_account)) - 1) @ by_account + excess * (
            (_counts(rng, len(by_origin)) - 1) @ by_origin
        )


def bounds(found: float, draws: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Give the bounds of a score's interval from its draws.

    Examples
    --------
    >>> bounds(1.0, np.linspace(-1, 1, 401))
    (0.1, 1.9)
    """
    outside = (1 - level) / 2
    low, high = np.quantile(draws, [outside, 1 - outside])
    return round(found + float(low), 12), round(found + float(high), 12)


def _sums(of: NDArray[np.int64], influence: Floats) -> Floats:
    """Add rows up by cluster, (clusters, scores)."""
    clusters, inverse = np.unique(of, return_inverse=True)
    total = np.zeros((len(clusters), influence.shape[1]))
    np.add.at(total, inverse, influence)
    return total


def _counts(rng: np.random.Generator, clusters: int) -> Floats:
    """Draw how often each cluster is taken, (400, clusters)."""
    even = np.full(clusters, 1 / clusters)
    return rng.multinomial(clusters, even, RESAMPLES).astype(np.float64)


def _beyond_luck(influence: Floats, by_origin: Floats) -> Floats:
    """Give by how much quarters' draws are scaled, per score: none where luck explains them."""
    quarters = len(by_origin)
    if quarters < 2:
        return np.zeros(influence.shape[1])
    spread = (by_origin**2).sum(axis=0) * quarters / (quarters - 1)
    luck = (influence**2).sum(axis=0)
    excess = np.clip(spread - luck, 0.0, None) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.sqrt(excess * quarters / (quarters - 1)))
