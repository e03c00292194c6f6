"""The page of the presets, written from the rules and the presets themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from features.presets import PRESETS, Preset
from features.rules import Rules

__all__ = ["presets"]

HEAD = """# Presets, side by side

Written by `make docs` from `features/presets.py` and the defaults of `[revenue]`; a test fails when
it is stale. What each choice does is told in [revenue.md](revenue.md#every-choice).

A preset is a named set of choices: `[revenue] preset = "stripe-like"` in `perennial.toml`, where any
key beside it wins over the preset's, or `perennial metrics --preset stripe-like`, which measures with
exactly that preset and puts the book's own choices aside. "-like" means: as near as the choices
go. The vendors' products have settings of their own and change; the pages are named below with
what could not be expressed. An empty cell is the default's value.
"""


def presets() -> str:
    """Write the page.

    Examples
    --------
    >>> print(presets().splitlines()[0])
    # Presets, side by side
    """
    return "\n".join([HEAD, *_side_by_side(), *(_told(preset) for preset in PRESETS.values())])


def _side_by_side() -> Iterator[str]:
    """Give the table: one row per key of ``[revenue]``, one column per preset."""
    names = list(PRESETS)
    yield f"| choice | {' | '.join(f'`{name}`' for name in names)} |"
    yield "|---" * (len(names) + 1) + "|"
    standard = Rules().stamp()
    for key, value in standard.items():
        if key == "preset":
            continue
        others = [_cell(PRESETS[name].differs.get(key)) for name in names[1:]]
        yield f"| `{key}` | {_cell(value) or 'unset'} | {' | '.join(others)} |"
    yield ""


def _cell(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"


def _told(preset: Preset) -> str:
    """Tell one preset: each difference with its reason, its sources, what is not covered."""
    rows = [
        f"| `{key}` | {_cell(value)} | {preset.why[key]} |" for key, value in preset.differs.items()
    ]
    table = ["| choice | value | why |", "|---|---|---|", *rows, ""] if rows else []
    lines = [f"## {preset.name}", "", *table, "Sources:", ""]
    lines += [f"- {_linked(source)}" for source in preset.source]
    if preset.not_covered:
        lines += ["", "Not covered:", "", *(f"- {one}" for one in preset.not_covered)]
    lines.append("")
    return "\n".join(lines)


def _linked(source: str) -> str:
    """Write a source as a link on its title, where it has an address.

    Examples
    --------
    >>> _linked("A title: https://example.org/page")
    '[A title](https://example.org/page)'
    """
    title, found, address = source.partition(": https://")
    return f"[{title}](https://{address})" if found else source
