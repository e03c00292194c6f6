"""Production: what a workspace that a company depends on does not start with.

In the profile ``workstation`` the same is a finding of `perennial doctor`, and nothing is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from features.faults import ConfigurationRefused
from serving import floors, surroundings

if TYPE_CHECKING:
    from serving.settings import Settings

__all__ = ["refuse_unsafe", "refuse_unsafe_registry", "unsafe"]

MLFLOW = "mlflow"


def unsafe(settings: Settings) -> list[ConfigurationRefused]:
    """List what production refuses of this process, its code, its state and its models.

    Examples
    --------
    >>> from serving.settings import load
    >>> from pathlib import Path
    >>> settings = load(here=Path("a-workspace-that-is-not-there"))
    >>> "production.unsigned" in [one.code for one in unsafe(settings)]
    True
    """
    found = _process()
    if settings.models.signing_key is None:
        cure = 'set [models] signing_key = "env:PERENNIAL_SIGNING_KEY"'
        found.append(ConfigurationRefused("production.unsigned", "models are not signed", cure))
    if settings.home.is_dir():
        found += [
            ConfigurationRefused(
                "production.open_state", f"{path}: others may read it", f"chmod -R go= {path}"
            )
            for path in surroundings.open_state(settings.home)[:1]
        ]
    return found


def refuse_unsafe(settings: Settings) -> None:
    """Refuse to start in the profile ``production`` with anything of it.

    Raises
    ------
    ConfigurationRefused
        ``production.root``, ``production.writable_code``, ``production.open_state``,
        ``production.unsigned``, ``library.too_old`` (exit code 78).
    """
    if settings.operation.profile == "production":
        for refused in unsafe(settings):
            raise refused


def refuse_unsafe_registry(settings: Settings) -> None:
    """Refuse in the profile ``production`` an MLflow server that lets anybody in.

    Raises
    ------
    ConfigurationRefused
        ``registry.open``, ``registry.default_password``, ``registry.old`` (exit code 78).
    """
    from models.tracking_door import refuse_open_tracking  # most workspaces have no such server

    if settings.operation.profile == "production":
        needs = [Requirement(one) for one in floors.declared()]
        floor = next(
            one.version
            for need in needs
            if need.name == MLFLOW
            for one in need.specifier
            if one.operator == ">="
        )
        refuse_open_tracking(settings.mlflow.tracking_uri, floor)


def _process() -> list[ConfigurationRefused]:
    found = []
    if surroundings.as_root():
        cure = "run it as a user of its own: User=perennial"
        found.append(ConfigurationRefused("production.root", "this process is root's", cure))
    for folder in surroundings.writable_code()[:1]:
        cure = "install it as another user than the one it runs as, for that one to read"
        said = f"{folder}: this process or others may write to the code"
        found.append(ConfigurationRefused("production.writable_code", said, cure))
    for old in floors.too_old():
        found.append(ConfigurationRefused("library.too_old", str(old), floors.CURE))
    return found
