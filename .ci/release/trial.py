"""The trial: what was built is installed from its lock and does a whole job, far from the checkout.

Installing asks the registry. What is installed then runs where nobody can be called
(``release.loopback``), in a folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from release import loopback

__all__ = ["demo", "install", "libraries"]

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / ".ci" / "release" / "locks" / "runtime.txt"


def install(wheel: Path, folder: Path) -> Path:
    """Make a new environment, install the lock and then the wheel; give its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "--requirement", str(LOCK)], check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    subprocess.run([str(python), "-m", "pip", "check"], stdout=subprocess.DEVNULL, check=True)
    return python


def libraries(python: Path) -> Path:
    """Give the folder of an environment's libraries."""
    return next(python.parents[1].glob("lib/python*/site-packages"))


def demo(python: Path, folder: Path, accounts: int = 200) -> int:
    """Run the demo of an installed Perennial in an empty folder; give its exit code.

    Where the machine has network namespaces, a call to anybody else fails it.
    """
    folder.mkdir(parents=True)
    asked = [str(python.parent / "perennial"), "demo", "--accounts", str(accounts)]
    command = loopback.inside(asked) if loopback.available() else asked
    told = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    ran = subprocess.run(command, cwd=folder, env=told, stdout=subprocess.DEVNULL, check=False)
    return ran.returncode
