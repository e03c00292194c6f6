"""Cohorts: who paid at a window's opening, what became of them, and of the book beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from features.acv import acv_segment_sql
from features.book import Book, engine
from features.cuts import members_steps, quoted
from features.fx import has_foreign
from features.ledger import month_table, openings
from features.levers import LEVERS
from features.rules import Rules
from features.steps import Steps, with_steps
from features.windows import Window

__all__ = ["FLOWS", "Desk", "Measure", "open_desk"]

FLOWS = ("new", "reactivation", "expansion", "contraction", "churned", "fx")


@dataclass(frozen=True)
class Measure:
    """What a window shows, for the whole book or one cut of it, in exact micro-units.

    Attributes
    ----------
    window : Window
        From which month-end to which.
    cut : dict
        Column and value of the cut; empty for the whole book.
    cohort : dict of str to int
        ``accounts`` that paid at the opening, ``lost`` of them; their ``opening``,
        ``expansion``, ``contraction``, ``churned``, ``closing``, net per account; ``kept``
        (the lesser of opening and closing) and ``organic`` (expansion by seats, tier, product
        and usage).
    flows : dict of str to int
        ``opening``, the monthly movements of all accounts by class (`FLOWS`), ``closing``, and
        the monthly movements by lever.
    """

    window: Window
    cut: dict[str, str | None]
    cohort: dict[str, int]
    flows: dict[str, int]

    def ratio(self, numerator: int) -> float | None:
        """Divide by the cohort's opening MRR; None where nobody paid then."""
        return numerator / self.cohort["opening"] if self.cohort["opening"] else None

    @property
    def nrr(self) -> float | None:
        """Cohort's MRR at the closing over its MRR at the opening."""
        return self.ratio(self.cohort["closing"])

    @property
    def grr(self) -> float | None:
        """The same, no account counted above what it paid at the opening."""
        return self.ratio(self.cohort["kept"])

    @property
    def organic_nrr(self) -> float | None:
        """The same as NRR, of expansion only what seats, tier, product and usage brought."""
        return self.ratio(self.cohort["kept"] + self.cohort["organic"])

    @property
    def logo_churn(self) -> float | None:
        """Accounts that pay nothing at the closing over accounts that paid at the opening."""
        accounts = self.cohort["accounts"]
        return self.cohort["lost"] / accounts if accounts else None


@dataclass(frozen=True)
class Desk:
    """The ledger laid out for windows of one length, on an engine of its own.

    Attributes
    ----------
    book : Book
        Where the columns of accounts come from.
    as_of : date or None
        Only what was known before it counts.
    connection : duckdb.DuckDBPyConnection
        With ``months`` (the ledger), ``standings`` (running sums of it) and ``openings`` (at
        the rates of the window's closing).
    """

    book: Book
    as_of: date | None
    connection: duckdb.DuckDBPyConnection

    def first_month_end(self) -> date | None:
        """Give the ledger's first month-end; None if nobody ever paid."""
        return self.connection.execute("SELECT min(month_end) FROM months").fetchall()[0][0]

    def measure(self, windows: list[Window], cut: tuple[str, ...] = ()) -> list[Measure]:
        """Measure windows, cut by columns of the table ``members`` if any are named."""
        steps = _cohort_steps(windows)
        cohort = self._rows(steps, _COHORT_SUMS, cut)
        flows = self._rows({"windows": steps["windows"]}, _FLOW_SUMS, cut)
        found = {(row[0], row[1], *row[2]): row for row in (*flows.values(), *cohort.values())}
        order = {_number(window.closing): window for window in windows}
        measures = [
            Measure(
                order[key[1]],
                dict(zip(cut, key[2:], strict=True)),
                cohort[key][3] if key in cohort else dict.fromkeys(_COHORT, 0),
                flows[key][3] if key in flows else dict.fromkeys(_FLOW_NAMES, 0),
            )
            for key in sorted(found, key=_sortable)
        ]
        return [m for m in measures if not cut or any((*m.cohort.values(), *m.flows.values()))]

    def largest_expansions(self, window: Window, how_many: int) -> list[int]:
        """List the cohort's largest expansions by account, in micro-units."""
        ending = f"""
        SELECT closing - opening FROM cohort WHERE closing > opening
        ORDER BY 1 DESC LIMIT {how_many}"""
        query = with_steps(_cohort_steps([window]), ending)
        return [row[0] for row in self.connection.execute(query).fetchall()]

    def assign_members(self, window: Window, columns: list[str]) -> None:
        """Write ``members``: each account with its value of each column at the opening."""
        query = with_steps(
            members_steps(self.book, columns, window.opening, self.as_of), "FROM attributes"
        )
        attributes = self.book.connection.execute(query).to_arrow_table()
        self.connection.register("attributes", attributes)
        filled = {
            name
            for name in attributes.column_names
            if attributes[name].null_count < len(attributes)
        }
        chosen = "".join(
            f", {quoted(name) if name in filled or name not in _DERIVABLE else _ACV} AS {_column(name)}"
            for name in columns
        )
        self.connection.execute(
            _MEMBERS.format(chosen=chosen, b=_number(window.opening), e=_number(window.closing))
        )

    def _rows(self, steps: Steps, sums: str, cut: tuple[str, ...]) -> dict[Any, Any]:
        keys = "".join(f", {_column(name)}" for name in cut)
        join = "LEFT JOIN members USING (account_id)" if cut else ""
        query = with_steps(steps, sums.format(keys=keys, join=join))
        result = self.connection.execute(query)
        names = [column[0] for column in result.description][2 + len(cut) :]
        rows = {}
        for row in result.fetchall():
            values = row[2 : 2 + len(cut)]
            numbers = dict(zip(names, row[2 + len(cut) :], strict=True))
            rows[(row[0], row[1], *values)] = (row[0], row[1], values, numbers)
        return rows


