"""The keeper: opens the model that serves and, where that cannot be trusted, the last good one.

A model is read from the registry, verified, and copied beside the state; the copy is what is
opened. The order in which the keeper looks: the champion in the registry, its kept copy, the
champions before it in the same way, and, where the registry does not answer or knows of none, the
model that was opened last. Everything that was refused on the way is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from features.durable import replace
from features.faults import DataRejected, DependencyDown, Fault, InputMissing
from models.bundle import Bundle, copy_verified, open_bundle
from models.carried import Carried, read_bundle
from models.registry import Registry
from models.signing import Signer
from models.version import Version

__all__ = ["Champion", "keep", "open_champion", "open_earlier", "open_kept"]

NOTE = "serving.json"
_DIGEST = re.compile(r"[0-9a-f]{64}")

Attempt = tuple[int, Callable[[], Bundle]]


@dataclass(frozen=True)
class Champion:
    """The model that serves, verified and open.

    Attributes
    ----------
    version : int
    bundle : Bundle
    carried : Carried
    troubles : tuple of Fault
        Why it is not the registry's own champion, or not its registered copy; empty if it is.
    """

    version: int
    bundle: Bundle
    carried: Carried
    troubles: tuple[Fault, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What to tell, in words: what was refused, and what serves instead."""
        told = [str(trouble) for trouble in self.troubles]
        serves = f"version {self.version} ({self.bundle.digest[:12]}) serves, the last good model"
        return [*told, serves] if told else []


def open_champion(registry: Registry, folder: Path) -> Champion:
    """Open the model that serves; where it is damaged or out of reach, the last good one.

    Parameters
    ----------
    registry : Registry
    folder : Path
        Where verified copies are kept, by digest.

    Raises
    ------
    InputMissing
        ``model.none`` where nothing was ever promoted (exit code 66).
    DataRejected
        What the champion was refused for, where no other model is left (exit code 65).
    DependencyDown
        ``registry.unavailable`` where nothing is kept either (exit code 69).
    """
    troubles: list[Fault] = []
    for number, opened in _attempts(registry, folder, troubles):
        try:
            bundle = opened()
            found = Champion(number, bundle, read_bundle(bundle), tuple(troubles))
        except DataRejected as refused:
            troubles.append(refused)
            continue
        if not troubles:
            _note(folder, found)
        return found
    if troubles:
        raise troubles[0]
    raise InputMissing("model.none", "no model serves yet", "run `perennial train`")


def open_kept(folder: Path, version: int, digest: str, signer: Signer | None = None) -> Champion:
    """Open a kept copy by its digest, its signature checked where models are signed.

    Raises
    ------
    DataRejected
        What it is refused for.
    """
    bundle = _copy(folder, digest, signer)
    return Champion(version, bundle, read_bundle(bundle))


def _copy(folder: Path, digest: str, signer: Signer | None) -> Bundle:
    if signer is not None:
        signer.check_kept(folder, digest)
    return open_bundle(folder / digest, digest)


def open_earlier(
    folder: Path, start: str, serves: Carried, signer: Signer | None = None
) -> Carried | None:
    """Open the model of the last run, by the start of its digest, where another serves now.

    None where the same serves, or where it is not kept or cannot be opened any more: a move is
    then told without it.
    """
    if not re.fullmatch(r"[0-9a-f]{8,64}", start) or serves.digest.startswith(start):
        return None
    for found in sorted(each for each in folder.glob(f"{start}*") if each.is_dir()):
        try:
            return read_bundle(_copy(folder, found.name, signer))
        except DataRejected:
            continue
    return None


def keep(registry: Registry, version: Version, folder: Path) -> Bundle:
    """Fetch a version, verify it, and keep a copy."""
    kept = copy_verified(registry.fetch(version), folder, version.digest)
    if registry.signer is not None:
        registry.signer.note(folder, version.digest)
    return kept


def _attempts(registry: Registry, folder: Path, troubles: list[Fault]) -> Iterator[Attempt]:
    for version in _succession(registry, folder, troubles):
        yield version.number, partial(keep, registry, version, folder)
        if (folder / version.digest).is_dir():
            yield version.number, partial(_copy, folder, version.digest, registry.signer)
    noted = _noted(folder)
    if noted is not None and troubles:
        yield noted.number, partial(_copy, folder, noted.digest, registry.signer)


def _succession(registry: Registry, folder: Path, troubles: list[Fault]) -> Sequence[Version]:
    """List the champion and those before it; none, and why, where the registry cannot say."""
    try:
        listed = registry.succession()
    except DependencyDown as down:
        troubles.append(down)
        return []
    if listed is None and _noted(folder) is not None:
        troubles.append(_gone(registry))
    return listed or []


def _gone(registry: Registry) -> Fault:
    said = f"{registry.tracking.shown}: knows no champion, and one served before"
    return DependencyDown("registry.no_champion", said, "restore it, or promote a version")


def _note(folder: Path, champion: Champion) -> None:
    noted = {"version": champion.version, "digest": champion.bundle.digest}
    content = json.dumps(noted).encode("ascii") + b"\n"
    path = folder / NOTE
    if not path.is_file() or path.read_bytes() != content:
        replace(path, content)


def _noted(folder: Path) -> Version | None:
    """Read which model was opened last; None where nothing, or nothing sensible, is noted."""
    try:
        noted = json.loads((folder / NOTE).read_bytes())
        number, digest = int(noted["version"]), str(noted["digest"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return Version(number, digest, "") if _DIGEST.fullmatch(digest) else None
