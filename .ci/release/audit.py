"""The audit: what is known against the locked versions. Not known is never the same as none.

``PYTHONPATH=.ci python -m release.audit`` asks pip-audit about the runtime lock. Exit codes: 0 nothing is known
against them, 1 something is, 75 they were not audited (or not all of them).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
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
    """Give what a command prints; nothing where it is not there.

    What it says beside its answer is passed on only where it gives none: pip-audit says "No known
    vulnerabilities found" of distributions that it could not ask about.
    """
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    if not done.stdout:
        print(done.stderr, end="", file=sys.stderr)
    return done.stdout


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
    >>> judged('{"dependencies": [{"name": "numpy", "skip_reason": "no such page: numpy"}]}').told
    'not audited: 1 of 1 distributions (numpy); of the first: no such page: numpy'
    """
    try:
        rows = json.loads(printed)["dependencies"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return Audit("not audited", "not audited: the audit tool gave no answer")
    named = [f"{row['name']} ({one['id']})" for row in rows for one in row.get("vulns", [])]
    if named:
        return Audit("vulnerable", f"vulnerable: {', '.join(named)}")
    if not rows:
        return Audit("not audited", "not audited: nothing was asked")
    if unknown := [row for row in rows if "vulns" not in row]:
        return Audit("not audited", f"not audited: {_unknown(unknown, len(rows))}")
    return Audit("clean", f"clean: nothing is known against {len(rows)} distributions")


def _unknown(unknown: Sequence[Mapping[str, str]], asked: int) -> str:
    """Say how many could not be asked about, which (at most five are named), and why."""
    named = [row["name"] for row in unknown[:5]] + ["…"] * (len(unknown) > 5)
    why = unknown[0].get("skip_reason", "no reason was given")
    return f"{len(unknown)} of {asked} distributions ({', '.join(named)}); of the first: {why}"


if __name__ == "__main__":
    found = audit()
    print(found.told)
    sys.exit(found.exit_code)
