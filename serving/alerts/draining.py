"""Draining: what is due is claimed, sent and settled, one message a second on each channel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from serving import claiming, outbox
from serving.alerts.sending import Post
from serving.database import reading, writing
from serving.delivery import Delivery

__all__ = ["Drained", "drain", "outlined"]

LEAST_PAUSE = 0.01


_SHOWN = (
    "delivery_id",
    "run_id",
    "sink",
    "kind",
    "account_id",
    "state",
    "tries",
    "queued_at",
    "due_at",
    "settled_at",
    "said",
)


@dataclass(frozen=True)
class Drained:
    """What came of a draining.

    Attributes
    ----------
    deliveries : tuple of Delivery
        Every sending, in order, as it was settled.
    counts : dict of str to int
        Messages of the outbox by state, afterwards.
    """

    deliveries: tuple[Delivery, ...]
    counts: dict[str, int]

    @property
    def failed(self) -> bool:
        """Whether a message that was sent did not arrive, not even in the end."""
        last = {one.delivery_id: one.state for one in self.deliveries}
        return any(state != "sent" for state in last.values())

    def to_json(self) -> dict[str, Any]:
        """Give it in the shape of ``perennial alerts send --json``."""
        states = [one.state for one in self.deliveries]
        return {
            "sent": states.count("sent"),
            "retrying": states.count("waiting"),
            "dead": states.count("dead"),
            "outbox": self.counts,
            "deliveries": [outlined(one) for one in self.deliveries],
        }


def outlined(delivery: Delivery) -> dict[str, Any]:
    """Give a message without its content."""
    return {name: getattr(delivery, name) for name in _SHOWN}


def drain(
    engine: sa.Engine,
    post: Post,
    *,
    clock: Callable[[], datetime],
    pause: Callable[[float], None],
    patience: float = 60.0,
) -> Drained:
    """Send what is due.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The store's.
    post : Post
    clock, pause : callable
        Give the moment, and wait so many seconds.
    patience : float
        Seconds that are waited in all, beside the pace of a channel; what
        is due later is left for the next draining.

    Returns
    -------
    Drained
        A message that another drains meanwhile is not in it.
    """
    settled: list[Delivery] = []
    worked = False
    while True:
        with writing(engine) as connection:
            claimed = claiming.claim(connection, clock())
        if claimed is not None:
            outcome = post.send(claimed, clock())
            with writing(engine) as connection:
                done = claiming.settle(connection, claimed, outcome, clock(), post.settings)
            settled.append(done)
            worked = True
            continue
        with reading(engine) as connection:
            soonest, counts = claiming.soonest(connection), outbox.counts(connection)
        wait = _until(soonest, clock())
        paced = worked and wait <= claiming.PACE_SECONDS
        if not paced and wait > patience:
            return Drained(tuple(settled), counts)
        patience -= 0.0 if paced else max(wait, LEAST_PAUSE)
        worked = False
        pause(max(wait, LEAST_PAUSE))


def _until(soonest: str | None, now: datetime) -> float:
    if soonest is None:
        return math.inf
    return (datetime.fromisoformat(soonest) - now).total_seconds()
