"""Drawings of a training: how chances came true, and how much of what happened lists would hold.

Readable in black and white: the score is a filled mark and a full line, the calendar an open one
and a dashed line. The same figures give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from training.evaluate import Judged
from training.shares import share_of

__all__ = ["draw_lift", "draw_reliability"]

Floats = NDArray[np.float64]
Panel = Callable[[Axes, Judged], None]

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_TITLES: Mapping[str, str] = {"churn": "Leaving", "expand": "Growing", "contract": "Shrinking"}
_PIXELS_PER_INCH = 110
_BINS = 8
_LEAST_EXPECTED = 3.0
_POINTS = 50


def draw_reliability(pooled: Mapping[str, Judged], serves: Mapping[str, str], path: Path) -> None:
    """Draw what came true of each chance, per event, as PNG.

    Parameters
    ----------
    pooled : mapping of target to Judged
        ``training.backtest.Backtest.pooled``.
    serves : mapping of target to str
        ``score`` or ``calendar``.
    path : Path
        Ends in ``.png``.
    """
    title = "Of accounts given such a chance, the share that did so within three months (90 %)"
    _draw(title, pooled, serves, _reliability, path)


def draw_lift(pooled: Mapping[str, Judged], serves: Mapping[str, str], path: Path) -> None:
    """Draw what share of each event's accounts a list of any length would have held, as PNG."""
    title = "Of those who did so within three months, the share in a list of that length"
    _draw(title, pooled, serves, _lift, path)


def _draw(
    title: str,
    pooled: Mapping[str, Judged],
    serves: Mapping[str, str],
    panel: Panel,
    path: Path,
) -> None:
    content = io.BytesIO()
    with mpl.rc_context(_STYLE):
        drawn = Figure((11.0, 4.2), dpi=_PIXELS_PER_INCH, layout="constrained")
        FigureCanvasAgg(drawn)
        drawn.suptitle(title)
        for axes, (name, word) in zip(drawn.subplots(1, 3), _TITLES.items(), strict=True):
            _panel(axes, word, pooled.get(name), serves[name], panel)
        drawn.savefig(content, format="png", metadata={"Software": None})
    path.write_bytes(content.getvalue())


def _panel(axes: Axes, word: str, judged: Judged | None, serves: str, panel: Panel) -> None:
    axes.set_title(f"{word}: the {serves} serves")
    risk = judged.take(judged.at_risk) if judged is not None else None
    if risk is None or not 0 < risk.y.sum() < len(risk.y):
        axes.text(0.5, 0.5, "too little happened to draw", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    panel(axes, risk)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0 if axis.get_view_interval()[1] > 0.1 else 1))  # fmt: skip


def _reliability(axes: Axes, risk: Judged) -> None:
    curves = {"score": _curve(risk.p, risk.y), "calendar": _curve(risk.calendar, risk.y)}
    most = 1.05 * max(max(one["high"], one["said"]) for curve in curves.values() for one in curve)
    axes.plot([0, most], [0, most], color="0.6", linewidth=0.8, label="as said")
    for (name, curve), filled in zip(curves.items(), (True, False), strict=True):
        said, share = ([one[key] for one in curve] for key in ("said", "share"))
        reach = [[one["share"] - one["low"] for one in curve], [one["high"] - one["share"] for one in curve]]  # fmt: skip
        axes.errorbar(
            said, share, reach, label=name, marker="o" if filled else "s", markersize=5,
            linestyle="-" if filled else "--", color="#1f4e79" if filled else "#b35900",
            markerfacecolor=None if filled else "white", linewidth=1.0, elinewidth=0.7,
        )  # fmt: skip
    axes.set(xlabel="chance given", ylabel="came true", xlim=(0, most), ylim=(0, most))
    axes.legend(frameon=False, loc="upper left", fontsize=8)


def _curve(p: Floats, y: NDArray[np.int64]) -> Sequence[Mapping[str, Any]]:
    """Cut accounts, sorted by chance, into equal bins of some events each."""
    bins = int(np.clip(y.sum() / _LEAST_EXPECTED, 1, _BINS))
    parts = np.array_split(np.argsort(p, kind="stable"), bins)
    return [{"said": float(p[at].mean())} | share_of(int(y[at].sum()), len(at)) for at in parts]


def _lift(axes: Axes, risk: Judged) -> None:
    listed = np.linspace(0, 1, _POINTS + 1)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, label="at random")
    orders = {"score": risk.p, "calendar": risk.calendar, "plain health score": risk.rules}
    styles = (("-", "#1f4e79"), ("--", "#b35900"), (":", "0.2"))
    for (name, order), (line, colour) in zip(orders.items(), styles, strict=True):
        axes.plot(listed, _held(order, risk.y, listed), line, color=colour, label=name)
    axes.set(xlabel="share of accounts listed", ylabel="share of them held", xlim=(0, 1), ylim=(0, 1.02))  # fmt: skip
    axes.legend(frameon=False, loc="lower right", fontsize=8)


def _held(order: Floats, y: NDArray[np.int64], listed: Floats) -> Floats:
    """Give the share of events among the first of an order; ties count as spread evenly."""
    ranked = np.argsort(-order, kind="stable")
    _, tie, count = np.unique(-order[ranked], return_inverse=True, return_counts=True)
    even = (np.bincount(tie, weights=y[ranked]) / count)[tie]
    held = np.concatenate([[0.0], np.cumsum(even)]) / y.sum()
    return np.asarray(np.interp(listed * len(y), np.arange(len(y) + 1), held))
