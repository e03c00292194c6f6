"""The log of models: a line for every change of the model that serves, beside the state."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["LOG", "write_down"]

LOG = "models.jsonl"


def write_down(home: Path, now: datetime, told: Mapping[str, Any]) -> None:
    """Add a line: one write, so that lines of two processes do not mingle.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> home = Path(tempfile.mkdtemp())
    >>> write_down(home, datetime(2025, 7, 1, tzinfo=UTC), {"action": "rollback", "champion": 2})
    >>> (home / LOG).read_text()
    '{"at": "2025-07-01T00:00:00+00:00", "action": "rollback", "champion": 2}\\n'
    """
    home.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"at": now.isoformat(), **told}).encode("ascii") + b"\n"
    handle = os.open(home / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)
