"""A network that reaches this machine only: what runs in it cannot call anybody, and is counted.

``PYTHONPATH=.ci python -m release.loopback COMMAND …`` runs a command in a network namespace of its own, where
nothing but the loopback device is up. What it and all its children try to send elsewhere finds no
route, and the kernel counts it; with any such try the command fails. Linux only; as root, or where
users may make namespaces.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

__all__ = ["CALLED", "attempts", "available", "inside", "main", "raise_loopback"]

CALLED = 3
"""The exit code of a command that did its work and tried to call somebody."""
_INSIDE = "--inside"
_SET_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_COUNTERS = (
    ("snmp", "Ip", "OutNoRoutes"),
    ("snmp", "Udp", "OutDatagrams"),
    ("snmp6", "Ip6OutNoRoutes", ""),
    ("snmp6", "Udp6OutDatagrams", ""),
)


@cache
def available() -> bool:
    """Say whether this machine gives network namespaces to who asks."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_unshared(), "true"], capture_output=True, check=False).returncode == 0


def inside(command: Sequence[str]) -> list[str]:
    """Give the command that runs another one in a network of this machine only."""
    return [*_unshared(), sys.executable, "-P", str(Path(__file__)), _INSIDE, *command]


def _unshared() -> list[str]:
    asked = ["unshare", "--net"]
    return asked if os.geteuid() == 0 else [*asked, "--map-current-user", "--keep-caps"]


def raise_loopback() -> None:
    """Bring up the loopback device of this network: a new one has it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        fcntl.ioctl(asked, _SET_FLAGS, struct.pack("16sH14s", b"lo", _UP_AND_RUNNING, b""))


def attempts(folder: Path = Path("/proc/net")) -> int:
    """Count what was sent to where no route leads, and every datagram (a name that was asked for).

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "snmp").write_text("Ip: InReceives OutNoRoutes\\nIp: 7 2\\n")
    >>> _ = (folder / "snmp6").write_text("Ip6OutNoRoutes  \\t1\\n")
    >>> attempts(folder)
    3
    """
    found = {name: _rows(folder / name) for name in ("snmp", "snmp6")}
    return sum(_counted(found[file], name, column) for file, name, column in _COUNTERS)


def _rows(path: Path) -> list[list[str]]:
    if not path.exists():  # a kernel without the sixth version
        return []
    return [line.split() for line in path.read_text(encoding="ascii").splitlines()]


def _counted(rows: list[list[str]], name: str, column: str) -> int:
    if not column:
        return sum(int(row[1]) for row in rows if row[0] == name)
    named = [row for row in rows if row[0] == f"{name}:"]
    return int(named[1][named[0].index(column)]) if named else 0


def main(command: Sequence[str]) -> int:
    """Run a command in the network of this process, which is new, and tell how often it called."""
    raise_loopback()
    code = subprocess.run(command, check=False).returncode
    tried = attempts()
    print(f"calls to anybody else: {tried}", file=sys.stderr)
    return code or (CALLED if tried else 0)


if __name__ == "__main__":
    asked = sys.argv[1:]
    if asked[:1] == [_INSIDE]:
        sys.exit(main(asked[1:]))
    os.execvp("unshare", inside(asked))
