"""A price rise in an outlook: everybody who still pays pays that much more.

The rise meets every state. An expansion grows with it. A contraction shrinks by it, and one that
is smaller than the rise counts as flat with a small rise. What counts as flat rises. So closing
MRR of an account that pays is exactly (1 + rise) times what it was.
"""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from models.outcomes import Outlook

__all__ = ["raised_price"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def raised_price(outlook: Outlook, rise: float, cells: Bools) -> Outlook:
    """Raise the price of some accounts in some months.

    Parameters
    ----------
    outlook : Outlook
    rise : float
        0.05 is 5 % more.
    cells : array of bool, (n, 12)
        Where the new price is paid, none of them booked.

    Examples
    --------
    >>> from models.raised import _powers
    >>> _powers(np.array([[1.0, 0.2, 0.04, 0.008]]), 0.05, 1.05).round(4).tolist()  # certain 20 %
    [[1.0, 0.26, 0.0676, 0.0176]]
    """
    if rise == 0.0 or not cells.any():
        return outlook
    flat = np.maximum(outlook.p_flat[cells], 0.0)
    up = _powers(_whole(outlook.up_moments[cells]), rise, 1.0 + rise)
    small, large = _split(_whole(outlook.down_moments[cells]), rise / (1.0 + rise))
    falls = outlook.p_contract[cells]
    still = _whole(outlook.drift_up[cells])
    lower = _point(outlook.drift_down[cells])
    small_drift, large_drift = _split(lower, rise / (1.0 + rise))
    still[:, 0] -= lower[:, 0]
    risen = _powers(still, rise, 1.0 + rise) + _powers(small_drift, rise, -(1.0 + rise))
    fallen = _powers(large_drift, -rise, 1.0 + rise)
    crossed = falls * small[:, 0]
    stays = flat + crossed
    crossing = falls[:, None] * _powers(small, rise, -(1.0 + rise))
    drift = _per(flat[:, None] * risen + crossing, stays)
    contract = falls * large[:, 0]
    down = _per(_powers(large, -rise, 1.0 + rise), large[:, 0])
    return replace(
        outlook,
        p_contract=_put(outlook.p_contract, cells, contract),
        up_moments=_put(outlook.up_moments, cells, up[:, 1:]),
        down_moments=_put(outlook.down_moments, cells, np.maximum(down[:, 1:], 0.0)),
        drift_up=_put(outlook.drift_up, cells, np.maximum(drift[:, 1:], 0.0)),
        drift_down=_put(
            outlook.drift_down, cells, np.maximum(_per(flat[:, None] * fallen, stays)[:, 1:], 0.0)
        ),
    )


def _whole(moments: Floats) -> Floats:
    """Put the chance, 1, before the moments of a law."""
    return np.concatenate([np.ones((len(moments), 1)), moments], axis=1)


def _point(moments: Floats) -> Floats:
    """Put before moments with zeros the chance that fits the first two: one size or none."""
    first, second = moments[:, 0], moments[:, 1]
    chance = np.divide(first**2, second, out=np.zeros_like(first), where=second > 0.0)
    return np.concatenate([np.minimum(chance, 1.0)[:, None], moments], axis=1)


def _powers(law: Floats, start: float, slope: float) -> Floats:
    """Give the moments 0 to 3 of ``start + slope X`` from those of X."""
    out = np.zeros_like(law)
    for k in range(4):
        for j in range(k + 1):
            out[:, k] += comb(k, j) * start ** (k - j) * slope**j * law[:, j]
    return out


def _split(law: Floats, edge: float) -> tuple[Floats, Floats]:
    """Split the moments of a fall into those below an edge and those above.

    The shares are those of the beta law with the same mean and spread.
    """
    total = np.maximum(law[:, 0], 1e-300)
    mean = np.clip(law[:, 1] / total, 0.0, 1.0)
    variance = law[:, 2] / total - mean**2
    room = mean * (1.0 - mean)
    spread = (variance > 1e-9 * room) & (room > 0.0)
    strength = np.divide(room, variance, out=np.ones_like(room), where=spread) - 1.0
    strength = np.clip(strength, 1e-6, None)
    share = np.repeat((mean < edge)[:, None], 4, axis=1).astype(np.float64)
    a, b = (mean * strength)[spread], ((1.0 - mean) * strength)[spread]
    for k in range(4):
        share[spread, k] = betainc(a + k, b, edge)
    share[law[:, 0] <= 0.0] = 1.0
    return law * share, law * (1.0 - share)


def _per(moments: Floats, chance: Floats) -> Floats:
    """Give moments given an event of some chance; none where it cannot be."""
    some = np.broadcast_to(chance[:, None], moments.shape)
    return np.divide(moments, some, out=np.zeros_like(moments), where=some > 0.0)


def _put(whole: Floats, cells: Bools, part: Floats) -> Floats:
    out = np.array(whole)
    out[cells] = part
    return out
