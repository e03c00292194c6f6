"""Drawings: the movements of a window and the cohorts beside them, as one SVG or PNG.

Readable in black and white: what a bar does is in its hatching and its sign, what a cell says is
printed in it. The same figures give the same bytes: no time, no random name is in the file.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from features.durable import disk_watched, replace
from serving.definition import rules_line
from serving.drawings_heatmap import rows_shown, show_cohorts
from serving.drawings_waterfall import show_movements
from serving.terminal.amounts import amounts
from serving.terminal.revenue import naming

__all__ = ["Figure", "blank", "draw", "figure", "write_picture"]

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "perennial",
    "svg.fonttype": "path",
}
_WIDTH = 11.0
_WATERFALL = 5.2
_REASON = 1.4  # inches for a window that has no figures
_ROW = 0.34
_PIXELS_PER_INCH = 144


def draw(body: Mapping[str, Any], path: Path) -> None:
    """Write the picture of what `metrics` tells, whole or not at all.

    Parameters
    ----------
    body : mapping
        ``windows`` (the first is drawn), ``cohorts`` if the book has any, ``definition``.
    path : Path
        Ends in ``.svg`` or ``.png``; its folder is there.

    Raises
    ------
    CannotWrite
        ``disk.full`` if the disk refuses.
    """
    write_picture(
        lambda: figure(body), path, "Movements of MRR and retention by acquisition cohort"
    )


def write_picture(made: Callable[[], Figure], path: Path, title: str) -> None:
    """Draw in the house style and write the file, whole or not at all.

    Raises
    ------
    CannotWrite
        ``disk.full`` if the disk refuses.
    """
    with mpl.rc_context(_STYLE):
        content = io.BytesIO()
        made().savefig(content, format=path.suffix[1:].lower(), metadata=_about(path, title))
    with disk_watched(path):
        replace(path, content.getvalue())
        path.chmod(0o644)


def figure(body: Mapping[str, Any]) -> Figure:
    """Lay out the panels: movements above, cohorts below where there are any."""
    cohorts = body.get("cohorts") or {}
    rows = rows_shown(cohorts)
    below = 1.9 + _ROW * rows if rows else 0.0
    above = _REASON if body["windows"][0]["opening_mrr"] is None else _WATERFALL
    drawn = blank(above + below)
    if not rows:
        _movements(drawn.subplots(), body)
        return drawn
    upper, lower = drawn.subplots(2, 1, height_ratios=[above, below])
    _movements(upper, body)
    show_cohorts(lower, cohorts)
    return drawn


def blank(height: float) -> Figure:
    """Give an empty page of the house's width, so many inches high."""
    layout = ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.12)
    drawn = Figure((_WIDTH, height), dpi=_PIXELS_PER_INCH, layout=layout)
    FigureCanvasAgg(drawn)
    return drawn


def _movements(axes: Any, body: Mapping[str, Any]) -> None:
    window = body["windows"][0]
    spelled = amounts(body["currency"], (window["opening_mrr"], window["closing_mrr"]))
    show_movements(axes, window, spelled, naming(window), rules_line(body["definition"]))


def _about(path: Path, title: str) -> dict[str, str | None]:
    return {"Title": title} | ({"Date": None} if path.suffix.lower() == ".svg" else {})
