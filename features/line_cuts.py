"""Line cuts: figures by product or plan, and what moved between lines beside them.

A line is counted as if it were an account of its own: an account that drops one product and
takes another loses the one line and gains the other. So the rows of a line cut need one more to
add up to the book, "moved between lines": the book less all lines, for every amount.
"""

from __future__ import annotations

from collections.abc import Sequence

from features.measure import Measure

__all__ = ["with_moved"]


def with_moved(
    parts: list[Measure], wholes: list[Measure], cut: Sequence[str], lines: Sequence[str]
) -> list[Measure]:
    """Add to the rows of a line cut, per window and value of the other columns, what moved.

    Product NRR reconciles to account NRR: ``blend`` is the lines' NRR weighted by their opening
    MRR, Σ closing / Σ opening over the lines; what cohort accounts pay at the closing for lines
    that they did not have at the opening (cross-sell, a base of zero) is the moved row's
    ``cohort["closing"]``. Exactly: account NRR = blend + moved closing / opening, where returns
    that the rules add to NRR are added to both closings. The lines'
    openings add up to the accounts', so the moved row opens at zero and has no NRR of its own.

    Parameters
    ----------
    parts : list of Measure
        The lines' rows.
    wholes : list of Measure
        The same windows without the line keys.
    cut, lines : sequence of str
        The columns of the cut, and those of them that are line keys.

    Examples
    --------
    >>> from datetime import date
    >>> from features.windows import Window
    >>> year = Window(date(2024, 12, 31), date(2025, 12, 31))
    >>> whole = Measure(year, {}, {"accounts": 1, "lost": 0, "opening": 100, "closing": 130}, {})
    >>> line = Measure(year, {"plan": "a"}, whole.cohort | {"closing": 90}, {})
    >>> moved = with_moved([line], [whole], ["plan"], ["plan"])[-1]
    >>> moved.cohort["closing"], moved.blend, moved.nrr
    (40, 0.9, None)
    """
    found = []
    for whole in wholes:
        own = [part for part in parts if _belongs(part, whole, lines)]
        found += [*own, _moved(whole, own, cut)]
    return found


def _belongs(part: Measure, whole: Measure, lines: Sequence[str]) -> bool:
    rest = {name: value for name, value in part.cut.items() if name not in lines}
    return part.window == whole.window and rest == dict(whole.cut)


def _moved(whole: Measure, own: list[Measure], cut: Sequence[str]) -> Measure:
    cohort = _less(whole.cohort, [part.cohort for part in own])
    flows = _less(whole.flows, [part.flows for part in own])
    opening = sum(part.cohort["opening"] for part in own)
    closing = sum(part.cohort["closing"] + part.cohort.get("reactivation", 0) for part in own)
    blend = closing / opening if opening else None
    values = {name: whole.cut.get(name) for name in cut}
    return Measure(whole.window, values, cohort, flows, blend=blend, moved=True)


def _less(whole: dict[str, int], parts: list[dict[str, int]]) -> dict[str, int]:
    return {name: amount - sum(part[name] for part in parts) for name, amount in whole.items()}
