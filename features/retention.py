"""Retention: NRR, GRR and logo churn of a window, with every number's definition beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from features.bands import ARR_RANKS
from features.book import Book
from features.cautions import LARGEST, raised
from features.cohorts import Desk, Measure, open_desk
from features.cut_sums import held_to_whole
from features.cuts import crossings, cut_columns, line_keys
from features.definition import definition
from features.evidence import Evidence
from features.levers import ORGANIC
from features.lines import revenue_table, unbilled
from features.rules import Rules
from features.scope import last_month_end
from features.window_rows import told, untold
from features.windows import Window, windows

__all__ = ["Look", "last_closing", "look", "metrics", "unseen"]


@dataclass(frozen=True)
class Look:
    """The retention figures of a book, and what they were read from.

    Attributes
    ----------
    told : dict
        What `metrics` gives.
    desk : Desk
        The ledger, laid out.
    span : Window
        The latest window of the kind that was asked for.
    evidence : Evidence or None
        What the warnings were raised from; None if the window cannot be shown.
    """

    told: dict[str, Any]
    desk: Desk
    span: Window
    evidence: Evidence | None


def metrics(
    book: Book, rules: Rules, window: str, by: list[str], as_of: date | None
) -> dict[str, Any]:
    """Give the retention figures of the latest window of a kind, in the shape of CONTRACT.

    Over the accounts that paid at the opening: NRR is what they pay at the closing over what
    they paid at the opening; GRR the same with no account above its opening; logo churn the
    share of them that pay nothing. The flat amounts are monthly movements of the whole book.

    Parameters
    ----------
    book : Book
        With a table ``subscriptions`` or ``mrr_by_month``.
    rules : Rules
        The choices of ``[revenue]``.
    window : str
        ``month``, ``quarter`` (fiscal), ``ttm`` or ``FROM:TO`` (months; from the end of FROM to
        the end of TO).
    by : list of str
        Columns of accounts, bands of the ledger (`features.bands`), ``product`` or ``plan``;
        each makes cuts of its own, and several also their crossing.
    as_of : date or None
        Only what was known before it counts; None for the latest knowledge.

    Returns
    -------
    dict
        ``as_of``, ``currency``, ``definition``, ``windows`` (the whole book first, then the
        cuts), ``series`` (the same at every earlier month-end, latest first), ``warnings``.
        The rows are those of `features.window_rows`. Every amount of a cut's rows adds up to
        the whole book's; those of a cut by product or plan with their row "moved between
        lines". Product NRR reconciles to account NRR: the lines' NRR weighted by their opening
        MRR (``blend`` of that row) plus the row's closing (and returns, where the rules add them)
        over the opening is account NRR, exactly.

    Raises
    ------
    UsageFault
        ``window.unknown``, ``cut.unknown``.
    InternalFault
        ``identity.broken`` if a cut's rows do not add up to the book (`features.cut_sums`).

    Examples
    --------
    >>> import pandas as pd
    >>> from features.book import BookFacts
    >>> from features.contracts import canonical
    >>> paid = [("a", "2025-05-01", 100), ("a", "2025-06-01", 130), ("b", "2025-05-01", 100)]
    >>> rows = pd.DataFrame(paid, columns=["account_id", "month", "mrr_micros"])
    >>> facts = BookFacts(as_of=date(2025, 7, 1))
    >>> book = Book.of({"mrr_by_month": canonical("mrr_by_month", rows)}, facts)
    >>> row = metrics(book, Rules(), "2025-05:2025-06", [], None)["windows"][0]
    >>> row["nrr"], row["grr"], row["logo_churn"]
    (0.65, 0.5, 0.5)
    """
    return look(book, rules, window, by, as_of).told


def look(book: Book, rules: Rules, window: str, by: list[str], as_of: date | None) -> Look:
    """Read the figures of `metrics`, and keep the desk that they were read from."""
    columns = cut_columns(book, by)
    cuts = crossings(columns)
    last = last_closing(book, rules, as_of)
    latest, *earlier = windows(window, last, book.facts.fiscal_year_starts)
    desk = open_desk(
        book, rules, as_of=as_of, until=last, facing=latest, lines=_line_cuts(book, cuts)
    )
    first = desk.first_month_end()
    reason = unseen(latest, first, last)
    asked = [(), *cuts]
    wanted = list(dict.fromkeys([*asked, *_LOOKED_AT]))
    now = [] if reason else desk.measure([latest], *wanted)
    seen = [span for span in earlier if not unseen(span, first, last)]
    series = desk.measure(seen, *asked) if seen else []
    held_to_whole([*now, *series])
    evidence = _evidence(desk, now, series) if now else None
    found = {
        "as_of": str(as_of or book.facts.as_of),
        "currency": book.facts.currency,
        "definition": definition(book, rules, as_of, latest.opening),
        "windows": [told(m) for m in now if tuple(m.cut) in asked] or [untold(latest, reason)],
        "series": [told(measure) for measure in series],
        "warnings": raised(evidence) if evidence else [],
    }
    return Look(found, desk, latest, evidence)


# The cuts in which a window is looked at for warnings.
_LOOKED_AT = (("segment",), ("acquisition_cohort",), ("arr_rank",))


def _evidence(desk: Desk, now: list[Measure], series: list[Measure]) -> Evidence:
    """Gather what the ledger knows of a window that may need a warning."""
    whole = now[0]
    by = {cut: tuple(m for m in now if tuple(m.cut) == cut) for cut in _LOOKED_AT}
    segments, cohorts, ranks = by.values()
    risen = desk.risen(whole.window)
    tells = bool(desk.book.provided[revenue_table(desk.book)] & {"seats", "plan"})
    return Evidence(
        whole,
        segments=segments,
        largest=tuple(desk.largest_expansions(whole.window, LARGEST)),
        series=tuple(m for m in series if not m.cut),
        cohorts=cohorts,
        top_fifth=next((m for m in ranks if m.cut["arr_rank"] == ARR_RANKS[0]), None),
        price_rises=risen["price"] if tells else None,
        levers_active=tuple(lever for lever in ORGANIC if risen[lever] > 0) if tells else None,
        returns=desk.returns(whole.window),
    )


def _line_cuts(book: Book, cuts: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """List the line keys of cuts, each combination once."""
    keys = line_keys(book)
    found = (tuple(key for key in keys if key in cut) for cut in cuts)
    return [lines for lines in dict.fromkeys(found) if lines]


def last_closing(book: Book, rules: Rules, as_of: date | None) -> date:
    """Give the last month-end that a window can close on: its usage must have been billed."""
    last = last_month_end(as_of or book.facts.as_of)
    return last_month_end(last) if unbilled(book, rules, last, as_of) else last


def unseen(span: Window, first: date | None, last: date) -> str:
    """Say why a window cannot be shown; empty if it can.

    Parameters
    ----------
    span : Window
        The window.
    first : date or None
        First month-end of the ledger; None if nobody has paid yet.
    last : date
        Last month-end that can be shown.

    Examples
    --------
    >>> unseen(Window(date(2025, 5, 31), date(2025, 6, 30)), None, date(2025, 6, 30))
    'no account has paid yet'
    """
    if first is None:
        return "no account has paid yet"
    if span.opening < first:
        return f"the ledger starts at {first}, after the window's opening"
    if span.closing > last:
        return f"the window is not closed yet: the last month-end that can be shown is {last}"
    return ""
