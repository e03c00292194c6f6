"""The choices that a verdict reads: every section of the settings that bends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from features.maturity import MaturitySettings
from features.triggers import TriggerSettings
from models.forecast import ForecastSettings
from models.matrix import MatrixSettings
from models.outreach import OutreachSettings

__all__ = ["Choices"]


@dataclass(frozen=True)
class Choices:
    """The settings that a verdict reads.

    Attributes
    ----------
    matrix : MatrixSettings
    outreach : OutreachSettings
    forecast : ForecastSettings
    triggers : TriggerSettings
    maturity : MaturitySettings
    definition : mapping
        The revenue choices, stamped on every forecast.
    cuts : tuple of str
        Account columns that the forecast is cut by.
    """

    matrix: MatrixSettings = field(default_factory=MatrixSettings)
    outreach: OutreachSettings = field(default_factory=OutreachSettings)
    forecast: ForecastSettings = field(default_factory=ForecastSettings)
    triggers: TriggerSettings = field(default_factory=TriggerSettings)
    maturity: MaturitySettings = field(default_factory=MaturitySettings)
    definition: Mapping[str, Any] = field(default_factory=dict)
    cuts: tuple[str, ...] = ("segment",)
