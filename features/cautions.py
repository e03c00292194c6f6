"""Cautions: what the figures themselves must warn of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from features.evidence import Evidence
from features.growth_cautions import (
    LARGEST,
    build_expansion,
    concentration,
    expansion_share,
    few_levers,
    no_expansion,
    price_led,
)
from features.leak_cautions import (
    contraction,
    fix_grr_first,
    grr_falling,
    grr_masked,
    indicative,
    short_gaps,
)
from features.spread_cautions import activation, hundred_percent_illusion, top_fifth, worst_cohort

__all__ = ["CAUTIONS", "LARGEST", "NOTES", "raised"]

Caution = Callable[[Evidence], dict[str, Any] | None]

CAUTIONS: tuple[Caution, ...] = (
    grr_masked,
    no_expansion,
    hundred_percent_illusion,
    contraction,
    concentration,
    indicative,
    grr_falling,
    fix_grr_first,
    build_expansion,
    worst_cohort,
    top_fifth,
    price_led,
    expansion_share,
    few_levers,
    activation,
    short_gaps,
)
"""Each looks at the evidence and gives its caution, whose code is its own name, or None.

Not here: the three signals that order renewal in this book (S001). They follow from the models,
which stand above this floor.
"""

NOTES = frozenset({"build_expansion", "worst_cohort", "top_fifth", "expansion_share", "activation"})
"""Codes of those that show a figure or a next step; the others warn."""


def raised(evidence: Evidence) -> list[dict[str, Any]]:
    """List the cautions that a window raises by itself.

    Parameters
    ----------
    evidence : Evidence
        The window over the whole book, and whatever else is known of it.

    Returns
    -------
    list of dict
        ``code``, ``message``, ``level`` (warning or note) and the figures that it speaks of;
        empty where nobody paid at the opening.

    Examples
    --------
    >>> from datetime import date
    >>> from features.measure import Measure
    >>> from features.windows import Window
    >>> year = Window(date(2024, 12, 31), date(2025, 12, 31))
    >>> cohort = {"opening": 100, "expansion": 25, "contraction": 0, "churned": 16}
    >>> cohort |= {"closing": 109, "kept": 84, "accounts": 30}
    >>> [found["code"] for found in raised(Evidence(Measure(year, {}, cohort, {})))]
    ['grr_masked', 'fix_grr_first']
    """
    if evidence.whole.nrr is None:
        return []
    looked = (caution(evidence) for caution in CAUTIONS)
    return [found | {"level": _level(found["code"])} for found in looked if found]


def _level(code: str) -> str:
    return "note" if code in NOTES else "warning"
