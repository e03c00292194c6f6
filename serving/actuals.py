"""Actuals: what became of a forecast's cohort, out of the ledger as it is known now or was closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from features.asof import as_dates, month_end
from features.book import Book
from features.closed_store import closed_months, read_ledger, read_manifest
from features.cohorts import Desk, open_desk
from features.fx import has_foreign
from features.ledger import mrr_on
from features.restatement import changed_keys
from features.retention import last_closing
from features.rules import Rules
from features.windows import LENGTHS, Window
from models.settled import Actual, Flows

__all__ = ["LAG_DAYS", "Actuals"]

LAG_DAYS = 31
"""Days after a period's end until it counts as closed: a late renewal withdraws a churn."""

_RETURNS_COUNT = ("own", "s002")
_WINDOWS = {months: name for name, months in LENGTHS.items()}


@dataclass
class Actuals:
    """A book's ledger, asked about windows under several definitions; what was read is kept.

    Attributes
    ----------
    book : Book
        The snapshot that is known now.
    home : Path
        Folder of the state: closed periods are read from it.
    rules : Rules
        Today's choices.
    """

    book: Book
    home: Path
    rules: Rules
    _desks: dict[str, Desk] = field(default_factory=dict, repr=False)
    _days: dict[tuple[date, str], pd.Series] = field(default_factory=dict, repr=False)
    _ended: pd.DataFrame | None = field(default=None, repr=False)

    def last(self) -> date:
        """Give the last month-end that can be told: its usage must have been billed."""
        return last_closing(self.book, self.rules, None)

    def of(
        self, window: Window, due: Mapping[str, date | None], rules: Rules
    ) -> tuple[Actual | None, str]:
        """Tell what became of the accounts of a forecast.

        Parameters
        ----------
        window : Window
            From the forecast's opening to its closing, which is closed.
        due : mapping of str to date or None
            The accounts of the forecast, each with the decision that was next then.
        rules : Rules
            The choices under which it was forecast.

        Returns
        -------
        Actual or None, str
            None with the reason where the ledger cannot tell.
        """
        known = self._cohort(window, rules)
        today = known if rules == self.rules else self._cohort(window, self.rules)
        as_closed = self._as_closed(window, rules)
        mine = known if as_closed is None else as_closed
        mine = mine[mine.index.isin(due.keys())]
        if not len(mine) or not len(today):
            return None, f"the ledger knows no account of the forecast at {window.opening}"
        late = self._late(mine, window, due, rules)
        actual = Actual(
            at_end=_flows(mine),
            on_time=_flows(mine.assign(closing=mine["closing"] + late)),
            restated=_flows(known),
            today=_flows(today),
            today_nrr=self._nrr(window, today),
            late_accounts=int((late != 0).sum()),
        )
        return actual, ""

    def closed_nrr(self, window: Window) -> float | None:
        """Give NRR as it was closed (`perennial close`); None where it was not."""
        if window.closing not in closed_months(self.home) or not _whole(window):
            return None
        manifest = read_manifest(self.home, window.closing)
        found = manifest["windows"].get(_WINDOWS.get(window.months, ""), {})
        nrr: float | None = found.get("nrr")
        return nrr

    def _desk(self, rules: Rules) -> Desk:
        name = rules.model_dump_json()
        if name not in self._desks:
            until = last_closing(self.book, rules, None)
            self._desks[name] = open_desk(self.book, rules, as_of=None, until=until)
        return self._desks[name]

    def _cohort(self, window: Window, rules: Rules) -> pd.DataFrame:
        """Give opening and closing by account, of whoever paid at the opening."""
        if _whole(window):
            table = self._desk(rules).endpoints(window).to_pandas().set_index("account_id")
            return table.set_axis(["opening", "closing"], axis=1)
        opening, closing = self._on(window.opening, rules), self._on(window.closing, rules)
        after = closing.reindex(opening.index, fill_value=0)
        return pd.DataFrame({"opening": opening, "closing": after})

    def _nrr(self, window: Window, today: pd.DataFrame) -> float:
        """Give NRR as `perennial metrics` does, with others' returns where the rules add them."""
        if not _whole(window) or self.rules.reactivation != "s002":
            return _flows(today).nrr
        (whole,) = self._desk(self.rules).measure([window])
        return float(whole.nrr or 0.0)

    def _on(self, day: date, rules: Rules) -> pd.Series:
        """Give what every account pays on a day."""
        key = (day, rules.model_dump_json())
        if key not in self._days:
            paid = mrr_on(self.book, day, rules)
            self._days[key] = paid.set_index("account_id")["mrr_micros"]
        return self._days[key]

    def _as_closed(self, window: Window, rules: Rules) -> pd.DataFrame | None:
        """Give the cohort as it was frozen, where it was frozen under these very rules.

        Not where amounts are revalued, or a return begins another stay: a frozen month says
        neither.
        """
        if window.closing not in closed_months(self.home) or not _whole(window):
            return None
        manifest = read_manifest(self.home, window.closing)
        told = has_foreign(self.book) or rules.reactivation not in _RETURNS_COUNT
        if told or changed_keys(manifest, rules, self.book):
            return None
        ledger = read_ledger(self.home, window.closing)
        at = {day: _month(ledger, day) for day in (window.opening, window.closing)}
        opening = at[window.opening]
        after = at[window.closing].reindex(opening.index, fill_value=0)
        return pd.DataFrame({"opening": opening, "closing": after})

    def _late(
        self, mine: pd.DataFrame, window: Window, due: Mapping[str, date | None], rules: Rules
    ) -> pd.Series:
        """Give what each account's closing would differ by, had its late decision come in time.

        Late is a decision that was due in the last 31 days of the period and whose outcome came
        in the 31 days after it; committed revenue alone has decisions.
        """
        nobody = pd.Series(0, index=mine.index, dtype="int64")
        asked = self._due(window.closing, due) & set(mine.index)
        if not asked or rules.basis == "usage":
            return nobody
        committed = rules.model_copy(update={"basis": "committed"})
        then = self._on(window.closing, committed).reindex(mine.index, fill_value=0)
        later = self._on(window.closing + timedelta(days=LAG_DAYS), committed)
        moved = later.reindex(mine.index, fill_value=0) - then
        return moved.where(moved.index.isin(asked), 0).astype("int64")

    def _due(self, closing: date, due: Mapping[str, date | None]) -> set[str]:
        """List accounts with a decision in the last 31 days up to a period's end."""
        first = closing - timedelta(days=LAG_DAYS - 1)
        kept = {who for who, day in due.items() if day is not None and first <= day <= closing}
        ended = self._lines_ended()
        there = ended[(ended["ends_on"] >= first) & (ended["ends_on"] <= closing)]
        return kept | set(there["account_id"])

    def _lines_ended(self) -> pd.DataFrame:
        """List the lines of more than a month's term that ended: account_id, ends_on."""
        if self._ended is None:
            self._ended = _ended_lines(self.book)
        return self._ended


