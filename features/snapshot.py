"""The only door to the signals: what was known about each paying account on a date.

Training, scoring, backtests and the API all come through ``snapshot``; nothing else computes a
feature. Rows that were not known at the as-of date never change what it gives.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from features.book import Book
from features.catalog import CATALOG, FAMILIES
from features.consumption import CONSUMPTION, consumption
from features.engines import memory_watched
from features.faults import DataRejected
from features.measuring import account_frame
from features.rules import Rules
from features.uplift import UPLIFT
from features.view import View, view_of

__all__ = ["EVIDENCE", "data_coverage", "family_coverage", "snapshot"]

EVIDENCE = tuple(name for family in FAMILIES for name in family.evidence)
"""Columns beside the signals that triggers quote: names, and figures of what is named."""
DERIVED = ("commercial", "adjacency", "timing", "maturity")

IDENTITY = ("name", "segment", "acv_segment", "csm", "currency", "product", "plan")
CONTRACT = (
    "mrr_micros",
    "first_paid_on",
    "tenure_days",
    "term_months",
    "next_renewal_on",
    "decision",
    "notice_ends_on",
    "successor_on",
    "successor_mrr_micros",
    *UPLIFT,
)


def snapshot(
    book: Book,
    as_of: date,
    rules: Rules | None = None,
    accounts: list[str] | None = None,
    *,
    finite: bool = True,
) -> pd.DataFrame:
    """Tell what was known of every paying account before an as-of date.

    Parameters
    ----------
    book : Book
        An opened snapshot.
    as_of : date
        Only rows known before its midnight (UTC) count.
    rules : Rules, optional
        The choices of ``[revenue]``; the defaults if absent.
    accounts : list of str, optional
        Keep only these, after everything was measured on the whole book.
    finite : bool
        Whether an infinite signal refuses the book. The weekly job leaves it in, and says of
        its account that it cannot be scored.

    Returns
    -------
    DataFrame
        One row per account that pays on the day before ``as_of``, sorted by account_id:
        account_id, as_of; identity (name, segment, acv_segment, csm, currency, product, plan);
        contract facts (mrr_micros int64 in the book's currency, first_paid_on, tenure_days,
        term_months, next_renewal_on, decision = term / monthly / unknown, notice_ends_on,
        successor_on, successor_mrr_micros, uplift_on, uplift_micros); the usage-billed part of MRR and its past
        (`features.consumption`, missing where nothing is billed by usage); then one float64
        column per signal of ``CATALOG``; then what triggers and guards quote
        (``EVIDENCE``: names, None where there is none; ``adjacent_contact``: whether somebody of
        the adjacent product's area is known).

    Raises
    ------
    DataRejected
        ``feature.not_finite`` if a signal is infinite, with its name and number of accounts.
    InternalFault
        ``leak.future_event`` if a row that was not yet known got in.
    CannotWrite
        ``memory.exceeded`` if DuckDB needs more than it may hold and spill.
    """
    with memory_watched():
        view = view_of(book, as_of, rules or Rules())
        signals, metered = _measured(view, finite), consumption(view)
    view.forget()
    facts = view.standing.copy()
    facts["currency"] = facts["currency"].fillna(book.facts.currency)
    facts["tenure_days"] = (pd.Timestamp(as_of) - facts["first_paid_on"]).dt.days.astype(float)
    facts["as_of"] = pd.Timestamp(as_of)
    told = [facts[["as_of", *IDENTITY, *CONTRACT]], metered[list(CONSUMPTION)], signals]
    frame = pd.concat(told, axis=1).reset_index()
    if accounts is not None:
        frame = frame[frame["account_id"].isin(accounts)].reset_index(drop=True)
    return frame


def data_coverage(frame: pd.DataFrame) -> pd.Series:
    """Give the share of the observed signals (not of contracts alone, nor made of others) per account.

    Examples
    --------
    >>> row = {s.slug: [1.0 if s.family == "usage" else None] for s in CATALOG}
    >>> 0 < data_coverage(pd.DataFrame({"account_id": ["a"], **row})).item() < 1
    True
    """
    slugs = [signal.slug for signal in CATALOG if signal.family not in DERIVED]
    return frame[slugs].notna().mean(axis=1).set_axis(frame["account_id"])


def family_coverage(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the share of each family's signals that are known, per account.

    Returns
    -------
    DataFrame
        Index account_id, one column per family, in the order of the catalogue.

    Examples
    --------
    >>> row = {s.slug: [1.0 if s.family == "usage" else None] for s in CATALOG}
    >>> known = family_coverage(pd.DataFrame({"account_id": ["a"], **row}))
    >>> known.loc["a", ["usage", "support"]].tolist()
    [1.0, 0.0]
    """
    known = frame[[signal.slug for signal in CATALOG]].notna().astype(float)
    shares = known.T.groupby([signal.family for signal in CATALOG], sort=False).mean().T
    return shares.set_axis(frame["account_id"])


def _measured(view: View, finite: bool) -> pd.DataFrame:
    """Give the signals as floats, then what triggers quote."""
    accounts = account_frame(view, FAMILIES)
    signals = accounts[[signal.slug for signal in CATALOG]].astype(np.float64) + 0.0
    if finite:
        _finite(signals)
    return signals.join(accounts[list(EVIDENCE)])


def _finite(signals: pd.DataFrame) -> None:
    infinite = np.isinf(signals).sum()
    for slug in infinite.index[infinite > 0]:
        raise DataRejected(
            "feature.not_finite",
            f"{slug}: not finite for {infinite[slug]} accounts",
            "look for a value beyond all bounds in its source table",
        )
