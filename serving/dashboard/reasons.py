"""Reasons and triggers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["phrases"]

_REST = ("other", "calendar", "leaves_first")


def phrases(items: Iterable[Any]) -> list[str]:
    """Give what can be read of reasons and triggers, in their order and each once.

    What only makes the sum of effects complete is no reason to tell.

    Examples
    --------
    >>> phrases([{"signal": "a", "phrase": "usage fell"}, {"signal": "other", "phrase": "rest"}, "x"])
    ['usage fell', 'x']
    """
    said = (_phrase(item) for item in items)
    return list(dict.fromkeys(phrase for phrase in said if phrase))


def _phrase(item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return str(item)
    return None if item.get("signal") in _REST else item.get("phrase")
