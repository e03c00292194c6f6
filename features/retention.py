"""Retention: NRR, GRR and logo churn of a window, with every number's definition beside it."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from features.book import Book
from features.cautions import LARGEST, cautions
from features.cohorts import FLOWS, Desk, Measure, open_desk
from features.cuts import cut_columns
from features.levers import LEVERS
from features.lines import unbilled
from features.postings import last_month_end
from features.rules import Rules
from features.windows import Window, windows

__all__ = ["compounded", "metrics"]

_SMALL_COHORT = 20


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
        Columns of accounts; each makes cuts of its own, and several also their crossing.
    as_of : date or None
        Only what was known before it counts; None for the latest knowledge.

    Returns
    -------
    dict
        ``as_of``, ``currency``, ``definition``, ``windows`` (the whole book first, then the
        cuts), ``series`` (the whole book at every earlier month-end, latest first),
        ``warnings``. Money in units of the book's currency, ratios as fractions, null with a
        ``reason`` where there is none. ``cohort`` has its amounts in micro-units too: from
        those NRR recomputes exactly.

    Raises
    ------
    UsageFault
        ``window.unknown``, ``cut.unknown``.
    """
    columns = cut_columns(book, by)
    last = _last_closing(book, as_of)
    latest, *earlier = windows(window, last, book.facts.fiscal_year_starts)
    desk = open_desk(book, rules, latest.months, as_of=as_of, until=last)
    first = desk.first_month_end()
    told, warned = _latest(desk, latest, columns, _unseen(latest, first, last))
    seen = [span for span in earlier if not _unseen(span, first, last)]
    series = desk.measure(seen) if seen else []
    return {
        "as_of": str(as_of or book.facts.as_of),
        "currency": book.facts.currency,
        "definition": _definition(book, rules),
        "windows": told,
        "series": [_told(measure) for measure in reversed(series)],
        "warnings": warned,
    }


def compounded(ratio: float, periods: int) -> float:
    """Compound a ratio over periods: what it would become if every period were like this one.

    No output shows this unless it is asked for and labelled so.

    Examples
    --------
    >>> round(compounded(1.03, 12), 3)
    1.426
    """
    return float(ratio**periods)


def _latest(
    desk: Desk, span: Window, columns: list[str], unseen: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    if unseen:
        return [_untold(span, unseen)], []
    desk.assign_members(span, list(dict.fromkeys([*columns, "segment"])))
    whole = desk.measure([span])[0]
    cuts = [(name,) for name in columns] + ([tuple(columns)] if len(columns) > 1 else [])
    parts = [measure for cut in cuts for measure in desk.measure([span], cut)]
    warned = cautions(
        whole, desk.measure([span], ("segment",)), desk.largest_expansions(span, LARGEST)
    )
    return [_told(measure) for measure in (whole, *parts)], warned


def _last_closing(book: Book, as_of: date | None) -> date:
    """Give the last month-end that a window can close on: its usage must have been billed."""
    last = last_month_end(as_of or book.facts.as_of)
    return last_month_end(last) if unbilled(book, last, as_of) else last


def _unseen(span: Window, first: date | None, last: date) -> str:
    """Say why a window cannot be shown; empty if it can."""
    if first is None:
        return "no account has paid yet"
    if span.opening < first:
        return f"the ledger starts at {first}, after the window's opening"
    if span.closing > last:
        return f"the window is not closed yet: the last month-end that can be shown is {last}"
    return ""


def _told(measure: Measure) -> dict[str, Any]:
    cohort, flows = measure.cohort, measure.flows
    told: dict[str, Any] = {
        "from": str(measure.window.opening),
        "to": str(measure.window.closing),
        "cut": measure.cut,
        "accounts": cohort["accounts"],
        "opening_mrr": _money(flows["opening"]),
        **{f"{name}_mrr": _money(flows[name]) for name in FLOWS},
        "closing_mrr": _money(flows["closing"]),
        "nrr": measure.nrr,
        "grr": measure.grr,
        "organic_nrr": measure.organic_nrr,
        "logo_churn": measure.logo_churn,
        "levers": {lever: _money(flows[lever]) for lever in LEVERS},
        "cohort": {f"{name}_mrr": _money(cohort[name]) for name in _COHORT}
        | {f"{name}_micros": cohort[name] for name in _COHORT},
    }
    if measure.nrr is None:
        whom = "no account of this cut" if measure.cut else "no account"
        told["reason"] = f"{whom} paid at {measure.window.opening}"
    if measure.cut:
        told["small_cohort"] = cohort["accounts"] < _SMALL_COHORT
    return told


_COHORT = ("opening", "expansion", "contraction", "churned", "closing")


def _untold(span: Window, reason: str) -> dict[str, Any]:
    amounts = ("opening", *FLOWS, "closing")
    return {
        "from": str(span.opening),
        "to": str(span.closing),
        "cut": {},
        "accounts": None,
        **{f"{name}_mrr": None for name in amounts},
        **dict.fromkeys(("nrr", "grr", "organic_nrr", "logo_churn")),
        "levers": dict.fromkeys(LEVERS),
        "cohort": {f"{name}_{unit}": None for unit in ("mrr", "micros") for name in _COHORT},
        "reason": reason,
    }


def _money(micros: int) -> float:
    """Round micro-units to cents, half-up, and give units of the currency.

    Examples
    --------
    >>> _money(1_234_565_000), _money(-5_000)
    (1234.57, -0.01)
    """
    return float(Decimal(micros).scaleb(-6).quantize(Decimal("0.01"), ROUND_HALF_UP))


def _definition(book: Book, rules: Rules) -> dict[str, Any]:
    """Give the rules, and which of them this book has no data for."""
    table = "subscriptions" if book.has("subscriptions") else "mrr_by_month"
    provided = book.provided[table]
    needs = {
        "usage": "kind" in provided,
        "trial": "kind" in provided,
        "discount": bool(provided & {"discount", "list_mrr_micros"}),
        "ramp": "ramp" in provided,
        "pause": "paused_from" in provided,
        "late_renewal_min_term": table == "subscriptions" or rules.late_renewal_min_term <= 1,
        "merger": book.has("account_history"),
        "segment_as_of": book.has("account_history"),
    }
    absent = {key: "not applied: no data" for key, has in needs.items() if not has}
    late = "not applied: not available yet" if book.has("payments") else "not applied: no data"
    return rules.stamp() | {"not_applied": absent | {"dunning_days": late}}
