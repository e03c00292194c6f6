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
import pandas as pd
from numpy.typing import NDArray

from features.signal import Signal

__all__ = ["Explained", "effects", "lines", "parts"]

Floats = NDArray[np.float64]

SHOWN = 3
LEAST_LOGIT = 0.1
LEAST_EFFECT = 0.0005
"""Below a twentieth of a point a line would read as zero: it is part of the rest."""
LEAST_STABILITY = 0.8
TINY = 1e-6
KEPT = 8
"""Decimals of a part that is kept: a dozen of them add up to within a millionth."""
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
    frame: pd.DataFrame,
    signals: Sequence[Signal],
    stability: Mapping[str, float],
) -> list[list[dict[str, Any]]]:
    """Say each account's reasons: at most three groups of signals, then what is left.

    Parameters
    ----------
    explained : Explained
    frame : DataFrame
        The signals' own values by slug, NaN where not known, and those that their phrases quote.
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
    said = {slug for s in signals for slug in (s.slug, *s.quotes)} & {*frame.columns}
    facts = {slug: frame[slug].to_numpy(dtype=np.float64) for slug in sorted(said)}
    return [
        _one(explained, facts, signals, member, steady, row) for row in range(len(explained.base))
    ]


def parts(explained: Explained, signals: Sequence[Signal]) -> list[dict[str, float]]:
    """Give what each account's probability is the sum of: every group, the calendar, the rest.

    Unlike `lines`, nothing is left out and nothing is put together; a part of zero is not listed.

    Examples
    --------
    >>> from features.catalog import CATALOG
    >>> told = Explained(np.array([0.9]), np.array([[0.03]]), np.array([[0.4]]), {})
    >>> parts(told, [CATALOG[0]])
    [{'usage': 0.03, 'calendar': 0.9}]
    """
    groups = np.array([signal.group for signal in signals], dtype=object)
    columns = {
        group: explained.effect[:, groups == group].sum(axis=1) for group in sorted({*groups})
    }
    columns |= {"calendar": explained.base, **explained.rest}
    names, table = [*columns], np.round(np.column_stack([*columns.values()]), KEPT).tolist()
    return [{name: part for name, part in zip(names, row, strict=True) if part} for row in table]


def _one(
    explained: Explained,
    facts: Mapping[str, Floats],
    signals: Sequence[Signal],
    member: Mapping[str, NDArray[np.int64]],
    steady: NDArray[np.bool_],
    row: int,
) -> list[dict[str, Any]]:
    """Say one account: groups that weigh, then the rest, the calendar and what is settled."""
    effect, logit = explained.effect[row], explained.logit[row]
    known = np.array([np.isfinite(facts[signal.slug][row]) for signal in signals])
    candidates = []
    for columns in member.values():
        usable = columns[steady[columns] & known[columns]]
        whole = float(logit[columns].sum())
        same = usable[np.sign(logit[usable]) == np.sign(whole)] if len(usable) else usable
        part = float(effect[columns].sum())
        if len(same) and abs(whole) >= LEAST_LOGIT and abs(part) >= LEAST_EFFECT:
            leading = int(same[np.argmax(np.abs(logit[same]))])
            candidates.append((abs(whole), leading, part))
    told = sorted(candidates, reverse=True)[:SHOWN]
    shown = [_named(signals[at], facts, row, part) for _, at, part in told]
    other = float(effect.sum()) - sum(part for _, _, part in told)
    shown.append(_plain("other", other))
    shown.append(_plain("calendar", float(explained.base[row])))
    settled = ((name, float(part[row])) for name, part in explained.rest.items())
    return shown + [_plain(name, part) for name, part in settled if part != 0.0]


def _named(signal: Signal, facts: Mapping[str, Floats], row: int, effect: float) -> dict[str, Any]:
    """Say a signal in its own words, with the facts that they quote."""
    value = float(facts[signal.slug][row])
    beside = {slug: float(facts[slug][row]) for slug in signal.quotes if slug in facts}
    return {
        "signal": signal.slug,
        "group": signal.group,
        "value": value,
        "unit": signal.unit,
        "effect": effect,
        "phrase": signal.say(value, beside),
    }


def _plain(name: str, effect: float) -> dict[str, Any]:
    """Say a line that no signal stands for."""
    return {
        "signal": name,
        "group": name,
        "value": None,
        "unit": None,
        "effect": effect,
        "phrase": WORDS[name],
    }
