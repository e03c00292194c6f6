"""The health model: from snapshot rows to the probabilities of every state at every lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from features.asof import as_dates, lead_of
from models.calendar import CalendarFacts, calendar_facts
from models.metered import MeteredGrowth, metered_facts, metered_outlook
from models.outcomes import LEADS, Outlook
from models.schema import refuse_other_types
from models.score import Score
from models.sizes import Sizes
from models.target import TARGETS, TargetModel
from models.uplift import uplift_by_lead, uplifted

__all__ = ["HealthModel", "Prediction"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class HealthModel:
    """Everything learned that a prediction needs.

    Attributes
    ----------
    signals : tuple of str
        Slugs of the signals, in the order of the boosters' columns.
    targets : mapping of str to TargetModel
        ``churn``, ``expand``, ``contract``.
    locked_rate : float
        Monthly rate of leaving in a month that holds no decision (empirical Bayes).
    returns : array of float, (12,)
        Probability that an account that left is paying again ``d`` months later, d = 0..11.
    sizes : Sizes
    fiscal_year_starts : int
    metered : MeteredGrowth, optional
        How accounts move that are billed by usage; None where the history has none.
    """

    signals: tuple[str, ...]
    targets: Mapping[str, TargetModel]
    locked_rate: float
    returns: Floats
    sizes: Sizes
    fiscal_year_starts: int = 1
    metered: MeteredGrowth | None = None

    def values(self, frame: pd.DataFrame) -> Floats:
        """Take the signals out of snapshot rows, by name.

        Raises
        ------
        DataRejected
            ``feature.schema_mismatch`` if a signal of the model is not in the snapshot, or is no
            number there.
        """
        refuse_other_types(self.signals, frame)
        return frame.loc[:, list(self.signals)].to_numpy(dtype=float)

    def served_by(self, serves: Mapping[str, str]) -> HealthModel:
        """Give the same model with ``score`` or ``calendar`` serving each target."""
        targets = {name: replace(one, serves=serves[name]) for name, one in self.targets.items()}
        return replace(self, targets=targets)

    def calendar_only(self) -> HealthModel:
        """Give the same model with the calendar serving every target: the first baseline."""
        return self.served_by(dict.fromkeys(self.targets, "calendar"))

    def bare(self) -> HealthModel:
        """Give the calendar alone, without the scores that do not serve."""
        targets = {
            name: replace(target, serves="calendar", score=Score(None, None))
            for name, target in self.targets.items()
        }
        return replace(self, targets=targets)

    def predict(self, frame: pd.DataFrame) -> Prediction:
        """Predict every state of every row at leads 1 to 12.

        Parameters
        ----------
        frame : DataFrame
            Rows of ``features.snapshot.snapshot``.
        """
        facts = calendar_facts(frame, self.fiscal_year_starts)
        values = self.values(frame)
        scores = {name: self.targets[name].scores(values) for name in TARGETS}
        logits = {name: self.targets[name].logits(facts, scores[name]) for name in TARGETS}
        booked = _booked(frame)
        free = facts.free()
        hazard = np.where(free, expit(logits["churn"]), self.locked_rate)
        hazard = np.where(booked.settled, 0.0, hazard)
        return Prediction(
            facts, values, scores, logits, free, hazard, self._not_paying(hazard), booked
        )

    def outlook(self, frame: pd.DataFrame, prediction: Prediction) -> Outlook:
        """Give the prediction in the words that forecasts and lists read."""
        band = prediction.facts.band
        decided, leads = prediction.facts.decided_by_lead(), np.arange(LEADS)[None, :]
        mrr = frame["mrr_micros"].to_numpy(dtype=float) / 1e6
        told = Outlook(
            accounts=frame,
            p_churn=prediction.p_churn,
            p_contract=prediction.p_contract,
            p_expand=prediction.p_expand,
            up_moments=self._growth(mrr, prediction.scores["expand"]),
            down_moments=self.sizes.down[band],
            booked_churn=prediction.booked.churn,
            booked_mrr_micros=prediction.booked.mrr_micros,
            drift_up=self.sizes.creep.up[decided, leads],
            drift_down=self.sizes.creep.down[decided, leads],
        )
        facts = metered_facts(frame, band)
        told = metered_outlook(told, facts, self.metered)
        grown = facts.billed & (self.metered is not None)
        return uplifted(told, uplift_by_lead(frame), decided == 0, grown)

    def _growth(self, mrr: Floats, score: Floats) -> Floats:
        """Size an expansion by MRR, lead and score, or without a score where none serves."""
        scored = self.targets["expand"].uses_score
        return (self.sizes.growth if scored else self.sizes.plain).moments(mrr, score)

    def _not_paying(self, hazard: Floats) -> Floats:
        """Chance of not paying at each lead: left by then and not back; never falls with the lead."""
        paying = np.cumprod(1 - hazard, axis=1)
        leaving = np.concatenate([np.ones((len(hazard), 1)), paying[:, :-1]], axis=1) * hazard
        gone = np.zeros_like(hazard)
        for lead in range(LEADS):
            back = self.returns[: lead + 1][::-1]
            gone[:, lead] = (leaving[:, : lead + 1] * (1 - back)).sum(axis=1)
        return np.asarray(np.maximum.accumulate(gone, axis=1))


@dataclass(frozen=True)
class Booked:
    """What is settled already: notice given, and successors signed.

    Attributes
    ----------
    churn : array of bool, (n, 12)
        Service has ended after notice, and nothing signed has followed it by then.
    mrr_micros : array of float, (n, 12)
        What a successor line pays from its start on; NaN before, and where none is signed.
    settled : array of bool, (n, 12)
        Nothing is open in that month: a successor is in force, or notice is running.
    noticed, renewed : array of bool, (n,)
        Notice was given, however far its end; a successor is signed and no notice given.
    """

    churn: Bools
    mrr_micros: Floats
    settled: Bools
    noticed: Bools
    renewed: Bools


@dataclass(frozen=True)
class Prediction:
    """Probabilities of ``n`` accounts at leads 1 to 12, and what they were made of.

    Attributes
    ----------
    facts : CalendarFacts
    values : array, (n, signals)
    scores, logits : mapping of target to array, (n,) and (n, 12)
    free : array of bool, (n, 12)
        Leads at which the account can leave.
    hazard : array, (n, 12)
        Monthly hazard of leaving, given still paying, nothing booked.
    gone : array, (n, 12)
        Chance of not paying at the lead, nothing booked.
    booked : Booked
    """

    facts: CalendarFacts
    values: Floats
    scores: Mapping[str, Floats]
    logits: Mapping[str, Floats]
    free: Bools
    hazard: Floats
    gone: Floats
    booked: Booked

    @property
    def p_churn(self) -> Floats:
        """Probability of not paying at the lead; 1 where notice is given, 0 where renewal is signed."""
        signed = np.isfinite(self.booked.mrr_micros)
        return np.where(self.booked.churn, 1.0, np.where(signed, 0.0, self.gone))

    @property
    def p_expand(self) -> Floats:
        """Probability of paying more (organic, by at least 2 %) at the lead."""
        return (1 - self.p_churn) * expit(self.logits["expand"])

    @property
    def p_contract(self) -> Floats:
        """Probability of paying less (organic, by at least 2 %) at the lead."""
        down = (1 - expit(self.logits["expand"])) * expit(self.logits["contract"])
        return np.asarray((1 - self.p_churn) * down)


def _booked(frame: pd.DataFrame) -> Booked:
    """Read notices and signed successors, in months ahead of each row's as-of date.

    A successor that starts after service has ended (or it would have withdrawn the notice) leaves
    a gap: the account is gone, and then there again.
    """
    notice = _first_lead(frame, "notice_ends_on")
    successor = _first_lead(frame, "successor_on")
    leads = np.arange(1, LEADS + 1)[None, :]
    noticed, coming = np.isfinite(notice), np.isfinite(successor)
    amount = frame["successor_mrr_micros"].to_numpy(dtype=float)
    signed = leads >= successor[:, None]
    churn = (leads >= notice[:, None]) & ~signed
    return Booked(
        churn=churn,
        mrr_micros=np.where(signed, amount[:, None], np.nan),
        settled=signed | (noticed[:, None] & ~churn),
        noticed=noticed,
        renewed=coming & ~noticed,
    )


def _first_lead(frame: pd.DataFrame, column: str) -> Floats:
    """First lead whose day lies on or after the date of a column; inf where there is none."""
    pairs = zip(as_dates(frame["as_of"]), as_dates(frame[column]), strict=True)
    found = [lead_of(day, when) if day and when else np.inf for day, when in pairs]
    return np.array(found, dtype=float)
