"""The digest as a page: one HTML file, no script, no other file, no other host."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup

from serving import dashboard
from serving.dashboard.figures import percent
from serving.digest.content import Digest
from serving.digest.words import (
    DEFINITIONS,
    LEVEL_WORDS,
    chance,
    exact,
    glance,
    many,
    points,
    since,
)
from serving.pages import template

__all__ = ["page"]

_HERE = Path(__file__).parent
_LOOK = Path(dashboard.__file__).parent / "static" / "perennial.css"


def page(digest: Digest) -> str:
    """Write the page; every text of the book is escaped."""
    return str(
        _template().render(
            d=digest,
            look=Markup(_LOOK.read_text(encoding="utf-8")),
            own=Markup((_HERE / "digest.css").read_text(encoding="utf-8")),
            glance=glance(digest),
            since=since(digest),
            definitions=DEFINITIONS,
            levels=LEVEL_WORDS,
        )
    )


@cache
def _template() -> Template:
    filters: dict[str, Callable[..., Any]] = {
        "percent": percent,
        "chance": chance,
        "exact": exact,
        "points": points,
    }
    return template(_HERE, "digest.html", filters, {"many": many})
