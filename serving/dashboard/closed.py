"""Closed periods as the Book page shows them: as closed, beside what the run knows of them now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from features.closed_store import closed_months, read_manifest
from features.faults import DataRejected

__all__ = ["SHOWN", "Closed", "closed_rows"]

SHOWN = 8
"""How many closed months are shown: the last ones."""


@dataclass(frozen=True)
class Closed:
    """One closed month: its trailing twelve months, frozen and as the run reads them.

    Attributes
    ----------
    month_end : str
        ISO.
    nrr, grr : tuple
        As closed, and restated; None where a window was not frozen, or the run has it not.
    trouble : str or None
        Why the frozen figures cannot be told.
    """

    month_end: str
    nrr: tuple[float | None, float | None]
    grr: tuple[float | None, float | None]
    trouble: str | None = None


def closed_rows(home: Path, told: Sequence[Mapping[str, Any]]) -> list[Closed]:
    """List the last closed months, the newest first.

    Parameters
    ----------
    home : Path
        The folder of state: closed periods lie in it.
    told : sequence of mapping
        The run's trailing-12-month windows.

    Examples
    --------
    >>> closed_rows(Path("no such folder"), [])
    []
    """
    now = {window["to"]: window for window in told}
    months = closed_months(home)[-SHOWN:]
    return [_row(home, month, now.get(month.isoformat(), {})) for month in reversed(months)]


def _row(home: Path, month: date, now: Mapping[str, Any]) -> Closed:
    nothing = (None, None)
    try:
        frozen = (read_manifest(home, month).get("windows") or {}).get("ttm") or {}
    except DataRejected as refused:
        return Closed(month.isoformat(), nothing, nothing, refused.cure)
    nrr, grr = ((frozen.get(key), now.get(key)) for key in ("nrr", "grr"))
    return Closed(month.isoformat(), nrr, grr)
