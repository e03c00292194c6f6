"""The top-down rivals at a past origin: what they would have said with what had closed by then."""

from __future__ import annotations

from datetime import date

from features.asof import add_months, months_between
from models.topdown import Months, rivals, unsettled
from training.history import History

__all__ = ["rivals_at"]


def rivals_at(history: History, origin: date) -> dict[str, dict[str, float | None]]:
    """Say NRR of the accounts that pay at an origin by every top-down rule, at every horizon.

    An account is of the segment that it was last seen in by then.
    """
    column = months_between(history.panel.first, add_months(origin, -1))
    seen = history.frame.loc[history.frame["as_of"] <= origin, ["account_id", "segment"]]
    known = seen.dropna().drop_duplicates("account_id", keep="last")
    segment = dict(zip(known["account_id"], known["segment"].astype(str), strict=True))
    segments = [segment.get(account, "unknown") for account in history.panel.accounts]
    return rivals(Months(history.panel.mrr[:, : column + 1], segments, unsettled(origin)))
