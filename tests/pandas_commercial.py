"""The oracle's page on commerce: what is paid, under which terms, and how that has moved."""

from __future__ import annotations

import math
from datetime import date, timedelta

from tests.pandas_contracts import due, first_paid, in_force, lines, main_line
from tests.pandas_known import Known
from tests.pandas_page import MISSING, Page, over
from tests.pandas_usage import usage_users
from tests.random_books import months_later
from tests.random_feeds import Row

SIGNALS = Page()


@SIGNALS.signal
def commercial_mrr_log(known: Known, account: str) -> float:
    """Natural logarithm of MRR."""
    return math.log(known.mrr[account] / 1e6)


@SIGNALS.signal
def commercial_tenure_days(known: Known, account: str) -> float:
    """Days since the first paid day."""
    return float((known.as_of - first_paid(known, account)).days)


@SIGNALS.signal
def commercial_days_to_renewal(known: Known, account: str) -> float:
    """Days to the end of the running term; month-to-month, or unknown: missing."""
    line = main_line(known, account)
    if commercial_term_months(known, account) <= 1 or math.isnan(
        commercial_term_months(known, account)
    ):
        return MISSING
    on = due(known, line)
    return MISSING if on is None else float((on - known.as_of).days)


@SIGNALS.signal
def commercial_term_months(known: Known, account: str) -> float:
    """Length of the main line's term."""
    line = main_line(known, account)
    return MISSING if line["term"] is None else float(line["term"])


@SIGNALS.signal
def commercial_monthly(known: Known, account: str) -> float:
    """1 for month-to-month, 0 for a longer term; unknown: missing."""
    term = commercial_term_months(known, account)
    return MISSING if math.isnan(term) else float(term == 1)


@SIGNALS.signal
def commercial_auto_renew(known: Known, account: str) -> float:
    """1 where the main line renews by itself."""
    told = main_line(known, account)["auto_renew"]
    return MISSING if told is None else float(told)


@SIGNALS.signal
def commercial_discount(known: Known, account: str) -> float:
    """Discount on the list price of the main line."""
    told = main_line(known, account)["discount"]
    return MISSING if told is None else float(told)


@SIGNALS.signal
def commercial_seats(known: Known, account: str) -> float:
    """Paid seats over all lines in force; the lines carry no seats: missing."""
    return seats_before(known, account, 0)


def seats_before(known: Known, account: str, days: int) -> float:
    told = [line["seats"] for line in in_force(known, account, days) if line["seats"] is not None]
    return float(sum(told)) if told else MISSING


@SIGNALS.signal
def commercial_seat_use(known: Known, account: str) -> float:
    """Active users of 28 days / paid seats."""
    return over(usage_users(known, account, 28), commercial_seats(known, account))


def moved(known: Known, account: str, days: int) -> float:
    """Give the change of MRR since so many days before, as a share of the MRR then."""
    then = known.mrr_on(known.as_of - timedelta(days=days + 1)).get(account, 0)
    return over(float(known.mrr[account] - then), float(then))


@SIGNALS.windows(91, 365)
def commercial_contraction(known: Known, account: str, days: int) -> float:
    """MRR lost since N days before, net, as a share of the MRR then; not paying then: missing."""
    change = moved(known, account, days)
    return MISSING if math.isnan(change) else max(0.0, -change)


@SIGNALS.windows(365)
def commercial_expansion(known: Known, account: str, days: int) -> float:
    """MRR gained since N days before, net, as a share of the MRR then; not paying then: missing."""
    change = moved(known, account, days)
    return MISSING if math.isnan(change) else max(0.0, change)


def turns(known: Known, account: str) -> list[date]:
    """List the days on which an account's MRR may have moved, the latest first."""
    own = [line for line in lines(known, account) if line["kind"] == "recurring"]
    days = {line["start"] for line in own} | {line["end"] for line in own if line["end"]}
    return sorted((day for day in days if day < known.as_of), reverse=True)


def paid(known: Known, account: str, on: date) -> tuple[int, int]:
    """Give what an account paid the day before and on the day: no usage, arrears or pauses."""
    before, after = (known.mrr_on(at, "committed") for at in (on - timedelta(days=1), on))
    return int(before.get(account, 0)), int(after.get(account, 0))


@SIGNALS.signal
def commercial_days_since_expansion(known: Known, account: str) -> float:
    """Days since MRR (as in `paid`) last rose by 2 % or more while paying; never: missing."""
    for on in turns(known, account):
        before, after = paid(known, account, on)
        if before and 100 * after >= 102 * before:
            return float((known.as_of - on).days)
    return MISSING


