"""Cohorts: who paid at a window's opening, what became of them, and of the book beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from features.bands import ARR_RANKS, rank
from features.book import Book, engine
from features.cuts import LINE_KEYS, column
from features.fx import has_foreign
from features.ledger import month_table, openings, varies
from features.levers import LEVERS
from features.line_cuts import with_moved
from features.measure import Measure
from features.members import account_columns, write_members
from features.rules import Rules
from features.sheets import FLOWS, MOVED, Sheet, lay_out, number_accounts, running
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
    varying : bool
        Whether the ledger depends on the opening of the window that it is read for.
    opening : date or None
        Then the opening that this one is made for.
    connection : duckdb.DuckDBPyConnection
        With the tables of `features.sheets`.
    """

    book: Book
    rules: Rules
    as_of: date | None
    until: date | None
    sheets: tuple[Sheet, ...]
    varying: bool
    opening: date | None
    connection: duckdb.DuckDBPyConnection

    def first_month_end(self) -> date | None:
        """Give the ledger's first month-end; None if nobody ever paid."""
        query = "SELECT last_day(make_date(min(first) // 12, min(first) % 12 + 1, 1)) FROM accounts"
        return self.connection.execute(query).fetchall()[0][0]

    def is_metered(self) -> bool:
        """Say whether usage-billed revenue has a line of its own beside committed revenue."""
        if self.rules.basis != "committed+usage":
            return False
        query = "SELECT count(*) > 0 FROM account_standings WHERE metered > 0"
        return bool(self.connection.execute(query).fetchall()[0][0])

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
        for some in self._handfuls(list(windows)):
            desk = self._facing(some[0])
            found += desk._measured(some, cuts or ((),))
        return found

    def largest_expansions(self, window: Window, how_many: int) -> list[int]:
        """List the cohort's largest expansions by account from opening to closing, in micro-units."""
        desk = self._facing(window)
        desk._lay([window], [self.sheets[0]], [])
        query = f"""SELECT closing - opening FROM account_cohort WHERE closing > opening
        ORDER BY 1 DESC LIMIT {how_many}"""
        return [row[0] for row in desk.connection.execute(query).fetchall()]

    def top_fifth(self, window: Window) -> Measure | None:
        """Measure the fifth of the cohort's accounts that paid most at the opening."""
        cut = self.measure([window], ("arr_rank",))
        return next((m for m in cut if m.cut["arr_rank"] == ARR_RANKS[0]), None)

    def risen(self, window: Window) -> dict[str, int]:
        """Sum by lever what it added in the months and accounts in which it added, in micro-units."""
        sums = ", ".join(f"coalesce(sum(greatest({lever}, 0)), 0)" for lever in LEVERS)
        query = f"SELECT {sums} FROM account_months WHERE m > {window.b} AND m <= {window.e}"
        (row,) = self._facing(window).connection.execute(query).fetchall()
        return dict(zip(LEVERS, map(int, row), strict=True))

    def _facing(self, window: Window) -> Desk:
        """Give the desk whose ledger is that of a window: this one, or one made for its opening."""
        if not self.varying or self.opening == window.opening:
            return self
        lines = tuple(sheet.lines for sheet in self.sheets[1:])
        return open_desk(
            self.book, self.rules, as_of=self.as_of, until=self.until, facing=window, lines=lines
        )

    def _handfuls(self, windows: list[Window]) -> Iterator[list[Window]]:
        """Split windows so that no two of a handful open on the same day, nor are they too many."""
        (accounts,) = self.connection.execute("SELECT count(*) FROM accounts").fetchall()[0]
        most = 1 if self.varying else max(1, _AT_ONCE // max(accounts, 1))
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
        self._lay(some, list(dict.fromkeys(asked.values())), account_columns(asked, self._keys()))
        plain = {cut: self._cut(sheet, some, cut) for cut, sheet in asked.items()}
        full = {
            cut: with_moved(plain[cut], plain[rests[cut]], lines[cut].lines)
            if lines[cut].lines
            else plain[cut]
            for cut in cuts
        }
        return [m for window in some for cut in cuts for m in full[cut] if m.window == window]

    def _keys(self) -> Cut:
        """List the line keys that this desk can cut by."""
        return tuple(key for key in LINE_KEYS if any(key in sheet.lines for sheet in self.sheets))

    def _lay(self, some: list[Window], sheets: list[Sheet], columns: list[str]) -> None:
        """Write ``windows``, each sheet's positions and cohort in them, and ``members``."""
        pairs = ", ".join(f"({window.b}, {window.e})" for window in some)
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE windows AS FROM (VALUES {pairs}) AS windows (b, e)"
        )
        for sheet in dict.fromkeys([self.sheets[0], *sheets]):
            self._lay_cohort(sheet, some)
        if columns:
            write_members(self.connection, self.book, some, columns, self.as_of)

    def _lay_cohort(self, sheet: Sheet, some: list[Window]) -> None:
        sums = running(self.rules)
        self.connection.execute(_POSITIONS.format(s=sheet.name, sums=", ".join(sums)))
        opening = "b_closing AS opening, b_metered AS usage_opening"
        valued = "SELECT unit, p AS b, closing AS b_closing, metered AS b_metered, stay, {} FROM {}"
        before = valued.format(
            ", ".join(f"{name} AS b_{name}" for name in sums), f"{sheet.name}_positions"
        )
        if self._is_revalued():
            self._lay_openings(sheet, some)
            opening = "micros AS opening, usage_micros AS usage_opening"
            before = f"SELECT * FROM ({before}) JOIN openings USING (unit, b) WHERE micros > 0"
        else:
            before = f"{before} WHERE closing > 0"
        moved = ", ".join(f"after.{name} - b_{name} AS {name}" for name in sums)
        self.connection.execute(
            _COHORT.format(s=sheet.name, before=before, opening=opening, moved=moved)
        )

    def _is_revalued(self) -> bool:
        """Say whether a cohort's opening is valued at the rates of its closing."""
        return self.rules.fx == "fiscal_year" and has_foreign(self.book)

    def _lay_openings(self, sheet: Sheet, some: list[Window]) -> None:
        """Write ``openings``: unit, b, micros and what of it is usage, at the closing's rates."""
        spans = [(window.b, window.e) for window in some]
        for name, basis in (("valued", self.rules.basis), ("valued_usage", "usage")):
            rules = self.rules.model_copy(update={"basis": basis})
            table = openings(
                self.book,
                rules,
                spans,
                as_of=self.as_of,
                until=self.until,
                lines=sheet.lines,
                opening=self.opening,
            )
            self.connection.register(name, table)
        keys = "".join(f", {key}" for key in sheet.lines)
        self.connection.execute(_OPENINGS.format(s=sheet.name, keys=keys))
        for name in ("valued", "valued_usage"):
            self.connection.unregister(name)

    def _cut(self, sheet: Sheet, some: list[Window], cut: Cut) -> list[Measure]:
        """Measure one cut on one sheet, the balance of a line cut left out."""
        cohort, flows = _cohort_sums(self.rules, self.is_metered()), _FLOW_SUMS
        parts = [self._sums(sheet, cut, "cohort", cohort), self._sums(sheet, cut, "months", flows)]
        parts += [self._sums(sheet, cut, *half) for half in _HALVES]
        if self.rules.reactivation == "s002":
            parts.append(self._sums(sheet, cut, "strangers", _RETURNS))
        windows = {(window.b, window.e): window for window in some}
        keys = {key for part in parts for key in part} | (set() if cut else set(windows))
        names = [*cohort, *(_RETURNS if self.rules.reactivation == "s002" else ())]
        measures = []
        for key in sorted(keys, key=lambda key: (*key[:2], *map(rank, cut, key[2:]))):
            found: dict[str, int] = {}
            for part in parts:
                found |= part.get(key, {})
            measures.append(
                Measure(
                    windows[key[0], key[1]],
                    dict(zip(cut, key[2:], strict=True)),
                    {name.removeprefix("cohort "): found.get(name, 0) for name in names},
                    {name: found.get(name, 0) for name in _FLOW_NAMES},
                )
            )
        return [m for m in measures if not cut or any((*m.cohort.values(), *m.flows.values()))]

    def _sums(self, sheet: Sheet, cut: Cut, source: str, sums: dict[str, str]) -> dict[Any, Any]:
        """Add up a source by window and cut: (b, e, values of the cut) -> name -> amount."""
        keys = "".join(f", {column(name)}" for name in cut)
        named = "".join(f", {key} AS {column(key)}" for key in sheet.lines)
        joins = f"JOIN (SELECT unit, account{named} FROM {sheet.name}_units) USING (unit)"
        if set(cut) - set(sheet.lines):
            joins += " JOIN members USING (b, account)"
        query = f"""SELECT b, e{keys}, {", ".join(f'{sql} AS "{n}"' for n, sql in sums.items())}
        FROM ({_SOURCES[source].format(s=sheet.name)}) {joins if cut else ""} GROUP BY b, e{keys}"""
        at = 2 + len(cut)
        return {
            row[:at]: dict(zip(sums, (int(value or 0) for value in row[at:]), strict=True))
            for row in self.connection.execute(query).fetchall()
        }


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
    varying = varies(book, rules)
    opening = facing.opening if facing and varying else None
    revalued = rules.fx == "fiscal_year" and has_foreign(book)
    connection = engine()
    sheets = tuple(Sheet.of(keys) for keys in ((), *lines))
    for sheet in sheets:
        ledger = month_table(
            book, rules, as_of=as_of, until=until, lines=sheet.lines, opening=opening
        )
        if not sheet.lines:
            number_accounts(connection, ledger)
        lay_out(connection, ledger, sheet, rules, revalued)
    return Desk(book, rules, as_of, until, sheets, varying, opening, connection)


