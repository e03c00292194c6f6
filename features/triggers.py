"""Triggers: rules that fire on an account with their evidence, whatever a model thinks of it.

A trigger is shown beside the model's reasons and is never hidden by a low score. It does not fire
on what is missing, except where it says so (an account that was never met).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.expansion_triggers import EXPANSION
from features.retention_triggers import RETENTION
from features.thresholds import TriggerSettings
from features.trigger import QUOTED, Trigger

__all__ = ["TRIGGERS", "Trigger", "TriggerSettings", "fire"]

TRIGGERS: tuple[Trigger, ...] = (*RETENTION, *EXPANSION)
COLUMNS = ["account_id", "trigger", "level", "evidence", "axis"]


def fire(frame: pd.DataFrame, settings: TriggerSettings | None = None) -> pd.DataFrame:
    """Fire all triggers on a snapshot.

    Parameters
    ----------
    frame : DataFrame
        A snapshot. The names that evidence quotes may be absent (``features.trigger.QUOTED``,
        ``limit_days``): then the sentence does without them.
    settings : TriggerSettings, optional
        The thresholds.

    Returns
    -------
    DataFrame
        account_id, trigger, level, evidence, axis; one row per account and name of a trigger that
        fires, sorted by account_id, retention before expansion, in the order of ``TRIGGERS``.
    """
    asked = settings or TriggerSettings()
    told = _with_names(frame)
    rows = [
        row for place, trigger in enumerate(TRIGGERS) for row in _fired(told, trigger, asked, place)
    ]
    fired = pd.DataFrame(rows, columns=[*COLUMNS, "place"])
    first = fired.sort_values(["account_id", "place"]).drop_duplicates(["account_id", "trigger"])
    return first[COLUMNS].reset_index(drop=True)


def _with_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Add what evidence quotes where a frame comes without it."""
    absent = {name: None for name in QUOTED if name not in frame}
    days = frame.get("limit_days", frame["expansion_days_to_limit"])
    return frame.assign(**absent, limit_days=days.astype(float))


def _fired(
    frame: pd.DataFrame, trigger: Trigger, asked: TriggerSettings, place: int
) -> list[tuple[Any, ...]]:
    """Fire one rule: a row per account, with its evidence."""
    fires = frame.loc[trigger.when(frame, asked).fillna(False), ["account_id", *trigger.quotes]]
    fires = fires.loc[:, ~fires.columns.duplicated()]
    return [
        (row["account_id"], trigger.name, trigger.level, trigger.tell(row), trigger.axis, place)
        for row in fires.to_dict("records")
    ]
