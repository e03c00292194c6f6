"""The outcome of a benchmark: what was run, on what, with which code; printed and kept."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["RESULTS", "circumstances", "keep"]

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def circumstances(name: str, libraries: Sequence[str]) -> dict[str, Any]:
    """Tell the command, the day, the code and the machine.

    Parameters
    ----------
    name : str
        The benchmark's module, e.g. ``ledger_scale``.
    libraries : sequence of str
        Distributions of which the versions are told.

    Returns
    -------
    dict
        ``command``, ``on`` (a day, UTC), ``commit`` (with ``+`` where files differ from it),
        ``machine``.
    """
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "command": " ".join([f"python -m benchmarks.{name}", *sys.argv[1:]]),
        "on": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "ram_gb": round(pages / 1e9, 1),
            "system": platform.system(),
            "python": platform.python_version(),
            **{library: version(library) for library in libraries},
        },
    }


def keep(name: str, outcome: dict[str, Any]) -> None:
    """Put an outcome into ``results/NAME.json``."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(outcome, indent=1)
    (RESULTS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def _commit() -> str | None:
    """Name the commit of the code; None where git or its history is not there."""
    words = ["git", "-C", str(HERE), "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(words, capture_output=True, check=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
