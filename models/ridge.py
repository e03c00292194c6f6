"""A ridge logistic regression on an offset, with signed coefficients and few signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

__all__ = ["MAX_SIGNALS", "STRENGTH", "Ridge", "Scaling", "fit_ridge", "fit_scaling"]

Floats = NDArray[np.float64]

MAX_SIGNALS = 11
STRENGTH = 0.05
"""Inverse strength of the penalty: prior variance of a weight, on the logit per width."""
CLIP = 3.0


@dataclass(frozen=True)
class Scaling:
    """Centre and width of every signal, learned once; a missing value stands at the centre.

    Examples
    --------
    >>> scaling = fit_scaling(np.array([[0.0], [1.0], [2.0], [np.nan]]))
    >>> scaling.apply(np.array([[1.0], [np.nan], [99.0]])).ravel().tolist()
    [0.0, 0.0, 3.0]
    """

    centre: Floats
    width: Floats

    def apply(self, values: Floats) -> Floats:
        """Scale, clip at three widths, and put the missing at the centre."""
        scaled = np.clip((values - self.centre) / self.width, -CLIP, CLIP)
        return np.nan_to_num(scaled, nan=0.0)


def fit_scaling(values: Floats) -> Scaling:
    """Learn median and spread per column; a column without spread scales to zero."""
    centre, width = np.zeros(values.shape[1]), np.full(values.shape[1], np.inf)
    for column in range(values.shape[1]):
        seen = values[np.isfinite(values[:, column]), column]
        if len(seen):
            low, centre[column], high = np.quantile(seen, [0.1, 0.5, 0.9])
            spread = (high - low) / 2.56 or float(seen.std())
            width[column] = spread if spread > 0 else np.inf
    return Scaling(centre, width)


@dataclass(frozen=True)
class Ridge:
    """The fitted regression: a weight per signal, zero where it is not used.

    Attributes
    ----------
    scaling : Scaling
    weights : array of float, (signals,)
        Logit per width of the signal.
    """

    scaling: Scaling
    weights: Floats

    def contributions(self, values: Floats) -> Floats:
        """Give each signal's part of the logit, (n, signals)."""
        return self.scaling.apply(values) * self.weights

    def freedom(self, values: Floats, information: Floats) -> float:
        """Give the effective degrees of freedom: what the penalty left of one per signal.

        Parameters
        ----------
        values : array, (rows, signals)
            The rows that it was fitted on.
        information : array, (rows,)
            Weight times p (1 - p) of each.

        Examples
        --------
        >>> ridge = Ridge(Scaling(np.zeros(2), np.ones(2)), np.array([0.3, 0.0]))
        >>> round(ridge.freedom(np.array([[1.0, 9.0], [-1.0, 9.0]]), np.array([10.0, 10.0])), 2)
        0.5
        """
        used = np.flatnonzero(self.weights)
        scaled = self.scaling.apply(values)[:, used]
        centred = scaled - information @ scaled / information.sum()
        seen = (centred.T * information) @ centred
        return float(np.trace(np.linalg.solve(seen + np.eye(len(used)) / STRENGTH, seen)))

    def to_json(self) -> dict[str, Any]:
        """Give the regression as JSON (an infinite width is null)."""
        width = [float(v) if np.isfinite(v) else None for v in self.scaling.width]
        return {
            "centre": self.scaling.centre.tolist(),
            "width": width,
            "weights": self.weights.tolist(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Ridge:
        """Read the regression from JSON."""
        width = np.array([np.inf if v is None else v for v in values["width"]], dtype=float)
        return cls(Scaling(np.array(values["centre"]), width), np.array(values["weights"]))


def fit_ridge(
    values: Floats,
    y: Floats,
    weight: Floats,
    offset: Floats,
    signs: Sequence[int],
    c: float = STRENGTH,
) -> Ridge:
    """Fit at most eleven signals on top of an offset, each with its declared sign.

    Parameters
    ----------
    values : array, (rows, signals)
        Raw signals, NaN where missing.
    y, weight, offset : array, (rows,)
        Outcome, row weight, and the calendar's logit.
    signs : sequence of int
        +1, -1 or 0 (free) per signal.
    c : float
        Inverse strength of the penalty, as in scikit-learn.
    """
    scaling = fit_scaling(values)
    scaled = scaling.apply(values)
    chosen = _choose(scaled, y, weight, offset, np.asarray(signs))
    weights = np.zeros(values.shape[1])
    if len(chosen):
        design = scaled[:, chosen]
        weights[chosen] = _solve(design, y, weight, offset, np.asarray(signs)[chosen], c)
    return Ridge(scaling, weights)


def _choose(
    scaled: Floats, y: Floats, weight: Floats, offset: Floats, signs: NDArray[np.int64]
) -> list[int]:
    """Pick signals by their score test against the offset, skipping near copies."""
    p = expit(offset)
    gradient = (weight * (y - p)) @ scaled
    information = (weight * p * (1 - p)) @ scaled**2
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(information > 0, gradient / np.sqrt(information), 0.0)
    score = np.where(signs * score < 0, 0.0, score)
    chosen: list[int] = []
    for column in np.argsort(-np.abs(score), kind="stable"):
        if score[column] == 0 or len(chosen) == MAX_SIGNALS:
            break
        if all(abs(_correlation(scaled[:, column], scaled[:, one])) < 0.9 for one in chosen):
            chosen.append(int(column))
    return chosen


def _correlation(a: Floats, b: Floats) -> float:
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0


def _solve(
    design: Floats,
    y: Floats,
    weight: Floats,
    offset: Floats,
    signs: NDArray[np.int64],
    c: float,
) -> Floats:
    """Minimise the penalised log-loss within the signs; an intercept stands free beside them."""

    def loss(parameters: Floats) -> tuple[float, Floats]:
        slopes = parameters[1:]
        eta = offset + parameters[0] + design @ slopes
        fit = float(weight @ (np.logaddexp(0, eta) - y * eta))
        value = fit + float(slopes @ slopes) / (2 * c)
        residual = weight * (expit(eta) - y)
        return value, np.concatenate([[residual.sum()], residual @ design + slopes / c])

    bounds = [(None, None)] + [
        (0, None) if s > 0 else (None, 0) if s < 0 else (None, None) for s in signs
    ]
    start = np.zeros(design.shape[1] + 1)
    solved = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(solved.x[1:])
