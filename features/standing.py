"""How each paying account's contract stands at an as-of date: facts, not signals.

The main line is the recurring line in force with the largest MRR; for an account that is held in
grace, the line that ended last.
"""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd

from features.rollup import number_of
from features.terms import alive
from features.uplift import dated_uplift

__all__ = ["main_lines", "standing"]

MONTHLY = 1
DAY = "datetime64[s]"


def standing(
    lines: pd.DataFrame, as_of: date, paying: pd.DataFrame, late_days: int = 31
) -> pd.DataFrame:
    """Tell the contract facts of the paying accounts.

    Parameters
    ----------
    lines : DataFrame
        What ``features.terms.known_terms`` gives.
    as_of : date
        What was known before it counts.
    paying : DataFrame
        Index account_id, column ``mrr_micros`` in the book's currency.
    late_days : int
        A successor that starts up to so many days after service ends withdraws a notice.

    Returns
    -------
    DataFrame
        Index as ``paying``; product, plan, currency, seats, discount, auto_renew, list_micros,
        line_micros, start_day, review_on, term_months (NaN = unknown), decision, next_renewal_on
        (NaT unless there is a term), first_paid_on, lines, usage_lines, products, paid_seats, notice_ends_on,
        successor_on, successor_mrr_micros (NaN where nothing is signed), uplift_on, uplift_micros
        (NaN where no rise is agreed).
    """
    today = number_of(as_of)
    told = [part(lines, today) for part in (_first, _main, _alive, _successor)]
    told.append(dated_uplift(lines, as_of))
    facts = pd.concat([each.reindex(paying.index) for each in told], axis=1)
    return _decided(facts.assign(mrr_micros=paying["mrr_micros"]), late_days)


def main_lines(lines: pd.DataFrame, today: int) -> pd.DataFrame:
    """Pick each account's main line, as it stood on the day before ``today`` (a day number)."""
    started = lines[lines["start_day"] < today]
    ranked = started.assign(
        ended=(today - started["end_day"]).where(started["end_day"] < today, 0),
        second=started["kind"] == "usage",
        smaller=-started["mrr_micros"],
        older=-started["start_day"],
    )
    order = ["ended", "second", "smaller", "older", "product", "plan", "due_on"]
    rivals = ranked["account_id"].duplicated(keep=False)
    first = ranked[rivals].sort_values(order, kind="stable", na_position="first")
    return pd.concat([ranked[~rivals], first.drop_duplicates("account_id")])


def _main(lines: pd.DataFrame, today: int) -> pd.DataFrame:
    """Tell the terms of each account's main line."""
    main = main_lines(lines, today).set_index("account_id")
    main = main.assign(line_micros=main["mrr_micros"])
    return main[[
        "product", "plan", "currency", "seats", "discount", "auto_renew", "list_micros", "term",
        "start_day", "due_on", "review_on", "line_micros",
    ]]  # fmt: skip


def _alive(lines: pd.DataFrame, today: int) -> pd.DataFrame:
    """Add up the lines in force; where all of them are canceled, none is kept."""
    now = alive(lines, today - 1)
    now = now.assign(metered=now["kind"] == "usage", kept=now["known_cancel"].isna())
    each = now.groupby("account_id")
    sums = pd.DataFrame(
        {
            "lines": each.size(),
            "products": each["product"].nunique(),
            "paid_seats": each["seats"].sum(),
            "seated": each["seats"].count(),
            "native_micros": each["mrr_micros"].sum(),
            "currencies": each["currency"].nunique(dropna=False),
            "usage_lines": each["metered"].sum(),
            "kept": each["kept"].sum(),
        }
    )
    return sums.astype(float).assign(service_ends=each["due_on"].max())


def _first(lines: pd.DataFrame, today: int) -> pd.DataFrame:
    started = lines[lines["start_day"] < today].groupby("account_id")
    return started.agg(first_paid_on=("starts_on", "min"))


def _successor(lines: pd.DataFrame, today: int) -> pd.DataFrame:
    """Find the first signed line that is still to start, and what is in force on its day."""
    coming = lines[lines["start_day"] >= today].groupby("account_id")
    first = coming.agg(next_day=("start_day", "min"), next_on=("starts_on", "min"))
    both = lines.merge(first.reset_index(), on="account_id")
    then = alive(both, both["next_day"]).groupby("account_id")["mrr_micros"].sum()
    return first.assign(then_micros=then.astype(float))


def _decided(facts: pd.DataFrame, late_days: int) -> pd.DataFrame:
    """Conclude: the kind of decision, the renewal, the notice and the successor."""
    term = facts["term"].astype(float)
    due = facts["due_on"].astype(DAY)
    following = facts["next_on"].astype(DAY)
    ends = facts["service_ends"].astype(DAY).where(facts["kept"] == 0)
    succeeded = following.notna() & (due <= following)
    withdrawn = following.notna() & (following <= ends + timedelta(days=late_days))
    decision = pd.Series("unknown", index=facts.index).mask(term > MONTHLY, "term")
    in_book = facts["mrr_micros"] / facts["native_micros"].where(facts["currencies"] == 1)
    return facts.assign(
        term_months=term,
        decision=decision.mask(term <= MONTHLY, "monthly"),
        next_renewal_on=due.where(term > MONTHLY),
        first_paid_on=facts["first_paid_on"].astype(DAY),
        paid_seats=facts["paid_seats"].where(facts["seated"] > 0),
        notice_ends_on=ends.mask(withdrawn),
        successor_on=following.where(succeeded),
        successor_mrr_micros=(facts["then_micros"] * in_book).round().where(succeeded),
        uplift_on=facts["uplift_on"].astype(DAY).where(in_book.notna()),
        uplift_micros=(facts["uplift_micros"] * in_book).round(),
    )
