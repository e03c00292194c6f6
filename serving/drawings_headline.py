"""The headline of a panel: what it shows in bold, and under it how to read it."""

from __future__ import annotations

import textwrap
from typing import Any

__all__ = ["headline"]

_COLUMNS = 128
_LINE = 14.5  # points from line to line


def headline(axes: Any, what: str, how: str) -> None:
    """Write both above a panel, the second folded at the panel's width."""
    lines = textwrap.wrap(how, _COLUMNS)
    axes.set_title(what, loc="left", fontsize=12, fontweight="bold", pad=8 + _LINE * len(lines))
    axes.annotate(
        "\n".join(lines),
        (0, 1),
        (0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9.5,
        linespacing=1.35,
        va="bottom",
        annotation_clip=False,
    )
