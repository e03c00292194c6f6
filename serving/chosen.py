"""The choice: the model that somebody let serve by hand, noted beside the kept bundles.

A promotion or a rollback counts at once: a server that runs looks at the note at every question
and scores with its model from then on. A run that is published later has the model of its day,
and outlives the note.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from features.durable import replace

if TYPE_CHECKING:
    from serving.queries import Run

__all__ = ["NOTE", "Choice", "choose", "chosen_since"]

NOTE = "chosen.json"


@dataclass(frozen=True)
class Choice:
    """A model, and when it was chosen.

    Attributes
    ----------
    version : int
    digest : str
    at : datetime
    """

    version: int
    digest: str
    at: datetime


def choose(folder: Path, choice: Choice) -> None:
    """Note a choice beside the kept bundles, its model among them.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> folder = Path(tempfile.mkdtemp())
    >>> choose(folder, Choice(2, "ab", datetime(2025, 7, 1, tzinfo=UTC)))
    >>> (folder / NOTE).read_text()
    '{"version": 2, "digest": "ab", "at": "2025-07-01T00:00:00+00:00"}\\n'
    """
    told = {"version": choice.version, "digest": choice.digest, "at": choice.at.isoformat()}
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / NOTE, json.dumps(told).encode("ascii") + b"\n")


def chosen_since(folder: Path, run: Run) -> Choice | None:
    """Give the choice that was made after a run was published; None where there is none."""
    try:
        noted = json.loads((folder / NOTE).read_bytes())
        at = datetime.fromisoformat(noted["at"])
        found = Choice(int(noted["version"]), str(noted["digest"]), at)
        return found if at > datetime.fromisoformat(run.published_at) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
