"""What a trigger looks at, found by watching it: columns of a snapshot, thresholds of the settings."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import pandas as pd

from features.triggers import Trigger, TriggerSettings

__all__ = ["reads", "thresholds"]


@cache
def reads(trigger: Trigger) -> tuple[str, ...]:
    """Tell which columns of a snapshot a trigger reads, in its order.

    Examples
    --------
    >>> from features.triggers import TRIGGERS
    >>> [reads(one) for one in TRIGGERS if one.name == "ticket_burst"]
    [('support_tickets_7d', 'support_burst_7d')]
    """
    frame, _ = _watch(trigger)
    return tuple(frame.seen)


@cache
def thresholds(trigger: Trigger) -> tuple[str, ...]:
    """Tell which keys of ``[triggers]`` a trigger reads, in its order.

    Examples
    --------
    >>> from features.triggers import TRIGGERS
    >>> [thresholds(one) for one in TRIGGERS if one.name == "ticket_burst"]
    [('burst_tickets', 'burst_ratio')]
    """
    _, settings = _watch(trigger)
    return tuple(settings.seen)


class _Frame:
    """A snapshot without rows that remembers which columns it was asked for."""

    def __init__(self) -> None:
        self.seen: dict[str, None] = {}

    def __getitem__(self, column: str) -> pd.Series:
        self.seen[column] = None
        return pd.Series(dtype=float)


class _Settings:
    """The default settings, remembering which keys they were asked for."""

    def __init__(self) -> None:
        self.seen: dict[str, None] = {}
        self._values = TriggerSettings()

    def __getattr__(self, key: str) -> Any:
        self.seen[key] = None
        return getattr(self._values, key)


def _watch(trigger: Trigger) -> tuple[_Frame, _Settings]:
    frame, settings = _Frame(), _Settings()
    trigger.when(cast("pd.DataFrame", frame), cast("TriggerSettings", settings))
    return frame, settings
