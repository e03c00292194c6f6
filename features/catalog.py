"""The catalogue of all signals, gathered from their families, and the page that is made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from features import (
    adjacency,
    adoption,
    billing,
    commercial,
    expansion,
    growth,
    maturity,
    payments,
    relationship,
    support,
    timing,
    usage,
)
from features.signal import Family, Signal

__all__ = ["CATALOG", "FAMILIES", "as_markdown"]

_FILES = (
    usage, adoption, support, relationship, commercial, payments, billing, expansion, adjacency,
    growth, timing, maturity,
)  # fmt: skip

FAMILIES: tuple[Family, ...] = tuple(file.FAMILY for file in _FILES)
CATALOG: tuple[Signal, ...] = tuple(signal for family in FAMILIES for signal in family.signals)

_PLACE = re.compile(r"\{\w+[^}]*\}")
_ANSWER = " (…)"
_SIGNS = {-1: "−", 0: "", 1: "+"}
_COLUMNS = (
    "signal", "what it measures", "unit", "days", "churn", "expansion", "needs",
    "missing means", "said as", "group",
)  # fmt: skip
_HEAD = """# Signals

Made by `features.catalog.as_markdown()`; do not edit by hand. One number per paying account and
as-of date; a missing value is missing, never zero. `perennial features` shows them of any date,
`perennial check` for how many accounts each is known and what further tables would bring.

*days*: length of the window; it ends the day before the as-of date, for usage with the last day that
its feed covers. *churn*, *expansion*: which way a higher value is declared to point (+ more of it, − less, blank: undeclared);
the models are held to it. *needs*: tables ([tables.md](tables.md)) without which every account lacks
it; contracts are always there. *group*: the name under which a score's reasons speak of it.
"""


def as_markdown() -> str:
    """Write the catalogue as a page.

    Examples
    --------
    >>> as_markdown().splitlines()[0]
    '# Signals'
    """
    families = {name: [s for s in CATALOG if s.family == name] for name in _names()}
    told = [f"{len(CATALOG)} signals in {len(families)} families: {_counted(families)}.", ""]
    sections = [_section(name, signals) for name, signals in families.items()]
    return "\n".join([_HEAD, *told, *sections])


def _names() -> list[str]:
    """Name the families in the order of the catalogue."""
    return list(dict.fromkeys(signal.family for signal in CATALOG))


def _counted(families: Mapping[str, Sequence[Signal]]) -> str:
    return ", ".join(f"[{name}](#{name}) {len(signals)}" for name, signals in families.items())


def _section(family: str, signals: Sequence[Signal]) -> str:
    head = [f"## {family.capitalize()}", "", _row(_COLUMNS), _row(["---"] * len(_COLUMNS))]
    return "\n".join([*head, *(_row(_cells(signal)) for signal in signals), ""])


def _cells(signal: Signal) -> tuple[str, ...]:
    return (
        f"`{signal.slug}`",
        signal.meaning,
        signal.unit,
        "" if signal.window_days is None else str(signal.window_days),
        _SIGNS[signal.churn],
        _SIGNS[signal.expansion],
        ", ".join(signal.needs) or "contracts",
        signal.missing,
        _said(signal),
        signal.group,
    )


def _said(signal: Signal) -> str:
    """Give the words of a signal: those that quote its companions, and those of a zero."""
    words = signal.fuller or signal.phrase
    shown = _PLACE.sub(lambda found: "…%" if "%" in found[0] else "…", words).removesuffix(_ANSWER)
    return f"{shown}; of none: {signal.zero}" if signal.zero else shown


def _row(cells: Sequence[str]) -> str:
    """Write a row of a table.

    Examples
    --------
    >>> _row(["a|b", "c"])
    '| a\\\\|b | c |'
    """
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
