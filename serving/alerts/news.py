"""What is news of a run: moves that stood the test, triggers that appeared, hard events.

A run is held beside the one before it. Nobody is told of a first run, of a backfill, or of a cell
that only came back from where it was. A run that many accounts moved in, one of another model, and
one that stands in for an earlier run of its date give one digest, tagged with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from models.moves import trigger_name
from serving.alerts.settings import AlertSettings, Sink

__all__ = ["RECORDS", "Past", "alerts"]

RECORDS = 200
"""Accounts in one batch for a CRM."""

_ORDER = {"hard": 0, "red": 1, "move": 2, "act": 3, "attention": 4}
_WORDS = {"H": "High", "M": "Medium", "L": "Low"}

Row = Mapping[str, Any]
Item = dict[str, Any]


@dataclass(frozen=True)
class Past:
    """What was published before.

    Attributes
    ----------
    runs : sequence of mapping
        The latest runs of earlier dates, newest first: account to its cell and its triggers.
    model_digest : str or None
        What the newest of them was scored with; None where there is none.
    current : date or None
        Date of the run that serves.
    revised : bool
        Whether a run of this very date was published already.
    """

    runs: Sequence[Mapping[str, tuple[str, Sequence[Any]]]] = ()
    model_digest: str | None = None
    current: date | None = None
    revised: bool = False


def alerts(
    scores: Sequence[Row],
    past: Past,
    settings: AlertSettings,
    *,
    as_of: date,
    today: date,
    model_digest: str,
) -> tuple[dict[str, Any], ...]:
    """Say what every sink is to be told of a run.

    Parameters
    ----------
    scores : sequence of mapping
        ``account_id, name, csm, mrr, currency, cell, triggers, moved_because, action``.
    past : Past
    settings : AlertSettings
    as_of, today : date
        A run for a date long before today is a backfill.
    model_digest : str

    Returns
    -------
    tuple of dict
        ``sink, kind ("account", "digest" or "records"), account_id, quiet_days, body``: what
        ``serving.outbox.queue`` takes.

    Examples
    --------
    >>> row = {"account_id": "a", "name": "Acme", "csm": "Ada", "mrr": 100.0, "currency": "EUR",
    ...     "cell": "LM", "triggers": [], "moved_because": ["usage fell"], "action": "Engage"}
    >>> settings = AlertSettings(sinks=(Sink(name="cs", kind="file", path="out"),))
    >>> past = Past([{"a": ("HM", ())}, {"a": ("HM", ())}], "m1", date(2025, 6, 24))
    >>> day = date(2025, 7, 1)
    >>> told = alerts([row], past, settings, as_of=day, today=day, model_digest="m1")
    >>> told[0]["kind"], told[0]["body"]["items"][0]["facts"][0]["text"]
    ('account', 'moved from HM to LM (retention High to Low): usage fell')
    """
    late = past.current is not None and past.current > as_of
    if late or (today - as_of).days > settings.fresh_days:
        return ()
    pushed = [_pushed(scores, sink) for sink in settings.sinks if sink.kind == "crm"]
    batches = tuple(one for batch in pushed for one in batch)
    if not past.runs:
        return batches
    shown = [sink for sink in settings.sinks if sink.kind != "crm"]
    tags = _tags(scores, past, settings, model_digest)
    items = sorted(_items(scores, past, settings), key=_weight)
    told = (one for sink in shown for one in _told(sink, items, tags, settings, as_of))
    return (*batches, *told)


def _tags(scores: Sequence[Row], past: Past, settings: AlertSettings, digest: str) -> list[str]:
    """Say what makes this run's news a matter of one digest."""
    before = past.runs[0]
    known = [row for row in scores if row["account_id"] in before]
    moved = sum(row["cell"] != before[row["account_id"]][0] for row in known)
    tags = ["another model scores than in the run before"] if digest != past.model_digest else []
    tags += ["an earlier run of this date is replaced"] if past.revised else []
    if moved >= max(settings.digest_share * len(known), settings.digest_moves):
        tags.append(f"{moved} of {len(known)} accounts changed cell: look at the data first")
    return tags


