"""Guards: what forbids an expansion talk now. A guard changes no probability, and says so.

A guard holds an expansion *sales* play; limit notices and self-serve upgrades are never held.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.configuration import Section

__all__ = ["GuardSettings", "guards"]


class GuardSettings(Section):
    """Section ``[matrix.guards]``.

    Attributes
    ----------
    first_days : int
        Days of active usage before which no expansion is sold.
    wait_days : int
        Days that an expansion waits from the first published week of Medium/High.
    renewal_days : int
        Days before a renewal within which no cross-sell is offered.
    cool_down_days : int
        Days before an account is listed again for the same play.
    expanded_days : int
        Days after an expansion in which no further one is sold.
    contact_acv : float
        Annual contract value above which a cross-sell asks for a contact of its own area.
    """

    first_days: int = 90
    wait_days: int = 60
    renewal_days: int = 60
    cool_down_days: int = 30
    expanded_days: int = 30
    contact_acv: float = 50_000.0


FLAGS = {
    "urgent_open": "an urgent ticket is open",
    "detractor": "the last NPS is a detractor",
    "bill_shock": "a bill shock is coming",
    "past_due": "a payment is past due",
}
CROSS_SELL = ("product", "cross_sell", "cross-sell")


def guards(frame: pd.DataFrame, as_of: date, settings: GuardSettings | None = None) -> pd.DataFrame:
    """Say what holds an expansion play back, per account.

    Parameters
    ----------
    frame : DataFrame
        ``account_id, retention_health`` and, where known, ``tenure_days`` (days of active
        usage), ``next_renewal_on``, ``waits_since`` (first published week of Medium/High),
        ``lever``, ``mrr``, ``last_expansion_play_on``, ``area_contact`` (bool: a contact of the
        adjacent area is known), ``last_save_play_on``, ``days_since_expansion``, ``seats_idle``
        (bool: few of the paid seats are in use) and the bool columns ``urgent_open, detractor,
        bill_shock, past_due``. A column that is absent, or a value that is missing, raises no guard.
    as_of : date
        The as-of date.
    settings : GuardSettings, optional
        The thresholds.

    Returns
    -------
    DataFrame
        Same index: ``account_id, guard`` (text, None when nothing is to be said),
        ``expansion_held`` and ``save_held`` (bool; a save play is held by its cool-down alone).

    Examples
    --------
    >>> frame = pd.DataFrame({"account_id": ["a", "b"], "retention_health": ["High", "Low"],
    ...     "tenure_days": [400, 30]})
    >>> told = guards(frame, date(2025, 7, 1))
    >>> told["guard"].tolist()
    [None, 'no expansion play: Retention is Low; first 90 days of use']
    """
    chosen = settings or GuardSettings()
    rows = frame.to_dict("records")
    held = [_held(row, as_of, chosen) for row in rows]
    said = [_said(row, as_of, chosen) for row in rows]
    text = [_text(h, s) for h, s in zip(held, said, strict=True)]
    return pd.DataFrame(
        {
            "account_id": frame["account_id"],
            "guard": pd.Series(text, index=frame.index, dtype="object"),
            "expansion_held": np.array([bool(reasons) for reasons in held], dtype=bool),
            "save_held": np.array(
                [_recent(row, "save", as_of, chosen) for row in rows], dtype=bool
            ),
        },
        index=frame.index,
    )


def _held(row: dict[Any, Any], as_of: date, settings: GuardSettings) -> list[str]:
    """List what holds every expansion play of an account, gravest first."""
    found = ["Retention is Low"] if row.get("retention_health") == "Low" else []
    found += [words for flag, words in FLAGS.items() if _true(row.get(flag))]
    found += _young(row, settings) + _waiting(row, as_of, settings)
    found += _landing(row, settings) + _idle(row)
    found += _negotiating(row, as_of, settings) if row.get("lever") in CROSS_SELL else []
    return found + _cooling(row, as_of, settings)


def _said(row: dict[Any, Any], as_of: date, settings: GuardSettings) -> list[str]:
    """List what is to be said without holding the play."""
    found = []
    if row.get("lever") not in CROSS_SELL and _negotiating(row, as_of, settings):
        found.append("no cross-sell before the renewal; a seat or tier ask inside it is fine")
    rich = _number(row.get("mrr")) * 12 > settings.contact_acv
    if rich and row.get("lever") in CROSS_SELL and _false(row.get("area_contact")):
        found.append("no contact is known for the adjacent area")
    return found


def _text(held: list[str], said: list[str]) -> str | None:
    parts = ["no expansion play: " + "; ".join(held)] if held else []
    return "; ".join([*parts, *said]) or None


def _young(row: dict[Any, Any], settings: GuardSettings) -> list[str]:
    days = _number(row.get("tenure_days"))
    return [f"first {settings.first_days} days of use"] if days < settings.first_days else []


def _landing(row: dict[Any, Any], settings: GuardSettings) -> list[str]:
    """Hold an account that has just bought more."""
    days = _number(row.get("days_since_expansion"))
    return (
        [f"it expanded {days:.0f} days ago: let it land"] if days < settings.expanded_days else []
    )


def _idle(row: dict[Any, Any]) -> list[str]:
    """Hold more seats where those that are paid lie idle."""
    idle = row.get("lever") == "seat" and _true(row.get("seats_idle"))
    return ["few of the paid seats are in use: win their use first"] if idle else []


def _waiting(row: dict[Any, Any], as_of: date, settings: GuardSettings) -> list[str]:
    """Hold an account that was Medium/High: for its 60 days, and until Retention is High."""
    since = _day(row.get("waits_since"))
    if since is None:
        return []
    until = since + timedelta(days=settings.wait_days)
    if as_of < until:
        return [f"stabilise retention first, until {until.isoformat()}"]
    if row.get("retention_health") == "Medium":
        return ["stabilise retention first, until Retention is High"]
    return []


def _negotiating(row: dict[Any, Any], as_of: date, settings: GuardSettings) -> list[str]:
    renewal = _day(row.get("next_renewal_on"))
    if renewal is None or not 0 <= (renewal - as_of).days <= settings.renewal_days:
        return []
    return [f"the renewal of {renewal.isoformat()} is being negotiated"]


def _cooling(row: dict[Any, Any], as_of: date, settings: GuardSettings) -> list[str]:
    recent = _recent(row, "expansion", as_of, settings)
    return [f"contacted for it in the last {settings.cool_down_days} days"] if recent else []


def _recent(row: dict[Any, Any], kind: str, as_of: date, settings: GuardSettings) -> bool:
    """Say whether an account was contacted for a kind of play within its cool-down."""
    last = _day(row.get(f"last_{kind}_play_on"))
    return last is not None and 0 <= (as_of - last).days < settings.cool_down_days


def _day(value: Any) -> date | None:
    """Read a day, or nothing."""
    return None if value is None or pd.isna(value) else pd.Timestamp(value).date()


def _number(value: Any) -> float:
    """Read a number; a missing one compares false with everything."""
    return float("nan") if value is None or pd.isna(value) else float(value)


def _true(value: Any) -> bool:
    return value is not None and not pd.isna(value) and bool(value)


def _false(value: Any) -> bool:
    return value is not None and not pd.isna(value) and not bool(value)
