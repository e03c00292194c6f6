"""Drift: whether signals are spread over the accounts as they were a week before.

Each run keeps, per signal, its deciles and how many accounts lie between them, a count of the
missing first. The next run counts its own accounts in the same bins. The population stability
index (PSI) of the two counts is not held against a flat mark: divided by ``1/n + 1/m`` it is a
chi-square statistic, scaled by what this signal usually moves in a week, and many signals are
judged together at a false discovery rate (Benjamini and Hochberg).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2, false_discovery_control

__all__ = ["Drift", "bins", "drifted", "drifts", "marks", "stability_index"]

Counts = NDArray[np.int64]
Bins = Mapping[str, Sequence[float]]
DIGITS = 6
FEWEST = 4
"""Earlier weeks from which on a signal's usual drift is known."""


@dataclass(frozen=True)
class Drift:
    """How much a signal's distribution moved since the run before.

    Attributes
    ----------
    signal : str
    psi : float
        Population stability index; 0 where nothing moved.
    ratio : float
        The chi-square statistic over its degrees of freedom, per week: 1 is chance.
    degrees : int
        Bins that hold anything, less one.
    weeks : float
        Weeks since the run before, at least one.
    unit : float
        1/n + 1/m of the two counts: the PSI of chance is about it, times the degrees.
    """

    signal: str
    psi: float
    ratio: float
    degrees: int
    weeks: float = 1.0
    unit: float = 0.0

    def chance(self, usual: Sequence[float]) -> float:
        """Give the chance of so much drift, beside what is usual for this signal.

        Parameters
        ----------
        usual : sequence of float
            Ratios of earlier weeks; none where nothing is known: then chance alone.
        """
        return float(chi2.sf(self.ratio * self.degrees / _scale(usual), self.degrees))

    def mark(self, usual: Sequence[float], chance: float) -> float:
        """Give the PSI that would have just this chance: the critical value.

        Examples
        --------
        >>> one = Drift("visits", 0.85, 85.0, 1, unit=0.01)
        >>> round(one.mark([], 0.05), 4), one.chance([]) < 0.05
        (0.0384, True)
        """
        scale = _scale(usual) * self.weeks * self.unit
        return float(chi2.isf(chance, self.degrees) * scale)


