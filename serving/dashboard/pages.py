"""Pages: a template in the frame that all pages share, with the run, its age and the navigation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Template

from serving.dashboard.figures import compact, count, month, percent, points
from serving.dashboard.reasons import evidence, phrases
from serving.definition import rules_line
from serving.pages import template
from serving.store import Run

__all__ = ["NAV", "TEMPLATES", "Frame", "Stale", "shown", "staleness"]

TEMPLATES = Path(__file__).parent / "templates"
NAV = (
    ("Book", "/"),
    ("Matrix", "/matrix"),
    ("Outreach", "/outreach"),
    ("Accounts", "/accounts"),
    ("Forecast", "/forecast"),
    ("Expansion", "/expansion"),
    ("Model", "/model"),
)
_WHOLE_BOOK = ("/", "/forecast")
STALE_DAYS, OLD_DAYS = 8, 15


@dataclass(frozen=True)
class Stale:
    """How old the published figures are, where that should be said.

    Attributes
    ----------
    days : int
        Whole days since they were published.
    tone : str
        ``watch``, or ``bad`` once they are more than 15 days old.
    """

    days: int
    tone: str


@dataclass(frozen=True)
class Frame:
    """What the frame shows around every page.

    Attributes
    ----------
    here : str
        Address of the page's entry in the navigation.
    run : Run or None
        The run that is shown; None where nothing was published yet.
    stale : Stale or None
        Its age, once it is more than 8 days.
    who : str or None
        Who is signed in.
    csm : str or None
        The one CSM whose accounts are shown, where the key is limited to one.
    """

    here: str
    run: Run | None
    stale: Stale | None
    who: str | None
    csm: str | None = None

    @property
    def nav(self) -> tuple[tuple[str, str], ...]:
        """Name and address of every page that tells something to whoever asks."""
        if self.csm is None:
            return NAV
        return tuple(page for page in NAV if page[1] not in _WHOLE_BOOK)


def shown(
    request: Request, name: str, *, run: Run | None = None, status: int = 200, **values: Any
) -> HTMLResponse:
    """Write a page: a template of this folder inside the frame.

    Parameters
    ----------
    request : Request
        Tells which entry of the navigation is at hand, and who asks.
    name : str
        The template; it extends ``frame.html`` and fills its blocks ``title``, ``styles``,
        ``body`` and ``scripts``.
    run : Run, optional
        The run that the page shows: its dates stand in the frame.
    status : int
        HTTP status.
    **values
        What the template asks for; all of it is escaped.
    """
    moment = getattr(request.app.state, "now", None)
    who = getattr(request.state, "who", None)
    frame = Frame(
        _here(request.url.path),
        run,
        staleness(run, moment()) if run is not None and moment is not None else None,
        getattr(who, "name", None),
        getattr(who, "csm", None),
    )
    return HTMLResponse(opened(name).render({"frame": frame, "run": run} | values), status)


def staleness(run: Run, now: datetime) -> Stale | None:
    """Say how old a run is, once it is more than 8 days old.

    Examples
    --------
    >>> from datetime import UTC, date
    >>> run = Run("r", date(2025, 7, 1), 1, "s", "m", "d", "c", "o", 12, "2025-07-01T06:30:00+00:00")
    >>> staleness(run, datetime(2025, 7, 9, 6, 30, tzinfo=UTC)) is None
    True
    >>> staleness(run, datetime(2025, 7, 10, 7, 0, tzinfo=UTC))
    Stale(days=9, tone='watch')
    >>> staleness(run, datetime(2025, 7, 17, 7, 0, tzinfo=UTC))
    Stale(days=16, tone='bad')
    """
    age = now - datetime.fromisoformat(run.published_at)
    days = age.total_seconds() / 86_400
    if days <= STALE_DAYS:
        return None
    return Stale(int(days), "bad" if days > OLD_DAYS else "watch")


def _here(path: str) -> str:
    """Give the entry of the navigation that a path belongs to.

    Examples
    --------
    >>> [_here(path) for path in ("/", "/accounts", "/accounts/a 1", "/outreach.csv", "/nowhere")]
    ['/', '/accounts', '/accounts', '/outreach', '/nowhere']
    """
    return "/" + path.strip("/").partition("/")[0].partition(".")[0]


def as_json(value: Any) -> str:
    """Write a value as JSON for an attribute; the template escapes it.

    Examples
    --------
    >>> as_json({"share": 0.5})
    '{"share":0.5}'
    """
    return orjson.dumps(value).decode()


def sentence(text: str) -> str:
    """Write a message as a sentence.

    Examples
    --------
    >>> sentence("the cohort of 2023-Q1 is at 88%")
    'The cohort of 2023-Q1 is at 88%.'
    """
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


FILTERS: Mapping[str, Any] = {
    "compact": compact,
    "count": count,
    "evidence": evidence,
    "json": as_json,
    "month": month,
    "path": partial(quote, safe=""),
    "percent": percent,
    "phrases": phrases,
    "points": points,
    "rules": rules_line,
    "sentence": sentence,
}


@cache
def opened(name: str) -> Template:
    """Open a template once."""
    return template(TEMPLATES, name, FILTERS)
