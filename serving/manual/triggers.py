"""The page of triggers, written from their declarations and from what they are seen to read."""

from __future__ import annotations

import re

from features.triggers import TRIGGERS, Trigger, TriggerSettings
from features.watched import reads, thresholds

__all__ = ["trigger_page"]

HEAD = """# Triggers

Written by `make docs` from the declarations; a test fails when it is stale. A trigger is a rule that
fires on an account on a date, with its evidence. It stands beside the model's reasons and is never
hidden by a low score. It does not fire on what is not known, unless its evidence says so. Thresholds
are keys of [`[triggers]`](configuration.md#triggers); the defaults stand here.

*level*: `hard` moves a band at once, `red` holds retention down, `attention` is worth a look, `act`
is worth a call. Of several rows with one name, the first that fires is told. *lever*: what would
likely grow.
"""
GROWING = "expansion"
SIDES = ("retention", GROWING)
PLACE = re.compile(r"\{[^}]*\}")


def trigger_page() -> str:
    """Write the page.

    Examples
    --------
    >>> print(trigger_page().splitlines()[0])
    # Triggers
    """
    return "\n".join([HEAD, *(_section(side) for side in SIDES)])


def _section(side: str) -> str:
    names = ("trigger", "level", "evidence", "thresholds", "reads", *("lever",) * (side == GROWING))
    head = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    rows = [_row(one) for one in TRIGGERS if one.axis == side]
    return "\n".join([f"## {side.capitalize()}", "", *head, *rows, ""])


def _row(trigger: Trigger) -> str:
    asked = TriggerSettings()
    keys = ", ".join(f"`{key}` {getattr(asked, key):g}" for key in thresholds(trigger))
    columns = ", ".join(f"`{column}`" for column in reads(trigger))
    said = PLACE.sub(lambda found: "…%" if "%" in found[0] else "…", trigger.evidence)
    lever = [trigger.lever or ""] if trigger.axis == GROWING else []
    return f"| {' | '.join([f'`{trigger.name}`', trigger.level, said, keys, columns, *lever])} |"
