"""What has moved in an account's contract, read from its lines as they are known now.

Two days are compared, both with today's knowledge: never a ledger that has learned more since.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from features.asof import opening_day
from features.renewals import bridge_steps
from features.standing import main_lines
from features.steps import Steps, with_steps
from features.sums import share, total
from features.terms import alive, table_of
from features.view import View

__all__ = ["downgrades", "last_moves", "price_since_renewal", "price_since_year", "seats_before"]

LEAST_MOVE = 0.02
YEAR = 365
_HELD = """
    SELECT account_id, mrr_micros, datediff('day', DATE '1970-01-01', starts_on) AS start_day,
        datediff('day', DATE '1970-01-01', ends_on) AS end_day
    FROM held"""
FIXED = nw.col("kind") != "usage"
PRICED = ["account_id", "product", "plan", "currency"]


def last_moves(view: View) -> pd.DataFrame:
    """Give the days since MRR last rose, and last fell, by 2 % or more while paying.

    Lines priced by usage are left aside: their bill moves every month. So are arrears and pauses.

    Returns
    -------
    DataFrame
        Index account_id; ``rose``, ``fell`` (days, NaN = never).
    """
    move, before = nw.col("move"), nw.col("before")
    moves = _levels(view).with_columns(age=(view.today - nw.col("day")).cast(nw.Float64))
    up = (before > 0) & (move >= LEAST_MOVE * before)
    down = (before + move > 0) & (-move >= LEAST_MOVE * before)
    return view.collect(
        moves.group_by("account_id").agg(
            nw.when(up).then("age").min().alias("rose"),
            nw.when(down).then("age").min().alias("fell"),
        )
    )


def _levels(view: View) -> nw.LazyFrame[Any]:
    """Give one row per account and day on which its run-rate moved, with the level before.

    A line is held over a late renewal, as in the ledger.
    """
    lines = nw.from_native(view.book.connection.sql(with_steps(_held(view), _HELD)))
    up = lines.select("account_id", day=nw.col("start_day"), move=nw.col("mrr_micros"))
    down = lines.filter(~nw.col("end_day").is_null()).select(
        "account_id", day=nw.col("end_day"), move=-nw.col("mrr_micros")
    )
    moves = nw.concat([up, down]).filter(nw.col("day") < view.today)
    days = moves.group_by("account_id", "day").agg(nw.col("move").sum().cast(nw.Float64))
    level = nw.col("move").cum_sum().over("account_id", order_by="day")
    return days.with_columns(before=level - nw.col("move"))


def _held(view: View) -> Steps:
    months = "datediff('month', starts_on, known_end)"
    whole = f"known_end = CAST(starts_on + to_months(CAST({months} AS INTEGER)) AS DATE)"
    recurring = f"""
    SELECT account_id, product, mrr_micros, starts_on, known_end AS ends_on,
        coalesce(term, CASE WHEN {whole} THEN {months} END, 1) AS term
    FROM {table_of(view.as_of)} WHERE kind <> 'usage'"""
    return {"recurring": recurring} | bridge_steps(view.rules)


def seats_before(view: View, days: int) -> pd.Series:
    """Count the paid seats so many days before the opening (no seats then: missing)."""
    then = view.lines.filter(alive(view.today - 1 - days), ~nw.col("seats").is_null())
    seats = then.group_by("account_id").agg(nw.col("seats").sum().cast(nw.Float64))
    return view.collect(seats)["seats"]


def downgrades(view: View, days: int) -> pd.Series:
    """Count the products on a lower tier than so many days before, by the rank of their plans.

    Missing where the book ranks no plan, or the account had no ranked plan then.
    """
    if not view.book.has("plans"):
        return pd.Series(float("nan"), index=view.standing.index)
    keys = ["account_id", "product"]
    then, now = _ranks(view, view.today - 1 - days), _ranks(view, view.today - 1)
    both = then.join(now.rename({"rank": "rank_now"}), on=keys, how="left")
    lower = total(nw.col("rank_now") < nw.col("rank")).alias("n")
    return view.collect(both.group_by("account_id").agg(lower))["n"]


def _ranks(view: View, day: int) -> nw.LazyFrame[Any]:
    plans = view.book.table("plans").filter(~nw.col("rank").is_null()).select("plan", "rank")
    ranked = view.lines.filter(alive(day)).join(plans, on="plan", how="inner")
    return ranked.group_by("account_id", "product").agg(nw.col("rank").max())


def price_since_year(view: View) -> pd.Series:
    """Give the rise of the main line's unit price since the same product and plan a year before."""
    return _rise(view, _unit_price(view.lines.filter(alive(view.today - 1 - YEAR))))


def price_since_renewal(view: View) -> pd.Series:
    """Give the rise of the main line's unit price since the day before its running term began.

    Zero where the line simply ran on into another term; missing in its first term.
    """
    began = main_lines(view.lines, view.today).select(*PRICED, began=nw.col("start_day"))
    lines = view.lines.join(began, on=PRICED, how="inner")
    eve = nw.col("began") - 1
    ended = nw.col("end_day").is_null() | (nw.col("end_day") > eve)
    rise = _rise(view, _unit_price(lines.filter(nw.col("start_day") <= eve, ended)))
    return rise.mask(rise.isna() & _ran_on(view), 0.0)


def _ran_on(view: View) -> pd.Series:
    """Say where the main line has been in force for longer than one of its terms."""
    began = pd.to_datetime(view.standing["start_day"], unit="D")
    today = pd.Timestamp(opening_day(view.as_of))
    months = 12 * (today.year - began.dt.year) + today.month - began.dt.month
    return months - (today.day < began.dt.day) >= view.standing["term_months"]


def _unit_price(lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Give the price of a seat (of the line, where it has no seats) by product, plan, currency.

    What a usage-priced line bills is no price.
    """
    units = nw.when(nw.col("seats") > 0).then(nw.col("seats")).otherwise(1)
    sums = lines.filter(FIXED).with_columns(units=units).group_by(PRICED)
    priced = sums.agg(
        nw.col("mrr_micros").sum().cast(nw.Float64), nw.col("units").sum().cast(nw.Float64)
    )
    return priced.select(*PRICED, price=nw.col("mrr_micros") / nw.col("units"))


def _rise(view: View, before: nw.LazyFrame[Any]) -> pd.Series:
    """Compare the main line's unit price now with an earlier one of the same product and plan."""
    now = _unit_price(view.lines.filter(alive(view.today - 1)))
    both = now.join(before, on=PRICED, suffix="_then").collect("pandas").to_native()
    main = view.standing[PRICED[1:]].reset_index()
    found = main.merge(both, how="left", on=PRICED)
    return share(found["price"], found["price_then"]).set_axis(main["account_id"]) - 1