@SIGNALS.signal
def commercial_never_expanded(known: Known, account: str) -> float:
    """1 where MRR (as in `paid`) never rose by 2 % or more while paying."""
    return float(math.isnan(commercial_days_since_expansion(known, account)))


@SIGNALS.signal
def commercial_days_since_contraction(known: Known, account: str) -> float:
    """Days since MRR (as in `paid`) last fell by 2 % or more and went on; never: missing."""
    for on in turns(known, account):
        before, after = paid(known, account, on)
        if after and 100 * after <= 98 * before:
            return float((known.as_of - on).days)
    return MISSING


@SIGNALS.windows(91, 365)
def commercial_seats_removed(known: Known, account: str, days: int) -> float:
    """Paid seats N days before less those now, where fewer; no paid seats now or then: missing."""
    gone = seats_before(known, account, days) - commercial_seats(known, account)
    return MISSING if math.isnan(gone) else max(0.0, gone)


def ranks(known: Known, account: str, days: int) -> dict[str | None, int]:
    """Give the highest rank of the plans of each product in force so many days before."""
    listed = {
        row["plan"]: row["rank"] for row in known.tables.get("plans", []) if row["rank"] is not None
    }
    found: dict[str | None, int] = {}
    for line in in_force(known, account, days):
        if line["plan"] in listed:
            found[line["product"]] = max(listed[line["plan"]], found.get(line["product"], 0))
    return found


@SIGNALS.windows(91, 365)
def commercial_downgrades(known: Known, account: str, days: int) -> float:
    """Products on a plan of lower rank than N days before; no ranked plan then: missing."""
    now, then = ranks(known, account, 0), ranks(known, account, days)
    return (
        float(sum(product in now and now[product] < then[product] for product in then))
        if then
        else MISSING
    )


def unit_price(some: list[Row]) -> float:
    """Give the price of a unit: a seat, or the line itself where it has none."""
    units = sum(line["seats"] or 1 for line in some)
    return sum(line["mrr"] for line in some) / units if some else MISSING


def like(line: Row, some: list[Row]) -> list[Row]:
    """Keep the recurring lines of the same product and plan."""
    return [
        one for one in some
        if (one["product"], one["plan"]) == (line["product"], line["plan"]) and one["kind"] == "recurring"
    ]  # fmt: skip


@SIGNALS.signal
def commercial_price_rise_365d(known: Known, account: str) -> float:
    """Price of a unit (mean over the lines of the main line's product and plan) / a year before, less 1."""
    line = main_line(known, account)
    now, then = (like(line, in_force(known, account, days)) for days in (0, 365))
    return over(unit_price(now), unit_price(then)) - 1


@SIGNALS.signal
def commercial_price_rise_renewal(known: Known, account: str) -> float:
    """Price of a unit as above / the same product and plan on the day before the line began, less 1.

    0 where the line ran on into another term; in its first term, or other before: missing.
    """
    line = main_line(known, account)
    if line["term"] and months_later(line["start"], int(line["term"])) < known.as_of:
        return 0.0
    then = like(line, in_force(known, account, (known.as_of - line["start"]).days))
    return over(unit_price(like(line, in_force(known, account))), unit_price(then)) - 1


@SIGNALS.signal
def commercial_products(known: Known, account: str) -> float:
    """Distinct products in force; held in grace: missing."""
    there = in_force(known, account)
    return float(len({line["product"] for line in there})) if there else MISSING


@SIGNALS.signal
def commercial_lines(known: Known, account: str) -> float:
    """Lines in force; held in grace: missing."""
    there = in_force(known, account)
    return float(len(there)) if there else MISSING


@SIGNALS.signal
def commercial_notice(known: Known, account: str) -> float:
    """1 where notice was given (every line in force is cancelled) and no successor is signed."""
    there = in_force(known, account)
    if not there or any(line["canceled"] is None for line in there):
        return 0.0
    ends = max(line["end"] for line in there if line["end"])
    after = [line for line in lines(known, account) if line["start"] >= known.as_of]
    return float(not any(line["start"] <= ends + timedelta(days=31) for line in after))


@SIGNALS.signal
def commercial_days_to_review(known: Known, account: str) -> float:
    """Days to the agreed re-expansion review; no review agreed: missing."""
    on = main_line(known, account).get("review")
    return MISSING if on is None else float((on - known.as_of).days)


@SIGNALS.signal
def commercial_payments_failed_91d(known: Known, account: str) -> float:
    """Failed payments in 91 days; the book has no events: missing."""
    feed = known.fresh("events")
    if feed is None:
        return MISSING
    rows = feed.of(account)
    return float(((rows["kind"] == "payment_failed") & (rows["age"] < 91)).sum())
