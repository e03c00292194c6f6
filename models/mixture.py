"""Quantiles of a sum whose first three cumulants are known at each value of the shared factor.

Given the factor a sum is a shifted gamma with the right mean, variance and skewness (a normal
where it is not skewed). The cumulants are splined from a few nodes to a dense grid of factor
values, and quantiles of the mixture are found as roots. A coarse mixture would be a staircase.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import elementwise
from scipy.special import gammainc, gammaincc, ndtr

__all__ = ["Mixture", "mixture", "quantiles", "quantiles_together", "shifted_gamma_cdf"]

Floats = NDArray[np.float64]

DENSE, CORE = (49, 97, 193, 385, 769, 1201), 4.0
MILD = 0.2


def shifted_gamma_cdf(t: Floats, skew: Floats) -> Floats:
    """Give P(T <= t) of a standardised shifted gamma with a skewness.

    Below a skewness of 0.2 by the cube root of Wilson and Hilferty (1931), whose error is there
    under 1e-5; the normal is its limit.

    Examples
    --------
    >>> shifted_gamma_cdf(np.array([0.0, 0.0, 1.0]), np.array([0.0, 2.0, -2.0])).round(4).tolist()
    [0.5, 0.6321, 1.0]
    """
    size = np.maximum(np.abs(skew), 1e-5)
    shape = 4.0 / size**2
    gamma = np.maximum(shape + np.sign(skew) * np.sqrt(shape) * t, 0.0)
    upper = skew < 0.0
    root = 3.0 * np.sqrt(shape) * (np.cbrt(gamma / shape) - 1.0 + 1.0 / (9.0 * shape))
    out = np.asarray(ndtr(np.where(upper, -root, root)))
    flat = np.abs(skew) < 1e-5
    out[flat] = ndtr(t[flat])
    strong = np.abs(skew) >= MILD
    below, above = strong & ~upper, strong & upper
    out[below] = gammainc(shape[below], gamma[below])
    out[above] = gammaincc(shape[above], gamma[above])
    return out


class Mixture:
    """Distributions of q sums over a dense grid of factor values.

    Parameters
    ----------
    mean, sd, skew : array of float, (q, m)
        Of each sum at each value of the factor.
    weight : array of float, (m,)
        Weights of the values.
    """

    def __init__(self, mean: Floats, sd: Floats, skew: Floats, weight: Floats) -> None:
        self.mean, self.sd, self.skew, self.weight = mean, sd, skew, weight
        low = (mean - 12.0 * sd).min(axis=1)
        high = (mean + 12.0 * sd).max(axis=1)
        self.low, self.high = low, high
        self.certain = high - low <= 1e-12 * np.maximum(np.abs(high), 1e-300)

    @classmethod
    def of(cls, parts: Sequence[Mixture]) -> Mixture:
        """Put mixtures over the same factor values together."""
        return cls(
            np.concatenate([one.mean for one in parts]),
            np.concatenate([one.sd for one in parts]),
            np.concatenate([one.skew for one in parts]),
            parts[0].weight,
        )

    def cdf(self, x: Floats, row: NDArray[np.int64]) -> Floats:
        """Give P(sum of ``row`` <= x), element by element."""
        sd = self.sd[row]
        t = np.where(sd > 0.0, (x[:, None] - self.mean[row]) / np.where(sd > 0.0, sd, 1.0), 0.0)
        inside = shifted_gamma_cdf(t, self.skew[row])
        step = (x[:, None] >= self.mean[row]).astype(np.float64)
        below = np.where(sd > 0.0, inside, step)
        return np.asarray(np.einsum("nm,m->n", below, self.weight))

    def quantiles(self, levels: tuple[float, ...]) -> Floats:
        """Give the quantiles of every sum, (q, levels)."""
        rows = np.repeat(np.arange(len(self.low)), len(levels))
        level = np.tile(np.asarray(levels), len(self.low))
        out = self.mean[rows, 0].copy()
        free = ~self.certain[rows]
        if free.any():
            row, goal = rows[free], level[free]
            width = (self.high - self.low)[row]
            found = elementwise.find_root(
                lambda u, goal, row: self._miss(u, goal, row),
                (np.zeros_like(goal), np.ones_like(goal)),
                args=(goal, row),
                tolerances={"xatol": 1e-9, "xrtol": 0.0, "fatol": 1e-10},
            )
            out[free] = self.low[row] + found.x * width
        return out.reshape(len(self.low), len(levels))

    def _miss(self, u: Floats, goal: Floats, row: Floats) -> Floats:
        """Distance of the distribution from its goal at ``u``, a share of the sum's range."""
        at = np.asarray(row, dtype=np.int64)
        x = self.low[at] + u * (self.high - self.low)[at]
        return np.asarray(self.cdf(x, at) - goal)


