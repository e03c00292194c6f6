"""What has moved in an account's contract, read from its lines as they are known now.

Two days are compared, both with today's knowledge: never a ledger that has learned more since.
"""

from __future__ import annotations

import pandas as pd

from features.asof import opening_day
from features.renewals import bridge_steps
from features.steps import Steps, with_steps
from features.sums import share
from features.terms import alive, table_of
from features.view import View

__all__ = ["downgrades", "last_moves", "price_since_renewal", "price_since_year", "seats_before"]

LEAST_MOVE = 0.02
YEAR = 365
_HELD = """
    SELECT account_id, mrr_micros, datediff('day', DATE '1970-01-01', starts_on) AS start_day,
        datediff('day', DATE '1970-01-01', ends_on) AS end_day
    FROM held"""
MOVE = ["account_id", "day", "move"]
PRICED = ["account_id", "product", "plan", "currency"]


def last_moves(view: View) -> pd.DataFrame:
    """Give the days since MRR last rose, and last fell, by 2 % or more while paying.

    Lines priced by usage are left aside: their bill moves every month. So are arrears and pauses.

    Returns
    -------
    DataFrame
        Index account_id; ``rose``, ``fell`` (days, NaN = never).
    """
    moves = _levels(view)
    age = (view.today - moves["day"]).astype(float)
    move, before = moves["move"], moves["before"]
    up = (before > 0) & (move >= LEAST_MOVE * before)
    down = (before + move > 0) & (-move >= LEAST_MOVE * before)
    ages = {"rose": age.where(up), "fell": age.where(down)}
    last = pd.DataFrame(ages).groupby(moves["account_id"]).min()
    return last.reindex(view.standing.index)


def _levels(view: View) -> pd.DataFrame:
    """Give one row per account and day on which its run-rate moved, with the level before.

    A line is held over a late renewal, as in the ledger.
    """
    lines = view.book.connection.sql(with_steps(_held(view), _HELD)).to_arrow_table().to_pandas()
    up = lines[["account_id", "start_day", "mrr_micros"]].set_axis(MOVE, axis=1)
    down = lines[["account_id", "end_day", "mrr_micros"]].set_axis(MOVE, axis=1)
    moves = pd.concat([up, down.assign(move=-down["move"])])
    days = moves[moves["day"] < view.today].groupby(MOVE[:2], as_index=False)["move"].sum()
    days = days.astype({"move": float})
    return days.assign(before=days.groupby("account_id")["move"].cumsum() - days["move"])


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
    then = alive(view.lines, view.today - 1 - days)
    seats = then.groupby("account_id")["seats"].sum(min_count=1)
    return seats.astype(float).reindex(view.standing.index)


def downgrades(view: View, days: int) -> pd.Series:
    """Count the products on a lower tier than so many days before, by the rank of their plans.

    Missing where the book ranks no plan, or the account had no ranked plan then.
    """
    if not view.book.has("plans"):
        return pd.Series(float("nan"), index=view.standing.index)
    then, now = _ranks(view, view.today - 1 - days), _ranks(view, view.today - 1)
    lower = now.reindex(then.index) < then
    return lower.groupby(level="account_id").sum().astype(float).reindex(view.standing.index)


def _ranks(view: View, day: int) -> pd.Series:
    """Give the rank of each account's and product's plan on a day."""
    ranks = view.book.once("ranks of plans", lambda: _plans(view))
    lines = alive(view.lines, day)
    ranked = lines.assign(rank=lines["plan"].map(ranks).astype(float)).dropna(subset="rank")
    return ranked.groupby(["account_id", "product"])["rank"].max()


def _plans(view: View) -> pd.Series:
    plans = view.book.table("plans").select("plan", "rank").collect("pandas").to_native()
    return plans.dropna().astype({"rank": float}).groupby("plan")["rank"].max()


def price_since_year(view: View) -> pd.Series:
    """Give the rise of the main line's unit price since the same product and plan a year before."""
    return _rise(view, alive(view.lines, view.today - 1 - YEAR))


def price_since_renewal(view: View) -> pd.Series:
    """Give the rise of the main line's unit price since the day before its running term began.

    Zero where the line simply ran on into another term; missing in its first term.
    """
    began = view.standing.reset_index()[[*PRICED, "start_day"]].rename(
        columns={"start_day": "began"}
    )
    lines = view.lines.merge(began, on=PRICED)
    rise = _rise(view, alive(lines, lines["began"] - 1))
    return rise.mask(rise.isna() & _ran_on(view), 0.0)


def _ran_on(view: View) -> pd.Series:
    """Say where the main line has been in force for longer than one of its terms."""
    began = pd.to_datetime(view.standing["start_day"], unit="D")
    today = pd.Timestamp(opening_day(view.as_of))
    months = 12 * (today.year - began.dt.year) + today.month - began.dt.month
    return months - (today.day < began.dt.day) >= view.standing["term_months"]


def _rise(view: View, before: pd.DataFrame) -> pd.Series:
    """Compare the main line's unit price now with that of earlier lines, same product and plan."""
    now = _unit_price(alive(view.lines, view.today - 1))
    main = pd.MultiIndex.from_frame(view.standing.reset_index()[PRICED])
    then = _unit_price(before).reindex(main)
    return share(now.reindex(main), then).set_axis(view.standing.index) - 1


def _unit_price(lines: pd.DataFrame) -> pd.Series:
    """Give the price of a seat (of the line, where it has no seats) by product, plan, currency.

    What a usage-priced line bills is no price.
    """
    fixed = lines[lines["kind"] != "usage"]
    units = fixed["seats"].where(fixed["seats"] > 0, 1)
    sums = fixed.assign(units=units).groupby(PRICED)[["mrr_micros", "units"]].sum().astype(float)
    return sums["mrr_micros"] / sums["units"]
