"""The probability of renewing: what an account's next decision will be.

Every account gets one, on one of three bases: ``decision`` (the contract's end lies within
twelve months: survival through that month), ``extrapolated`` (it lies further ahead: the chance
of a decision twelve months out, after surviving until then), ``horizon`` (every month is a
decision: survival over the horizon).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.outcomes import LEADS
from models.prediction import HealthModel, Prediction

__all__ = ["BASES", "RENEWAL_HORIZON", "Renewal"]

Floats = NDArray[np.float64]

BASES = ("decision", "extrapolated", "horizon")
RENEWAL_HORIZON = 3


class Renewal:
    """Renewal probabilities of the accounts of one prediction, as a function of their scores.

    Parameters
    ----------
    model : HealthModel
    prediction : Prediction
    """

    def __init__(self, model: HealthModel, prediction: Prediction) -> None:
        self._model = model
        self._prediction = prediction
        facts = prediction.facts
        monthly = facts.cycle == 1
        far = ~monthly & ~(facts.decision <= LEADS)
        self.basis = np.where(monthly, BASES[2], np.where(far, BASES[1], BASES[0]))
        self._far = far
        last = np.where(monthly, RENEWAL_HORIZON, np.where(far, LEADS, facts.decision))
        self._window = np.arange(1, LEADS + 1)[None, :] <= last[:, None]
        self._wait = np.where(far, np.minimum(facts.decision, 36.0) - LEADS, 0.0)

    def given(self, score: Floats) -> Floats:
        """Give p_renew if the churn scores were these, (n,): 1 where a successor is signed."""
        prediction, model = self._prediction, self._model
        logits = model.targets["churn"].logits(prediction.facts, score)
        hazard = np.where(prediction.free, expit(logits), model.locked_rate)
        hazard[self._far, LEADS - 1] = expit(logits[self._far, LEADS - 1])
        stays = np.prod(np.where(self._window, 1 - hazard, 1.0), axis=1)
        return np.asarray(stays * (1 - model.locked_rate) ** self._wait)

    def modelled(self) -> Floats:
        """Give p_renew as the model says it, nothing booked."""
        return self.given(self._prediction.scores["churn"])

    def booked(self) -> Floats:
        """Give p_renew with what is booked: 0 after notice, 1 where a successor is signed."""
        booked = self._prediction.booked
        return np.where(booked.noticed, 0.0, np.where(booked.renewed, 1.0, self.modelled()))

    def leaves_within_a_year(self) -> Floats:
        """Chance of leaving by the next decision or within twelve months, whichever is sooner."""
        facts = self._prediction.facts
        last = np.where(facts.cycle == 1, LEADS, np.minimum(facts.decision, LEADS)).astype(int)
        rows = np.arange(len(facts))
        modelled = 1 - np.cumprod(1 - self._prediction.hazard, axis=1)[rows, last - 1]
        return np.where(self._prediction.booked.churn.any(axis=1), 1.0, modelled)
