"""A trial: one message that says that nothing has happened, to see whether a sink works."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from serving.alerts.sending import Post
from serving.alerts.settings import Sink
from serving.delivery import Delivery, stamp

__all__ = ["trial"]


def trial(post: Post, sink: Sink, now: datetime) -> Delivery:
    """Send one test message past the outbox; a CRM gets an empty batch."""
    at = stamp(now)
    about = (f"test-{sink.name}-{at}", "", sink.name, "test", None)
    message = Delivery(*about, {}, "sending", 1, at, at, at, None, None)
    outcome = post.send(message, now)
    state = {"sent": "sent", "never": "dead"}.get(outcome.state, "waiting")
    return replace(message, state=state, said=outcome.said)
