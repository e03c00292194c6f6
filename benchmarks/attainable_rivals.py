"""What others would fit: plain models on the same rows, and a free form over all leads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.calendar import CalendarFacts, calendar_facts
from models.outcomes import LEADS
from models.target import TARGETS
from training.fit import material_of
from training.history import History
from training.ladder import BOOSTER
from training.rows import all_rows, sample

__all__ = ["HORIZON", "Plain", "Rival", "classifier", "free_form", "plain"]

Floats = NDArray[np.float64]
HORIZON = 3
"""Months ahead at which probabilities are compared."""
FREE_FORM = {**BOOSTER, "num_leaves": 8, "num_iterations": 250, "boost_from_average": True}


class Rival(Protocol):
    """Anything that says each target's probability three months ahead."""

    def probabilities(self, frame: pd.DataFrame) -> dict[str, Floats]:
        """Give churn, expand and contract, (n,) each, for snapshot rows."""


@dataclass(frozen=True)
class Plain:
    """One classifier per target, fitted on the state three months ahead."""

    signals: tuple[str, ...]
    fitted: dict[str, Any]

    def probabilities(self, frame: pd.DataFrame) -> dict[str, Floats]:
        """Give each target's probability; half of what nobody could learn is the base rate."""
        values = frame.loc[:, list(self.signals)].to_numpy(dtype=float)
        return {
            name: one.predict_proba(values)[:, 1] if hasattr(one, "predict_proba")
            else np.full(len(values), one)
            for name, one in self.fitted.items()
        }  # fmt: skip


def plain(history: History, kind: str, known_until: date | None = None) -> Plain:
    """Fit what a data scientist tries first: ``lightgbm`` or ``logistic``, with its defaults.

    The rows are those that could leave within three months (for churn), or all of which nothing
    was booked; the columns are our signals, the contract's among them. With ``known_until``, only
    what had closed by then is learned from.
    """
    outcomes = history.outcomes(known_until)
    values = history.frame.loc[:, list(history.signals)].to_numpy(dtype=float)
    events = {"churn": outcomes.gone, "expand": outcomes.expand, "contract": outcomes.contract}
    closed = outcomes.closed[:, HORIZON - 1] & history.modelled
    could = history.facts.free()[:, :HORIZON].any(axis=1)
    fitted: dict[str, Any] = {}
    for name in TARGETS:
        rows = closed & could if name == "churn" else closed
        y = events[name][rows, HORIZON - 1].astype(int)
        if y.min(initial=1) == y.max(initial=0):
            fitted[name] = (y.sum() + 0.5) / (len(y) + 1)
        else:
            fitted[name] = classifier(kind).fit(values[rows], y)
    return Plain(history.signals, fitted)


def classifier(kind: str) -> Any:
    """Give ``lightgbm`` or ``logistic``, with its defaults; logistic is filled and scaled."""
    if kind == "lightgbm":
        return lgb.LGBMClassifier(n_jobs=1, deterministic=True, random_state=0, verbosity=-1)
    filled = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(filled, StandardScaler(), LogisticRegression(max_iter=1000))


@dataclass(frozen=True)
class FreeForm:
    """One monotone LightGBM per target over (account, lead), the calendar among its columns."""

    signals: tuple[str, ...]
    fitted: dict[str, lgb.Booster]
    locked_rate: float
    fiscal_year_starts: int

    def probabilities(self, frame: pd.DataFrame) -> dict[str, Floats]:
        """Give churn from the hazards of the first months, the states at the third."""
        facts = calendar_facts(frame, self.fiscal_year_starts)
        values = frame.loc[:, list(self.signals)].to_numpy(dtype=float)
        at = {name: self._at(name, values, facts) for name in TARGETS}
        hazard = np.where(facts.free()[:, :HORIZON], at["churn"], self.locked_rate)
        stays = np.prod(1 - hazard, axis=1)
        up, down = at["expand"][:, -1], at["contract"][:, -1]
        told = {"churn": 1 - stays, "expand": stays * up, "contract": stays * (1 - up) * down}
        return {name: np.asarray(one) for name, one in told.items()}

    def _at(self, name: str, values: Floats, facts: CalendarFacts) -> Floats:
        rows = np.repeat(np.arange(len(values)), HORIZON)
        leads = np.tile(np.arange(1, HORIZON + 1), len(values))
        columns = _columns(values, facts, rows, leads, name)
        found = np.asarray(self.fitted[name].predict(columns, num_threads=1), dtype=float)
        return found.reshape(len(values), HORIZON)


def free_form(history: History, seed: int, locked_rate: float, most_rows: int) -> FreeForm:
    """Fit the free form: the lead and the calendar's codes are columns like any other."""
    material, outcomes = material_of(history, seed), history.outcomes()
    fitted = {}
    for name in TARGETS:
        rows = all_rows(name, outcomes, history.facts, history.modelled)
        drawn = sample(rows, np.random.default_rng(seed), most_rows)
        columns = _columns(material.values, history.facts, drawn.row, drawn.lead, name)
        signs = [*material.signs[name], *([0] * (columns.shape[1] - len(history.signals)))]
        parameters = {**FREE_FORM, "seed": seed, "monotone_constraints": signs}
        parameters["min_data_in_leaf"] = max(60, len(drawn) // 50)
        data = lgb.Dataset(columns, label=drawn.y, weight=drawn.weight / drawn.weight.mean())
        fitted[name] = lgb.train(parameters, data)
    return FreeForm(history.signals, fitted, locked_rate, history.facts.fiscal_year_starts)


def _columns(values: Floats, facts: CalendarFacts, rows: Any, leads: Any, name: str) -> Floats:
    codes = facts.codes(rows, leads, name != "churn")
    until = np.where(np.isfinite(facts.decision), facts.decision, LEADS + 12)[rows] - leads
    return np.column_stack([values[rows], codes, leads, until])
