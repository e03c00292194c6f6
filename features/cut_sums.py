"""Cut sums: the rows of every cut make the whole book, and its movements its closing, to the unit."""

from __future__ import annotations

from collections.abc import Sequence

from features.faults import InternalFault
from features.measure import Measure
from features.sheets import FLOWS
from features.windows import Window

__all__ = ["held_to_whole"]

_LOSSES = ("contraction", "churned")


def held_to_whole(measures: Sequence[Measure]) -> None:
    """Check that nothing is lost between the whole book and its cuts.

    In every window the book's movements make its closing MRR, the cohort's make what the cohort
    pays at the closing, and the rows of each cut add up to the whole, amount by amount.

    Parameters
    ----------
    measures : sequence of Measure
        Of each window the whole book, and the rows of any cuts of it.

    Raises
    ------
    InternalFault
        ``identity.broken``, naming the window, the cut and the amount.

    Examples
    --------
    >>> from datetime import date
    >>> year = Window(date(2024, 12, 31), date(2025, 12, 31))
    >>> whole = Measure(year, {}, {"accounts": 2}, {})
    >>> parts = [Measure(year, {"region": name}, {"accounts": 1}, {}) for name in ("a", "b")]
    >>> held_to_whole([whole, *parts])
    >>> held_to_whole([whole, parts[0]])
    Traceback (most recent call last):
    ...
    features.faults.InternalFault: 2024-12-31 to 2025-12-31, cut by region: 'accounts' of its rows \
makes 1, of the book 2: identity.broken
    """
    wholes = {measure.window: measure for measure in measures if not measure.cut}
    for whole in wholes.values():
        _movements_make_the_closing(whole)
    sums: dict[tuple[Window, tuple[str, ...]], dict[tuple[str, str], int]] = {}
    for part in measures:
        if part.cut:
            summed = sums.setdefault((part.window, tuple(part.cut)), {})
            for name, amount in _amounts(part).items():
                summed[name] = summed.get(name, 0) + amount
    for (window, cut), summed in sums.items():
        _rows_make_the_whole(wholes[window], cut, summed)


def _amounts(measure: Measure) -> dict[tuple[str, str], int]:
    """Give all that adds up: of the cohort and of the flows, which share some names."""
    both = (("cohort", measure.cohort), ("flows", measure.flows))
    return {(kind, name): amount for kind, found in both for name, amount in found.items()}


def _rows_make_the_whole(
    whole: Measure, cut: tuple[str, ...], summed: dict[tuple[str, str], int]
) -> None:
    for (kind, name), amount in _amounts(whole).items():
        if summed[kind, name] != amount:
            of = f"cut by {', '.join(cut)}: '{name}' of its rows makes {summed[kind, name]}"
            raise _broken(whole.window, f"{of}, of the book {amount}")


def _movements_make_the_closing(whole: Measure) -> None:
    for told, gains, amounts in (
        ("cohort", ("opening", "expansion"), whole.cohort),
        ("book", ("opening", *(name for name in FLOWS if name not in _LOSSES)), whole.flows),
    ):
        if "closing" not in amounts:
            continue
        made = sum(amounts[name] for name in gains) - sum(amounts[name] for name in _LOSSES)
        if made != amounts["closing"]:
            raise _broken(
                whole.window,
                f"the {told}'s movements make {made}, its closing MRR is {amounts['closing']}",
            )


def _broken(window: Window, found: str) -> InternalFault:
    return InternalFault("identity.broken", f"{window.opening} to {window.closing}, {found}")
