"""Why an account moved: what its probabilities, its signals and its triggers did since last time.

A probability is the sum of its parts (``models.reasons``): every group of signals, the calendar,
what is booked. So the change between two runs is the sum of the changes of the parts. Where
another model served, the account of today is split by both: what the old one says of it against
its last run, and what the new one says against the old, which is a part of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from models.hysteresis import HysteresisSettings
from models.memory import Memory

__all__ = ["AXES", "moved_because", "split", "trigger_name", "trigger_names"]

AXES = ("renew", "expand")
"""The two probabilities, in the order of a cell's letters."""
TITLES = ("chance of renewal", "chance of expansion")
SHOWN = 3
NAMES = ("trigger", "slug", "code", "kind", "name")
MODEL = "model"
UNSPLIT = "unsplit"
WORDS = {
    "usage": "usage",
    "support": "support",
    "relationship": "relationship",
    "seats": "seats",
    "commercial": "contract and billing",
    "calendar": "renewal date and tenure",
    "booked": "notice or signed renewal",
    "leaves_first": "may leave first",
    "other": "other",
    MODEL: "model trained anew",
    UNSPLIT: "not told apart (the last run kept no parts)",
}
UNSEEN = "a new model and all else (the old one is not at hand)"

Parts = Mapping[str, float]


def trigger_name(trigger: Any) -> str:
    """Name a trigger, given as its name or as an object that carries it.

    Examples
    --------
    >>> trigger_name("champion_left"), trigger_name({"slug": "seat_limit", "level": "act"})
    ('champion_left', 'seat_limit')
    """
    if isinstance(trigger, Mapping):
        return next((str(trigger[name]) for name in NAMES if name in trigger), "unnamed")
    return str(trigger)


def trigger_names(triggers: Iterable[Any] | None) -> list[str]:
    """Name the triggers that fire, each once, in order of name."""
    return sorted({trigger_name(trigger) for trigger in triggers or ()})


def split(before: Parts, now: Parts, between: Parts | None = None) -> dict[str, float]:
    """Split the change of a probability between two runs over what it is made of.

    Parameters
    ----------
    before, now : mapping of str to float
        Parts of the probability then and now, each adding up to it.
    between : mapping of str to float, optional
        Where another model served then: the parts of today's account by that model.

    Returns
    -------
    dict of str to float
        In probability, by part; they add up to ``sum(now) - sum(before)``. ``model`` is what the
        new model says otherwise than the old one of the same account on the same day.

    Examples
    --------
    >>> told = split({"calendar": 0.9, "usage": 0.05}, {"calendar": 0.9, "usage": -0.1})
    >>> {part: round(change, 3) for part, change in told.items()}
    {'calendar': 0.0, 'usage': -0.15}
    >>> told = split({"calendar": 0.9}, {"calendar": 0.7}, {"calendar": 0.85})
    >>> {part: round(change, 3) for part, change in told.items()}
    {'calendar': -0.05, 'model': -0.15}
    """
    seen = now if between is None else between
    change = {
        part: seen.get(part, 0.0) - before.get(part, 0.0) for part in sorted({*before, *seen})
    }
    if between is not None:
        change[MODEL] = sum(now.values()) - sum(between.values())
    return change


def moved_because(
    before: Memory | None,
    now: Memory,
    *,
    between: Mapping[str, Parts] | None = None,
    hard: Iterable[str] = (),
    renewed: bool = False,
    rule_based: bool = False,
    settings: HysteresisSettings | None = None,
) -> list[str]:
    """Say in a few lines what drove an account from its previous cell; empty if it stayed.

    Parameters
    ----------
    before, now : Memory
        The account after the last run and after this one.
    between : mapping of str to mapping, optional
        By axis, today's parts by the model of the last run, where that was another.
    hard : iterable of str
        Hard events that have hit it since.
    renewed : bool
        Whether a renewal was passed since.
    rule_based : bool
        Cells by triggers: probabilities drove nothing and are left out.
    settings : HysteresisSettings, optional
        How long a band waits.

    Examples
    --------
    >>> before = Memory("2025-W26", "HL", [0, 0, 0, 3, 3], [0, 0, 0, 3, 3], [0.95, 0.02],
    ...     parts={"renew": {"calendar": 0.94, "usage": 0.01}})
    >>> now = Memory("2025-W27", "ML", [1, 1, 0, 0, 0], [0, 0, 0, 3, 3], [0.80, 0.02],
    ...     triggers=["gone_quiet"], parts={"renew": {"calendar": 0.92, "usage": -0.12}})
    >>> for line in moved_because(before, now):
    ...     print(line)
    chance of renewal 95.0% → 80.0%, −15.0 points: usage −13.0; renewal date and tenure −2.0
    trigger appeared: gone quiet
    """
    if before is None or before.cell == now.cell:
        return []
    chosen = settings or HysteresisSettings()
    lines: list[str] = []
    for axis in (0, 1):
        if before.cell[axis] != now.cell[axis]:
            events = _events(hard, renewed) if axis == 0 else []
            lines += events
            lines += [] if rule_based else [_chance(before, now, axis, between)]
            lines += [] if events else _held(before, now, axis, chosen)
    return lines + _triggers(before, now)


