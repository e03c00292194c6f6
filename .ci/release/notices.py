"""Notices: whose work is in a release, and under which licence.

Two kinds: scripts that lie in the wheel (``vendor``, each with its licence's text beside it), and
libraries that are installed with it, as their own metadata say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = ["Vendored", "installed", "notices", "vendored"]

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "serving" / "dashboard" / "static" / "vendor"
_ROW = re.compile(r"^\| `(\w+)/` \| (\w+), .+? \| ([\d.]+) \| (.+?) \|$", re.MULTILINE)
_OWN = "perennial"


@dataclass(frozen=True)
class Vendored:
    """Scripts of others that lie in the wheel.

    Attributes
    ----------
    name, version : str
    registry : str
        Where they are from: ``"npm"``.
    licence : str
        In words.
    texts : tuple of Path
        The licence and the notices.
    """

    name: str
    version: str
    registry: str
    licence: str
    texts: tuple[Path, ...]


def vendored(folder: Path = VENDOR) -> list[Vendored]:
    """Read what the table of the vendor folder says.

    Examples
    --------
    >>> [one.name for one in vendored()]
    ['echarts']
    """
    told = _ROW.findall((folder / "README.md").read_text(encoding="utf-8"))
    return [
        Vendored(name, version, registry, licence, tuple(_texts(folder / name)))
        for name, registry, version, licence in told
    ]


def _texts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.startswith(("LICENSE", "NOTICE")))


def installed(libraries: Path) -> dict[str, str]:
    """Give every distribution of a folder of libraries as ``name version`` with its licence."""
    found = metadata.distributions(path=[str(libraries)])
    told = {f"{one.name} {one.version}": _licence(one) for one in found if one.name != _OWN}
    return dict(sorted(told.items(), key=lambda row: row[0].lower()))


def _licence(one: metadata.Distribution) -> str:
    """Read an expression, else the classifiers, else the first line of the free text."""
    named = one.metadata.get_all("Classifier") or []
    kinds = [kind.rpartition(" :: ")[2] for kind in named if kind.startswith("License :: ")]
    free = _field(one, "License").strip().partition("\n")[0]
    return _field(one, "License-Expression") or " and ".join(kinds) or free or "not said"


def _field(one: metadata.Distribution, name: str) -> str:
    """Read a field; one that is absent is empty, whichever library reads the metadata."""
    return str((one.metadata.get_all(name) or [""])[0])


def notices(libraries: dict[str, str], scripts: list[Vendored]) -> str:
    """Write the page: every library with its licence, then the scripts' licences whole.

    Examples
    --------
    >>> print(notices({"numpy 2.4.6": "BSD-3-Clause"}, []).splitlines()[-1])
    numpy 2.4.6: BSD-3-Clause
    """
    parts = ["Libraries that are installed with Perennial, and their licences as they say them", ""]
    parts += [f"{name}: {licence}" for name, licence in libraries.items()]
    for script in scripts:
        parts += ["", "", f"In the wheel: {script.name} {script.version}, {script.licence}"]
        for path in script.texts:
            parts += ["", f"--- {script.name}/{path.name}", "", path.read_text("utf-8").strip()]
    return "\n".join(parts) + "\n"
