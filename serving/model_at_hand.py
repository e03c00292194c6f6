"""The model at hand: what a serving process scores with, verified once and then held in memory.

It is the model of the published run, or the one that was chosen by hand since (a rollback, a
promotion): a running server turns to it at the next question. Where its kept copy is damaged, what was held before serves
on, or the model of an earlier run; that is told as ``degraded`` until the copy is whole again. A
copy that is damaged later does not reach what is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from features.faults import DataRejected, Fault
from serving.chosen import chosen_since

if TYPE_CHECKING:
    from models.keeper import Champion
    from serving.store import Run, Store

__all__ = ["ModelAtHand", "ModelState"]

Opened = Callable[[Path, int, str], "Champion"]


@dataclass(frozen=True)
class ModelState:
    """What serves, as ``/readyz`` and ``/v1/models`` tell it.

    Attributes
    ----------
    version, digest : str
        The model.
    troubles : tuple of Fault
        Why it is not the published run's own sound copy; empty if it is.

    Examples
    --------
    >>> ModelState("3", "ab12").status
    'ready'
    """

    version: str
    digest: str
    troubles: tuple[Fault, ...] = ()

    @property
    def status(self) -> str:
        """``ready``, or ``degraded`` where something was refused."""
        return "degraded" if self.troubles else "ready"


class ModelAtHand:
    """Holds the model of the published run open, and looks at its files when they have changed.

    Parameters
    ----------
    store : Store
        The published runs.
    folder : Path
        The kept bundles, by digest.
    opened : callable
        Opens a kept bundle by folder, version and digest (``models.keeper.open_kept``).
    tell : callable
        Told one line when a model is refused, and when all is well again.
    """

    def __init__(
        self, store: Store, folder: Path, opened: Opened, tell: Callable[[str], None]
    ) -> None:
        self._store, self._folder, self._opened, self._tell = store, folder, opened, tell
        self._lock = threading.Lock()
        self._held: Champion | None = None
        self._seen: tuple[object, ...] = ()
        self._trouble: DataRejected | None = None

    def state(self) -> ModelState | None:
        """Say what serves; None where no run is published or no model can be opened."""
        run = self._store.current()
        if run is None:
            return None
        try:
            return self._state(self.of(run))
        except DataRejected:
            return None

    def of(self, run: Run) -> Champion:
        """Give the model of a run, or the last good one.

        Raises
        ------
        DataRejected
            What the run's model was refused for, where no other can be opened.
        """
        with self._lock:
            version, digest = self._wanted(run)
            seen = (version, digest, *self._stamps(digest))
            if self._held is None or seen != self._seen:
                self._look(run, version, digest)
                self._seen = seen
            if self._held is None:
                raise self._trouble or DataRejected("model.none", "no model can be opened")
            return self._held

    def _wanted(self, run: Run) -> tuple[int, str]:
        """Say which model is to serve: the run's, or what was chosen after it was published."""
        choice = chosen_since(self._folder, run)
        if choice is not None:
            return choice.version, choice.digest
        return int(run.model_version), run.model_digest

    def _look(self, run: Run, version: int, digest: str) -> None:
        try:
            found = self._opened(self._folder, version, digest)
        except DataRejected as refused:
            if str(refused) != str(self._trouble):
                self._tell(f"perennial: model refused: {refused}")
            self._trouble = refused
            self._held = self._held or next(self._earlier(run), None)
            return
        if self._trouble is not None:
            self._tell(f"perennial: model version {found.version} is whole again")
        elif self._held is not None and self._held.bundle.digest != digest:
            self._tell(f"perennial: model version {found.version} serves now")
        self._held, self._trouble = found, None

    def _earlier(self, run: Run) -> Iterator[Champion]:
        """Open the models of earlier runs, the latest first, and give those that are sound."""
        known = {one.model_digest: one for one in reversed(self._store.runs())}
        for one in sorted(known.values(), key=lambda one: one.published_at, reverse=True):
            if one.model_digest != run.model_digest:
                try:
                    yield self._opened(self._folder, int(one.model_version), one.model_digest)
                except DataRejected:
                    continue  # the newest refusal is told; this one is as old as its run

    def _state(self, held: Champion) -> ModelState:
        troubles = () if self._trouble is None else (self._trouble,)
        return ModelState(str(held.version), held.bundle.digest, troubles)

    def _stamps(self, digest: str) -> list[tuple[str, int, int, int]]:
        """Give name, size, time and number of every file of a kept bundle."""
        try:
            found = [(one.name, one.lstat()) for one in sorted((self._folder / digest).iterdir())]
        except OSError:
            return []
        return [(name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in found]
