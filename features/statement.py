"""The statement: retention, and all that stands beside it on the page that is shown to a board."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pyarrow as pa

from features.acquisition import cohort_tables
from features.activation import activation
from features.asof import month_index
from features.benchmarks import benchmarks
from features.book import Book
from features.cautions import raised
from features.cohorts import FLOWS, Desk
from features.company import BenchmarkSettings, Company, Figures, accounts_per_csm, company
from features.compounding import compounding
from features.cut_sums import held_to_whole
from features.cuts import crossings, cut_columns, is_stored
from features.deals import deals, seen_on
from features.fx import has_foreign, valuation
from features.journeys import journeys, last_month, segments_of
from features.ledger import month_table
from features.levers import ORGANIC
from features.measure import Measure
from features.paces import expansion_by_month, no_expansion, time_to_expansion
from features.pipeline import conversion_of, pipeline, without_deals
from features.retention import Look, last_closing, look, unseen
from features.rules import Rules
from features.weekly import expansion_by_week
from features.window_rows import told
from features.windows import Window, windows

__all__ = ["statement"]


def statement(
    book: Book,
    rules: Rules,
    window: str,
    by: list[str],
    as_of: date | None,
    peers: BenchmarkSettings | None = None,
    *,
    months: int = 0,
    weeks: int = 0,
) -> dict[str, Any]:
    """Give the retention figures with cohorts, paces and pipeline.

    Parameters
    ----------
    book, rules, window, by, as_of
        As for `features.retention.metrics`.
    peers : BenchmarkSettings, optional
        The company's stage, category and model, as ``[benchmarks]`` tells them.
    months, weeks : int
        Lay so many windows of a month beside it as ``months`` (rows as in ``series``), and so
        many weeks as ``expansion_mrr_by_week`` (`features.weekly`); the second needs ``as_of``.

    Returns
    -------
    dict
        What `features.retention.metrics` gives, and ``cohorts`` (`features.acquisition`),
        ``time_to_first_expansion``, ``no_expansion_24m``, ``expansion_mrr_by_month``
        (`features.paces`), ``expansion_conversion_90d``, ``pipeline`` (`features.pipeline`),
        ``levers_active`` (organic levers that brought anything in the window; null if the
        window cannot be shown, or the book tells neither seats nor plans), ``benchmarks`` and
        ``compounding`` (what its ARR becomes if NRR stays). The warnings know of activation
        too.

    Raises
    ------
    UsageFault
        ``window.unknown``, ``cut.unknown``.
    DataRejected
        ``fx.missing``.
    """
    seen = look(book, rules, window, by, as_of)
    until = last_closing(book, rules, as_of)
    ledger = _ledger(seen.desk, until)
    ways = journeys(book, rules, ledger, as_of=as_of, opening=seen.span.opening)
    paces = _paces(book, ledger, ways, seen.span, as_of)
    beside: dict[str, Any] = {"months": _months(seen.desk, until, by, months)} if months else {}
    if weeks and as_of is not None:
        beside |= {"expansion_mrr_by_week": expansion_by_week(book, rules, ways, as_of, weeks)}
    return (
        seen.told
        | beside
        | {
            "warnings": _warnings(seen, as_of),
            "cohorts": _cohorts(book, rules, ledger, seen.span, as_of, until),
            **paces,
            **_deals(book, rules, ways, seen.span, as_of),
            **_beside(seen, paces["time_to_first_expansion"], peers or BenchmarkSettings()),
        }
    )


def _months(desk: Desk, until: date, by: list[str], count: int) -> list[dict[str, Any]]:
    """Measure the last months one by one, the latest first, whole and by each cut."""
    first = desk.first_month_end()
    spans = windows("month", until)[:count]
    seen = [span for span in spans if not unseen(span, first, until)]
    rows = desk.measure(seen, (), *crossings(cut_columns(desk.book, by))) if seen else []
    held_to_whole(rows)
    return [told(measure) for measure in rows]


def _warnings(seen: Look, as_of: date | None) -> list[dict[str, Any]]:
    """Raise the warnings again, with what usage tells of activation beside the ledger."""
    if seen.evidence is None:
        return []
    activated, lacking = activation(seen.desk.book, as_of, seen.evidence.cohorts)
    return raised(replace(seen.evidence, activation=activated, no_activation=lacking))


def _ledger(desk: Desk, until: date) -> pa.Table:
    """Read the ledger by account back from a desk, so that it is not made twice."""
    return desk.connection.execute(_LEDGER.format(after=month_index(until) + 1)).to_arrow_table()


_LEDGER = f"""
    SELECT account_id, m, CAST(lead(m, 1, {{after}}) OVER account AS INTEGER) AS until_m,
        CAST(sum(moved) OVER account - moved AS BIGINT) AS opening_micros,
        CAST(sum(moved) OVER account AS BIGINT) AS closing_micros,
        {", ".join(f"{name} AS {name}_micros" for name in (*FLOWS, "merger"))},
        {" + ".join(ORGANIC)} AS organic_micros
    FROM (SELECT *, new + reactivation + expansion - contraction - churned + fx AS moved
        FROM account_months)
    JOIN account_units USING (unit) JOIN accounts USING (account)
    WINDOW account AS (PARTITION BY unit ORDER BY m)
    ORDER BY account_id, m"""


def _beside(seen: Look, time: dict[str, Any], peers: BenchmarkSettings) -> dict[str, Any]:
    """Lay the articles' benchmarks beside the figures of a window, if it can be shown.

    And what today's NRR compounds to, if every year were like this window.
    """
    desk, span = seen.desk, seen.span
    currency = desk.book.facts.currency
    none = {"levers_active": None, "compounding": None}
    if seen.evidence is None:
        unseen = Company(currency=currency, **peers.model_dump())
        return none | {"benchmarks": benchmarks(unseen)}
    active = seen.evidence.levers_active
    whole, *by_acv = desk.measure([span], (), (_ACV,))
    ours = company(
        whole,
        by_acv,
        more={_TIME: time["median_days"], "levers_active": None if active is None else len(active)},
        more_by_acv=_by_acv(desk, span, time),
        currency=currency,
        peers=peers,
    )
    return none | {
        "levers_active": active,
        "benchmarks": benchmarks(ours),
        "compounding": _compounding(whole),
    }


def _compounding(whole: Measure) -> dict[str, Any] | None:
    opening = whole.cohort["opening"]
    if not opening:
        return None
    nrr = Fraction(whole.cohort["closing"] + whole.cohort.get("reactivation", 0), opening)
    return compounding(12 * whole.flows["closing"], nrr, whole.window.months)


def _by_acv(desk: Desk, span: Window, time: dict[str, Any]) -> dict[str, Figures]:
    """Gather by ACV segment what no measure has: time to expansion, accounts per CSM."""
    found: dict[str, dict[str, float | None]] = {}
    if is_stored(desk.book, "csm"):
        found = accounts_per_csm(desk.measure([span], (_ACV, "csm")))
    if not is_stored(desk.book, "segment"):
        for row in time["segments"]:
            found.setdefault(row["segment"], {})[_TIME] = row["median_days"]
    return dict(found)


_ACV = "acv_segment"
_TIME = "time_to_first_expansion"


def _cohorts(
    book: Book, rules: Rules, ledger: pa.Table, span: Window, as_of: date | None, until: date
) -> dict[str, Any]:
    """Tell the acquisition cohorts, at one rate set where the ledger has one for each year."""
    starts = book.facts.fiscal_year_starts
    if rules.fx != "fiscal_year" or not has_foreign(book):
        return cohort_tables(ledger, rules, starts)
    day = valuation(book, rules).day_of(month_index(until))
    fixed = rules.model_copy(update={"fx": "fixed", "fx_date": day})
    at_one_rate = month_table(book, fixed, as_of=as_of, until=until, opening=span.opening)
    return cohort_tables(at_one_rate, rules, starts) | {"rates_of": str(day)}


def _paces(
    book: Book, ledger: pa.Table, seen: pa.Table, span: Window, as_of: date | None
) -> dict[str, Any]:
    last = last_month(ledger)
    segments = segments_of(book, seen, span.opening, as_of)
    return {
        "time_to_first_expansion": time_to_expansion(seen, segments),
        "no_expansion_24m": no_expansion(seen, last),
        "expansion_mrr_by_month": expansion_by_month(ledger, last),
    }


def _deals(
    book: Book, rules: Rules, seen: pa.Table, span: Window, as_of: date | None
) -> dict[str, Any]:
    if not book.has("opportunities"):
        return {
            "expansion_conversion_90d": without_deals("rate"),
            "pipeline": without_deals("total"),
        }
    known = deals(book, rules, seen, as_of=as_of, opening=span.opening)
    return {
        "expansion_conversion_90d": conversion_of(known, seen_on(book, as_of)),
        "pipeline": pipeline(known, span),
    }
