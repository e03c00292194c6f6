"""A signal: one number per account and as-of date, declared once, with what it is made of.

A family is one file. It declares the rows that it reads (``Rows``), hidden sums that several
signals share (``Part``), columns that come from contracts (facts), and its signals. An expression
with ``rows`` is an aggregate over those rows, run on the book's engine in one pass with all others
of the same rows; one without is worked out account by account, from facts, parts and the signals
declared before it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import narwhals.stable.v2 as nw
import pandas as pd

if TYPE_CHECKING:
    from features.view import View

__all__ = ["Fact", "Family", "FamilyName", "Group", "Part", "Rows", "Sign", "Signal", "signal"]

Sign = Literal[-1, 0, 1]
Group = Literal["usage", "support", "relationship", "seats", "commercial"]
FamilyName = Literal[
    "usage", "adoption", "support", "relationship", "commercial", "payments", "billing",
    "expansion", "adjacency", "growth", "timing", "maturity",
]  # fmt: skip
FLAGGED = re.compile(r" \(\{value[^}]*\}\)")
QUOTED = re.compile(r"\{(\w+)")
NONE = re.compile(r"(?<![\d.,%+-])0 (?!(?:of|in|days?|weeks?|months?|minutes?|hours?)\b)(?=[a-z])")
ONE = re.compile(r"(?<![\d.,%])1 ((?!of|in)\w*[^\Ws] )?(?:(\w+ch)es|(\w+(?:[^se]|[^i]e))s)\b")
MINUS = re.compile(r"(?<!\w)-(?=\d)")
OF_FAMILY: Mapping[FamilyName, tuple[Group, tuple[str, ...]]] = {
    "usage": ("usage", ("usage",)),
    "adoption": ("usage", ("usage",)),
    "support": ("support", ("tickets",)),
    "relationship": ("relationship", ("touchpoints",)),
    "commercial": ("commercial", ()),
    "payments": ("commercial", ("payments",)),
    "billing": ("commercial", ()),
    "expansion": ("usage", ()),
    "adjacency": ("commercial", ()),
    "growth": ("commercial", ("growth",)),
    "timing": ("commercial", ()),
    "maturity": ("usage", ("usage",)),
}
"""The group of each family, and the tables of those of its signals that sum no rows."""
Fact = Callable[["View"], Mapping[str, pd.Series]]


@dataclass(frozen=True)
class Rows:
    """What signals are summed over: lazy rows with an ``account_id``, on the book's engine.

    Attributes
    ----------
    name : str
        How messages call them.
    tables : tuple of str
        Source tables that must be there. The feeds among them must be fresh too; otherwise
        everything over these rows is missing.
    of : callable
        From a view to the rows.
    missing : str
        What a missing count of them means.
    """

    name: str
    tables: tuple[str, ...]
    of: Callable[[View], nw.LazyFrame[Any]] = field(compare=False)
    missing: str = ""


@dataclass(frozen=True)
class Part:
    """A number per account that signals are made of and that nobody sees.

    Attributes
    ----------
    name : str
        Its column, unlike any signal's slug.
    value : narwhals expression
        As in ``Signal``.
    rows : Rows, optional
        As in ``Signal``.
    silent : float, optional
        As in ``Signal``.
    given : tuple of str
        As in ``Signal``.
    """

    name: str
    value: nw.Expr = field(compare=False, repr=False)
    rows: Rows | None = None
    silent: float | None = None
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signal:
    """What a signal is called, what it measures, and which way it is declared to point.

    Attributes
    ----------
    slug : str
        Name of the column, starting with its family.
    family : str
        The file that declares it.
    group : str
        The group under which reasons speak of it.
    unit : str
        ``"events"``, ``"days"``, ``"share"``, ``"ratio"`` and so on.
    window_days : int or None
        Length of the window that ends at the as-of date; None where there is none.
    churn, expansion : int
        +1 where a higher value goes with more churn (more expansion), -1 with less, 0 undeclared.
    meaning : str
        What it measures, in one line.
    missing : str
        What a missing value means.
    phrase : str
        A sentence with ``{value}`` in it, for the screen of a CSM.
    value : narwhals expression
        Over ``rows`` an aggregate; without rows, from the columns of the account.
    rows : Rows, optional
        What ``value`` is summed over.
    silent : float, optional
        The value of an account without any such row, where the tables are there: 0 for counts.
    tables : tuple of str
        Source tables that a signal without rows lives on (else those of its rows).
    across : tuple of str
        The columns by which a signal without rows compares accounts with one another
        (``.over("peers")``).
    zero : str
        What is said of a zero, where the phrase would be odd; of a flag, what a no means.
    fuller : str
        The phrase where other signals, quoted by their slug, are known too: then and now.
    given : tuple of str
        Optional columns of those rows, ``table.column``, that the source must have had: a count of
        what is nowhere told is missing, not zero.

    Beside Python's formats a phrase may ask for ``{value:minutes}`` (in minutes, hours or days),
    ``{value:span}`` (days, as months or years where there are many) and ``{value:exp}`` (what the
    value is the natural logarithm of).

    Examples
    --------
    >>> from dataclasses import replace
    >>> ratio = Signal(
    ...     "usage_wau_ratio", "usage", "usage", "ratio", 35, -1, 1,
    ...     "weekly users against the four weeks before", "no users known",
    ...     "weekly users at {value:.0%} of their 4-week level",
    ...     nw.col("users_now") / nw.col("users_before"), tables=("usage",),
    ... )
    >>> ratio.say(0.4), ratio.needs
    ('weekly users at 40% of their 4-week level', ('usage',))
    >>> both = replace(ratio, fuller="weekly users {users_before:.0f} → {users_now:.0f}")
    >>> both.quotes, both.say(0.4, {"users_now": 16.0, "users_before": 40.0}), both.say(0.4, {})
    (('users_before', 'users_now'), 'weekly users 40 → 16', 'weekly users at 40% of their 4-week level')
    >>> ratio.say(float("nan"))
    'not known: no users known'
    >>> replace(ratio, unit="flag", phrase="renews by itself ({value:.0f})").say(0.0)
    'renews by itself: no'
    >>> replace(ratio, unit="days", phrase="no contact for {value:,.0f} days").say(1.0)
    'no contact for 1 day'
    >>> lines = replace(ratio, unit="lines", phrase="{value:+.0f} open lines", zero="as many")
    >>> lines.say(1.0), lines.say(-2.0), lines.say(0.0)
    ('+1 open line', '−2 open lines', 'as many')
    >>> replace(lines, phrase="{value:.0f} open lines", zero="").say(0.0)
    'no open lines'
    >>> replace(ratio, phrase="answers after {value:minutes}, for {value:span}").say(300.0)
    'answers after 5 hours, for 10 months'
    """

    slug: str
    family: FamilyName
    group: Group
    unit: str
    window_days: int | None
    churn: Sign
    expansion: Sign
    meaning: str
    missing: str
    phrase: str
    value: nw.Expr = field(compare=False, repr=False)
    rows: Rows | None = None
    silent: float | None = None
    tables: tuple[str, ...] = ()
    across: tuple[str, ...] = ()
    zero: str = ""
    fuller: str = ""
    given: tuple[str, ...] = ()

    @property
    def quotes(self) -> tuple[str, ...]:
        """Name the signals that its fuller phrase quotes, in order."""
        return tuple(name for name in QUOTED.findall(self.fuller) if name != "value")

    @property
    def needs(self) -> tuple[str, ...]:
        """Give the source tables without which the signal is missing for every account."""
        return self.rows.tables if self.rows else self.tables

    def say(self, value: float, beside: Mapping[str, float | None] | None = None) -> str:
        """Say a value in a sentence.

        Parameters
        ----------
        value : float
        beside : mapping of str to float, optional
            Other signals of the account, by slug.
        """
        if math.isnan(value):
            return f"not known: {self.missing}"
        if self.unit == "flag":
            return self._flag(value)
        if value == 0 and self.zero:
            return self.zero
        said = self._phrase(value, beside or {})
        return MINUS.sub("\N{MINUS SIGN}", NONE.sub("no ", ONE.sub(r"1 \1\2\3", said)))

    def _flag(self, value: float) -> str:
        """Say a yes or a no: in its own words, or as an answer."""
        if self.zero:
            return FLAGGED.sub("", self.phrase) if value else self.zero
        return FLAGGED.sub(f": {'yes' if value else 'no'}", self.phrase)

    def _phrase(self, value: float, beside: Mapping[str, float | None]) -> str:
        """Fill in the fuller phrase if all that it quotes is known, else the phrase."""
        told = {name: beside.get(name) for name in self.quotes}
        known = {name: Amount(fact) for name, fact in told.items() if fact is not None}
        whole = bool(self.fuller) and len(known) == len(told)
        whole = whole and not any(math.isnan(fact) for fact in known.values())
        return (self.fuller if whole else self.phrase).format(value=Amount(value), **known)


class Amount(float):
    """A number that can also be written as a CSM would say it.

    Examples
    --------
    >>> f"{Amount(2880):minutes}, {Amount(1100):span}, {Amount(60):span}, {Amount(0.4):.0%}"
    '2 days, 3.0 years, 60 days, 40%'
    """

    def __format__(self, form: str) -> str:
        """Write the number in one of the forms of ``WAYS``, else as any float."""
        return WAYS[form](float(self)) if form in WAYS else super().__format__(form)


def _minutes(minutes: float) -> str:
    if minutes < 120:
        return f"{minutes:.0f} minutes"
    return f"{minutes / 60:.0f} hours" if minutes < 2880 else f"{minutes / 1440:.0f} days"


def _span(days: float) -> str:
    if days < 92:
        return f"{days:.0f} days"
    return f"{days / 30.4375:.0f} months" if days < 730 else f"{days / 365.25:.1f} years"


WAYS: Mapping[str, Callable[[float], str]] = {
    "minutes": _minutes,
    "span": _span,
    "exp": lambda value: f"{math.exp(min(value, 700.0)):,.0f}",
}
"""Further ways to write a number in a phrase."""


def signal(
    slug: str,
    unit: str,
    window_days: int | None,
    churn: Sign,
    expansion: Sign,
    meaning: str,
    phrase: str,
    value: nw.Expr,
    *,
    group: Group | None = None,
    rows: Rows | None = None,
    missing: str = "",
    tables: tuple[str, ...] | None = None,
    across: tuple[str, ...] = (),
    zero: str = "",
    fuller: str = "",
    given: tuple[str, ...] = (),
) -> Signal:
    """Declare a signal, and fill in what follows: its family, its group, what silence means.

    Parameters
    ----------
    slug : str
        Name of the column: its family, then what it measures.
    unit, window_days, churn, expansion, meaning, phrase, value, rows, across, zero, given
        As in ``Signal``.
    group : str, optional
        That of its family if absent.
    missing : str, optional
        What a missing value means. Over rows, a signal without it is a count: zero for an account
        without any such row, and missing as its rows are.
    tables : tuple of str, optional
        Those of its rows if it has any, else those of its family, if absent.

    Examples
    --------
    >>> of = Rows("tickets", ("tickets",), lambda view: view.rows("tickets"), "no tickets fed")
    >>> opened = signal("support_opened", "tickets", None, 1, 0, "tickets ever opened",
    ...                 "{value:.0f} tickets", nw.len(), rows=of)
    >>> opened.family, opened.group, opened.silent, opened.missing, opened.needs
    ('support', 'support', 0.0, 'no tickets fed', ('tickets',))
    """
    family = cast(FamilyName, slug.partition("_")[0])
    usual, own = OF_FAMILY[family]
    lives_on = own if tables is None and rows is None else tables or ()
    silent = 0.0 if rows and not missing else None
    told = missing or (rows.missing if rows else "")
    told += "".join(f", or {column.replace('.', ' came without ')}" for column in given)
    return Signal(
        slug, family, group or usual, unit, window_days, churn, expansion, meaning, told, phrase,
        value, rows, silent, lives_on, across, zero, fuller, given,
    )  # fmt: skip


@dataclass(frozen=True)
class Family:
    """One file of signals.

    Attributes
    ----------
    name : str
        What its slugs start with.
    signals : tuple of Signal
        In the order in which the row-wise ones are worked out.
    parts : tuple of Part
        What they share; row-wise parts are worked out before the family's signals.
    facts : tuple of callable
        From a view to columns by account that come from contracts, not from feeds.
    evidence : tuple of str
        Those of the facts that triggers quote as evidence (names, mostly): never signals.
    """

    name: FamilyName
    signals: tuple[Signal, ...]
    parts: tuple[Part, ...] = ()
    facts: tuple[Fact, ...] = ()
    evidence: tuple[str, ...] = ()
