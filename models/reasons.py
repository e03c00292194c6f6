"""Reasons: what an account's probability is made of, in the words of a CSM.

A score is a sum over signals. In probability, a signal's effect is its share of the score times
the distance between the probability with the score and without it; the probability without it
is the calendar's own line. So the lines of an account add up to its probability.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.signal import Signal

__all__ = ["Explained", "effects", "lines"]

Floats = NDArray[np.float64]

SHOWN = 3
LEAST_LOGIT = 0.1
LEAST_STABILITY = 0.8
TINY = 1e-6
WORDS = {
    "calendar": "what its contract, tenure and size say by themselves",
    "other": "all other signals together",
    "leaves_first": "it may leave first",
    "booked": "notice given, or renewal signed: this is settled",
}


@dataclass(frozen=True)
class Explained:
    """Additive parts of a probability, for ``n`` accounts.

    Attributes
    ----------
    base : array, (n,)
        Probability by the calendar alone.
    effect : array, (n, signals)
        Probability that each signal adds or takes.
    logit : array, (n, signals)
        The same on the logit scale, for thresholds.
    rest : mapping of str to array
        Further lines, by their name in ``WORDS``.
    """

    base: Floats
    effect: Floats
    logit: Floats
    rest: Mapping[str, Floats]


def effects(contributions: Floats, probability: Callable[[Floats], Floats]) -> Explained:
    """Turn contributions to the score into parts of the probability.

    Parameters
    ----------
    contributions : array, (n, signals)
        Rows sum to the score.
    probability : callable
        Gives the probability of every account for any scores.

    Examples
    --------
    >>> told = effects(np.array([[1.0, 1.0]]), lambda s: 0.1 + 0.2 * s)
    >>> told.base.round(3).tolist(), told.effect.round(3).tolist()
    ([0.1], [[0.2, 0.2]])
    """
    score = contributions.sum(axis=1)
    base = probability(np.zeros_like(score))
    near_zero = np.abs(score) < TINY
    probe = np.where(near_zero, 1e-4, score)
    slope = (probability(probe) - base) / probe
    return Explained(base, contributions * slope[:, None], contributions, {})


def lines(
    explained: Explained,
    values: Floats,
    signals: Sequence[Signal],
    stability: Mapping[str, float],
) -> list[list[dict[str, Any]]]:
    """Say each account's reasons: at most three groups of signals, then what is left.

    Parameters
    ----------
    explained : Explained
    values : array, (n, signals)
        The signals' own values, NaN where not known.
    signals : sequence of Signal
    stability : mapping of slug to float
        Share of the training's refits in which the signal kept its sign.

    Returns
    -------
    list of list of dict
        ``signal, group, value, unit, effect, phrase`` per line; effects are in probability (0.01 is one
        point) and sum to the account's probability.
    """
    groups = sorted({signal.group for signal in signals})
    member: dict[str, NDArray[np.int64]] = {
        group: np.array([at for at, s in enumerate(signals) if s.group == group])
        for group in groups
    }
    steady = np.array([stability.get(s.slug, 1.0) >= LEAST_STABILITY for s in signals])
    return [
        _one(explained, values, signals, member, steady, row) for row in range(len(explained.base))
    ]


def _one(
    explained: Explained,
    values: Floats,
    signals: Sequence[Signal],
    member: Mapping[str, NDArray[np.int64]],
    steady: NDArray[np.bool_],
    row: int,
) -> list[dict[str, Any]]:
    effect, logit = explained.effect[row], explained.logit[row]
    candidates = []
    for columns in member.values():
        usable = columns[steady[columns] & np.isfinite(values[row, columns])]
        whole = float(logit[columns].sum())
        same = usable[np.sign(logit[usable]) == np.sign(whole)] if len(usable) else usable
        if len(same) and abs(whole) >= LEAST_LOGIT:
            leading = int(same[np.argmax(np.abs(logit[same]))])
            candidates.append((abs(whole), leading, float(effect[columns].sum())))
    told = sorted(candidates, reverse=True)[:SHOWN]
    shown = [
        _line(signals[at].slug, values[row, at], signals[at].unit, part, signals[at])
        for _, at, part in told
    ]
    other = float(effect.sum()) - sum(part for _, _, part in told)
    shown.append(_line("other", None, None, other, None))
    shown.append(_line("calendar", None, None, float(explained.base[row]), None))
    for name, parts in explained.rest.items():
        if parts[row] != 0.0:
            shown.append(_line(name, None, None, float(parts[row]), None))
    return shown


def _line(
    name: str, value: float | None, unit: str | None, effect: float, signal: Signal | None
) -> dict[str, Any]:
    known = value is not None and np.isfinite(value)
    return {
        "signal": name,
        "group": signal.group if signal else name,
        "value": float(value) if value is not None and known else None,
        "unit": unit,
        "effect": effect,
        "phrase": signal.say(float(value)) if signal and value is not None else WORDS[name],
    }
