"""The plan of a bulk scoring: what its workers must know, as files in one folder that all see.

``plan.json`` says what is scored with what, ``model/`` is the verified bundle, ``frame/`` holds the
snapshot's rows in parts, ``scores/`` takes the judged ones. Nothing else reaches a worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from features.durable import write
from features.maturity import MaturitySettings
from features.triggers import TriggerSettings
from models.choices import Choices
from models.matrix import MatrixSettings

__all__ = ["FRAME", "MODEL", "SCORES", "Plan", "part_name"]

FRAME, MODEL, SCORES = "frame", "model", "scores"
_FILE = "plan.json"


@dataclass(frozen=True)
class Plan:
    """What is scored with what.

    Attributes
    ----------
    run_id : str
        Follows from the inputs: the same book, model and settings give the same.
    as_of : date
    model_version, model_digest : str
    choices : Choices
        Of them only what an account is judged by: matrix, triggers, maturity.
    parts : int
        Parts of the frame, numbered from 0.
    previous : str or None
        Folder of the scores of the bulk scoring before this one.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> plan = Plan("bulk-1", date(2026, 1, 1), "3", "0" * 64, Choices(), 2)
    >>> plan.write(folder)
    >>> Plan.read(folder) == plan
    True
    """

    run_id: str
    as_of: date
    model_version: str
    model_digest: str
    choices: Choices
    parts: int
    previous: str | None = None

    def write(self, folder: Path) -> None:
        """Write the plan into a folder."""
        body: dict[str, Any] = {
            "run_id": self.run_id,
            "as_of": self.as_of.isoformat(),
            "model_version": self.model_version,
            "model_digest": self.model_digest,
            "parts": self.parts,
            "previous": self.previous,
            "matrix": self.choices.matrix.model_dump(mode="json"),
            "triggers": self.choices.triggers.model_dump(mode="json"),
            "maturity": self.choices.maturity.model_dump(mode="json"),
        }
        write(folder / _FILE, orjson.dumps(body))

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Read the plan of a folder."""
        body = orjson.loads((folder / _FILE).read_bytes())
        choices = Choices(
            matrix=MatrixSettings.model_validate(body["matrix"]),
            triggers=TriggerSettings.model_validate(body["triggers"]),
            maturity=MaturitySettings.model_validate(body["maturity"]),
        )
        return cls(
            body["run_id"],
            date.fromisoformat(body["as_of"]),
            body["model_version"],
            body["model_digest"],
            choices,
            body["parts"],
            body["previous"],
        )


def part_name(number: int) -> str:
    """Name the file of a part, in ``frame/`` and in ``scores/``.

    Examples
    --------
    >>> part_name(7)
    'part-00007.parquet'
    """
    return f"part-{number:05d}.parquet"
