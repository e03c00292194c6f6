"""Accounts that cannot be scored: one of their signals is beyond all bounds.

Such an account keeps its row, its contract and a cell: it takes the calendar's rates, which are
those of all accounts of its term, size and age, and none of its own signals is trusted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

__all__ = ["bounded", "out_of_bounds", "unscorable"]


def unscorable(frame: pd.DataFrame, signals: Sequence[str]) -> list[str | None]:
    """Say per account why it cannot be scored, None where it can be.

    Parameters
    ----------
    frame : DataFrame
        Rows of ``features.snapshot.snapshot``, infinite values left in.
    signals : sequence of str
        The signals to look at.

    Examples
    --------
    >>> rows = pd.DataFrame({"visits": [1.0, np.inf, None], "seats": [2.0, -np.inf, 4.0]})
    >>> unscorable(rows, ["visits", "seats"])
    [None, 'visits, seats: not finite', None]
    """
    names = [name for name in signals if name in frame.columns]
    wild = np.isinf(frame[names].to_numpy(dtype=float))
    found: list[str | None] = [None] * len(frame)
    for row in np.flatnonzero(wild.any(axis=1)):
        said = [name for name, is_wild in zip(names, wild[row], strict=True) if is_wild]
        found[row] = f"{', '.join(said)}: not finite"
    return found


def bounded(frame: pd.DataFrame, signals: Sequence[str]) -> pd.DataFrame:
    """Give the frame with infinite signals missing; the frame itself where there is none.

    Examples
    --------
    >>> bounded(pd.DataFrame({"visits": [1.0, np.inf]}), ["visits"])["visits"].isna().tolist()
    [False, True]
    """
    names = [name for name in signals if name in frame.columns]
    wild = np.isinf(frame[names].to_numpy(dtype=float))
    if not wild.any():
        return frame
    return frame.assign(**frame[names].mask(wild).to_dict("series"))


def out_of_bounds(
    frame: pd.DataFrame, signals: Sequence[str], why: Sequence[str | None]
) -> pd.DataFrame:
    """Give the frame as a model may read it: none of an unscorable account's signals counts.

    They are all made infinite, which ``models.score`` gives no score.

    Examples
    --------
    >>> rows = pd.DataFrame({"visits": [1.0, 2.0], "seats": [2.0, np.inf]})
    >>> out_of_bounds(rows, ["visits"], [None, "seats: not finite"])["visits"].tolist()
    [1.0, inf]
    """
    bad = np.array([reason is not None for reason in why], dtype=bool)
    if not bad.any():
        return frame
    names = [name for name in signals if name in frame.columns]
    return frame.assign(**{name: frame[name].mask(bad, np.inf) for name in names})