def mixture(z: Floats, sums: Floats) -> Mixture:
    """Make the mixture of sums from their cumulants at the factor's nodes.

    Parameters
    ----------
    z : array of float, (m,)
        The nodes.
    sums : array of float, (q, 3, m)
        Mean, variance and third cumulant of each sum at each node.

    Examples
    --------
    >>> z = np.linspace(-6, 6, 25)
    >>> flat = np.stack([np.zeros(25) + 10, np.ones(25), np.zeros(25)])[None]
    >>> mixture(z, flat).quantiles((0.05, 0.5)).round(3).tolist()
    [[8.355, 10.0]]
    """
    dense = np.linspace(z[0], z[-1], int(_density(z, sums).max(initial=DENSE[0])))
    weight = np.exp(-0.5 * dense**2)
    mean, variance, third = np.moveaxis(CubicSpline(z, sums, axis=2)(dense), 1, 0)
    sd = _sd(mean, variance)
    skew = np.where(sd > 0.0, third / np.where(sd > 0.0, sd, 1.0) ** 3, 0.0)
    return Mixture(mean, sd, skew, weight / weight.sum())


def quantiles(z: Floats, sums: Floats, levels: tuple[float, ...]) -> Floats:
    """Give the quantiles of every sum, (q, levels), each over a grid as dense as it needs.

    So what a sum has does not depend on which others are asked for.

    Examples
    --------
    >>> z = np.linspace(-6, 6, 25)
    >>> flat = np.stack([np.zeros(25) + 10, np.ones(25), np.zeros(25)])[None]
    >>> quantiles(z, flat, (0.05, 0.5)).round(3).tolist()
    [[8.355, 10.0]]
    """
    return quantiles_together([(z, sums)], levels)[0]


def quantiles_together(
    parts: Sequence[tuple[Floats, Floats]], levels: tuple[float, ...]
) -> list[Floats]:
    """Give `quantiles` of several books' sums: the very same, with one search for all roots.

    Parameters
    ----------
    parts : sequence of tuple
        Nodes and sums of each book.
    levels : tuple of float

    Examples
    --------
    >>> z = np.linspace(-6, 6, 25)
    >>> flat = np.stack([np.zeros(25) + 10, np.ones(25), np.zeros(25)])[None]
    >>> [one.round(3).tolist() for one in quantiles_together([(z, flat), (z, 2 * flat)], (0.5,))]
    [[[10.0]], [[20.0]]]
    """
    density = [_density(z, sums) for z, sums in parts]
    out = [np.zeros((len(sums), len(levels))) for _, sums in parts]
    for count in np.unique(np.concatenate(density)) if parts else ():
        alike = [(at, np.flatnonzero(one == count)) for at, one in enumerate(density)]
        meant = [(at, rows) for at, rows in alike if len(rows)]
        made = Mixture.of([mixture(parts[at][0], parts[at][1][rows]) for at, rows in meant])
        found = np.split(made.quantiles(levels), np.cumsum([len(rows) for _, rows in meant])[:-1])
        for (at, rows), values in zip(meant, found, strict=True):
            out[at][rows] = values
    return out


def _sd(mean: Floats, variance: Floats) -> Floats:
    """Take the root of a variance; what is rounding beside the mean is no variance."""
    return np.asarray(np.sqrt(np.where(variance > 1e-15 * mean**2, variance, 0.0)))


def _density(z: Floats, sums: Floats) -> NDArray[np.int64]:
    """Give how many factor values keep the step between two means below each sum's spread."""
    mean, sd = sums[:, 0], _sd(sums[:, 0], sums[:, 1])
    step = np.abs(np.gradient(mean, z, axis=1))
    seen = (sd > 0.0) & (np.abs(z) <= CORE)
    ratio = np.where(seen, step / np.where(sd > 0.0, sd, 1.0), 0.0).max(axis=1, initial=0.0)
    enough = np.searchsorted(DENSE, (z[-1] - z[0]) * ratio + 1.0)
    return np.asarray(DENSE)[np.minimum(enough, len(DENSE) - 1)]
