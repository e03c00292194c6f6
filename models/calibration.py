"""Calibration: a small map from a predicted logit to one that has come true as often as it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

__all__ = [
    "FIT",
    "IDENTITY",
    "Calibration",
    "calibration_slope",
    "choose_calibration",
    "fit_calibration",
    "observed_over_expected",
    "well_calibrated",
]

Floats = NDArray[np.float64]
KINDS = ("identity", "intercept", "logistic", "beta")


@dataclass(frozen=True)
class Calibration:
    """A map of the logit: ``early``/``late`` intercept (lead up to 3, beyond) and two slopes.

    The mapped logit is ``intercept + a * log p - b * log(1 - p)``: identity is (0, 1, 1), a
    logistic map has a = b, the beta map has both free.

    Examples
    --------
    >>> Calibration("intercept", -0.5, 0.0, 1.0, 1.0).apply(np.array([0.0]), np.array([1]))
    array([-0.5])
    """

    kind: str
    early: float
    late: float
    a: float
    b: float

    def apply(self, logits: Floats, leads: NDArray[np.int64]) -> Floats:
        """Map logits, each at its lead in months."""
        intercept = np.where(leads <= 3, self.early, self.late)
        log_p, log_q = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
        return np.asarray(intercept + self.a * log_p - self.b * log_q)

    def to_json(self) -> dict[str, Any]:
        """Give the map as JSON."""
        return dict(self.__dict__)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Calibration:
        """Read the map from JSON."""
        return cls(**values)


FIT = (0.8, 1.25)
"""Calibration slope and observed / expected that are right enough to be called calibrated."""

IDENTITY = Calibration("identity", 0.0, 0.0, 1.0, 1.0)

_FREE: Mapping[str, NDArray[np.float64]] = {
    "intercept": np.array([[1, 0], [0, 1], [0, 0], [0, 0]], dtype=float),
    "logistic": np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], dtype=float),
    "beta": np.eye(4),
}
"""How the free parameters of a kind move (early, late, a, b) from the identity."""


def fit_calibration(
    kind: str, logits: Floats, leads: NDArray[np.int64], y: Floats, weight: Floats
) -> Calibration:
    """Fit one kind of map by penalised likelihood (a standard normal prior on every parameter).

    Parameters
    ----------
    kind : {"identity", "intercept", "logistic", "beta"}
    logits, leads, y, weight : array, (rows,)
        Out-of-fold logits, their leads in months, outcomes and row weights.
    """
    if kind == "identity":
        return IDENTITY
    free = _FREE[kind]
    early = (leads <= 3).astype(float)
    log_p, log_q = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    design = np.column_stack([early, 1 - early, log_p, -log_q]) @ free

    def loss(parameters: Floats) -> tuple[float, Floats]:
        mapped = logits + design @ parameters
        fit = float(weight @ (np.logaddexp(0, mapped) - y * mapped))
        slope = (weight * (expit(mapped) - y)) @ design + parameters
        return fit + float(parameters @ parameters) / 2, slope

    lower = [(None, None)] * 2 + [(-0.95, None)] * (free.shape[1] - 2)
    solved = minimize(loss, np.zeros(free.shape[1]), jac=True, method="L-BFGS-B", bounds=lower)
    shift = free @ solved.x
    return Calibration(kind, *(float(v) for v in shift + np.array([0.0, 0.0, 1.0, 1.0])))


def choose_calibration(
    logits: Floats,
    leads: NDArray[np.int64],
    y: Floats,
    weight: Floats,
    origin: NDArray[np.int64],
) -> Calibration:
    """Choose the simplest map within one standard error of the best, judged origin by origin.

    Each origin is predicted by a map fitted on the rows of the origins before it; the error is
    that of the difference, as all maps share an origin's luck. With fewer than three origins
    nothing is chosen but identity.
    """
    origins = np.unique(origin)
    if len(origins) < 3:
        return IDENTITY
    losses = {kind: _replayed(kind, logits, leads, y, weight, origin) for kind in KINDS}
    best = min(KINDS, key=lambda kind: losses[kind].mean())
    behind = {kind: losses[kind] - losses[best] for kind in KINDS}
    near = {k: d.mean() <= d.std(ddof=1) / np.sqrt(len(d)) for k, d in behind.items()}
    simplest = next(kind for kind in KINDS if near[kind])
    return fit_calibration(simplest, logits, leads, y, weight)


def _replayed(
    kind: str,
    logits: Floats,
    leads: NDArray[np.int64],
    y: Floats,
    weight: Floats,
    origin: NDArray[np.int64],
) -> Floats:
    result = []
    for now in np.unique(origin)[1:]:
        past, here = origin < now, origin == now
        mapped = fit_calibration(kind, logits[past], leads[past], y[past], weight[past])
        eta = mapped.apply(logits[here], leads[here])
        loss = np.logaddexp(0, eta) - y[here] * eta
        result.append(float(np.average(loss, weights=weight[here])))
    return np.array(result)


def calibration_slope(logits: Floats, y: Floats) -> tuple[float, float]:
    """Give the calibration slope and its standard error.

    The slope is the factor by which logits should be stretched: 1 is right, less is overconfident.

    Examples
    --------
    >>> slope, error = calibration_slope(np.array([-1.0, 1.0] * 50), np.array([0.0, 1.0] * 50))
    >>> slope > 1, error > 0
    (True, True)
    """

    def loss(parameters: Floats) -> float:
        eta = parameters[0] + parameters[1] * logits
        return float((np.logaddexp(0, eta) - y * eta).sum()) + 1e-3 * float(parameters[1] ** 2)

    level, slope = minimize(loss, np.array([0.0, 1.0])).x
    p = expit(level + slope * logits)
    weight = p * (1 - p) + 1e-12
    centred = logits - np.average(logits, weights=weight)
    return float(slope), float(1 / np.sqrt(weight @ centred**2 + 2e-3))


def observed_over_expected(logits: Floats, y: Floats) -> float:
    """Give events seen over events expected; NaN where none are expected."""
    expected = float(expit(logits).sum())
    return float(y.sum()) / expected if expected > 0 else float("nan")


def well_calibrated(judged: Mapping[str, Any]) -> bool:
    """Say whether slope and observed / expected lie in ``FIT``, or within two errors of 1.

    Examples
    --------
    >>> well_calibrated({"slope": 0.5, "slope_error": 0.1, "o_over_e": 1.0, "o_over_e_error": 0.1})
    False
    """
    return all(_fits(judged[name], judged[f"{name}_error"]) for name in ("slope", "o_over_e"))


def _fits(value: float | None, error: float | None) -> bool:
    if value is None or error is None:
        return True
    return bool(FIT[0] <= value <= FIT[1] or abs(value - 1) <= 2 * error)
