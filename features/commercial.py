"""Commercial: what is paid, under which terms, and how that has moved.

Trailing movements compare the MRR of two days, both as known at the as-of date, never a ledger
that has learned more since.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw
import pandas as pd

from features.contract_moves import (
    downgrades,
    last_moves,
    price_since_renewal,
    price_since_year,
    seats_before,
)
from features.moments import EVENTS, events_of
from features.signal import Family, signal
from features.sums import ratio
from features.view import View

__all__ = ["FAMILY"]

MICROS = 1e6
QUARTER = 91
YEAR = 365
LINES = ("subscriptions",)  # what monthly figures cannot tell
NOT_PAYING = "was not paying then"
NO_RANKS = "the book ranks no plans, or the account had no ranked plan then"
NO_SEATS = "no paid seats now or then"


def _terms(view: View) -> dict[str, pd.Series]:
    """Count the days from the as-of date to those of the contract; give its flags as numbers."""
    facts = view.standing
    known = facts["decision"] != "unknown"
    days = {"first_paid_on": "age", "next_renewal_on": "renewal", "review_on": "review"}
    return {
        **{f"commercial__{name}_in": _days(view, column) for column, name in days.items()},
        "commercial__monthly": (facts["decision"] == "monthly").astype(float).where(known),
        "commercial__auto_renew": facts["auto_renew"].astype("Float64").astype(float),
        "commercial__discount": facts["discount"].astype(float),
        "commercial__notice": facts["notice_ends_on"].notna().astype(float),
    }


def _days(view: View, column: str) -> pd.Series:
    dates = pd.to_datetime(view.standing[column])
    return (dates - pd.Timestamp(view.as_of)).dt.days.astype(float)


def _moves(view: View) -> dict[str, pd.Series]:
    """Give what was paid, held and ranked before, and the last moves."""
    last = last_moves(view)
    return {
        **{f"commercial__mrr_{days}d": view.mrr_before(days) for days in (QUARTER, YEAR)},
        **{f"commercial__seats_{days}d": seats_before(view, days) for days in (QUARTER, YEAR)},
        **{f"commercial__lower_{days}d": downgrades(view, days) for days in (QUARTER, YEAR)},
        "commercial__rose": last["rose"],
        "commercial__fell": last["fell"],
        "commercial__dearer_year": price_since_year(view),
        "commercial__dearer_renewal": price_since_renewal(view),
    }


def _fact(name: str) -> nw.Expr:
    return nw.col(f"commercial__{name}")


def _fallen(days: int) -> nw.Expr:
    """Give the share of the MRR of so many days before that is gone, net."""
    return (1 - ratio("mrr_micros", f"commercial__mrr_{days}d")).clip(0.0)


def _removed(days: int) -> nw.Expr:
    return (_fact(f"seats_{days}d") - nw.col("paid_seats")).clip(0.0)


SIGNALS = (
    signal("commercial_mrr_log", "log of currency", None, 0, 0, "natural logarithm of MRR",
           "its size: MRR of about {value:exp}", (nw.col("mrr_micros") / MICROS).log(),
           missing="never"),
    signal("commercial_tenure_days", "days", None, -1, 0, "days since the first paid day",
           "a customer for {value:span}", _fact("age_in") * -1.0, missing="never",
           zero="a customer from today"),
    signal("commercial_days_to_renewal", "days", None, 0, 0, "days to the end of the running term",
           "renewal in {value:.0f} days", _fact("renewal_in"),
           missing="month-to-month, or the term is unknown", tables=LINES,
           zero="renewal today"),
    signal("commercial_term_months", "months", None, -1, 0, "length of the main line's term",
           "a contract term of {value:.0f} months", nw.col("term_months"), missing="the book does not say",
           tables=LINES),
    signal("commercial_monthly", "flag", None, 1, 0, "1 for month-to-month, 0 for a longer term",
           "pays month to month ({value:.0f})", _fact("monthly"), missing="the term is unknown",
           tables=LINES,
           zero="under a contract term, not month to month"),
    signal("commercial_auto_renew", "flag", None, -1, 0, "1 where the main line renews by itself",
           "renews by itself ({value:.0f})", _fact("auto_renew"), missing="the book does not say",
           tables=LINES,
           zero="does not renew by itself"),
    signal("commercial_discount", "share", None, 1, 0,
           "discount on the list price of the main line",
           "a discount of {value:.0%} on the list price",
           _fact("discount"), missing="the book has no discounts", tables=LINES,
           zero="no discount"),
    signal("commercial_seats", "seats", None, 0, 0, "paid seats over all lines in force",
           "{value:,.0f} paid seats", nw.col("paid_seats"), group="seats",
           missing="the lines carry no seats"),
    signal("commercial_seat_use", "share", 28, -1, 1, "active users of 28 days / paid seats",
           "active users at {value:.0%} of the paid seats", ratio("usage_users_28d", "paid_seats"),
           group="seats", missing="no seats, or users not known", tables=("usage",),
           zero="none of the paid seats in use",
           fuller="{usage_users_28d:,.0f} active users in 28 days on {commercial_seats:,.0f} paid "
                  "seats ({value:.0%})"),
    signal("commercial_contraction_91d", "share", QUARTER, 1, 0,
           "MRR lost since 91 days before, net, as a share of the MRR then",
           "MRR down by {value:.0%} against 91 days ago", _fallen(QUARTER), missing=NOT_PAYING,
           zero="MRR not below that of 91 days ago"),
    signal("commercial_contraction_365d", "share", YEAR, 1, 0,
           "MRR lost since 365 days before, net, as a share of the MRR then",
           "MRR down by {value:.0%} against a year ago", _fallen(YEAR), missing=NOT_PAYING,
           zero="MRR not below that of a year ago"),
    signal("commercial_expansion_365d", "share", YEAR, 0, 1,
           "MRR gained since 365 days before, net, as a share of the MRR then",
           "MRR up by {value:.0%} against a year ago",
           (ratio("mrr_micros", f"commercial__mrr_{YEAR}d") - 1).clip(0.0), missing=NOT_PAYING,
           zero="MRR not above that of a year ago"),
    signal("commercial_days_since_expansion", "days", None, 0, 0,
           "days since MRR (usage-priced lines, arrears and pauses aside) last rose by 2 % or "
           "more while paying",
           "last expansion {value:span} ago", _fact("rose"),
           missing="never expanded"),
    signal("commercial_never_expanded", "flag", None, 0, 0,
           "1 where MRR (usage-priced lines, arrears and pauses aside) never rose by 2 % or more "
           "while paying", "never expanded ({value:.0f})",
           nw.when(_fact("rose").is_null()).then(1.0).otherwise(0.0), missing="never",
           zero="has expanded before"),
    signal("commercial_days_since_contraction", "days", None, 0, 0,
           "days since MRR (usage-priced lines, arrears and pauses aside) last fell by 2 % or "
           "more and went on",
           "last contraction {value:span} ago", _fact("fell"),
           missing="never contracted"),
    signal("commercial_seats_removed_91d", "seats", QUARTER, 1, 0,
           "paid seats 91 days before less those now, where fewer",
           "{value:,.0f} paid seats fewer than 91 days ago", _removed(QUARTER), group="seats",
           missing=NO_SEATS,
           zero="no fewer paid seats than 91 days ago"),
    signal("commercial_seats_removed_365d", "seats", YEAR, 1, 0,
           "paid seats 365 days before less those now, where fewer",
           "{value:,.0f} paid seats fewer than a year ago", _removed(YEAR), group="seats", missing=NO_SEATS,
           zero="no fewer paid seats than a year ago"),
    signal("commercial_downgrades_91d", "products", QUARTER, 1, 0,
           "products on a plan of lower rank than 91 days before",
           "{value:.0f} products on a lower tier than 91 days before", _fact("lower_91d"),
           missing=NO_RANKS, tables=("plans",)),
    signal("commercial_downgrades_365d", "products", YEAR, 1, 0,
           "products on a plan of lower rank than 365 days before",
           "{value:.0f} products on a lower tier than a year before", _fact("lower_365d"),
           missing=NO_RANKS, tables=("plans",)),
    signal("commercial_price_rise_365d", "share", YEAR, 1, 0,
           "price of a unit (mean over the lines of the main line's product and plan) / the same "
           "a year before, less 1",
           "unit price {value:+.0%} against a year ago",
           _fact("dearer_year"), missing="another product or plan then, or none",
           zero="unit price as a year ago"),
    signal("commercial_price_rise_renewal", "share", None, 1, 0,
           "price of a unit (mean over the lines of the main line's product and plan) / the same "
           "on the day before the line began, less 1; 0 where the line ran on into another term",
           "unit price {value:+.0%} at the last renewal", _fact("dearer_renewal"),
           missing="in its first term, or another product or plan before",
           zero="unit price kept at the last renewal"),
    signal("commercial_products", "products", None, -1, 0, "distinct products in force",
           "{value:.0f} products in its contract", nw.col("products"), missing="held in grace: nothing in force"),
    signal("commercial_lines", "lines", None, 0, 0, "lines in force",
           "{value:.0f} lines in its contract",
           nw.col("lines"), missing="held in grace: nothing in force"),
    signal("commercial_notice", "flag", None, 1, -1,
           "1 where notice was given and no successor is signed", "notice given ({value:.0f})",
           _fact("notice"), missing="never",
           zero="no notice given"),
    signal("commercial_days_to_review", "days", None, 0, 0,
           "days to the agreed re-expansion review", "re-expansion review in {value:.0f} days",
           _fact("review_in"), missing="no review agreed", tables=LINES),
    signal("commercial_payments_failed_91d", "payments", QUARTER, 1, -1,
           "failed payments in 91 days",
           "{value:.0f} failed payments in the last 91 days",
           events_of(["payment_failed"], QUARTER), rows=EVENTS),
)  # fmt: skip

FAMILY = Family("commercial", SIGNALS, facts=(_terms, _moves))
