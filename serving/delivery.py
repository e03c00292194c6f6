"""A message of the outbox, and how its moments are written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["RECORDS", "Delivery", "stamp"]

RECORDS = "records"
"""Kind of a message that is a batch of accounts for a CRM."""


@dataclass(frozen=True)
class Delivery:
    """One message of the outbox.

    Attributes
    ----------
    delivery_id, run_id, sink, kind : str
    account_id : str or None
        None for a digest.
    body : dict
        What is told, as ``serving.alerts.news`` wrote it.
    state : str
    tries : int
        Sendings so far; while it is being sent, this one included.
    queued_at, due_at : str
        UTC, as `stamp` writes it.
    first_tried_at, settled_at, said : str or None
        When it was first tried, when it came to its end, and what was said last.
    """

    delivery_id: str
    run_id: str
    sink: str
    kind: str
    account_id: str | None
    body: dict[str, Any]
    state: str
    tries: int
    queued_at: str
    due_at: str
    first_tried_at: str | None
    settled_at: str | None
    said: str | None


def stamp(moment: datetime, seconds: float = 0.0) -> str:
    """Write a moment so that texts sort as moments do.

    Examples
    --------
    >>> stamp(datetime(2026, 1, 1, tzinfo=UTC), 1.5)
    '2026-01-01T00:00:01.500+00:00'
    """
    return (moment.astimezone(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
