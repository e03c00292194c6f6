"""The audit: what is known against the locked versions. Not known is never the same as none.

``PYTHONPATH=.ci python -m release.audit`` asks pip-audit about the runtime lock. Exit codes: 0 nothing is known
against them, 1 something is, 75 they were not audited (or not all of them).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Audit", "audit", "command", "judged", "run"]

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / ".ci" / "release" / "locks" / "runtime.txt"


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes
    ----------
    state : str
        ``"clean"``, ``"vulnerable"`` or ``"not audited"``.
    told : str
        One line for a person.
    """

    state: str
    told: str

    @property
    def exit_code(self) -> int:
        """0, 1 or 75."""
        return {"clean": 0, "vulnerable": 1}.get(self.state, 75)


def command(lock: Path = LOCK) -> list[str]:
    """Give the command that audits a lock: nothing is installed, every hash must be there."""
    tool = Path(sys.executable).parent / "pip-audit"
    asked = ["--requirement", str(lock), "--require-hashes", "--disable-pip"]
    return [str(tool), *asked, "--format", "json", "--progress-spinner", "off"]


def run(asked: Sequence[str]) -> str:
    """Give what a command prints; nothing where it is not there."""
    try:
        return subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def audit(lock: Path = LOCK, run: Callable[[Sequence[str]], str] = run) -> Audit:
    """Audit a lock.

    Parameters
    ----------
    lock : Path
    run : callable
        Runs a command and gives what it printed; nothing where it could not ask.
    """
    return judged(run(command(lock)))


def judged(printed: str) -> Audit:
    """Judge what pip-audit printed.

    Examples
    --------
    >>> judged("").told
    'not audited: the audit tool gave no answer'
    >>> judged('{"dependencies": [{"name": "numpy", "version": "2.4.6", "vulns": []}]}').told
    'clean: nothing is known against 1 distributions'
    """
    try:
        rows = json.loads(printed)["dependencies"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return Audit("not audited", "not audited: the audit tool gave no answer")
    named = [f"{row['name']} ({one['id']})" for row in rows for one in row.get("vulns", [])]
    if named:
        return Audit("vulnerable", f"vulnerable: {', '.join(named)}")
    unknown = [row["name"] for row in rows if "vulns" not in row]
    if unknown or not rows:
        return Audit("not audited", f"not audited: {', '.join(unknown) or 'nothing was asked'}")
    return Audit("clean", f"clean: nothing is known against {len(rows)} distributions")


if __name__ == "__main__":
    found = audit()
    print(found.told)
    sys.exit(found.exit_code)
