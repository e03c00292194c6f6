"""Every guard is reached by the weekly job on files, not only by a table made by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.stability_counts import GUARDS
from tests.command_line import perennial, workspace
from tests.whole_book import AS_OF, whole_book, written

pytestmark = pytest.mark.ci

WAITS = "stabilise retention first"
"""From the first weeks of Medium/High, which no book of this size has (test_guards)."""
MONTH = pd.Timedelta(days=28)
RECENTLY = str((AS_OF - pd.Timedelta(days=9)).date())


Tables = dict[str, pd.DataFrame]


def troubled(book: Tables) -> Tables:
    """Bring about what the simulated book does not have."""
    book = {name: frame.copy() for name, frame in book.items()}
    accounts = book["accounts"]["account_id"]
    by_use, lacking = accounts[::5], accounts[::3]
    _billed_by_use(book, by_use)
    _adjacent(book, lacking)
    tickets, log = book["tickets"], book["outreach_log"]
    urgent = {"severity": "urgent", "closed_at": None, "opened_at": f"{RECENTLY}T09:00:00Z"}
    tickets.loc[tickets["account_id"].isin(accounts[::7]), [*urgent]] = [*urgent.values()]
    log.loc[log.index % 5 == 1, ["play", "arm", "acted_on"]] = ["Plant seeds", "treated", RECENTLY]
    return book


def _billed_by_use(book: Tables, accounts: pd.Series) -> None:
    """Bill accounts by what they use, which has just grown tenfold."""
    lines, usage = book["subscriptions"], book["usage"]
    lines.loc[lines["account_id"].isin(accounts), "kind"] = "usage"
    late = pd.to_datetime(usage["occurred_at"], utc=True) > AS_OF.tz_localize("UTC") - MONTH
    grown = late & usage["account_id"].isin(accounts)
    usage["quantity"] = usage["count"].where(~grown, usage["count"] * 10)


def _adjacent(book: Tables, lacking: pd.Series) -> None:
    """Let the others own a product that these lack, who pay much, soon renew and ask for no more."""
    book["accounts"]["segment"] = "smb"
    lines = book["subscriptions"].assign(mrr=lambda rows: rows["mrr"] * 10)
    asks = lines["account_id"].isin(lacking)
    lines.loc[asks, ["seats", "renews_on"]] = [None, str((AS_OF + MONTH).date())]
    more = lines[~asks].drop_duplicates("account_id", keep="last")
    more = more.assign(product="mail", subscription_id="more-" + more["subscription_id"])
    book["subscriptions"] = pd.concat([lines, more], ignore_index=True)
    for name in ("events", "limits"):
        book[name] = book[name][~book[name]["account_id"].isin(lacking)]


def test_every_guard_holds_somebody(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    trained, folder = workspace(tmp_path_factory), tmp_path / "book"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("truth", "exports"))
    written(folder, troubled(whole_book(trained)))
    told = perennial(folder, "score", "--json")
    assert told.code == 0, told.err
    scores = pd.read_csv(next((folder / ".perennial" / "exports").glob("*/scores.csv")))
    said = scores["guard"].dropna()
    held = {guard for guard in GUARDS if said.str.contains(guard).any()}
    assert held | {WAITS} == {*GUARDS}
