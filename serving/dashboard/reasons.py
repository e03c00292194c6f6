"""Reasons and triggers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["evidence", "phrases"]

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


def evidence(triggers: Iterable[Any]) -> list[str]:
    """Give what fires: each trigger's evidence, or its name where it gives none.

    Examples
    --------
    >>> evidence([{"trigger": "renewal_due", "evidence": "renewal in 5 days"}, "seat_limit"])
    ['renewal in 5 days', 'seat limit']
    """
    said = (_fired(item) for item in triggers)
    return list(dict.fromkeys(one for one in said if one))


def _fired(item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item).replace("_", " ")
    return str(item.get("evidence") or item.get("trigger") or "").replace("_", " ")


def _phrase(item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return str(item)
    return None if item.get("signal") in _REST else item.get("phrase")
