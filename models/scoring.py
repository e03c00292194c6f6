"""Scoring: snapshot rows to probabilities, amounts and reasons. Batch, API and backtest alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from features.signal import Signal
from models.amounts import amounts_at
from models.metered import mostly_metered
from models.moves import AXES
from models.outcomes import Outlook
from models.prediction import HealthModel, Prediction
from models.reasons import Explained, effects, lines, parts
from models.renewal import Renewal

__all__ = ["HORIZON", "Scored", "parts_by", "score_accounts"]

Floats = NDArray[np.float64]

HORIZON = 3
"""Months ahead of the states that a scored account carries."""


BY_GROWTH = "billed by usage: amounts by its growth, probabilities by events (docs/usage-billed.md)"
"""What is said of an account whose forecast is not made of its probabilities."""


class Scored:
    """Scored accounts: the table, and the outlook that a forecast is made of.

    Attributes
    ----------
    table : DataFrame
        One row per account, the columns of CONTRACT section 3 that a model gives, beside what
        the matrix and the lists read: ``risk`` (1 - p_renew), ``p_churn_by_decision_or_12m``,
        ``notice``, ``parts`` (what p_renew and p_expand are made of), ``growth_mrr`` (expansion of
        the account's own doing, without price and drift), ``status_reason`` (what its figures rest on; None as a
        rule).
    outlook : Outlook
    """

    def __init__(self, table: pd.DataFrame, outlook: Outlook) -> None:
        self.table = table
        self.outlook = outlook


def score_accounts(
    model: HealthModel,
    frame: pd.DataFrame,
    signals: Sequence[Signal],
    stability: Mapping[str, Mapping[str, float]],
) -> Scored:
    """Score snapshot rows.

    Parameters
    ----------
    model : HealthModel
    frame : DataFrame
        Rows of ``features.snapshot.snapshot``.
    signals : sequence of Signal
        The catalogue; the model takes those that it was trained on.
    stability : mapping of target to mapping of slug to float
        Share of the training's refits in which a signal kept its sign.
    """
    prediction = model.predict(frame)
    outlook = model.outlook(frame, prediction)
    told = Renewal(model, prediction)
    by_slug = {signal.slug: signal for signal in signals}
    used = [by_slug[slug] for slug in model.signals]
    column = HORIZON - 1
    mrr = frame["mrr_micros"].to_numpy(dtype=float) / 1e6
    churn, expand = prediction.p_churn[:, column], prediction.p_expand[:, column]
    contract = prediction.p_contract[:, column]
    table = frame.loc[:, ["account_id", "name", "segment", "csm", "currency", "tenure_days"]].copy()
    table["segment"] = table["segment"].where(table["segment"].notna(), frame["acv_segment"])
    table["mrr"] = mrr.round(2)
    table["next_renewal_on"] = frame["next_renewal_on"]
    table["horizon_months"] = HORIZON
    table["p_retain"] = 1 - churn
    table["p_renew"] = told.booked()
    table["renew_basis"] = told.basis
    table["p_expand"], table["p_contract"], table["p_churn"] = expand, contract, churn
    table["p_flat"] = np.clip(1 - churn - contract - expand, 0, 1)
    for name, values in amounts_at(outlook, HORIZON).items():
        table[name] = values.to_numpy()
    signed = prediction.booked.mrr_micros[:, column] / 1e6
    grown = expand * outlook.up_moments[:, column, 0] * mrr
    table["growth_mrr"] = np.where(np.isnan(signed), grown, np.maximum(signed - mrr, 0))
    table["risk"] = 1 - table["p_renew"]
    table["p_churn_by_decision_or_12m"] = told.leaves_within_a_year()
    table["notice"] = prediction.booked.noticed
    grows = mostly_metered(frame) & (model.metered is not None)
    table["status_reason"] = [BY_GROWTH if one else None for one in grows]
    retention = _retention(model, prediction, told)
    expansion = _expansion(model, prediction)
    for name, explained, target in (
        ("reasons_retention", retention, "churn"),
        ("reasons_expansion", expansion, "expand"),
    ):
        table[name] = lines(explained, frame, used, stability.get(target, {}))
    table["parts"] = _both(retention, expansion, used)
    return Scored(table, outlook)


def parts_by(
    model: HealthModel, frame: pd.DataFrame, signals: Sequence[Signal]
) -> list[dict[str, dict[str, float]]]:
    """Give what a model says that p_renew and p_expand are made of (``models.reasons.parts``).

    Parameters
    ----------
    model : HealthModel
        The one that serves, or one that served before.
    frame : DataFrame
        Rows of ``features.snapshot.snapshot``.
    signals : sequence of Signal
        The catalogue.

    Returns
    -------
    list of dict
        Per row ``renew`` and ``expand``, each with its parts by name.
    """
    prediction = model.predict(frame)
    by_slug = {signal.slug: signal for signal in signals}
    used = [by_slug[slug] for slug in model.signals]
    retention = _retention(model, prediction, Renewal(model, prediction))
    return _both(retention, _expansion(model, prediction), used)


def _both(
    retention: Explained, expansion: Explained, signals: Sequence[Signal]
) -> list[dict[str, dict[str, float]]]:
    both = zip(parts(retention, signals), parts(expansion, signals), strict=True)
    return [dict(zip(AXES, pair, strict=True)) for pair in both]


def _retention(model: HealthModel, prediction: Prediction, told: Renewal) -> Explained:
    """Explain p_renew: the signals and the calendar, and what is settled already."""
    explained = effects(_contributions(model, "churn", prediction), told.given)
    return replace(explained, rest={"booked": told.booked() - told.modelled()})


def _expansion(model: HealthModel, prediction: Prediction) -> Explained:
    """Explain p_expand: growing while staying, and that the account may leave first."""
    column = HORIZON - 1
    target = model.targets["expand"]

    def given(score: Floats) -> Floats:
        return np.asarray(expit(target.logits(prediction.facts, score)[:, column]))

    explained = effects(_contributions(model, "expand", prediction), given)
    leaves = prediction.p_expand[:, column] - given(prediction.scores["expand"])
    return replace(explained, rest={"leaves_first": leaves})


def _contributions(model: HealthModel, name: str, prediction: Prediction) -> Floats:
    target = model.targets[name]
    if not target.uses_score:
        return np.zeros(prediction.values.shape)
    return target.score.contributions(prediction.values)
