"""Whom an account has on its side, and the milestones that it reached."""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.rollup import EPOCH
from features.view import View

__all__ = ["LAST_MILESTONES", "MILESTONES", "contacts_of", "milestones_of"]

LAST_MILESTONES = 20
"""Milestones that are kept of an account."""
MILESTONES = ("milestone", "qbr", "reference", "training")
"""Kinds of touchpoints that tell of what was reached together."""

Rows = list[dict[str, Any]]


def contacts_of(view: View) -> dict[str, Rows]:
    """Give the people of each account: ``contact``, ``area``, ``role``, ``left_on`` (null: there).

    Those who left before the as-of date are named last. A list of people is as it stands today:
    who became known when is not recorded (a table in memory may say so, in ``known_at``).
    """
    if not view.book.has("contacts"):
        return {}
    rows = view.book.table("contacts").collect("pandas").to_native()
    if "known_at" in rows:
        rows = rows[_known(rows, view)]
    left = pd.to_datetime(rows["left_on"]) if "left_on" in rows else pd.NaT
    rows = rows.assign(left_on=left, gone=pd.Series(left, index=rows.index) < str(view.as_of))
    rows = rows.sort_values(["account_id", "gone", "contact_id"], kind="stable")
    return _gathered(rows, _contact)


def _known(rows: pd.DataFrame, view: View) -> Any:
    return pd.to_datetime(rows["known_at"], utc=True) < pd.Timestamp(view.as_of, tz="UTC")


def _contact(row: Any) -> dict[str, Any]:
    return {
        "contact": row.contact_id,
        "area": _text(row.area),
        "role": _text(row.role),
        "left_on": str(row.left_on)[:10] if row.gone else None,
    }


def milestones_of(view: View) -> dict[str, Rows]:
    """Give what was reached together, the latest first: ``on``, ``kind``, ``value``, ``contact``."""
    if "touchpoints" not in view.feeds:
        return {}
    rows = view.rows("touchpoints").collect("pyarrow").to_native().to_pandas()
    rows = rows[rows["kind"].isin(MILESTONES)]
    rows = rows.sort_values(["account_id", "day", "kind"], ascending=[True, False, True])
    return _gathered(rows.groupby("account_id", sort=False).head(LAST_MILESTONES), _milestone)


def _milestone(row: Any) -> dict[str, Any]:
    value = None if pd.isna(row.value) else row.value
    return {
        "on": str((pd.Timestamp(EPOCH) + pd.Timedelta(days=int(row.day))).date()),
        "kind": row.kind,
        "value": float(value) if isinstance(value, (int, float)) else value,
        "contact": _text(row.contact),
    }


def _text(value: Any) -> str | None:
    return None if value is None or pd.isna(value) else str(value)


def _gathered(rows: pd.DataFrame, made: Any) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for row in rows.itertuples(index=False):
        found.setdefault(str(row.account_id), []).append(made(row))
    return found
