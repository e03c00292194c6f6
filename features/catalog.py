"""The catalogue of all signals, gathered from their families, and the page that is made of it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pandas as pd

from features import adoption, commercial, expansion, relationship, support, usage
from features.signal import Family, Signal
from features.view import View

__all__ = ["CATALOG", "FAMILIES", "as_markdown"]

Measure = Callable[[View, pd.DataFrame], pd.DataFrame]

_FILES = (usage, adoption, support, relationship, commercial, expansion)


def _declared(family: ModuleType) -> Family | None:
    declared = getattr(family, "FAMILY", None)
    return declared if isinstance(declared, Family) else None


FAMILIES: tuple[Family | Measure, ...] = tuple(_declared(f) or f.measure for f in _FILES)
CATALOG: tuple[Signal, ...] = tuple(
    signal
    for family in _FILES
    for signal in (getattr(_declared(family), "signals", None) or family.SIGNALS)
)

_SIGNS = {-1: "−", 0: "", 1: "+"}
_HEAD = """# Signals

Made by `features.catalog.as_markdown()`; do not edit by hand. One number per account and as-of
date; a missing value is missing, never zero. The signs say which way a higher value is declared
to point (+ more churn, more expansion); blank is undeclared.
"""


def as_markdown() -> str:
    """Write the catalogue as a page.

    Examples
    --------
    >>> as_markdown().splitlines()[0]
    '# Signals'
    """
    families = dict.fromkeys(signal.family for signal in CATALOG)
    return "\n".join([_HEAD, *(_section(family) for family in families)])


def _section(family: str) -> str:
    lines = [
        f"## {family.capitalize()}",
        "",
        "| signal | group | what it measures | unit | window (days) | churn | expansion | missing |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_row(s) for s in CATALOG if s.family == family), ""])


def _row(signal: Signal) -> str:
    window = "" if signal.window_days is None else str(signal.window_days)
    cells = [
        f"`{signal.slug}`",
        signal.group,
        signal.meaning,
        signal.unit,
        window,
        _SIGNS[signal.churn],
        _SIGNS[signal.expansion],
        signal.missing,
    ]
    return f"| {' | '.join(cells)} |"
