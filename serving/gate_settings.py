"""The thresholds of the gates: section ``[gates]`` of the workspace's settings."""

from __future__ import annotations

from pydantic import Field

from features.configuration import Section

__all__ = ["GateSettings"]


class GateSettings(Section):
    """Section ``[gates]``: when a run is held instead of published.

    Attributes
    ----------
    accounts : int
        From so many accounts on that the run before had too, moves and drift hold a run; below they
        are said and no more.
    moves : float
        Share of accounts that may change their cell in any week.
    chance : float
        More moves than that hold a run only if so many would be less likely than this, were the
        week as this book's earlier ones are.
    drift : float
        Population stability index below which a signal's drift is not counted, however sure.
    drift_share : float
        Share of the model's signals that may drift.
    false_alarms : float
        Share of chance findings allowed among the signals that count as drifting.
    scorable : float
        Share of accounts that must be scorable.
    unscorable : int
        So many accounts may be unscorable in any case.
    """

    accounts: int = Field(default=300, ge=1)
    moves: float = Field(default=0.25, ge=0, le=1)
    chance: float = Field(default=0.001, gt=0, lt=1)
    drift: float = Field(default=0.25, ge=0)
    drift_share: float = Field(default=0.1, ge=0, le=1)
    false_alarms: float = Field(default=0.01, gt=0, lt=1)
    scorable: float = Field(default=0.995, ge=0, le=1)
    unscorable: int = Field(default=2, ge=0)