def open_desk(
    book: Book, rules: Rules, months: int, *, as_of: date | None, until: date | None
) -> Desk:
    """Lay out the ledger for windows of so many months."""
    connection = engine()
    connection.register("ledger", month_table(book, rules, as_of=as_of, until=until))
    connection.execute("CREATE TABLE months AS FROM ledger")
    connection.execute(_STANDINGS)
    if has_foreign(book):
        connection.register("openings", openings(book, rules, months, as_of=as_of, until=until))
    else:
        connection.execute(
            """CREATE VIEW openings AS
            SELECT account_id, m, closing_micros AS micros FROM months WHERE closing_micros > 0"""
        )
    return Desk(book, as_of, connection)


def _column(name: str) -> str:
    """Name a cut's column so that no column of the ledger can be meant."""
    return quoted(f"cut {name}")


def _number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _sortable(key: Iterable[Any]) -> tuple[Any, ...]:
    return tuple((part is None, "" if part is None else part) for part in key)


def _cohort_steps(windows: list[Window]) -> Steps:
    pairs = ", ".join(f"({_number(w.opening)}, {_number(w.closing)})" for w in windows)
    return {
        "windows": f"FROM (VALUES {pairs}) AS windows (b, e)",
        "cohort": """
    SELECT b, e, account_id, micros AS opening, after.closing,
        after.organic - before.organic AS organic
    FROM windows JOIN openings ON openings.m = b
    JOIN standings AS before USING (account_id, m)
    JOIN standings AS after ON after.account_id = openings.account_id AND after.m = e""",
    }


# Where each account stands at each month-end, and its organic movements until then.
_STANDINGS = """
    CREATE TABLE standings AS
    SELECT account_id, m, closing_micros AS closing,
        sum(organic_micros) OVER (PARTITION BY account_id ORDER BY m) AS organic FROM months"""

_COHORT = (
    "accounts",
    "lost",
    "opening",
    "expansion",
    "contraction",
    "churned",
    "closing",
    "kept",
    "organic",
)
_FLOW_NAMES = ("opening", *FLOWS, "closing", *LEVERS)

_COHORT_SUMS = """
    SELECT b, e{keys}, count(*) AS accounts, count(*) FILTER (closing = 0) AS lost,
        sum(opening) AS opening, sum(greatest(closing - opening, 0)) AS expansion,
        sum(CASE WHEN closing > 0 THEN greatest(opening - closing, 0) ELSE 0 END) AS contraction,
        sum(CASE WHEN closing = 0 THEN opening ELSE 0 END) AS churned, sum(closing) AS closing,
        sum(least(opening, closing)) AS kept,
        sum(greatest(least(organic, closing - opening), 0)) AS organic
    FROM cohort {join} GROUP BY b, e{keys}"""

_MONTHLY = ", ".join(f"sum({name}_micros) AS {name}" for name in _FLOW_NAMES)
_SUMMED = ", ".join(f"sum({name}) AS {name}" for name in (*FLOWS, *LEVERS))

_FLOW_SUMS = f"""
    SELECT b, e{{keys}}, coalesce(sum(opening) FILTER (m = b + 1), 0) AS opening, {_SUMMED},
        coalesce(sum(closing) FILTER (m = e), 0) AS closing
    FROM windows JOIN (
        SELECT m{{keys}}, {_MONTHLY} FROM months {{join}} GROUP BY m{{keys}}) AS monthly
        ON m > b AND m <= e
    GROUP BY b, e{{keys}}"""

_DERIVABLE = ("segment", "acv_segment")
_ACV = f"CASE WHEN mrr IS NOT NULL THEN {acv_segment_sql('mrr')} END"

# The ACV of an account that joins in the window is that of its first movement.
_MEMBERS = """
    CREATE OR REPLACE TEMP TABLE members AS
    WITH sized AS (
        SELECT account_id, coalesce(max(closing_micros) FILTER (m = {b} AND closing_micros > 0),
            arg_min(new_micros + reactivation_micros, m) FILTER (
                m > {b} AND m <= {e} AND new_micros + reactivation_micros > 0)) AS mrr
        FROM months GROUP BY account_id)
    SELECT account_id{chosen} FROM sized LEFT JOIN attributes USING (account_id)"""
