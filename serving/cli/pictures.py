"""Pictures that a command is asked for: what they may be called, and where they may lie."""

from __future__ import annotations

from pathlib import Path

from features.faults import UsageFault

__all__ = ["PICTURES", "drawable"]

PICTURES = (".svg", ".png")


def drawable(plot: Path | None) -> None:
    """Refuse a picture that could not be written, before anything is computed.

    Raises
    ------
    UsageFault
        ``plot.unknown`` for another ending than .svg or .png, or a folder that is not there.
    """
    if plot is None:
        return
    if plot.suffix.lower() not in PICTURES:
        cure = "name the file .svg or .png"
        raise UsageFault("plot.unknown", f"--plot {plot}: not a kind of picture", cure)
    if not plot.parent.is_dir() or plot.is_dir():
        raise UsageFault("plot.unknown", f"--plot {plot}: no such folder", "make the folder first")
