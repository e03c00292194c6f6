"""Cumulative sums: whether what came true runs away from what was said, month after month.

Each month adds how far the events that were seen lie from those expected, in units of what chance
allows. A sum that is let go back towards zero by an allowance forgets luck, and keeps what goes on
in one direction (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

__all__ = ["ALLOWANCE", "DISPERSION", "FEWEST", "LIMIT", "Month", "Step", "cusum", "distance"]

DISPERSION = 1.8
"""Variance of a month's events over their expected number: accounts share their luck."""
ALLOWANCE = 0.5
"""What a step is let go back by: half of the smallest shift that is worth finding."""
LIMIT = 5.0
"""A sum beyond it asks for a review."""
FEWEST = 5.0
"""Months are taken together until so many events are expected: fewer are no normal number."""
MOST = 2 * LIMIT
"""Where a sum stops growing, so that one great month is forgotten in time."""


@dataclass(frozen=True)
class Month:
    """What was said and seen of one as-of month.

    Attributes
    ----------
    as_of : date
    expected : float
        Sum of the chances.
    observed : int
        Events seen.
    model : str
        Digest of the model that said it.
    """

    as_of: date
    expected: float
    observed: int
    model: str = ""


@dataclass(frozen=True)
class Step:
    """One step of the sums: a month, or several that were taken together.

    Attributes
    ----------
    first, last : date
        As-of dates of its months.
    expected : float
    observed : int
    distance : float
        (observed - expected) / sqrt(dispersion * expected).
    above, below : float
        The two sums after the step: more came true than was said, or less.
    """

    first: date
    last: date
    expected: float
    observed: int
    distance: float
    above: float
    below: float

    @property
    def alarm(self) -> str:
        """``above`` or ``below`` where a sum is beyond the limit; else empty."""
        named = (("above", self.above), ("below", self.below))
        return next((name for name, value in named if value > LIMIT), "")


def distance(expected: float, observed: float) -> float:
    """Give how far what was seen lies from what was expected; 0 where nothing was expected or seen.

    Examples
    --------
    >>> round(distance(20.0, 32), 6)
    2.0
    """
    return (observed - expected) / math.sqrt(DISPERSION * expected) if expected > 0 else 0.0


def cusum(months: Sequence[Month]) -> list[Step]:
    """Add the months up, oldest first; what is not yet enough for a step waits for more.

    The sums go on from one model to the next, for it is what was served that is watched. After
    an alarm they start again with another model.

    Examples
    --------
    >>> calm = [Month(date(2025, m, 1), 10.0, 10) for m in (1, 2, 3)]
    >>> [step.alarm for step in cusum(calm)]
    ['', '', '']
    >>> twice = [Month(date(2025, m, 1), 10.0, 20) for m in range(1, 6)]
    >>> [round(step.above, 2) for step in cusum(twice)], cusum(twice)[-1].alarm
    ([1.86, 3.71, 5.57, 7.43, 9.29], 'above')
    >>> few = [Month(date(2025, m, 1), 2.0, 1) for m in range(1, 6)]
    >>> [(step.last.month, step.expected) for step in cusum(few)]
    [(3, 6.0)]
    """
    steps: list[Step] = []
    model = ""
    for first, last, expected, observed, served in _together(months):
        above, below = 0.0, 0.0
        if steps and not (steps[-1].alarm and served != model):
            above, below = steps[-1].above, steps[-1].below
        far, model = distance(expected, observed), served
        up = min(max(above + far - ALLOWANCE, 0.0), MOST)
        down = min(max(below - far - ALLOWANCE, 0.0), MOST)
        steps.append(Step(first, last, expected, observed, far, up, down))
    return steps


def _together(months: Sequence[Month]) -> list[tuple[date, date, float, int, str]]:
    """Take months together until enough events are expected of them."""
    found: list[tuple[date, date, float, int, str]] = []
    waiting: list[Month] = []
    for month in sorted(months, key=lambda one: one.as_of):
        waiting.append(month)
        expected = math.fsum(one.expected for one in waiting)
        if expected >= FEWEST:
            observed = sum(one.observed for one in waiting)
            found.append((waiting[0].as_of, month.as_of, expected, observed, month.model))
            waiting = []
    return found
