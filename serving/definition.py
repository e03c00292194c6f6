"""The rules of a figure in one line: what differs from the default, and what has no data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["idle_rules", "rules_line"]


def rules_line(definition: Mapping[str, Any]) -> str:
    """Name the preset, then every choice that differs from the default.

    Parameters
    ----------
    definition : mapping
        As an output carries it: every key of ``[revenue]``, and ``not_applied``.

    Examples
    --------
    >>> rules_line({"preset": "default", "fx": "spot", "losses": "net", "not_applied": {}})
    'preset default, but fx = spot'
    >>> rules_line({"preset": "default"})
    'preset default'
    """
    from features.rules import Rules  # heavy: pydantic

    default = Rules().stamp()
    told = [
        f"{key} = {value}"
        for key, value in definition.items()
        if key in default and key != "preset" and value != default[key]
    ]
    preset = f"preset {definition.get('preset', 'default')}"
    if not told:
        return preset
    joint = ", but " if preset == "preset default" else ": "
    return preset + joint + ", ".join(told)


def idle_rules(definition: Mapping[str, Any]) -> str:
    """Name the rules that this book has no data for; empty if there is none.

    Examples
    --------
    >>> idle_rules({"not_applied": {"usage": "not applied: no data", "ramp": "not applied: no data"}})
    'ramp, usage'
    """
    return ", ".join(sorted(definition.get("not_applied", {})))
