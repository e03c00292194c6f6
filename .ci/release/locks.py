"""The locks of a release: every distribution by version and by the hashes of its files, no address.

``PYTHONPATH=.ci python -m release.locks`` (``make locks``) writes them again; ``pip install --require-hashes -r
.ci/release/locks/runtime.txt`` installs what was locked and nothing else. The developers' own
``constraints.txt`` bounds what is chosen, so a lock holds what the tests ran with.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["LOCKS", "TOOLS", "Locked", "command", "locked", "main"]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".ci" / "release" / "locks"
LOCKS: Mapping[str, str] = {
    "runtime": "what `perennial[postgres]` needs",
    "tools": "what builds, locks and bills a release",
    "site": "what makes the pages of `docs/` into a site",
}
"""Each lock, and what it is for."""
TOOLS = FOLDER / "tools.in"
_LINE = re.compile(r"([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==([\w.!+]+)(?: ; ([^\\]+?))?(?: \\)?")
_HASH = re.compile(r"    --hash=sha256:([0-9a-f]{64})(?: \\)?")


@dataclass(frozen=True)
class Locked:
    """One distribution of a lock.

    Attributes
    ----------
    name : str
        Its name, normalised.
    version : str
    where : str
        The marker of the machines that need it; empty for all.
    hashes : list of str
        Sha256 of every file that the registry has of this version.
    """

    name: str
    version: str
    where: str = ""
    hashes: list[str] = field(default_factory=list)


def locked(text: str) -> list[Locked]:
    """Read a lock.

    Raises
    ------
    ValueError
        For a line that is neither a pinned distribution nor a hash: an address, say, or a bound.

    Examples
    --------
    >>> [one] = locked("numpy==2.4.6 \\\\\\n    --hash=sha256:" + 64 * "a" + "\\n")
    >>> one.name, one.version, len(one.hashes)
    ('numpy', '2.4.6', 1)
    >>> locked("numpy>=2")
    Traceback (most recent call last):
    ...
    ValueError: line 1: neither a pin nor a hash: numpy>=2
    """
    found: list[Locked] = []
    for number, line in enumerate(text.splitlines(), 1):
        pin, digest = _LINE.fullmatch(line), _HASH.fullmatch(line)
        if pin:
            found.append(Locked(_normal(pin[1]), pin[2], pin[3] or ""))
        elif digest and found:
            found[-1].hashes.append(digest[1])
        elif line and not line.startswith("#"):
            raise ValueError(f"line {number}: neither a pin nor a hash: {line}")
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def command(name: str, uv: str = "uv") -> list[str]:
    """Give the command that writes a lock: uv asks the registry for versions and hashes.

    Examples
    --------
    >>> " ".join(command("runtime")[:6])
    'uv pip compile pyproject.toml --extra postgres'
    """
    source = ["pyproject.toml", "--extra", "postgres"]
    if name != "runtime":
        source = [str((FOLDER / f"{name}.in").relative_to(ROOT))]
    chosen = ["--constraint", "constraints.txt", "--universal", "--python-version", "3.11"]
    shown = ["--generate-hashes", "--no-annotate", "--no-header", "--no-config", "--quiet"]
    target = str((FOLDER / f"{name}.txt").relative_to(ROOT))
    return [uv, "pip", "compile", *source, *chosen, *shown, "--output-file", target]


def main() -> int:
    """Write every lock again with the uv beside this interpreter, and read each once."""
    uv = Path(sys.executable).parent / "uv"
    for name in LOCKS:
        subprocess.run(command(name, str(uv)), cwd=ROOT, check=True)
        path = FOLDER / f"{name}.txt"
        print(f"{path.relative_to(ROOT)}: {len(locked(path.read_text()))} distributions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
