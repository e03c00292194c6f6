"""Banded: of the accounts in each band at a past origin, how many renewed and how many grew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import lead_day
from models.bands import BandSettings, fit_bands, levels
from models.renewal import Renewal
from training.backtest import Backtest
from training.calls import MONTHS
from training.history import History
from training.replay import Replay
from training.shares import share_of

__all__ = ["BANDS", "banded", "pooled"]

BANDS = ("High", "Medium", "Low")
BLOCKS = 12
"""Snapshots that the cut-offs of an origin rest on, as at a training."""


def banded(
    history: History, past: Backtest, settings: BandSettings | None = None
) -> list[dict[str, Any]]:
    """Place every origin's accounts by that origin's own cut-offs, and see what became of them.

    The band is the raw one: as the probabilities of that day place an account, without what
    earlier weeks, guards and trigger rules would have added.

    Returns
    -------
    list of dict
        Per origin: ``origin, period_end, retention, expansion``, both by band. ``accounts``;
        ``due`` (a renewal or a monthly decision fell within the three months) and, of those,
        ``renewed`` (still paying at their end); ``expanded`` (of all accounts of the band).
    """
    outcomes = history.outcomes()
    column = MONTHS - 1
    told = []
    for replay in past.replays:
        rows = replay.rows
        table = _levels(history, replay, past, settings)
        table["due"] = replay.prediction.free[:, :MONTHS].any(axis=1)
        table["renewed"] = table["due"] & ~outcomes.gone[rows, column]
        table["expanded"] = outcomes.expand[rows, column]
        table["mrr"] = outcomes.opening[rows] / 1e6
        told.append(
            {
                "origin": replay.origin.isoformat(),
                "period_end": lead_day(replay.origin, MONTHS).isoformat(),
                "retention": _by_band(table, "retention"),
                "expansion": _by_band(table, "expansion"),
            }
        )
    return told


def pooled(quarters: Sequence[dict[str, Any]], independent: float = 1.0) -> dict[str, Any]:
    """Add the quarters up, band by band, with 90 % intervals.

    Examples
    --------
    >>> one = {"accounts": 9, "mrr": 9.0, "due": 4, "renewed": share_of(3, 4),
    ...     "expanded": share_of(0, 9)}
    >>> quarter = {side: dict.fromkeys(BANDS, one) for side in ("retention", "expansion")}
    >>> pooled([quarter, quarter])["retention"]["Low"]["renewed"]["share"]
    0.75
    """
    return {
        side: {
            band: _sum([quarter[side][band] for quarter in quarters], independent) for band in BANDS
        }
        for side in ("retention", "expansion")
    }


def _levels(
    history: History, replay: Replay, past: Backtest, settings: BandSettings | None
) -> pd.DataFrame:
    """Find the cut-offs as a training at the origin would have, and each account's level."""
    days = [day for day in history.dates if day <= replay.origin][-BLOCKS:]
    rows = np.concatenate([history.at(day) for day in days])
    frame = history.frame.iloc[rows].reset_index(drop=True)
    model = replay.model.served_by(past.serves)
    prediction = model.predict(frame)
    told, expand = Renewal(model, prediction), prediction.p_expand[:, MONTHS - 1]
    bands = fit_bands(1 - told.modelled(), told.basis, expand, settings=settings)
    here = slice(len(rows) - len(replay.rows), None)
    risk = bands.risk_levels(1 - told.booked()[here], told.basis[here])
    ready = levels(bands.expansion_distance(expand[here]))
    return pd.DataFrame({"retention": _named(risk), "expansion": _named(2 - ready)})


def _named(level: NDArray[np.int64]) -> NDArray[Any]:
    return np.asarray(np.array(BANDS)[level])


def _by_band(table: pd.DataFrame, side: str) -> dict[str, Any]:
    return {band: _of(table[table[side] == band]) for band in BANDS}


def _of(part: pd.DataFrame) -> dict[str, Any]:
    due = int(part["due"].sum())
    return {
        "accounts": len(part),
        "mrr": float(part["mrr"].sum()),
        "due": due,
        "renewed": share_of(int(part["renewed"].sum()), due),
        "expanded": share_of(int(part["expanded"].sum()), len(part)),
    }


def _sum(parts: Sequence[dict[str, Any]], independent: float) -> dict[str, Any]:
    accounts, due = (sum(part[key] for part in parts) for key in ("accounts", "due"))
    renewed, expanded = (
        sum(part[key]["events"] for part in parts) for key in ("renewed", "expanded")
    )
    return {
        "accounts": accounts,
        "due": due,
        "renewed": share_of(renewed, due, independent * due),
        "expanded": share_of(expanded, accounts, independent * accounts),
    }
