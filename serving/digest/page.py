"""The digest as a page: one HTML file, no script, no other file, no other host."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from serving import dashboard
from serving.dashboard.figures import day, money, percent
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
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined
    )
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {
        "money": money,
        "percent": percent,
        "chance": chance,
        "day": day,
        "exact": exact,
        "points": points,
    }
    environment.globals |= {"many": many}
    return environment.get_template("digest.html")
