"""Commercial: what is paid, under which terms, and how that has moved.

Trailing movements compare the MRR of two days, both as known at the as-of date, never a ledger
that has learned more since.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from features.signal import Sign, Signal
from features.sums import share, total
from features.terms import alive
from features.view import View

__all__ = ["SIGNALS", "measure"]

MICROS = 1e6
LEAST_MOVE = 0.02
QUARTER = 91
YEAR = 365


def _signal(
    slug: str,
    unit: str,
    window: int | None,
    churn: Sign,
    expansion: Sign,
    meaning: str,
    missing: str,
    phrase: str,
) -> Signal:
    group = "seats" if "seat" in slug else "commercial"
    return Signal(
        f"commercial_{slug}",
        "commercial",
        "seats" if group == "seats" else "commercial",
        unit,
        window,
        churn,
        expansion,
        meaning,
        missing,
        phrase,
    )


SIGNALS = (
    _signal("mrr_log", "log of currency", None, 0, 0, "natural logarithm of MRR",
            "never", "size of the account (log of MRR {value:.1f})"),
    _signal("tenure_days", "days", None, -1, 0, "days since the first paid day",
            "never", "a customer for {value:,.0f} days"),
    _signal("days_to_renewal", "days", None, 0, 0, "days to the end of the running term",
            "month-to-month, or the term is unknown", "renewal in {value:.0f} days"),
    _signal("term_months", "months", None, -1, 0, "length of the main line's term",
            "the book does not say", "a term of {value:.0f} months"),
    _signal("monthly", "flag", None, 1, 0, "1 for month-to-month, 0 for a longer term",
            "the term is unknown", "month-to-month ({value:.0f})"),
    _signal("auto_renew", "flag", None, -1, 0, "1 where the main line renews by itself",
            "the book does not say", "renews by itself ({value:.0f})"),
    _signal("discount", "share", None, 1, 0, "discount on the list price of the main line",
            "the book has no discounts", "a discount of {value:.0%}"),
    _signal("seats", "seats", None, 0, 0, "paid seats over all lines in force",
            "the lines carry no seats", "{value:,.0f} paid seats"),
    _signal("seat_use", "share", 28, -1, 1, "active users of 28 days / paid seats",
            "no seats, or users not known", "{value:.0%} of the paid seats in use"),
    _signal("contraction_91d", "share", QUARTER, 1, 0, "MRR lost since 91 days before, net, as "
            "a share of the MRR then", "was not paying then",
            "MRR fell by {value:.0%} in 91 days"),
    _signal("contraction_365d", "share", YEAR, 1, 0, "MRR lost since 365 days before, net, as "
            "a share of the MRR then", "was not paying then",
            "MRR fell by {value:.0%} in a year"),
    _signal("expansion_365d", "share", YEAR, 0, 1, "MRR gained since 365 days before, net, as "
            "a share of the MRR then", "was not paying then",
            "MRR grew by {value:.0%} in a year"),
    _signal("days_since_expansion", "days", None, 0, 0, "days since MRR last rose by 2 % or more "
            "while paying", "never expanded", "last expansion {value:,.0f} days ago"),
    _signal("price_rise_365d", "share", YEAR, 1, 0, "price of a unit of the main line / the same "
            "product and plan a year before, less 1", "another product or plan then, or none",
            "unit price changed by {value:+.0%} in a year"),
    _signal("products", "products", None, -1, 0, "distinct products in force",
            "held in grace: nothing in force", "{value:.0f} products"),
    _signal("lines", "lines", None, 0, 0, "lines in force",
            "held in grace: nothing in force", "{value:.0f} contract lines"),
    _signal("notice", "flag", None, 1, -1, "1 where notice was given and no successor is signed",
            "never", "notice given ({value:.0f})"),
    _signal("days_to_review", "days", None, 0, 0, "days to the agreed re-expansion review",
            "no review agreed", "re-expansion review in {value:.0f} days"),
    _signal("payments_failed_91d", "payments", QUARTER, 1, -1, "failed payments in 91 days",
            "the book has no events", "{value:.0f} failed payments in 91 days"),
)  # fmt: skip


def measure(view: View, so_far: pd.DataFrame) -> pd.DataFrame:
    """Measure the family: one row per paying account, one column per signal."""
    columns = _terms(view) | _seats(view, so_far) | _movements(view) | _risks(view)
    slugs = [signal.slug for signal in SIGNALS]
    renamed = {f"commercial_{name}": values for name, values in columns.items()}
    return pd.DataFrame(renamed, index=view.standing.index).reindex(columns=slugs)


def _terms(view: View) -> dict[str, pd.Series]:
    facts = view.standing
    known = facts["decision"] != "unknown"
    return {
        "mrr_log": np.log(facts["mrr_micros"] / MICROS),
        "tenure_days": _days(view, "first_paid_on") * -1.0,
        "days_to_renewal": _days(view, "next_renewal_on"),
        "days_to_review": _days(view, "review_on"),
        "term_months": facts["term_months"],
        "monthly": (facts["decision"] == "monthly").astype(float).where(known),
        "auto_renew": facts["auto_renew"].astype("Float64").astype(float),
        "discount": facts["discount"].astype(float),
        "products": facts["products"],
        "lines": facts["lines"],
    }


def _days(view: View, column: str) -> pd.Series:
    dates = pd.to_datetime(view.standing[column])
    return (dates - pd.Timestamp(view.as_of)).dt.days.astype(float)


def _seats(view: View, so_far: pd.DataFrame) -> dict[str, pd.Series]:
    seats = view.standing["paid_seats"].astype(float)
    return {"seats": seats, "seat_use": share(so_far["usage_users_28d"], seats)}


def _movements(view: View) -> dict[str, pd.Series]:
    now = view.standing["mrr_micros"].astype(float)
    quarter, year = (share(now, view.mrr_before(days)) - 1 for days in (QUARTER, YEAR))
    return {
        "contraction_91d": (-quarter).clip(lower=0),
        "contraction_365d": (-year).clip(lower=0),
        "expansion_365d": year.clip(lower=0),
        "days_since_expansion": view.collect(_last_rise(view))["age"],
        "price_rise_365d": _price_rise(view),
    }


def _last_rise(view: View) -> nw.LazyFrame[Any]:
    """Give the age in days of the last rise of an account that was already paying."""
    lines = view.lines
    up = lines.select("account_id", day=nw.col("start_day"), move=nw.col("mrr_micros"))
    down = lines.filter(~nw.col("end_day").is_null()).select(
        "account_id", day=nw.col("end_day"), move=-nw.col("mrr_micros")
    )
    moves = nw.concat([up, down]).filter(nw.col("day") < view.today)
    days = moves.group_by("account_id", "day").agg(nw.col("move").sum().cast(nw.Float64))
    level = nw.col("move").cum_sum().over("account_id", order_by="day")
    days = days.with_columns(before=level - nw.col("move"))
    rises = days.filter(nw.col("before") > 0, nw.col("move") >= LEAST_MOVE * nw.col("before"))
    last = rises.group_by("account_id").agg(nw.col("day").max())
    return last.select("account_id", age=(view.today - nw.col("day")).cast(nw.Float64))


def _price_rise(view: View) -> pd.Series:
    """Compare the unit price of the main line with the same product and plan a year before."""
    now, then = _unit_price(view, view.today - 1), _unit_price(view, view.today - 1 - YEAR)
    both = now.join(then, on=["account_id", "product", "plan", "currency"], suffix="_then")
    main = view.standing[["product", "plan", "currency"]].reset_index()
    prices = both.collect("pandas").to_native()
    found = main.merge(prices, how="left", on=["account_id", "product", "plan", "currency"])
    return share(found["price"], found["price_then"]).set_axis(main["account_id"]) - 1


def _unit_price(view: View, day: int) -> nw.LazyFrame[Any]:
    lines = view.lines.filter(alive(day))
    units = nw.when(nw.col("seats") > 0).then(nw.col("seats")).otherwise(1)
    sums = lines.with_columns(units=units).group_by("account_id", "product", "plan", "currency")
    priced = sums.agg(
        nw.col("mrr_micros").sum().cast(nw.Float64), nw.col("units").sum().cast(nw.Float64)
    )
    price = (nw.col("mrr_micros") / nw.col("units")).alias("price")
    return priced.select("account_id", "product", "plan", "currency", price)


def _risks(view: View) -> dict[str, pd.Series]:
    notice = view.standing["notice_ends_on"].notna().astype(float)
    if not view.fresh("events"):
        return {"notice": notice}
    events = view.rows("events").filter(nw.col("age") < QUARTER)
    failed = events.group_by("account_id").agg(total(nw.col("kind") == "payment_failed").alias("n"))
    return {"notice": notice, "payments_failed_91d": view.collect(failed)["n"].fillna(0.0)}
