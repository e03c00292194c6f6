"""A trigger: one rule that fires on an account, with the sentence that is its evidence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter
from typing import Literal

import pandas as pd

from features.thresholds import TriggerSettings

__all__ = ["QUOTED", "Axis", "Condition", "Level", "Lever", "Trigger", "between"]

Level = Literal["hard", "red", "attention", "act"]
Axis = Literal["retention", "expansion"]
Lever = Literal["seat", "tier", "usage", "product"]
Condition = Callable[[pd.DataFrame, TriggerSettings], pd.Series]
BEYOND = float("inf")

QUOTED = {
    "limit_metric": "a limit",
    "gate_feature": "a locked feature",
    "adjacent_product": "a further product",
}
"""Names that evidence quotes from a snapshot, and what stands in for one that is not known."""
ONE = re.compile(r"(?<![\w.,+−-])1 (hit|invoice|seat|user|share|view|day)s\b")
"""A count of one with its noun in the plural."""
NONE = re.compile(r"(?<![\w.,+−-])0 seats left\b")


@dataclass(frozen=True)
class Trigger:
    """One rule. Of several with the same name, the first that fires is told.

    Attributes
    ----------
    name : str
        How it is called in lists and filters.
    axis : str
        Whether it speaks of retention or of expansion.
    level : str
        ``hard`` (moves a band at once), ``red``, ``attention``; for expansion ``attention``, ``act``.
    when : callable
        Snapshot and settings to one boolean per account.
    evidence : str
        A sentence over the columns of the snapshot.
    lever : str, optional
        Of an expansion: what would likely grow.
    """

    name: str
    axis: Axis
    level: Level
    when: Condition
    evidence: str
    lever: Lever | None = None

    @property
    def quotes(self) -> list[str]:
        """List the columns that its evidence quotes, each once."""
        fields = (field for _, field, _, _ in Formatter().parse(self.evidence) if field)
        return list(dict.fromkeys(fields))

    def tell(self, row: dict[str, object]) -> str:
        """Say the evidence of an account, given the columns that it quotes.

        Examples
        --------
        >>> seats = Trigger("seats_near_limit", "expansion", "act",
        ...     lambda frame, asked: frame["seats"] < 3, "{seats:.0f} seats left of {limit_metric}")
        >>> seats.quotes, seats.tell({"seats": 2.0, "limit_metric": None})
        (['seats', 'limit_metric'], '2 seats left of a limit')
        >>> seats.tell({"seats": 1.0, "limit_metric": None})
        '1 seat left of a limit'
        >>> seats.tell({"seats": 0.0, "limit_metric": None})
        'no paid seat left of a limit'
        """
        words = {name: _words(row.get(name)) or word for name, word in QUOTED.items()}
        told = ONE.sub(r"1 \1", self.evidence.format_map(row | words))
        return NONE.sub("no paid seat left", told)


def _words(name: object) -> str:
    """Give a name as words; nothing for one that is missing."""
    return name.replace("_", " ") if isinstance(name, str) else ""


def between(values: pd.Series, low: float, high: float = BEYOND) -> pd.Series:
    """Say where values lie in [low, high): never where they are missing."""
    return (values >= low) & (values < high)
