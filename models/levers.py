"""Forecast expansion by lever: seats, a higher tier, another product, usage, price.

No model says by which lever an account will grow. The split rests on two things that are known:
by which levers the accounts of its segment grew before (in money, leaning on the whole book), and
the lever that the account's own expansion triggers point at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.levers import LEVERS
from models.flows import Cohort, means

__all__ = ["NAMED", "SIGNED", "UNKNOWN", "by_lever", "lever_shares"]

Floats = NDArray[np.float64]

PRICE = "price"
SIGNED, UNKNOWN = "signed", "unknown"
"""Beside the ledger's levers: what is signed already, and what nothing is known of."""

NAMED = 0.5
"""Share of an account's expansion that goes to the lever that its triggers point at."""

PRIOR_MOVES = 20.0
"""A segment's own past counts as much as the book's once it has so many expansions."""

PAST = [*LEVERS, UNKNOWN]


def by_lever(
    cohort: Cohort,
    segments: Sequence[str | None],
    past: pd.DataFrame,
    named: Sequence[str | None] = (),
    *,
    mean: float | None = None,
) -> dict[str, float]:
    """Split the mean of a cohort's expansion over the levers.

    Parameters
    ----------
    cohort : Cohort
        The accounts at one horizon.
    segments : sequence of str or None
        Segment of each account.
    past : DataFrame
        The book's past expansions: ``segment``, ``lever``, ``amount_micros`` (positive).
    named : sequence of str or None
        Lever that each account's triggers point at; empty if none was looked for.
    mean : float, optional
        The mean of expansion MRR as the forecast tells it, which the amounts add up to.

    Returns
    -------
    dict of str to float
        Expansion MRR by lever, those of `features.levers.LEVERS` in that order, then
        ``signed`` (increases that are signed) and ``unknown`` (no past expansion to go by); only
        those that are there. The amounts add up exactly to the mean of expansion MRR.

    Examples
    --------
    >>> one, no = np.ones(2), np.zeros(2, dtype=bool)
    >>> cohort = Cohort(100 * one, 0 * one, 0 * one, 0.5 * one, np.full((2, 3), 0.2),
    ...     np.zeros((2, 3)), no, 0 * one, 0 * one, no)
    >>> past = pd.DataFrame({"segment": ["smb"], "lever": ["seat"], "amount_micros": [10**9]})
    >>> by_lever(cohort, ["smb", "smb"], past, [None, "tier"])
    {'seat': 15.0, 'tier': 5.0}
    """
    expansion = means(cohort)["expansion"]
    risen = np.maximum(cohort.uplift, 0.0)
    modelled = expansion - cohort.signed_up - risen
    shares = lever_shares(segments, past)
    for at, lever in enumerate(named):
        if lever in PAST:
            weight = NAMED if shares[at, -1] < 1.0 else 1.0
            shares[at] *= 1.0 - weight
            shares[at, PAST.index(lever)] += weight
    amounts = dict(zip(PAST, (modelled @ shares).tolist(), strict=True))
    amounts[PRICE] += float(risen.sum())
    unknown = amounts.pop(UNKNOWN)
    amounts |= {SIGNED: float(cohort.signed_up.sum()), UNKNOWN: unknown}
    whole = float(expansion.sum()) if mean is None else mean
    return _exact({lever: a for lever, a in amounts.items() if a > 0.0}, whole)


def lever_shares(segments: Sequence[str | None], past: pd.DataFrame) -> Floats:
    """Give each account's shares by lever, (n, levers), of its segment's past expansion.

    A segment leans on the whole book as on twenty moves of its average size. Without any past
    expansion all is unknown.

    Examples
    --------
    >>> past = pd.DataFrame({"segment": ["smb"] * 20 + ["ent"] * 20, "amount_micros": 10**6,
    ...     "lever": ["seat"] * 20 + ["price"] * 20})
    >>> lever_shares(["smb", None], past)[:, [PAST.index("seat"), PAST.index("price")]].tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    known = past[past["lever"].isin(LEVERS) & (past["amount_micros"] > 0)]
    if known.empty:
        return np.tile(np.eye(len(PAST))[-1], (len(segments), 1))
    book = _sums(known) / known["amount_micros"].sum()
    own: Mapping[str, Floats] = {
        str(segment): _leaning(rows, book) for segment, rows in known.groupby("segment")
    }
    return np.array([own.get(str(segment), book) for segment in segments]).reshape(-1, len(PAST))


def _leaning(rows: pd.DataFrame, book: Floats) -> Floats:
    """Give a segment's shares, leaning on the book's."""
    lean = PRIOR_MOVES * float(rows["amount_micros"].mean())
    found: Floats = (_sums(rows) + lean * book) / (float(rows["amount_micros"].sum()) + lean)
    return found


def _sums(rows: pd.DataFrame) -> Floats:
    by = rows.groupby("lever")["amount_micros"].sum()
    return by.reindex(PAST, fill_value=0).to_numpy(dtype=np.float64)


def _exact(amounts: dict[str, float], total: float) -> dict[str, float]:
    """Let the largest amount take what rounding left, and the last one what is then left still."""
    if amounts:
        amounts[max(amounts, key=lambda lever: amounts[lever])] += total - sum(amounts.values())
        *others, last = amounts
        left = total - sum(amounts[lever] for lever in others)
        amounts[last] = left if left > 0.0 else amounts[last]
    return amounts
