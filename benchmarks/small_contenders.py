"""Who learns from a plain table: ours, the regressions and the trees of everybody, the base rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.attainable_rivals import classifier
from models.calendar import TERMS, CalendarFacts
from training.ladder import Material, fit_target
from training.rows import Rows

__all__ = ["BASE", "CONTENDERS", "Contender", "no_calendar", "ours"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Contender = Callable[[Floats, Ints, Floats, int], Floats]
"""Learns from columns and outcomes, and gives the probability of other rows; with a seed."""

BASE = "base rate"
FOLDS, PENALTIES = 5, tuple(np.logspace(-4, 1, 8))


def ours(values: Floats, y: Ints, fresh: Floats, seed: int) -> Floats:
    """Fit as a training does, the calendar knowing no term, size, tenure or season."""
    n = len(y)
    names = tuple(f"x{at}" for at in range(values.shape[1]))
    signs, month = {"churn": [0] * len(names)}, np.zeros(n, dtype=np.int64)
    material = Material(values, no_calendar(n), names, signs, month, seed)
    model = fit_target("churn", Rows(np.arange(n), np.ones(n, dtype=np.int64), y, np.ones(n)), material)  # fmt: skip
    return np.asarray(expit(model.logits(no_calendar(len(fresh)), model.scores(fresh))[:, 0]))


def no_calendar(n: int) -> CalendarFacts:
    """Give facts that are the same for every row, each of which can leave every month."""
    same, one = np.zeros(n, dtype=np.int64), np.ones(n)
    term = np.full(n, TERMS.index("unknown"))
    return CalendarFacts(term, same, np.full(n, np.nan), one, one, same + 1, fiscal_year_starts=1)


def _plain(kind: str) -> Contender:
    def fitted(values: Floats, y: Ints, fresh: Floats, seed: int) -> Floats:
        return np.asarray(classifier(kind).fit(values, y).predict_proba(fresh)[:, 1])

    return fitted


def _chosen(values: Floats, y: Ints, fresh: Floats, seed: int) -> Floats:
    """Fit a logistic regression whose penalty cross-validation chose by log-loss."""
    inner = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    penalised = LogisticRegressionCV(
        Cs=PENALTIES, cv=inner, scoring="neg_log_loss", max_iter=1000, l1_ratios=(0.0,),
        use_legacy_attributes=False,
    )  # fmt: skip
    fitted = make_pipeline(StandardScaler(), penalised).fit(values, y)
    return np.asarray(fitted.predict_proba(fresh)[:, 1])


def _base(values: Floats, y: Ints, fresh: Floats, seed: int) -> Floats:
    return np.full(len(fresh), y.mean())


CONTENDERS: Mapping[str, Contender] = {
    "ours": ours,
    "logistic": _plain("logistic"),
    "lightgbm": _plain("lightgbm"),
    "logistic, penalty chosen": _chosen,
    BASE: _base,
}