# What each unit pays at the month-ends on which a window opens or closes.
_POSITIONS = """
    CREATE OR REPLACE TEMP TABLE {s}_positions AS
    SELECT p, unit, stay, closing, metered, grace, {sums}
    FROM {s}_standings JOIN (SELECT b AS p FROM windows UNION SELECT e FROM windows) AS points
        ON m <= p AND until_m > p"""

_COHORT = """
    CREATE OR REPLACE TEMP TABLE {s}_cohort AS
    SELECT windows.b, e, unit, {opening}, after.closing, after.metered AS usage_closing, {moved}
    FROM windows JOIN ({before}) AS before USING (b)
    JOIN {s}_positions AS after USING (unit, stay)
    WHERE after.p = e"""

_OPENINGS = """
    CREATE OR REPLACE TEMP TABLE openings AS
    SELECT unit, b, valued.micros, coalesce(valued_usage.micros, 0) AS usage_micros
    FROM valued LEFT JOIN valued_usage USING (account_id, b{keys})
    JOIN accounts USING (account_id) JOIN {s}_units USING (account{keys})"""

_SOURCES = {
    "cohort": "SELECT * FROM {s}_cohort",
    "opening": "SELECT * FROM windows JOIN {s}_positions ON p = b",
    "closing": "SELECT * FROM windows JOIN {s}_positions ON p = e",
    "months": "SELECT * FROM windows JOIN {s}_months ON m > b AND m <= e",
    "strangers": """SELECT b, e, unit, reactivation
        FROM windows JOIN {s}_months ON m > b AND m <= e AND reactivation > 0
        ANTI JOIN {s}_cohort USING (b, unit)""",
}

