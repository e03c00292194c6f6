"""The laws from which a simulated account draws how far it rises, falls or drifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Drift", "Sizes"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Sizes:
    """Laws of the relative rise (lognormal) and fall (beta), from their first two moments."""

    log_mean: Floats
    log_sd: Floats
    fall: Floats
    strength: Floats
    inner: Bools

    @classmethod
    def of(cls, up: Floats, down: Floats) -> Sizes:
        """Fit the laws of some accounts to raw moments of their rise and fall, (n, 3) each.

        Examples
        --------
        >>> sizes = Sizes.of(np.array([[0.2, 0.05, 0.02]]), np.array([[0.3, 0.1, 0.04]]))
        >>> float(sizes.rises(np.zeros(10_000, int), np.random.default_rng(0)).mean().round(2))
        0.2
        """
        mean = np.maximum(up[:, 0], 1e-12)
        spread = np.log(np.maximum(up[:, 1] / mean**2, 1.0))
        fall = np.clip(down[:, 0], 0.0, 1.0)
        room = fall * (1.0 - fall)
        variance = np.clip(down[:, 1] - fall**2, 1e-9 * room, 0.999 * room)
        strength = np.divide(room, variance, out=np.ones_like(room), where=variance > 0.0) - 1.0
        inner = (fall > 0.0) & (fall < 1.0)
        return cls(np.log(mean) - spread / 2.0, np.sqrt(spread), fall, strength, inner)

    def rises(self, who: NDArray[np.int64], rng: np.random.Generator) -> Floats:
        """Draw a relative rise for each account named."""
        return np.exp(self.log_mean[who] + self.log_sd[who] * rng.standard_normal(len(who)))

    def falls(self, who: NDArray[np.int64], rng: np.random.Generator) -> Floats:
        """Draw a relative fall for each account named."""
        out = self.fall[who]
        inner = slice(None) if self.inner.all() else self.inner[who]
        strength = self.strength[who[inner]]
        a = out[inner] * strength
        out[inner] = rng.beta(a, strength - a)
        return out


@dataclass(frozen=True)
class Drift:
    """How an account drifts that counts as flat: chances of a rise and a fall, and their sizes.

    The moments that go in count the zeros of accounts that stay. Of the chances that fit the
    first two moments, a two-part law takes the one whose lognormal size has the third as well.
    """

    up: Floats
    down: Floats
    sizes: Sizes

    @classmethod
    def of(cls, up: Floats, down: Floats) -> Drift:
        """Split raw moments with zeros, (n, 3) each, into chances and sizes.

        Examples
        --------
        >>> some, size = 0.3, np.array([0.05, 0.05**2, 0.05**3])  # three in ten rise by 5 %
        >>> drift = Drift.of(some * size[None], np.zeros((1, 3)))
        >>> drift.up.round(6).tolist(), drift.down.tolist()
        ([0.3], [0.0])
        >>> np.exp(drift.sizes.log_mean).round(6).tolist()
        [0.05]
        """
        (least_up, rising), (least_down, falling) = _chance(up), _chance(down)
        least, more = least_up + least_down, (rising - least_up) + (falling - least_down)
        room = np.maximum(1.0 - least, 0.0)
        share = np.minimum(1.0, np.divide(room, more, out=np.ones_like(room), where=more > room))
        crowded = np.maximum(least, 1.0)  # moments that no one account has together
        rising = (least_up + share * (rising - least_up)) / crowded
        falling = (least_down + share * (falling - least_down)) / crowded
        return cls(rising, falling, Sizes.of(_given(up, rising), _given(down, falling)))


def _chance(moments: Floats) -> tuple[Floats, Floats]:
    """Give the least chance that two moments allow, and the one that fits three."""
    first, second, third = moments.T
    moves = (first > 0.0) & (second > 0.0)
    second = np.where(moves, second, 1.0)
    least = np.where(moves, np.minimum(first / second * first, 1.0), 0.0)
    fitting = np.where(moves, third * (first / second) ** 3, 0.0)
    return least, np.clip(fitting, least, 1.0 * moves)


def _given(moments: Floats, chance: Floats) -> Floats:
    """Give the moments of a move, given that there is one."""
    some = chance[:, None]
    return np.divide(moments, some, out=np.zeros(moments.shape), where=some > 0.0)
