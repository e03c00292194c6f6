"""Listing: the list of a week, with the quarter's holdout taken out and what it needs written down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from features.asof import quarter_name
from models.contacts import Contacts
from models.holdout import HOLDOUT, TREATED, Holdout, draw
from models.outreach import OutreachSettings, rank

__all__ = ["Listing", "listing"]


@dataclass(frozen=True)
class Listing:
    """The list of a week.

    Attributes
    ----------
    rows : DataFrame
        ``models.outreach.COLUMNS``, best first.
    holdout : dict or None
        Who is held out this quarter (``models.holdout.Holdout``), and ``log``: the rows that the
        list would have had without it, of those who take part, with ``arm``, ``propensity`` and
        ``stratum``. None where nobody is held out.
    """

    rows: pd.DataFrame
    holdout: dict[str, Any] | None = None


def listing(
    table: pd.DataFrame,
    settings: OutreachSettings,
    as_of: date,
    contacts: Contacts | None = None,
    cool_down_days: int = 30,
    capacity: int | None = None,
) -> Listing:
    """Make the list of a week.

    Who is held out was drawn by the quarter's first list and stays so until its end; who came
    later takes no part. Free places go to the next in line.

    Parameters
    ----------
    table : DataFrame
        As `models.outreach.rank` reads it.
    settings : OutreachSettings
    as_of : date
    contacts : Contacts, optional
    cool_down_days : int
    capacity : int, optional

    Examples
    --------
    >>> scores = pd.DataFrame({"account_id": list("abcdefgh"), "cell": "LL", "mrr": 5e3,
    ...     "segment": "smb", "p_churn_by_decision_or_12m": 0.5, "p_expand": 0.1,
    ...     "expected_expansion_mrr": 1.0, "csm": "kim"})
    >>> listing(scores, OutreachSettings(), date(2025, 7, 1)).holdout is None
    True
    """
    known = contacts or Contacts()
    would = _ranked(table, settings, capacity, as_of, known, cool_down_days, frozenset())
    if not settings.holdout:
        return Listing(would)
    quarter = known.quarter or quarter_name(as_of)
    drawn = known.holdout
    if drawn is None or drawn.quarter != quarter:
        drawn = draw(table, settings.holdout, quarter, as_of)
    rows = _ranked(table, settings, capacity, as_of, known, cool_down_days, drawn.held)
    taking = drawn.stratum_of()
    chance = [drawn.share if account in taking else 0.0 for account in rows["account_id"]]
    return Listing(rows.assign(propensity=chance), drawn.to_json() | {"log": _log(would, drawn)})


def _ranked(
    table: pd.DataFrame,
    settings: OutreachSettings,
    capacity: int | None,
    as_of: date,
    known: Contacts,
    days: int,
    held: frozenset[str],
) -> pd.DataFrame:
    return rank(
        table,
        settings,
        capacity,
        as_of=as_of,
        held_out=held,
        contacts=known,
        cool_down_days=days,
    )


def _log(would: pd.DataFrame, drawn: Holdout) -> list[dict[str, Any]]:
    """Write down who was due, in which arm: what an effect is counted from."""
    taking = drawn.stratum_of()
    return [
        {
            "account_id": row["account_id"],
            "play": row["play"],
            "arm": HOLDOUT if row["account_id"] in drawn.held else TREATED,
            "propensity": drawn.share,
            "stratum": taking[row["account_id"]],
        }
        for row in would[["account_id", "play"]].to_dict("records")
        if row["account_id"] in taking
    ]
