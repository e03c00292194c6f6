"""Pages: every template is read, escaped and strict in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from serving.dashboard.figures import day, money

__all__ = ["template"]


def template(
    folder: Path,
    name: str,
    filters: Mapping[str, Callable[..., Any]],
    shared: Mapping[str, Any] | None = None,
) -> Template:
    """Open a template of a folder; whatever it is given is escaped, a missing name is an error.

    Parameters
    ----------
    folder : Path
        Where it and what it includes lie.
    name : str
        Its file.
    filters : mapping of str to callable
        Beside ``money`` and ``day``, which all have.
    shared : mapping, optional
        Further names that it may use.
    """
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined
    )
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {"money": money, "day": day} | dict(filters)
    environment.globals |= dict(shared or {})
    return environment.get_template(name)