def _events(hard: Iterable[str], renewed: bool) -> list[str]:
    """Say what moves a band of retention at once."""
    lines = ["a renewal was passed: the band starts afresh"] if renewed else []
    return lines + [f"hard event, moves at once: {_words(event)}" for event in sorted(hard)]


def _chance(before: Memory, now: Memory, axis: int, between: Mapping[str, Parts] | None) -> str:
    """Say a probability before and now, and the parts of its change, which add up as shown."""
    p = (before.p[axis], now.p[axis])
    tenths = [round(1000 * each) for each in p]
    whole = tenths[1] - tenths[0]
    told = _shown(_parts(before, now, axis, between), whole)
    shown = "; ".join(f"{words} {_points(part)}" for words, part in told)
    head = f"{TITLES[axis]} {tenths[0] / 10:.1f}% → {tenths[1] / 10:.1f}%"
    return f"{head}, {_points(whole)} points: {shown}" if shown else f"{head}, as good as unchanged"


def _parts(
    before: Memory, now: Memory, axis: int, between: Mapping[str, Parts] | None
) -> dict[str, float]:
    """Split the change of an axis, in words; where nothing can be told apart, as one part."""
    name, swapped = AXES[axis], bool(before.model) and before.model != now.model
    change = now.p[axis] - before.p[axis]
    if swapped and between is None:
        return {UNSEEN: change}
    then, today = before.parts.get(name), now.parts.get(name)
    if not then or not today:
        return {WORDS[UNSPLIT]: change}
    told = split(then, today, between[name] if swapped and between else None)
    return {WORDS.get(part, part): moved for part, moved in told.items()}


def _shown(parts: Mapping[str, float], whole: int) -> list[tuple[str, int]]:
    """Give the largest parts in tenths of a point, the rest as one; they add up to the whole."""
    order = sorted(parts, key=lambda part: (-abs(parts[part]), part))
    named = [part for part in order if abs(parts[part]) >= 0.0005]
    kept = {*named[:SHOWN], *({WORDS[MODEL]} & {*named})}
    rest = sum(parts[part] for part in order if part not in kept)
    told = [(part, parts[part]) for part in order if part in kept]
    tenths = _adding_up(np.array([change for _, change in [*told, ("", rest)]]) * 1000, whole)
    words = [*(part for part, _ in told), WORDS["other"]]
    return [(word, part) for word, part in zip(words, tenths, strict=True) if part]


def _adding_up(parts: np.ndarray[Any, Any], whole: int) -> list[int]:
    """Round parts so that they add up: the largest remainders are rounded up.

    Examples
    --------
    >>> _adding_up(np.array([1.4, 1.4, 0.2]), 3)
    [2, 1, 0]
    """
    down = np.floor(parts).astype(int)
    missing = whole - int(down.sum())
    order = np.argsort(down - parts if missing > 0 else parts - down, kind="stable")
    for step in range(abs(missing)):
        down[order[step % len(order)]] += np.sign(missing)
    return [int(part) for part in down]


def _held(before: Memory, now: Memory, axis: int, settings: HysteresisSettings) -> list[str]:
    """Say where a band moved for having waited: its chance may hardly have changed this week."""
    then, state = (before.risk, now.risk) if axis == 0 else (before.expansion, now.expansion)
    level, up, back = state[0], state[1:3], state[3:5]
    if level > then[0] and up[level - 1] >= settings.up_weeks:
        return [f"past the cut-off for {up[level - 1]} weeks in a row"]
    if level < then[0] and back[level] >= settings.back_weeks:
        return [f"clearly back over the cut-off for {back[level]} weekly scorings in a row"]
    return []


def _triggers(before: Memory, now: Memory) -> list[str]:
    """Say which triggers appeared and which cleared."""
    said = (
        ("appeared", {*now.triggers} - {*before.triggers}),
        ("cleared", {*before.triggers} - {*now.triggers}),
    )
    return [
        f"trigger{'s' if len(names) > 1 else ''} {what}: {', '.join(map(_words, sorted(names)))}"
        for what, names in said
        if names
    ]


def _points(tenths: int) -> str:
    """Write tenths of a point with their sign.

    Examples
    --------
    >>> _points(-15), _points(0)
    ('−1.5', '0.0')
    """
    sign = "" if tenths == 0 else "+" if tenths > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(tenths) / 10:.1f}"


def _words(slug: str) -> str:
    return slug.replace("_", " ")
