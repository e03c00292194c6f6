"""Scenarios of a serving process: the current run's outlook in memory, a few answers at a time."""

from __future__ import annotations

from collections.abc import Callable
from threading import BoundedSemaphore, Lock
from typing import Any

from features.faults import Busy
from models.cuts import cut_columns
from models.scenario import Scenario, compare
from serving.outlooks import Kept, kept_outlook
from serving.store import Store

__all__ = ["Scenarios"]

AT_ONCE, IN_LINE = 2, 4
"""How many are computed at once, and how many may be asked for at once, those included.

Each holds one of the server's threads while it waits: most of these are left to the others.
"""

MOST_KEPT = 12
"""How many forecasts by another cut are kept."""

MOST_SHOWN = 100
"""Columns of more values are not offered to cut by; they may be asked for."""

Forecast = dict[str, Any]


class Scenarios:
    """Answers what-if questions about published runs.

    One outlook is held, that of the run asked about last; it is replaced when another is published.
    Beyond `IN_LINE` questions at once the next is refused, so that the rest of the server answers.

    Parameters
    ----------
    store : Store

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> Scenarios(Store.open(Path(tempfile.mkdtemp()))).run_id is None
    True
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: Kept | None = None
        self._cut: dict[tuple[str, int, str], Forecast] = {}
        self._opening = Lock()
        self._working, self._line = BoundedSemaphore(AT_ONCE), BoundedSemaphore(IN_LINE)

    @property
    def run_id(self) -> str | None:
        """Name the run whose outlook is held."""
        return None if self._kept is None else self._kept.run_id

    def answer(
        self,
        run: str,
        scenario: Scenario,
        horizon: int,
        *,
        by: str | None = None,
        target: float | None = None,
    ) -> Forecast:
        """Compare a run's published forecast with a scenario (``models.scenario.compare``).

        Parameters
        ----------
        run : str
            A published run that kept its outlook.
        scenario : Scenario
        horizon : int
            1, 3 or 12.
        by : str, optional
            Another column to cut both forecasts by.
        target : float, optional
            NRR to reach.

        Raises
        ------
        Busy
            ``scenario.busy`` when too many ask at once (exit code 75).
        """

        def compute() -> Forecast:
            kept = self._of(run)
            published = self._store.forecast(horizon, run=run)
            return compare(
                kept.outlook,
                scenario,
                kept.basis,
                horizon,
                by=by,
                published=published,
                target=target,
            )

        return self._in_turn(compute)

    def cut(self, run: str, horizon: int, by: str) -> Forecast:
        """Give a run's forecast cut by another column than the published one; a few are kept.

        Raises
        ------
        Busy, InputMissing, DataRejected
            As `answer` does.
        """
        key = (run, horizon, by)
        if key not in self._cut:
            told = self.answer(run, Scenario(), horizon, by=by)["baseline"]
            with self._opening:
                fresh = {one: body for one, body in self._cut.items() if one[0] == run}
                self._cut = dict([*fresh.items(), (key, told)][-MOST_KEPT:])
            return told
        return self._cut[key]

    def cuts(self, run: str) -> list[str]:
        """List the columns that a run's forecasts can be cut by, those of one value left out.

        Raises
        ------
        InputMissing, DataRejected
            As `serving.outlooks.kept_outlook` does.
        """
        accounts = self._of(run).outlook.accounts
        several = (
            name for name in cut_columns(accounts) if accounts[name].nunique(dropna=False) > 1
        )
        return [name for name in several if accounts[name].nunique(dropna=False) <= MOST_SHOWN]

    def _in_turn(self, compute: Callable[[], Forecast]) -> Forecast:
        if not self._line.acquire(blocking=False):
            raise Busy("scenario.busy", f"{IN_LINE} scenarios are in line", "ask again in a second")
        try:
            with self._working:
                return compute()
        finally:
            self._line.release()

    def _of(self, run: str) -> Kept:
        with self._opening:
            if self._kept is None or self._kept.run_id != run:
                self._kept = kept_outlook(self._store, run)
            return self._kept
