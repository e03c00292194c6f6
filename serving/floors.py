"""Floors: the lowest versions that our libraries may have, some of them for safety.

What is declared of this distribution counts (``Requires-Dist``). Older ones of MLflow, PyArrow or
LightGBM run code that a model or a file brings along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import Version

from features.faults import ConfigurationRefused

__all__ = ["TooOld", "declared", "refuse_too_old", "too_old"]

NAME = "perennial"
CURE = "install what .ci/release/locks/runtime.txt holds"


@dataclass(frozen=True)
class TooOld:
    """One library below its floor.

    Attributes
    ----------
    name : str
    found : str
        The version that is installed; empty where there is none.
    floor : str
        The lowest that may be.
    """

    name: str
    found: str
    floor: str

    def __str__(self) -> str:
        return f"{self.name} {self.found or 'absent'}, below {self.floor}"


def declared() -> list[str]:
    """Give what this distribution needs, as its metadata say it."""
    return metadata.requires(NAME) or []


def too_old(
    needs: Iterable[str] | None = None, installed: Callable[[str], str] = metadata.version
) -> list[TooOld]:
    """Name the libraries that are below their floor, or absent.

    Parameters
    ----------
    needs : iterable of str, optional
        Requirements; those of this distribution unless told otherwise. Extras are left out.
    installed : callable
        Gives a library's version.

    Examples
    --------
    >>> [str(one) for one in too_old(["mlflow>=3.17.2,<3.18", "numpy>=2"], {"mlflow": "3.9", "numpy": "2.4"}.get)]
    ['mlflow 3.9, below 3.17.2']
    """
    asked = [Requirement(one) for one in (declared() if needs is None else needs)]
    here = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [low for one in here if (low := _below(one, installed))]


def _below(asked: Requirement, installed: Callable[[str], str]) -> TooOld | None:
    floor = next((one.version for one in asked.specifier if one.operator == ">="), "0")
    try:
        found = installed(asked.name)
    except metadata.PackageNotFoundError:
        return TooOld(asked.name, "", floor)
    return TooOld(asked.name, found, floor) if Version(found) < Version(floor) else None


def refuse_too_old(found: Iterable[TooOld]) -> None:
    """Refuse to go on with any library below its floor.

    Raises
    ------
    ConfigurationRefused
        ``library.too_old`` (exit code 78).

    Examples
    --------
    >>> refuse_too_old([])
    >>> refuse_too_old([TooOld("pyarrow", "13.0.0", "25.0")])
    Traceback (most recent call last):
    ...
    features.faults.ConfigurationRefused: pyarrow 13.0.0, below 25.0: library.too_old: install what .ci/release/locks/runtime.txt holds
    """
    told = "; ".join(map(str, found))
    if told:
        raise ConfigurationRefused("library.too_old", told, CURE)
