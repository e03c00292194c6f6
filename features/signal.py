"""A signal: one number per account and as-of date, with its meaning and its declared signs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Family", "Group", "Signal", "Sign"]

Sign = Literal[-1, 0, 1]
Group = Literal["usage", "support", "relationship", "seats", "commercial"]
Family = Literal["usage", "adoption", "support", "relationship", "commercial", "expansion"]


@dataclass(frozen=True)
class Signal:
    """What a signal is called, what it measures, and which way it is declared to point.

    Attributes
    ----------
    slug : str
        Name of the column, starting with its family.
    family : str
        The file that measures it.
    group : str
        The group under which reasons speak of it.
    unit : str
        ``"events"``, ``"days"``, ``"share"``, ``"ratio"`` and so on.
    window_days : int or None
        Length of the window that ends at the as-of date; None where there is none.
    churn, expansion : int
        +1 where a higher value goes with more churn (more expansion), -1 with less, 0 undeclared.
    meaning : str
        What it measures, in one line.
    missing : str
        What a missing value means.
    phrase : str
        A sentence with ``{value}`` in it, for the screen of a CSM.

    Examples
    --------
    >>> ratio = Signal(
    ...     "usage_wau_ratio", "usage", "usage", "ratio", 35, -1, 1,
    ...     "weekly users against the four weeks before", "no users known",
    ...     "weekly users at {value:.0%} of their 4-week level",
    ... )
    >>> ratio.say(0.4)
    'weekly users at 40% of their 4-week level'
    >>> ratio.say(float("nan"))
    'not known: no users known'
    """

    slug: str
    family: Family
    group: Group
    unit: str
    window_days: int | None
    churn: Sign
    expansion: Sign
    meaning: str
    missing: str
    phrase: str

    def say(self, value: float) -> str:
        """Say a value in a sentence."""
        if math.isnan(value):
            return f"not known: {self.missing}"
        return self.phrase.format(value=value)
