"""Top-down rivals of the forecast: monthly NRR of each segment, carried on and compounded.

They look at no account and at no contract. Each month, a segment's NRR is what the accounts that
paid at its start pay at its end, over what they paid at its start. Four rules carry that series
on; what they say is compounded over the horizon, and segments are weighed by their opening MRR.
Months that late renewals may still mend are left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.asof import add_months, first_of_month, month_end, months_between, opening_day
from models.outcomes import HORIZONS, LEADS

__all__ = ["LATE_DAYS", "RIVALS", "Months", "months_of", "rivals"]

Floats = NDArray[np.float64]

LATE_DAYS = 31
"""Days behind a month's end within which a late renewal still mends it."""
LEAST_MONTHS, MOST_MONTHS = 12, 60
FEW_ACCOUNTS = 20
"""Paying accounts below which a segment is told with the other small ones."""
MOST_SEGMENTS = 6
"""How many segments, the largest by opening MRR, are told alone: each takes a fit of every rule."""
RECENT_MONTHS, SHRUNK_MONTHS, DAMPING = 6, 12, 0.9
ORDERS = ((0, 0, 0), (1, 0, 0), (0, 0, 1))
STILL = 1e-9
_ASTRAY = (ValueError, ArithmeticError, IndexError, TypeError)
"""What the library raises on a series that it cannot fit."""


@dataclass(frozen=True)
class Months:
    """What every account paid at every month-end, up to the opening of a forecast.

    Attributes
    ----------
    mrr : array of int64, (accounts, months)
        Micro-units of the book's currency, 0 where not paying; the last column is the opening.
    segments : sequence of str
        Of each account, "unknown" where none is known.
    unsettled : int
        Last months that late renewals may still mend.
    passed : float
        Share of the month after the last one that is over at the opening, 0 to 1.
    """

    mrr: NDArray[np.int64]
    segments: Sequence[str]
    unsettled: int = 0
    passed: float = 0.0


def months_of(ledger: pd.DataFrame, segments: Mapping[str, str], as_of: date) -> Months:
    """Arrange ``features.ledger.account_months`` up to the last month-end before a date.

    Parameters
    ----------
    ledger : DataFrame
        ``account_id``, ``month_end``, ``closing_micros``.
    segments : mapping of account to str
        An account that is not named there is of segment "unknown".
    as_of : date

    Examples
    --------
    >>> ledger = pd.DataFrame({"account_id": ["a", "a"], "closing_micros": [5, 7],
    ...     "month_end": [date(2025, 4, 30), date(2025, 5, 31)]})
    >>> months = months_of(ledger, {"a": "smb"}, date(2025, 6, 1))
    >>> months.mrr.tolist(), months.segments, months.unsettled
    ([[5, 7]], ['smb'], 1)
    """
    last = opening_day(first_of_month(as_of))
    days = pd.to_datetime(ledger["month_end"]).dt.date
    ledger, days = ledger[(days <= last).to_numpy()], days[days <= last]
    ids = pd.Index(sorted(ledger["account_id"].unique()))
    first = min(days, default=last)
    mrr = np.zeros((len(ids), months_between(first, last) + 1), dtype=np.int64)
    column = np.array([months_between(first, day) for day in days], dtype=np.int64)
    mrr[ids.get_indexer(pd.Index(ledger["account_id"])), column] = ledger["closing_micros"]
    named = [segments.get(each, "unknown") for each in ids]
    return Months(mrr, named, unsettled(as_of), passed(as_of))


def passed(as_of: date) -> float:
    """Give the share of its month that is over when a forecast opens within a month.

    Examples
    --------
    >>> passed(date(2025, 7, 1)), passed(date(2025, 6, 16))
    (0.0, 0.5)
    """
    return (as_of.day - 1) / month_end(as_of).day


def unsettled(as_of: date) -> int:
    """Count the last month-ends before a date that late renewals may still mend.

    Examples
    --------
    >>> unsettled(date(2025, 6, 1)), unsettled(date(2025, 3, 1))
    (1, 2)
    """
    opening, count = opening_day(first_of_month(as_of)), 0
    while month_end(add_months(first_of_month(opening), -count)) + timedelta(LATE_DAYS) >= as_of:
        count += 1
    return count


def rivals(months: Months) -> dict[str, dict[str, float | None]]:
    """Say NRR of the opening cohort by every rule, at every horizon.

    The rules carry month-ends on. Of a forecast that opens within a month, what they say of the
    days that are over is taken out, and as many days of a last month are put on: months come
    evenly over their days.

    Returns
    -------
    dict
        By rule (`RIVALS`) and horizon in months; None where the past is too short, says nothing,
        or does not let itself be fitted.

    Examples
    --------
    >>> few = Months(np.full((3, 5), 100), ["smb"] * 3)
    >>> rivals(few)["ETS by segment"]
    {'1': None, '3': None, '12': None}
    """
    parts = _parts(months)
    whole = _Part(months.mrr)
    told = {}
    with threadpool_limits(limits=1):  # tiny matrices: threads of BLAS would wait for one another
        for name, rule in RIVALS.items():
            path = _path(rule, parts, whole, months)
            told[name] = {
                str(h): None if path is None else round(float(path[h - 1]), 9) for h in HORIZONS
            }
    return told


