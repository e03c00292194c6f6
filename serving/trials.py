"""Trials of a book: what its holdouts and its outreach log say of each play, and how long it takes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd

from features.asof import lead_day, opening_day
from features.book import Book
from features.ledger import mrr_on
from features.outreach_log import assignments
from features.rules import Rules
from models.holdout import eligible
from models.plays import named
from models.power import SHARE, plan
from models.trial import effect
from serving.actuals import LAG_DAYS
from serving.history import cells_on, holdout_logs, listed
from serving.settings import Settings
from serving.store import Filters, Store

__all__ = ["effects_told", "planned"]

MONTHS = 3
GREW = 1.02
ALL = 1_000_000
EVER = date.max


def effects_told(settings: Settings, book: Book, store: Store) -> dict[str, Any]:
    """Give the intention-to-treat effect of every play whose outcomes are known.

    An outcome is known three months and 31 days after the assignment: the account has left (a save)
    or pays at least 2 % more (an expansion), by the ledger. Who did not pay when it was assigned
    leaves the count.

    Returns
    -------
    dict
        ``as_of, months, waiting`` (assignments whose outcome is still to come) and ``plays``:
        ``play, kind`` and `models.trial.effect`.
    """
    rules, today = settings.rules.by_account(), book.facts.as_of
    rows = _assigned(book, store)
    closed = [_closed(day, today) for day in rows["assigned_on"]]
    known = rows[pd.Series(closed, index=rows.index, dtype=bool)]
    told = pd.concat([_outcomes(book, rules, day, own) for day, own in known.groupby("assigned_on")]
                     or [rows.iloc[:0].assign(event=False)])  # fmt: skip
    plays = [
        {"play": str(name), "kind": _kind(str(name))} | effect(own, _kind(str(name)))
        for name, own in told.groupby("play", sort=True)
    ]
    waiting = len(rows) - len(known)
    return {"as_of": today.isoformat(), "months": MONTHS, "waiting": waiting, "plays": plays}


def planned(settings: Settings, store: Store, as_of: date) -> dict[str, Any]:
    """Say how many months a holdout would take to show an effect, per play.

    The accounts that come due in a quarter are those of the lists of the last 91 days that could
    be held out now; the rate is the mean of their chances within three months.
    """
    chosen = settings.choices.outreach
    share = chosen.holdout or SHARE
    scores = pd.DataFrame(store.scores(Filters(), limit=ALL).rows)
    taking = scores[eligible(scores, as_of)].set_index("account_id")
    lists = listed(store.engine, as_of + timedelta(days=1), 91)
    pairs = sorted({(account, play) for account, play, _ in lists if account in taking.index})
    due = pd.DataFrame(pairs, columns=["account_id", "play"])
    side = due["play"].map(_kind).eq("save")
    p_churn, p_expand = (due["account_id"].map(taking[name]) for name in ("p_churn", "p_expand"))
    plays = plan(due.assign(p=p_churn.where(side, p_expand)), share, chosen.reduction)
    return {
        "as_of": as_of.isoformat(),
        "share": share,
        "relative_effect": chosen.reduction,
        "takes_part": len(taking),
        "accounts": len(scores),
        "lists": len({day for _, _, day in lists}),
        "plays": plays,
    }


def _assigned(book: Book, store: Store) -> pd.DataFrame:
    """Lay the drawn holdouts of our lists and the book's own log below one another."""
    own = pd.DataFrame(_first_due(store), columns=[*NAMES, "stratum"])
    log = assignments(book)
    segments = _segments(book)
    days = {day: cells_on(store.engine, day) for day in log["assigned_on"].unique()}
    pairs = zip(log["account_id"], log["assigned_on"], strict=True)
    cells = [days[day].get(account, "no cell") for account, day in pairs]
    whose = log["account_id"].map(segments).astype(object).fillna("no segment")
    rows = pd.concat([own, log.assign(stratum=pd.Series(cells, dtype=object) + ", " + whose)])
    return rows.drop_duplicates(NAMES[:3], ignore_index=True)


NAMES = ["account_id", "play", "assigned_on", "arm"]


def _first_due(store: Store) -> list[tuple[Any, ...]]:
    """List whom a list would have named first in a quarter, in the arm that was drawn."""
    found: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    for day, body in holdout_logs(store.engine, EVER):
        for row in body["log"]:
            key = (body["quarter"], row["account_id"], row["play"])
            told = (row["account_id"], row["play"], day, row["arm"], row["stratum"])
            found.setdefault(key, told)
    return list(found.values())


def _segments(book: Book) -> dict[str, Any]:
    if not book.has("accounts") or "segment" not in book.provided["accounts"]:
        return {}
    rows = book.connection.execute("SELECT account_id, segment FROM accounts").fetchall()
    return dict(rows)


def _outcomes(book: Book, rules: Rules, day: date, rows: pd.DataFrame) -> pd.DataFrame:
    """See what became of the accounts that were assigned on a day."""
    before, after = (_paid(book, rules, on) for on in (opening_day(day), lead_day(day, MONTHS)))
    opening = rows["account_id"].map(before).fillna(0.0)
    closing = rows["account_id"].map(after).fillna(0.0)
    save = rows["play"].map(_kind).eq("save")
    event = (closing == 0.0).where(save, closing >= GREW * opening)
    return rows.assign(event=event)[opening > 0.0]


def _paid(book: Book, rules: Rules, day: date) -> dict[str, float]:
    told = mrr_on(book, day, rules)
    return dict(zip(told["account_id"], told["mrr_micros"].astype(float), strict=True))


def _kind(play: str) -> str:
    """Give a play's kind; one of another name than ours is taken for a save."""
    known = named(play)
    return known.kind if known is not None else "save"


def _closed(day: date, today: date) -> bool:
    return lead_day(day, MONTHS) + timedelta(days=LAG_DAYS) < today
