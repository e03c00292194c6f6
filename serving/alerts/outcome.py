"""What came of one sending: it arrived, it is to be tried again, or it never will arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

__all__ = ["Outcome", "judged", "wait_asked"]

LONGEST_WAIT = 86_400.0
WAIT_UNSAID = 30.0
_LATER = frozenset({408, 425})


@dataclass(frozen=True)
class Outcome:
    """What came of one sending.

    Attributes
    ----------
    state : str
        ``sent``; ``busy`` (the receiver asks to wait: no try is counted); ``again`` (a failure
        that may pass); ``never`` (one that will not).
    said : str
        Why, without a secret and without what the receiver wrote.
    wait : float
        Seconds that the receiver asks to wait.
    failed : tuple of str
        Records that were not accepted, by their external id; the others were.
    """

    state: Literal["sent", "busy", "again", "never"]
    said: str = ""
    wait: float = 0.0
    failed: tuple[str, ...] = ()


def judged(status: int, headers: Mapping[str, str], now: datetime) -> Outcome:
    """Judge the answer of a web server.

    Examples
    --------
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> judged(200, {}, now).state, judged(410, {}, now).state, judged(503, {}, now).state
    ('sent', 'never', 'again')
    >>> judged(429, {"retry-after": "7"}, now)
    Outcome(state='busy', said='HTTP 429', wait=7.0, failed=())
    """
    said = f"HTTP {status}"
    if 200 <= status < 300:
        return Outcome("sent", said)
    wait = wait_asked(headers.get("retry-after"), now)
    if status == 429:
        return Outcome("busy", said, wait or WAIT_UNSAID)
    if status >= 500 or status in _LATER:
        return Outcome("again", said, wait)
    if 300 <= status < 400:
        return Outcome("never", f"{said}: a redirect is not followed")
    return Outcome("never", said)


def wait_asked(text: str | None, now: datetime) -> float:
    """Read ``Retry-After``: seconds, or a date; 0 where it says nothing.

    Examples
    --------
    >>> wait_asked("Thu, 01 Jan 2026 00:01:00 GMT", datetime(2026, 1, 1, tzinfo=UTC))
    60.0
    >>> [wait_asked(text, datetime(2026, 1, 1, tzinfo=UTC)) for text in (None, "-3", "soon", "1e9")]
    [0.0, 0.0, 0.0, 0.0]
    """
    if text is None:
        return 0.0
    if text.strip().isascii() and text.strip().isdigit():
        return min(float(text.strip()[:9]), LONGEST_WAIT)
    try:
        asked = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    when = asked if asked.tzinfo else asked.replace(tzinfo=UTC)
    return min(max((when - now).total_seconds(), 0.0), LONGEST_WAIT)