def _ended_lines(book: Book) -> pd.DataFrame:
    columns = ["account_id", "starts_on", "ends_on", "term_months", "kind"]
    if not book.has("subscriptions"):
        return pd.DataFrame({"account_id": [], "ends_on": []})
    lines = book.table("subscriptions").select(columns).collect().to_pandas()
    lines = lines[lines["ends_on"].notna() & ~lines["kind"].isin(["one_time", "trial"])]
    starts, ends = as_dates(lines["starts_on"]), as_dates(lines["ends_on"])
    days = [_days(first, last) for first, last in zip(starts, ends, strict=True)]
    term = lines["term_months"].astype("float64").to_numpy()
    bound = (term > 1) | (pd.isna(term) & (pd.Series(days).to_numpy() > LAG_DAYS))
    return lines.assign(ends_on=ends)[bound][["account_id", "ends_on"]]


def _days(first: date | None, last: date | None) -> int:
    return (last - first).days if first is not None and last is not None else 0


def _whole(window: Window) -> bool:
    """Say whether a window runs from a month-end to a month-end."""
    return all(day == month_end(day) for day in (window.opening, window.closing))


def _month(ledger: Any, day: date) -> pd.Series:
    """Give what each account paid in a frozen month."""
    rows = ledger.filter(pc.equal(ledger["month_end"], day))
    paid = rows.select(["account_id", "closing_micros"]).to_pandas().set_index("account_id")
    micros: pd.Series = paid["closing_micros"]
    return micros[micros > 0]


def _flows(cohort: pd.DataFrame) -> Flows:
    return Flows.of(cohort["opening"].to_numpy("int64"), cohort["closing"].to_numpy("int64"))