_FLOW_SUMS = {name: f"sum({name})" for name in MOVED}
_HALVES = (
    ("opening", {"opening": "sum(closing)"}),
    ("closing", {"closing": "sum(closing)", "grace": "sum(grace)"}),
)
_RETURNS = {"cohort reactivation": "sum(reactivation)"}
_FLOW_NAMES = ("opening", *MOVED, "closing", "grace")

_NET = {
    "expansion": "greatest(closing - opening, 0)",
    "contraction": "CASE WHEN closing > 0 THEN greatest(opening - closing, 0) ELSE 0 END",
    "churned": "CASE WHEN closing = 0 THEN opening ELSE 0 END",
    "kept": "least(opening, closing)",
    "organic": "greatest(least(organic, closing - opening), 0)",
}
# What movements at older rates leave open is fx, and so a rise or a fall.
_REST = "(closing - opening - up + down + gone)"
_MOVEMENTS = {
    "expansion": f"up + greatest({_REST}, 0)",
    "contraction": f"down + greatest(-{_REST}, 0)",
    "churned": "gone",
    "kept": f"opening - down - greatest(-{_REST}, 0) - gone",
    "organic": "organic",
}


def _cohort_sums(rules: Rules, metered: bool) -> dict[str, str]:
    """Write what is added up over a cohort, by name (the flows have the same ones)."""
    plain = ("opening", "closing", *(("usage_opening", "usage_closing") if metered else ()))
    sums = dict(zip(plain, plain, strict=True))
    sums |= _MOVEMENTS if rules.losses == "movements" else _NET
    counts = {"accounts": "count(*)", "lost": "count(*) FILTER (closing = 0)"}
    named = counts | {name: f"sum({sql})" for name, sql in sums.items()}
    return {f"cohort {name}": sql for name, sql in named.items()}
