"""Cohorts: who paid at a window's opening, what became of them, and of the book beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

import duckdb
import pyarrow as pa

from features.additions import FLOW_NAMES, add_up, cohort_names
from features.bands import rank
from features.book import Book, engine
from features.cuts import LINE_KEYS
from features.facing import Facing, facing_of
from features.fx import has_foreign
from features.holders import turning_days
from features.ledger import month_table
from features.levers import LEVERS
from features.line_cuts import with_moved
from features.measure import Measure, with_flows
from features.members import account_columns, moving, write_members, write_traits
from features.positions import lay_cohort, lay_openings, lay_positions, lay_windows
from features.rules import Rules
from features.sheets import FLOWS, Sheet, lay_out, number_accounts
from features.steps import month_end_sql
from features.valued import openings
from features.windows import Window

__all__ = ["FLOWS", "Desk", "Measure", "open_desk"]

Cut = tuple[str, ...]

# Windows are laid out by the handful, so that no table has a row per account and month.
_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Desk:
    """The ledger laid out for questions about windows, on an engine of its own.

    Attributes
    ----------
    book, rules : Book, Rules
        What the ledger is made of.
    as_of : date or None
        Only what was known before it counts.
    until : date or None
        Last month-end of the ledger.
    sheets : tuple of Sheet
        Of accounts, and of lines by each of the keys asked for.
    turning : tuple of date
        The days on which the hierarchy becomes another one, where that matters.
    facing : Facing
        What of a window this ledger was made for, where it depends on the window.
    revalued : bool
        Whether a cohort's opening is valued at the rates of its closing.
    metered : bool
        Whether usage-billed revenue has a line of its own beside committed revenue.
    connection : duckdb.DuckDBPyConnection
        With the tables of `features.sheets`.
    """

    book: Book
    rules: Rules
    as_of: date | None
    until: date | None
    sheets: tuple[Sheet, ...]
    turning: tuple[date, ...]
    facing: Facing
    revalued: bool
    metered: bool
    connection: duckdb.DuckDBPyConnection
    others: dict[Facing, Desk] = field(default_factory=dict, repr=False, compare=False)

    def first_month_end(self) -> date | None:
        """Give the ledger's first month-end; None if nobody ever paid."""
        query = f"SELECT {month_end_sql('min(first)')} FROM accounts"
        return self.connection.execute(query).fetchall()[0][0]

    def measure(self, windows: Sequence[Window], *cuts: Cut) -> list[Measure]:
        """Measure windows, the whole book (no cut, or an empty one) or cut by columns.

        Parameters
        ----------
        windows : sequence of Window
            Within the ledger.
        *cuts : tuple of str
            Columns of `features.cuts.cut_columns`, several in one tuple to cross them. Line
            keys must be those of a sheet.

        Returns
        -------
        list of Measure
            By window, then by cut, as given; the values of a cut in their order. The rows of a
            cut add up to the whole book exactly; those of a line cut with their row "moved
            between lines" (`features.line_cuts`).
        """
        found: list[Measure] = []
        for facing, group in groupby(windows, self._of):
            spans = list(group)
            rows = self._facing(facing)._read(spans, cuts or ((),))
            if facing != (plain := facing.plain(self.rules)):
                rows = with_flows(rows, self._facing(plain)._read(spans, cuts or ((),)))
            found += rows
        return found

    def _read(self, windows: list[Window], cuts: Sequence[Cut]) -> list[Measure]:
        return [m for some in self._handfuls(windows) for m in self._measured(some, cuts)]

    def largest_expansions(self, window: Window, how_many: int) -> list[int]:
        """List the cohort's largest expansions by account from opening to closing, in micro-units."""
        desk = self._facing(self._of(window))
        desk._lay([window], [])
        query = f"""SELECT closing - opening FROM account_cohort WHERE closing > opening
        ORDER BY 1 DESC LIMIT {how_many}"""
        return [row[0] for row in desk.connection.execute(query).fetchall()]

    def endpoints(self, window: Window) -> pa.Table:
        """Give what each account of a window's cohort pays at its opening and at its closing.

        ``account_id``, ``opening_micros`` and ``closing_micros`` (int64), by account; their sums
        are those of `measure`.
        """
        desk = self._facing(self._of(window))
        desk._lay([window], [])
        query = """
        SELECT account_id, CAST(opening AS BIGINT) AS opening_micros,
            CAST(closing AS BIGINT) AS closing_micros
        FROM account_cohort JOIN account_units USING (unit) JOIN accounts USING (account)
        ORDER BY account_id"""
        return desk.connection.execute(query).to_arrow_table()

    def risen(self, window: Window) -> dict[str, int]:
        """Sum by lever what it added in the months and accounts in which it added, in micro-units."""
        sums = ", ".join(f"coalesce(sum(greatest({lever}, 0)), 0)" for lever in LEVERS)
        query = f"SELECT {sums} FROM account_months WHERE m > {window.b} AND m <= {window.e}"
        (row,) = self._facing(self._of(window)).connection.execute(query).fetchall()
        return dict(zip(LEVERS, map(int, row), strict=True))

    def returns(self, window: Window) -> tuple[int, int]:
        """Count the returns of a window, and those of them that came after a single month."""
        query = f"""
        SELECT count(*), count(*) FILTER (away.until_m - away.m = 1)
        FROM account_months AS back JOIN account_standings AS away
            ON away.unit = back.unit AND away.until_m = back.m AND away.closing = 0
        WHERE back.reactivation > 0 AND back.m > {window.b} AND back.m <= {window.e}"""
        (row,) = self._facing(self._of(window)).connection.execute(query).fetchall()
        return int(row[0]), int(row[1])

    def _of(self, window: Window) -> Facing:
        return facing_of(self.book, self.rules, window, self.turning)

    def _facing(self, facing: Facing) -> Desk:
        """Give the desk whose ledger is that of a window: this one, or one made for it.

        The last one that was made is kept: windows that follow on each other often share it.
        """
        if facing == self.facing:
            return self
        if facing not in self.others:
            self.others.clear()
            lines = tuple(sheet.lines for sheet in self.sheets[1:])
            self.others[facing] = _lay_desk(
                self.book, self.rules, self.as_of, self.until, self.turning, facing, lines
            )
        return self.others[facing]

    def _handfuls(self, windows: list[Window]) -> Iterator[list[Window]]:
        """Split windows so that no two of a handful open on the same day, nor are they too many."""
        (accounts,) = self.connection.execute("SELECT count(*) FROM accounts").fetchall()[0]
        most = max(1, _AT_ONCE // max(accounts, 1))
        some: list[Window] = []
        for window in windows:
            if len(some) == most or window.b in {other.b for other in some}:
                yield some
                some = []
            some.append(window)
        if some:
            yield some

    def _measured(self, some: list[Window], cuts: Sequence[Cut]) -> list[Measure]:
        lines = {cut: Sheet.of(tuple(k for k in self._keys() if k in cut)) for cut in cuts}
        rests = {cut: tuple(k for k in cut if k not in lines[cut].lines) for cut in cuts}
        asked = {cut: lines[cut] for cut in cuts} | {rest: Sheet.of(()) for rest in rests.values()}
        columns = account_columns(asked, self._keys())
        dated = moving(self.book, columns)
        self._lay(some, list(asked.values()))
        if columns != dated:
            write_traits(self.connection, self.book, [c for c in columns if c not in dated])
        if dated:
            write_members(self.connection, self.book, some, dated, self.as_of)
        plain = {cut: self._cut(sheet, some, cut, dated) for cut, sheet in asked.items()}
        full = {
            cut: with_moved(plain[cut], plain[rests[cut]], cut, lines[cut].lines)
            if lines[cut].lines
            else plain[cut]
            for cut in cuts
        }
        return [m for window in some for cut in cuts for m in full[cut] if m.window == window]

    def _keys(self) -> Cut:
        """List the line keys that this desk can cut by."""
        return tuple(key for key in LINE_KEYS if any(key in sheet.lines for sheet in self.sheets))

    def _lay(self, some: list[Window], sheets: list[Sheet]) -> None:
        """Write ``windows``, and each sheet's positions and cohort in them."""
        lay_windows(self.connection, some)
        for sheet in dict.fromkeys([self.sheets[0], *sheets]):
            lay_positions(self.connection, sheet, self.rules)
            if self.revalued:
                self._register_openings(sheet, some)
            lay_cohort(self.connection, sheet, self.rules, revalued=self.revalued)

    def _register_openings(self, sheet: Sheet, some: list[Window]) -> None:
        """Value the openings, and what of them is usage, at the rates of the closings."""
        spans = [(window.b, window.e) for window in some]
        for name, basis in (("valued", self.rules.basis), ("valued_usage", "usage")):
            table = openings(
                self.book,
                self.rules.model_copy(update={"basis": basis}),
                spans,
                as_of=self.as_of,
                until=self.until,
                lines=sheet.lines,
                opening=self.facing.opening,
            )
            self.connection.register(name, table)
        lay_openings(self.connection, sheet)
        for name in ("valued", "valued_usage"):
            self.connection.unregister(name)

    def _cut(self, sheet: Sheet, some: list[Window], cut: Cut, dated: list[str]) -> list[Measure]:
        """Measure one cut on one sheet, the balance of a line cut left out."""
        found = add_up(self.connection, sheet, cut, dated, self.rules, self.metered)
        windows = {(window.b, window.e): window for window in some}
        keys = set(found) | (set() if cut else set(windows))
        names = cohort_names(self.rules, self.metered)
        measures = []
        for key in sorted(keys, key=lambda key: (*key[:2], *map(rank, cut, key[2:]))):
            amounts = found.get(key, {})
            cohort = {name: amounts.get(f"cohort {name}", 0) for name in names}
            flows = {name: amounts.get(name, 0) for name in FLOW_NAMES}
            values = dict(zip(cut, key[2:], strict=True))
            measures.append(Measure(windows[key[0], key[1]], values, cohort, flows))
        return [m for m in measures if not cut or any((*m.cohort.values(), *m.flows.values()))]


def open_desk(
    book: Book,
    rules: Rules,
    *,
    as_of: date | None,
    until: date | None,
    facing: Window | None = None,
    lines: Iterable[Cut] = (),
) -> Desk:
    """Lay out the ledger by account, and by each of the line keys.

    Parameters
    ----------
    book, rules, as_of, until
        As for `features.ledger.month_table`.
    facing : Window, optional
        Where the ledger depends on a window's opening, the window that it is first made for;
        the desk makes another ledger for each further one that it is asked for.
    lines : iterable of tuple of str
        Line keys of the cuts that will be asked for, e.g. ``[("product",)]``.
    """
    turning = turning_days(book, rules, as_of)
    first = facing_of(book, rules, facing, turning).plain(rules) if facing else Facing()
    return _lay_desk(book, rules, as_of, until, turning, first, tuple(lines))


def _lay_desk(
    book: Book,
    rules: Rules,
    as_of: date | None,
    until: date | None,
    turning: tuple[date, ...],
    facing: Facing,
    lines: tuple[Cut, ...],
) -> Desk:
    valued = facing.valued(rules)
    revalued = valued.fx == "fiscal_year" and has_foreign(book)
    connection = engine()
    sheets = tuple(Sheet.of(keys) for keys in ((), *lines))
    for sheet in sheets:
        ledger = month_table(
            book, valued, as_of=as_of, until=until, lines=sheet.lines, opening=facing.opening
        )
        if not sheet.lines:
            number_accounts(connection, ledger)
        lay_out(connection, ledger, sheet, rules)
    query = "SELECT count(*) > 0 FROM account_standings WHERE metered > 0"
    metered = rules.basis == "committed+usage" and connection.execute(query).fetchall()[0][0]
    return Desk(book, rules, as_of, until, sheets, turning, facing, revalued, metered, connection)
