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
from features.faults import DataRejected
from features.measuring import measure
from features.rules import Rules
from features.terms import forget_terms
from features.view import View, view_of

__all__ = ["data_coverage", "snapshot"]

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
)


def snapshot(
    book: Book, as_of: date, rules: Rules | None = None, accounts: list[str] | None = None
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

    Returns
    -------
    DataFrame
        One row per account that pays on the day before ``as_of``, sorted by account_id:
        account_id, as_of; identity (name, segment, acv_segment, csm, currency, product, plan);
        contract facts (mrr_micros int64 in the book's currency, first_paid_on, tenure_days,
        term_months, next_renewal_on, decision = term / monthly / unknown, notice_ends_on,
        successor_on, successor_mrr_micros); then one float64 column per signal of ``CATALOG``.

    Raises
    ------
    DataRejected
        ``feature.not_finite`` if a signal is infinite, with its name and number of accounts.
    InternalFault
        ``leak.future_event`` if a row that was not yet known got in.
    """
    view = view_of(book, as_of, rules or Rules())
    signals = _measured(view)
    forget_terms(book, as_of)
    facts = view.standing.copy()
    facts["currency"] = facts["currency"].fillna(book.facts.currency)
    facts["tenure_days"] = (pd.Timestamp(as_of) - facts["first_paid_on"]).dt.days.astype(float)
    facts["as_of"] = pd.Timestamp(as_of)
    frame = pd.concat([facts[["as_of", *IDENTITY, *CONTRACT]], signals], axis=1).reset_index()
    if accounts is not None:
        frame = frame[frame["account_id"].isin(accounts)].reset_index(drop=True)
    return frame


def data_coverage(frame: pd.DataFrame) -> pd.Series:
    """Give the share of the signals, other than commercial ones, that are present per account.

    Examples
    --------
    >>> some = {s.slug: [1.0] for s in CATALOG if s.family != "commercial"}
    >>> data_coverage(pd.DataFrame({"account_id": ["a"], **some})).tolist()
    [1.0]
    """
    slugs = [signal.slug for signal in CATALOG if signal.family != "commercial"]
    return frame[slugs].notna().mean(axis=1).set_axis(frame["account_id"])


def _measured(view: View) -> pd.DataFrame:
    signals = measure(view, FAMILIES)
    _finite(signals)
    return signals


def _finite(signals: pd.DataFrame) -> None:
    infinite = np.isinf(signals).sum()
    for slug in infinite.index[infinite > 0]:
        raise DataRejected(
            "feature.not_finite",
            f"{slug}: not finite for {infinite[slug]} accounts",
            "look for a value beyond all bounds in its source table",
        )