def _items(scores: Iterable[Row], past: Past, settings: AlertSettings) -> Iterator[Item]:
    """Give the accounts that there is news of, each with its facts, weightiest first."""
    for row in scores:
        facts = [*_triggers(row, past, settings), *_move(row, past, settings)]
        if facts:
            facts.sort(key=lambda fact: (_ORDER[fact["level"]], fact["key"]))
            about = {name: row[name] for name in ("account_id", "name", "csm", "mrr", "currency")}
            if (row["mrr"] or 0.0) >= settings.min_mrr or facts[0]["level"] == "hard":
                yield about | {"action": row["action"], "facts": facts}


def _move(row: Row, past: Past, settings: AlertSettings) -> Iterator[dict[str, str]]:
    """Give the move, unless it only comes back from where the account was a moment ago."""
    cells = [run[row["account_id"]][0] for run in past.runs if row["account_id"] in run]
    if not settings.moves or not cells or row["cell"] == cells[0]:
        return
    if row["cell"] in cells[1 : settings.dwell_runs]:
        return
    because = "; ".join(str(line) for line in (row["moved_because"] or [])[:2])
    text = f"moved from {cells[0]} to {row['cell']} ({_axes(cells[0], row['cell'])})"
    key = f"move:{cells[0]}:{row['cell']}"
    yield {"key": key, "level": "move", "text": f"{text}: {because}" if because else text}


def _axes(before: str, now: str) -> str:
    sides = zip(("retention", "expansion"), before, now, strict=True)
    return ", ".join(f"{name} {_WORDS[a]} to {_WORDS[b]}" for name, a, b in sides if a != b)


def _triggers(row: Row, past: Past, settings: AlertSettings) -> Iterator[dict[str, str]]:
    """Give the triggers that appeared, or rose, to a level that is told."""
    seen: dict[str, int] = {}
    for run in past.runs[: settings.dwell_runs]:
        for trigger in run.get(row["account_id"], ("", ()))[1]:
            name, grade = trigger_name(trigger), _ORDER[_level(trigger)]
            seen[name] = min(grade, seen.get(name, grade))
    for trigger in row["triggers"] or []:
        name, level = trigger_name(trigger), _level(trigger)
        if level in settings.triggers and _ORDER[level] < seen.get(name, len(_ORDER)):
            evidence = trigger.get("evidence") if isinstance(trigger, Mapping) else None
            words = name.replace("_", " ")
            text = f"{words}: {evidence}" if evidence else words
            yield {"key": f"trigger:{name}:{level}", "level": level, "text": text}


def _level(trigger: Any) -> str:
    """Give a trigger's level; one that is only named counts as "act"."""
    level = trigger.get("level", "act") if isinstance(trigger, Mapping) else "act"
    return str(level) if level in _ORDER else "attention"


def _weight(item: Item) -> tuple[int, float, str]:
    return (_ORDER[item["facts"][0]["level"]], -(item["mrr"] or 0.0), item["account_id"])


def _told(
    sink: Sink, items: Sequence[Item], tags: list[str], settings: AlertSettings, as_of: date
) -> Iterator[dict[str, Any]]:
    """Give what one sink is told: a message for each account, or one digest."""
    mine = [item for item in items if not sink.csms or item["csm"] in sink.csms]
    head = {"sink": sink.name, "quiet_days": settings.quiet_days}
    if not mine:
        return
    if tags or len(mine) > settings.digest_above:
        body = {"as_of": as_of.isoformat(), "tags": tags, "items": mine}
        yield head | {"kind": "digest", "account_id": None, "body": body}
        return
    for item in mine:
        body = {"as_of": as_of.isoformat(), "tags": [], "items": [item]}
        yield head | {"kind": "account", "account_id": item["account_id"], "body": body}


def _pushed(scores: Sequence[Row], sink: Sink) -> Iterator[dict[str, Any]]:
    """Give the batches of accounts that a CRM is to hold as they are now."""
    mine = [row["account_id"] for row in scores if not sink.csms or row["csm"] in sink.csms]
    mine.sort()
    for start in range(0, len(mine), RECORDS):
        body = {"records": mine[start : start + RECORDS]}
        head = {"sink": sink.name, "kind": "records", "account_id": None, "quiet_days": 0}
        yield head | {"body": body}
