"""The scorer of a serving process: the run's book measured and judged once, and held.

A row follows from the run's snapshot, the runs before it and the model, and from nothing else that
can change while it serves. So it goes through the snapshot door and the model of the weekly job
once, for the whole book together, which costs little more than for a few accounts; each question
is then answered from what is held, until another run or another model serves. A book that is too
large for that is measured once, and judged by name at each question.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from features.book import open_book
from features.faults import InputMissing
from features.snapshot import snapshot
from models.carried import Carried
from models.contacts import Contacts
from models.keeper import Champion, open_earlier
from models.memory import scored_by
from models.verdict import judge_accounts
from serving.columns import plain
from serving.history import contacts_before
from serving.queries import Run
from serving.schemas import SCORE_COLUMNS
from serving.settings import Settings
from serving.store import Store
from serving.volume import judged

__all__ = ["MOST", "Scorer"]

MOST = 20_000
"""Rows of larger books are not held: some 6 KB an account."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class _Measured:
    """What was known of a run's accounts: read off its snapshot once.

    Attributes
    ----------
    run : Run
    before : Run or None
        The run before it.
    frame : DataFrame
        What the snapshot door gives for the run's date, every paying account.
    past : DataFrame or None
        ``account_id, memory`` of the run before.
    worked : Contacts
        Past outreach.
    """

    run: Run
    before: Run | None
    frame: pd.DataFrame
    past: pd.DataFrame | None
    worked: Contacts

    @cached_property
    def places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.frame["account_id"])}

    def of(self, accounts: list[str]) -> pd.DataFrame:
        """Give the rows of some accounts; those that do not pay are left out."""
        places = sorted({self.places[name] for name in accounts if name in self.places})
        return self.frame.iloc[places].reset_index(drop=True)


class Scorer:
    """Scores named accounts of the run that serves; several threads may ask it.

    Parameters
    ----------
    settings : Settings
    model : callable
        Gives the model that a run is scored with (``serving.model_at_hand.ModelAtHand.of``).
    """

    def __init__(self, settings: Settings, model: Callable[[Run], Champion]) -> None:
        self._settings, self._model = settings, model
        self._store = Store.open(settings.home, settings.store)
        self._lock = threading.Lock()
        self._measured: _Measured | None = None
        self._rows: tuple[tuple[_Measured, str], dict[str, dict[str, Any]]] | None = None

    def __call__(self, accounts: list[str]) -> Rows:
        """Give one CONTRACT section 3 row per account that is known, in plain values.

        Raises
        ------
        InputMissing
            ``run.none`` where nothing is published yet.
        """
        run = self._store.current()
        if run is None:
            raise InputMissing("run.none", "nothing is published yet", "run `perennial score`")
        champion = self._model(run)
        with self._lock:  # whoever asks meanwhile waits for the same work
            measured = self._of(run)
            if len(measured.frame) <= MOST:
                held = self._held(measured, champion)
                return [held[name] for name in accounts if name in held]
        return self._judged(measured, measured.of(accounts), champion)

    def _of(self, run: Run) -> _Measured:
        before = self._store.before(run.as_of)
        if self._measured is None or (self._measured.run, self._measured.before) != (run, before):
            self._measured = self._measure(run, before)
        return self._measured

    def _measure(self, run: Run, before: Run | None) -> _Measured:
        settings, store = self._settings, self._store
        book, _ = judged(settings.home, open_book(settings.home, run.snapshot_id), store, True)
        try:
            frame = snapshot(book, run.as_of, settings.rules.by_account(), finite=False)
            worked = contacts_before(store.engine, book, run.as_of)
        finally:
            book.connection.close()
        previous = store.previous_cells(run.as_of)
        past = None if previous.empty else previous.loc[:, ["account_id", "memory"]]
        return _Measured(run, before, frame, past, worked)

    def _held(self, measured: _Measured, champion: Champion) -> dict[str, dict[str, Any]]:
        key = (measured, champion.bundle.digest)
        if self._rows is None or self._rows[0][0] is not measured or self._rows[0][1] != key[1]:
            rows = self._judged(measured, measured.frame, champion)
            self._rows = key, {row["account_id"]: row for row in rows}
        return self._rows[1]

    def _judged(self, measured: _Measured, frame: pd.DataFrame, champion: Champion) -> Rows:
        if frame.empty:
            return []
        day, choices, carried = measured.run.as_of, self._settings.choices, champion.carried
        earlier = self._earlier(measured.past, carried)
        asked = (carried, measured.past, day, choices, earlier, measured.worked)
        _, table = judge_accounts(frame, *asked)
        table = table.assign(as_of=day, run_id=measured.run.run_id)
        table["model_version"] = str(champion.version)
        records: Rows = table.loc[:, list(SCORE_COLUMNS)].to_dict("records")
        return [plain(row) for row in records]

    def _earlier(self, past: pd.DataFrame | None, carried: Carried) -> Carried | None:
        """Give the model of the run before, where that was another."""
        start = "" if past is None else scored_by(past["memory"])
        signer = self._settings.models.signer()
        return open_earlier(self._settings.home / "bundles", start, carried, signer)
