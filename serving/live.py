"""Answers computed now, from the snapshot and the model of the run that serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from features.book import open_book
from features.configuration import nearest
from features.faults import InputMissing, UsageFault
from features.snapshot import snapshot
from models.combined import combined, said_of
from models.keeper import Champion, open_earlier, open_kept
from models.listing import listing
from models.memory import scored_by
from models.outcomes import HORIZONS
from models.verdict import forecasts, judge_accounts, weighed_amounts
from serving.columns import native
from serving.history import contacts_before
from serving.model_at_hand import ModelAtHand
from serving.queries import Run
from serving.schemas import OUTREACH_TABLE
from serving.scorer import Scorer
from serving.settings import Settings
from serving.store import Store
from serving.volume import judged

__all__ = ["forecast_by", "list_for", "live_scorer", "model_at_hand"]

Rows = list[dict[str, Any]]


def model_at_hand(settings: Settings, tell: Callable[[str], None]) -> ModelAtHand:
    """Give the keeper of a serving process's model: nothing is opened yet."""
    store = Store.open(settings.home, settings.store, settings.serve.query_seconds)
    opened = partial(open_kept, signer=settings.models.signer())
    return ModelAtHand(store, settings.home / "bundles", opened, tell)


def _own_model(settings: Settings, run: Run) -> Champion:
    """Open the run's own model; a damaged one is refused, as another would tell another list."""
    signer = settings.models.signer()
    return open_kept(settings.home / "bundles", int(run.model_version), run.model_digest, signer)


class _Live:
    """The current run, with its snapshot and its model open."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store.open(settings.home, settings.store)
        run = self.store.current()
        if run is None:
            raise InputMissing("run.none", "nothing is published yet", "run `perennial score`")
        self.run: Run = run
        book = open_book(settings.home, run.snapshot_id)
        self.book, _ = judged(settings.home, book, self.store, accept=True)
        self.model = _own_model(settings, run)
        self.worked = contacts_before(self.store.engine, self.book, run.as_of)

    def judged(self) -> tuple[Any, pd.DataFrame]:
        """Judge the accounts as the run did."""
        frame = snapshot(self.book, self.run.as_of, self.settings.rules.by_account(), finite=False)
        previous = self.store.previous_cells(self.run.as_of)
        past = None if previous.empty else previous.loc[:, ["account_id", "memory"]]
        choices = self.settings.choices
        start = "" if past is None else scored_by(past["memory"])
        folder, signer = self.settings.home / "bundles", self.settings.models.signer()
        earlier = open_earlier(folder, start, self.model.carried, signer)
        day, model = self.run.as_of, self.model.carried
        return judge_accounts(frame, model, past, day, choices, earlier, self.worked)


def live_scorer(settings: Settings, hand: ModelAtHand | None = None) -> Scorer:
    """Give what scores named accounts now; unknown ones are left out.

    Without a model at hand the published run's own is opened, and verified, at each call.
    """
    return Scorer(settings, hand.of if hand else partial(_own_model, settings))


def list_for(settings: Settings, csm: str | None, capacity: int) -> Rows:
    """Rank the run's accounts again for another number of places per CSM."""
    live = _Live(settings)
    scored, table = live.judged()
    carried = live.model.carried
    published = {str(h): live.store.forecast(h) for h in HORIZONS}
    outlook, weighed = combined(scored.outlook, carried.combined, said_of(published))
    table = weighed_amounts(table, outlook, weighed)
    table = table.assign(expected_expansion_mrr=table["growth_mrr"])
    choices, day = settings.choices, live.run.as_of
    rest = choices.matrix.guards.cool_down_days
    ranked = listing(table, choices.outreach, day, live.worked, rest, capacity).rows
    if csm is not None:
        ranked = ranked[ranked["csm"] == csm]
    columns = native(ranked, OUTREACH_TABLE)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def forecast_by(settings: Settings, horizon: int, *by: str) -> dict[str, Any]:
    """Cut the run's forecast by other columns of accounts; the whole stays as published.

    Raises
    ------
    UsageFault
        ``cut.unknown`` for a column that accounts do not have.
    """
    live = _Live(settings)
    scored, _ = live.judged()
    people = live.book.connection.table("accounts").df().set_index("account_id")
    accounts = scored.outlook.accounts
    for name in dict.fromkeys(by):
        if name not in accounts.columns:
            if name not in people.columns:
                known = sorted({*map(str, people.columns), "acv_segment"})
                raise UsageFault("cut.unknown", f"--by {name}", nearest(name, known))
            accounts[name] = people[name].reindex(accounts["account_id"]).to_numpy()
    choices = settings.choices
    cut = replace(choices, cuts=tuple(dict.fromkeys(by)))
    published = {str(h): live.store.forecast(h) for h in HORIZONS}
    outlook, _ = combined(scored.outlook, live.model.carried.combined, said_of(published))
    told = forecasts(outlook, live.model.carried, live.run.as_of, cut)[str(horizon)]
    return (live.store.forecast(horizon) or {}) | {"by_cut": told["by_cut"]}
