"""The gates: what holds a run back before it is published, and what is only said.

A held run is kept whole and serves nobody until ``perennial approve`` lets it through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd

from features.catalog import CATALOG
from models.drifting import Drift, bins, drifted, drifts
from models.holding import Moves, too_many, usual_share, weeks_between
from serving.gate_settings import GateSettings
from serving.past import PastRun, usual_ratios

__all__ = ["Judgement", "causes", "judge", "watched_signals"]

CLOCKED = frozenset({"timing"})
"""Families that move with the calendar: every account's at once, every week."""
SHOWN = 5


@dataclass(frozen=True)
class Judgement:
    """What the gates say of a run.

    Attributes
    ----------
    held : tuple of str
        Why it is held, with the figures; empty if it may be published.
    warnings : tuple of str
        What is unusual and holds nothing.
    document : dict
        What is kept with the run: ``cause``, ``moves``, ``ratios``, ``unscorable``.
    bins : dict
        How its signals are spread (`models.drifting.bins`).
    """

    held: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    document: dict[str, Any] = field(default_factory=dict)
    bins: dict[str, Any] = field(default_factory=dict)


def causes(
    past: Sequence[PastRun], model_digest: str, *, backfill: bool = False, restates: bool = False
) -> list[str]:
    """Name the causes of many moves that are no fault of the data.

    Returns
    -------
    list of str
        Out of ``first run``, ``model swap``, ``backfill`` and ``restatement``.
    """
    swapped = bool(past) and past[0].run.model_digest != model_digest
    known = {
        "first run": not past,
        "model swap": swapped,
        "backfill": backfill,
        "restatement": restates,
    }
    return [name for name, holds in known.items() if holds]


def judge(
    scores: pd.DataFrame,
    frame: pd.DataFrame,
    signals: Sequence[str],
    past: Sequence[PastRun],
    as_of: date,
    cause: Sequence[str],
    settings: GateSettings,
) -> Judgement:
    """Hold a run, or let it through.

    Parameters
    ----------
    scores : DataFrame
        ``cell, previous_cell, status, status_reason`` of every account.
    frame : DataFrame
        The snapshot that was scored.
    signals : sequence of str
        What the model reads.
    past : sequence of PastRun
        Earlier runs, newest first.
    as_of : date
    cause : sequence of str
        What `causes` named: a first run, a model swap and a backfill are not held for moves,
        a backfill not for drift.
    settings : GateSettings
    """
    weeks = weeks_between((as_of - past[0].run.as_of).days) if past else 1.0
    watched = watched_signals(signals, frame)
    found = drifts(frame[watched], past[0].bins, weeks) if past else []
    moves = _moves(scores, weeks)
    unusual = [_moved(moves, past, cause, settings)]
    unusual += [] if "backfill" in cause else [_drifted(found, past, settings)]
    known = moves.known if past else len(scores)
    moved = _from_a_size_on([each for each in unusual if each], known, settings)
    lost = _unscorable(scores, settings)
    document = {
        "cause": list(cause),
        "moves": vars(moves),
        "ratios": {each.signal: round(each.ratio, 4) for each in found},
        "unscorable": int((scores["status"] == "unscorable").sum()),
    }
    held, said = ((*one, *other) for one, other in zip(lost, moved, strict=True))
    return Judgement(held, said, document, bins(frame, watched))


Said = tuple[tuple[str, ...], tuple[str, ...]]
"""What is held, and what is only said."""


def _from_a_size_on(unusual: Sequence[str], accounts: int, settings: GateSettings) -> Said:
    """Hold what is unusual in a large book, and say it where few accounts can be compared."""
    if accounts >= settings.accounts:
        return tuple(unusual), ()
    few = f"fewer than {settings.accounts} accounts: not held"
    return (), tuple(f"{each} ({few})" for each in unusual)


def _moves(scores: pd.DataFrame, weeks: float) -> Moves:
    known = scores["previous_cell"].notna()
    moved = known & (scores["previous_cell"] != scores["cell"])
    return Moves(int(moved.sum()), int(known.sum()), round(weeks, 3))


def watched_signals(signals: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """Name the signals of the model that do not move with the calendar alone."""
    clocked = {each.slug for each in CATALOG if each.family in CLOCKED}
    return sorted((set(signals) - clocked) & set(frame.columns))


def _unscorable(scores: pd.DataFrame, settings: GateSettings) -> Said:
    lost = scores[scores["status"] == "unscorable"]
    if lost.empty:
        return (), ()
    why = Counter(lost["status_reason"].fillna("unsaid")).most_common(SHOWN)
    named = "; ".join(f"{reason}: {many}" for reason, many in why)
    said = (f"{len(lost)} of {len(scores)} accounts are unscorable ({named})",)
    few = len(lost) <= settings.unscorable or 1 - len(lost) / len(scores) >= settings.scorable
    return ((), said) if few else (said, ())


def _moved(
    moves: Moves, past: Sequence[PastRun], cause: Sequence[str], settings: GateSettings
) -> str:
    """Say that too many accounts moved; empty if they did not, or if there is a reason."""
    history = [each.moves for each in past if each.usual]
    excused = {"first run", "model swap", "backfill"} & set(cause)
    if excused or not too_many(moves, history, settings.moves, settings.chance):
        return ""
    usual = usual_share(history, moves.weeks)
    beside = "" if usual is None else f", usually {usual:.1%}"
    return f"{moves.moved} of {moves.known} accounts changed their cell ({moves.share:.0%}{beside})"


def _drifted(found: Sequence[Drift], past: Sequence[PastRun], settings: GateSettings) -> str:
    """Say that too many signals drifted; empty if they did not."""
    usual = usual_ratios(past)
    named = drifted(found, usual, settings.false_alarms, settings.drift)
    if not named or len(named) <= settings.drift_share * len(found):
        return ""
    first = ", ".join(f"{each.signal} (PSI {each.psi:.2f})" for each in named[:SHOWN])
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return f"{len(named)} of {len(found)} signals drifted beyond what is usual: {first}{more}"