def bins(frame: pd.DataFrame, signals: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Give what a run keeps of its signals: ``edges`` (deciles, each once) and ``counts``.

    Examples
    --------
    >>> kept = bins(pd.DataFrame({"visits": [0.0, 0.0, 5.0, 9.0, None]}), ["visits"])["visits"]
    >>> kept["edges"], kept["counts"]
    ([0.0, 1.0, 2.5, 4.0, 5.4, 6.6, 7.8], [1, 2, 0, 0, 0, 1, 0, 0, 1])
    """
    kept = {}
    for name in signals:
        values = frame[name].to_numpy(dtype=float)
        edges = _edges(values)
        kept[name] = {"edges": edges, "counts": _counted(values, edges).tolist()}
    return kept


def drifts(
    frame: pd.DataFrame, before: Mapping[str, Mapping[str, Sequence[Any]]], weeks: float = 1.0
) -> list[Drift]:
    """Compare the signals of a run with what the run before kept, in the order of their names.

    Parameters
    ----------
    frame : DataFrame
        Signals by name, one row per account.
    before : mapping of str to mapping
        What `bins` gave for the run before.
    weeks : float
        Weeks between the two runs.

    Examples
    --------
    >>> then = pd.DataFrame({"visits": np.arange(1000.0)})
    >>> kept = bins(then, ["visits"])
    >>> [round(each.psi, 2) for each in drifts(then, kept)]
    [0.0]
    >>> far = drifts(then * 100, kept)[0]
    >>> far.psi > 1, far.chance([]) < 1e-9, far.chance([far.ratio]) > 0.2
    (True, True, True)
    """
    found = []
    for name in sorted(set(before) & set(frame.columns)):
        edges = [float(edge) for edge in before[name]["edges"]]
        then = np.asarray(before[name]["counts"], dtype=np.int64)
        now = _counted(frame[name].to_numpy(dtype=float), edges)
        psi, degrees = stability_index(then, now)
        if degrees:
            each = 1 / then.sum() + 1 / now.sum()
            span = max(1.0, weeks)
            found.append(Drift(name, psi, psi / each / degrees / span, degrees, span, each))
    return found


def stability_index(then: Counts, now: Counts) -> tuple[float, int]:
    """Give the PSI of two counts in the same bins, and its degrees of freedom.

    Half a count is added to each bin, so that an empty one weighs something and not all.

    Examples
    --------
    >>> psi, degrees = stability_index(np.array([50, 50, 0]), np.array([90, 10, 0]))
    >>> round(psi, 2), degrees
    (0.85, 1)
    >>> stability_index(np.array([0, 5]), np.array([0, 9]))
    (0.0, 0)
    """
    held = (then + now) > 0
    if held.sum() < 2 or not then.sum() or not now.sum():
        return 0.0, 0
    p, q = (
        (each[held] + 0.5) / (each[held] + 0.5).sum()
        for each in (then.astype(float), now.astype(float))
    )
    return float(((q - p) * np.log(q / p)).sum()), int(held.sum()) - 1


def drifted(
    found: Sequence[Drift],
    usual: Mapping[str, Sequence[float]],
    rate: float,
    least: float,
) -> list[Drift]:
    """Name the signals that drifted beyond chance and beyond what is usual, largest first.

    Parameters
    ----------
    found : sequence of Drift
    usual : mapping of str to sequence of float
        Per signal the ratios of earlier weeks. One with fewer than four is not judged.
    rate : float
        Share of false alarms among those named (Benjamini and Hochberg).
    least : float
        PSI below which drift beyond chance is not worth a word: in a large book everything is
        beyond chance.

    Examples
    --------
    >>> one = Drift("visits", 0.8, 90.0, 9)
    >>> drifted([one], {"visits": [1.0, 2.0, 1.5, 3.0]}, 0.01, 0.25) == [one]
    True
    >>> drifted([one], {"visits": [80.0, 90.0, 95.0, 70.0]}, 0.01, 0.25)
    []
    >>> drifted([one], {"visits": [1.0]}, 0.01, 0.25)
    []
    """
    known = _judged(found, usual)
    if not known:
        return []
    chances = false_discovery_control([each.chance(usual[each.signal]) for each in known])
    named = [
        each
        for each, p in zip(known, chances, strict=True)
        if p < rate and each.psi >= least * each.weeks**0.5
    ]
    return sorted(named, key=lambda each: (-each.psi, each.signal))


def marks(
    found: Sequence[Drift], usual: Mapping[str, Sequence[float]], rate: float, least: float
) -> dict[str, float]:
    """Give of each signal that is judged the PSI from which on `drifted` names it.

    Parameters
    ----------
    found, usual, rate, least
        As for `drifted`.

    Examples
    --------
    >>> usual = {"visits": [1.0, 2.0, 1.5, 3.0]}
    >>> far, near = (Drift("visits", psi, psi / 0.01, 1, unit=0.01) for psi in (0.8, 0.1))
    >>> {name: round(mark, 2) for name, mark in marks([near], usual, 0.01, 0.1).items()}
    {'visits': 0.2}
    >>> drifted([near], usual, 0.01, 0.1), drifted([far], usual, 0.01, 0.1) == [far]
    ([], True)
    """
    known = _judged(found, usual)
    chances = sorted(each.chance(usual[each.signal]) for each in known)
    share = [rate * place / len(known) for place in range(1, len(known) + 1)]
    named = [mine for p, mine in zip(chances, share, strict=True) if p < mine]
    cut = named[-1] if named else rate / max(len(known), 1)
    return {
        each.signal: max(each.mark(usual[each.signal], cut), least * each.weeks**0.5)
        for each in known
    }


def _judged(found: Sequence[Drift], usual: Mapping[str, Sequence[float]]) -> list[Drift]:
    """Keep the signals whose usual drift is known."""
    return [each for each in found if len(usual.get(each.signal, ())) >= FEWEST]


def _scale(usual: Sequence[float]) -> float:
    return max(1.0, *usual) if usual else 1.0


def _edges(values: NDArray[np.float64]) -> list[float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return []
    marks = np.quantile(known, np.arange(1, 10) / 10)
    return sorted({float(f"{mark:.{DIGITS}g}") for mark in marks})


def _counted(values: NDArray[np.float64], edges: Sequence[float]) -> Counts:
    """Count the missing, then the values up to each edge and beyond the last."""
    at = np.where(np.isnan(values), 0, 1 + np.searchsorted(edges, values, side="left"))
    return np.bincount(at, minlength=len(edges) + 2)