class _Part:
    """A segment: its monthly NRR, oldest first, and its opening MRR."""

    def __init__(self, mrr: NDArray[np.int64]) -> None:
        paid = mrr[:, :-1].sum(axis=0)
        kept = np.where(mrr[:, :-1] > 0, mrr[:, 1:], 0).sum(axis=0)
        ratio = np.divide(kept, paid, out=np.full(len(paid), np.nan), where=paid > 0)
        gaps = np.flatnonzero(~np.isfinite(ratio) | (ratio <= 0))
        self.series = ratio[gaps[-1] + 1 if len(gaps) else 0 :][-MOST_MONTHS:]
        self.opening = float(mrr[:, -1].sum())

    def settled(self, unsettled: int) -> Floats:
        """Give the series without its last months."""
        return self.series[: len(self.series) - unsettled]


Rule = Callable[[Floats, Floats, int], Floats | None]
"""Carries a segment's series on by so many months; the second series is the whole book's."""


def _parts(months: Months) -> list[_Part]:
    """Give the largest segments, by name, and the rest of the accounts as one."""
    label = np.array(months.segments, dtype=object).astype(str)
    paying = months.mrr[:, -1] > 0
    names, at, counts = np.unique(label[paying], return_inverse=True, return_counts=True)
    opening = np.bincount(at, months.mrr[paying, -1].astype(float), minlength=len(names))
    order = np.argsort(-opening, kind="stable")
    large = sorted(names[order][counts[order] >= FEW_ACCOUNTS][:MOST_SEGMENTS].tolist())
    rest = ~np.isin(label, large)
    who = [label == name for name in large] + ([rest] if (rest & paying).any() else [])
    return [_Part(months.mrr[one]) for one in who]


def _path(rule: Rule, parts: list[_Part], whole: _Part, months: Months) -> Floats | None:
    """Compound a rule over twelve months, by segment; by the whole book where one cannot be fitted."""
    total = sum(part.opening for part in parts)
    if total <= 0:
        return None
    book = whole.settled(months.unsettled)
    own = [part.settled(months.unsettled) for part in parts]
    paths = [_compounded(rule, series, book, months) for series in own]
    known = [path for path in paths if path is not None]
    if len(known) < len(paths):
        return _compounded(rule, book, book, months)
    weighed = [part.opening * path for part, path in zip(parts, known, strict=True)]
    return np.asarray(np.sum(weighed, axis=0) / total)


def _compounded(rule: Rule, series: Floats, book: Floats, months: Months) -> Floats | None:
    """Carry a series on, over the unsettled months too, and compound from the opening."""
    if len(series) < LEAST_MONTHS or np.ptp(series) < STILL:
        return None
    ahead = LEADS + months.unsettled + (months.passed > 0.0)
    said = rule(series, book, ahead)
    if said is None or len(said) != ahead or not np.isfinite(said).all():
        return None
    reach = float(np.ptp(series))
    if said.min() < max(series.min() - reach, 0.0) or said.max() > series.max() + reach:
        return None
    path = np.asarray(np.cumprod(said[months.unsettled :]), dtype=np.float64)
    return _opened_within(path, months.passed)


def _opened_within(path: Floats, passed: float) -> Floats | None:
    """Open a path of month-ends some way into its first month.

    Examples
    --------
    >>> _opened_within(np.array([0.5, 0.25, 0.125]), 0.5).round(6).tolist()  # from .75 on
    [0.5, 0.25]
    """
    if passed == 0.0:
        return path
    start = 1.0 - passed + passed * path[0]
    return np.asarray(((1.0 - passed) * path[:-1] + passed * path[1:]) / start)


def _damped(series: Floats, book: Floats, ahead: int) -> Floats | None:
    """Carry on the mean of the recent months, fading to that of all; both lean on the book's."""
    share = len(series) / (len(series) + SHRUNK_MONTHS)
    recent, long = (
        share * mine.mean() + (1 - share) * all_.mean()
        for mine, all_ in ((series[-RECENT_MONTHS:], book[-RECENT_MONTHS:]), (series, book))
    )
    return np.asarray(long + (recent - long) * DAMPING ** np.arange(1, ahead + 1))


def _ets(series: Floats, book: Floats, ahead: int) -> Floats | None:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel  # heavy

    def fitted() -> Floats:
        model = ETSModel(series, error="add", trend="add", damped_trend=True)
        return np.asarray(model.fit(disp=False, maxiter=200).forecast(ahead))

    return _quietly(fitted)


def _arima(series: Floats, book: Floats, ahead: int) -> Floats | None:
    from statsmodels.tsa.arima.model import ARIMA  # heavy

    def fitted() -> Floats:
        fits = [ARIMA(series, order=order, trend="c").fit() for order in ORDERS]
        return np.asarray(min(fits, key=lambda fit: float(fit.aicc)).forecast(ahead))

    return _quietly(fitted)


def _theta(series: Floats, book: Floats, ahead: int) -> Floats | None:
    from statsmodels.tsa.forecasting.theta import ThetaModel  # heavy

    def fitted() -> Floats:
        model = ThetaModel(pd.Series(series), period=12, deseasonalize=False)
        return np.asarray(model.fit(disp=False).forecast(ahead), dtype=np.float64)

    return _quietly(fitted)


def _quietly(fitted: Callable[[], Floats]) -> Floats | None:
    """Fit without a word; None where the library gives up."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return fitted()
        except _ASTRAY:
            return None


RIVALS: Mapping[str, Rule] = {
    "damped mean by segment": _damped,
    "ETS by segment": _ets,
    "ARIMA by segment": _arima,
    "theta by segment": _theta,
}
"""The rules, by the name that reports give them."""
