"""The maturity curve: activation, habit, advanced exploration, integration, advocacy.

It stands beside the health score and is not the same thing (S000). The stage is the furthest that
its evidence supports; what lies beyond habit counts only while the habit lasts. The score is 0 to
100 over five parts; parts about which nothing is known are left out, and the rest is scaled up.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.configuration import Section

__all__ = ["PARTS", "STAGES", "MaturitySettings", "stage"]

STAGES = ("activation", "habit", "advanced exploration", "integration", "advocacy")
UNKNOWN = "unknown"
PARTS = {
    "activation": 20.0,
    "habit": 30.0,
    "adoption": 20.0,
    "advanced": 15.0,
    "integration": 10.0,
    "advocacy": 5.0,
}


class MaturitySettings(Section):
    """What each stage asks for.

    Attributes
    ----------
    habit_weeks : int
        Active weeks of the last 8 that make a habit.
    core_adopted : float
        Share of the core features adopted that opens advanced exploration and fills its part.
    advanced_features : int
        Advanced features in use that fill the part.
    """

    habit_weeks: int = 6
    core_adopted: float = 0.6
    advanced_features: int = 3


def stage(frame: pd.DataFrame, settings: MaturitySettings | None = None) -> pd.DataFrame:
    """Place each account on the curve.

    Parameters
    ----------
    frame : DataFrame
        A snapshot.
    settings : MaturitySettings, optional
        What each stage asks for.

    Returns
    -------
    DataFrame
        account_id, maturity_stage (one of ``STAGES``, or "unknown" where no usage is known),
        maturity_score (0 to 100, NaN where unknown), and maturity_<part> (0 to 1) for each part.

    Examples
    --------
    >>> row = {"account_id": ["a"], "usage_active_weeks_8w": [8.0], "adoption_activated_30d": [1.0],
    ...        "adoption_days_to_activation": [3.0], "adoption_core_adopted": [0.3],
    ...        "adoption_advanced_28d": [0.0], "adoption_integrations_28d": [0.0],
    ...        "relationship_advocacy_365d": [0.0]}
    >>> placed = stage(pd.DataFrame(row))
    >>> placed[["maturity_stage", "maturity_score"]].to_dict("records")
    [{'maturity_stage': 'habit', 'maturity_score': 60.0}]
    """
    asked = settings or MaturitySettings()
    parts = _parts(frame, asked)
    known = frame["usage_active_weeks_8w"].notna()
    weights = pd.Series(PARTS)
    score = 100 * (parts * weights).sum(axis=1) / (parts.notna() * weights).sum(axis=1)
    placed = pd.DataFrame(
        {
            "account_id": frame["account_id"],
            "maturity_stage": _furthest(frame, parts, asked).where(known, UNKNOWN),
            "maturity_score": score.where(known),
        }
    )
    return placed.join(parts.add_prefix("maturity_"))


def _parts(frame: pd.DataFrame, asked: MaturitySettings) -> pd.DataFrame:
    """Measure each part from 0 to 1; missing where nothing is known of it."""
    activated = frame["adoption_activated_30d"].mask(
        frame["adoption_days_to_activation"].notna(), 1.0
    )
    parts = {
        "activation": activated,
        "habit": frame["usage_active_weeks_8w"] / 8,
        "adoption": frame["adoption_core_adopted"] / asked.core_adopted,
        "advanced": frame["adoption_advanced_28d"] / asked.advanced_features,
        "integration": frame["adoption_integrations_28d"],
        "advocacy": frame["relationship_advocacy_365d"],
    }
    return pd.DataFrame(parts).clip(0.0, 1.0)


def _furthest(frame: pd.DataFrame, parts: pd.DataFrame, asked: MaturitySettings) -> pd.Series:
    habit = frame["usage_active_weeks_8w"] >= asked.habit_weeks
    explored = (frame["adoption_advanced_28d"] > 0) & (parts["adoption"] >= 1)
    evidence = [
        habit & (parts["advocacy"] > 0),
        habit & (parts["integration"] > 0),
        habit & explored,
        habit,
    ]
    furthest = np.select(evidence, list(reversed(STAGES[1:])), STAGES[0])
    return pd.Series(furthest, index=frame.index)
