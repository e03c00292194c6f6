"""Paper: what both reports are written on. One file, one sheet of style, no script, no other host."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup

from serving.dashboard.figures import percent
from serving.digest.lines import plain
from serving.pages import template
from serving.reports.spelling import (
    bare,
    cents,
    change,
    month,
    odds,
    points,
    sentence,
    short,
    whole,
)

__all__ = ["render"]

_HERE = Path(__file__).parent


def render(name: str, values: Mapping[str, Any]) -> str:
    """Write a report; every text of the book is escaped, and the style is named by its digest.

    Parameters
    ----------
    name : str
        Its template.
    values : mapping
        What the template shows.
    """
    look = _look()
    digest = base64.b64encode(hashlib.sha256(look.encode()).digest()).decode()
    named = {"look": Markup(look), "look_digest": Markup(f"sha256-{digest}")}
    return str(_template(name).render({**values, **named}))


def _look() -> str:
    return (_HERE / "report.css").read_text(encoding="utf-8")


@cache
def _template(name: str) -> Template:
    filters: dict[str, Callable[..., Any]] = {
        "percent": percent,
        "cents": cents,
        "whole": whole,
        "points": points,
        "bare": bare,
        "month": month,
        "sentence": sentence,
        "short": short,
        "plain": plain,
        "odds": odds,
    }
    return template(_HERE, name, filters, {"change": change, "points": points})
