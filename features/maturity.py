"""The maturity curve: activation, habit, advanced exploration, integration, advocacy.

It stands beside the health score and is not the same thing (S000). The stage is the furthest that
its evidence supports; what lies beyond habit counts only while the habit lasts. The score is 0 to
100 over six parts; parts about which nothing is known are left out, and the rest is scaled up.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add

import narwhals.stable.v2 as nw
import pandas as pd
from pydantic import Field

from features.configuration import Section
from features.signal import Family, signal

__all__ = ["FAMILY", "PARTS", "STAGES", "MaturitySettings", "stage"]

STAGES = ("activation", "habit", "advanced exploration", "integration", "advocacy")
UNKNOWN = "unknown"
WEEKS = 8
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
    advocacy_invites : int
        Invitations sent in 30 days that are as good as a reference or a review.
    """

    habit_weeks: int = Field(default=6, ge=1, le=WEEKS)
    core_adopted: float = Field(default=0.6, gt=0, le=1)
    advanced_features: int = Field(default=3, ge=1)
    advocacy_invites: int = Field(default=3, ge=1)


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
    ...        "relationship_advocacy_365d": [0.0], "expansion_invites_30d": [0.0]}
    >>> placed = stage(pd.DataFrame(row))
    >>> placed[["maturity_stage", "maturity_score"]].to_dict("records")
    [{'maturity_stage': 'habit', 'maturity_score': 60.0}]
    """
    asked = settings or MaturitySettings()
    parts = {f"maturity_{name}": part for name, part in _parts(asked).items()}
    columns = nw.from_native(frame, eager_only=True).select(
        "account_id", maturity_stage=_reached(asked), maturity_score=_score(asked), **parts
    )
    placed: pd.DataFrame = columns.to_native()
    names = dict(enumerate(STAGES, start=1))
    return placed.assign(maturity_stage=placed["maturity_stage"].map(names).fillna(UNKNOWN))


def _parts(asked: MaturitySettings) -> dict[str, nw.Expr]:
    """Measure each part from 0 to 1; missing where nothing is known of it."""
    activated = nw.when(~nw.col("adoption_days_to_activation").is_null()).then(1.0)
    parts = {
        "activation": activated.otherwise(nw.col("adoption_activated_30d")),
        "habit": nw.col("usage_active_weeks_8w") / WEEKS,
        "adoption": nw.col("adoption_core_adopted") / asked.core_adopted,
        "advanced": nw.col("adoption_advanced_28d") / asked.advanced_features,
        "integration": nw.col("adoption_integrations_28d"),
        "advocacy": _advocacy(asked),
    }
    return {name: part.clip(0.0, 1.0) for name, part in parts.items()}


def _advocacy(asked: MaturitySettings) -> nw.Expr:
    """Count acts of advocacy: references, reviews and the like, and a round of invitations."""
    acts, invites = nw.col("relationship_advocacy_365d"), nw.col("expansion_invites_30d")
    invited = nw.when(invites >= asked.advocacy_invites).then(1.0).otherwise(0.0)
    known = ~(acts.is_null() & invites.is_null())
    return nw.when(known).then(_or_zero(acts) + invited)


def _score(asked: MaturitySettings) -> nw.Expr:
    """Weigh the parts that are known."""
    parts = _parts(asked)
    known = {name: _flag(~part.is_null()) for name, part in parts.items()}
    points = _sum(_or_zero(part) * PARTS[name] for name, part in parts.items())
    most = _sum(known[name] * weight for name, weight in PARTS.items())
    return nw.when(~parts["habit"].is_null()).then(100.0 * points / most)


def _reached(asked: MaturitySettings) -> nw.Expr:
    """Number the furthest stage with evidence, from 1; missing where no usage is known."""
    parts, weeks = _parts(asked), nw.col("usage_active_weeks_8w")
    explored = (nw.col("adoption_advanced_28d") > 0) & (parts["adoption"] >= 1)
    furthest = nw.when(explored).then(3.0).otherwise(2.0)
    furthest = nw.when(parts["integration"] > 0).then(4.0).otherwise(furthest)
    furthest = nw.when(parts["advocacy"] > 0).then(5.0).otherwise(furthest)
    placed = nw.when(weeks >= asked.habit_weeks).then(furthest).otherwise(1.0)
    return nw.when(~weeks.is_null()).then(placed)


def _sum(parts: Iterable[nw.Expr]) -> nw.Expr:
    return reduce(add, parts)


def _flag(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(1.0).otherwise(0.0)


def _or_zero(value: nw.Expr) -> nw.Expr:
    return nw.when(~value.is_null()).then(value).otherwise(0.0)


SIGNALS = (
    signal("maturity_reached", "stage", None, -1, 1,
           "stage of the maturity curve reached: 1 activation, 2 habit, 3 advanced exploration, 4 "
           "integration, 5 advocacy",
           "stage {value:.0f} of 5 on the maturity curve",
           _reached(MaturitySettings()), missing="no usage known"),
    signal("maturity_points", "points", None, -1, 1,
           "maturity score, 0 to 100, over activation, active weeks, core adoption, advanced "
           "features, integrations and advocacy",
           "maturity score {value:.0f} of 100",
           _score(MaturitySettings()), missing="no usage known"),
)  # fmt: skip

FAMILY = Family("maturity", SIGNALS)
