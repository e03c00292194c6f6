"""Dated uplifts: known ahead from the contract, forecast as price, shown in the bridge."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.rules import Rules
from features.snapshot import snapshot
from features.view import view_of
from models.bridge import bridge_of
from models.flows import cohort_at, means
from models.levers import by_lever
from models.outcomes import LEADS, Outlook
from models.sizes import Closed, fit_sizes
from models.uplift import uplift_by_lead, uplifted
from serving.outlooks import packed, unpacked
from tests.small_books import AS_OF, line, small_book
from tests.small_history import Law, frame_of, model_of

pytestmark = pytest.mark.ci

YEARLY = {"uplift_pct": 5.0, "term_months": 12}
NONE = (None, None)


def told(*lines: dict) -> tuple[date | None, float | None]:
    facts = view_of(small_book([line("a") | dict(one) for one in lines]), AS_OF, Rules()).standing
    on, micros = facts.loc["a", ["uplift_on", "uplift_micros"]]
    return NONE if pd.isna(on) else (on.date(), micros / 1e6)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        # as of 1 July 2025; 100 a month, raised by 5 %
        ({"starts_on": "2024-09-15", "ends_on": "2025-09-15"}, (date(2025, 9, 15), 5.0)),
        ({"starts_on": "2024-09-15"}, (date(2025, 9, 15), 5.0)),  # open, in its first year
        ({"starts_on": "2024-07-01"}, (AS_OF, 5.0)),  # on the very day: still to come
        ({"starts_on": "2024-06-30"}, NONE),  # ran past its anniversary at the same price
        ({"starts_on": "2025-02-28", "term_months": 36}, (date(2026, 2, 28), 5.0)),
        # past its anniversary, the first term still running: raised when that ends
        ({"starts_on": "2024-03-01", "term_months": 24}, (date(2026, 3, 1), 5.0)),
        ({"starts_on": "2023-08-01", "ends_on": "2025-08-01"}, NONE),  # its end is not known yet
        (
            {"starts_on": "2023-08-01", "ends_on": "2025-08-01", "term_months": 24},
            (date(2025, 8, 1), 5.0),
        ),
        ({"starts_on": "2023-10-01", "term_months": 60}, NONE),  # beyond twelve months
        ({"starts_on": "2025-05-01", "ends_on": "2025-08-01", "term_months": 3}, NONE),
        ({"starts_on": "2024-09-15", "uplift_pct": 0.0}, NONE),
        ({"starts_on": "2024-09-15", "uplift_pct": None}, NONE),
        ({"starts_on": "2024-09-15", "canceled_on": "2025-06-01"}, NONE),
        ({"starts_on": "2024-09-15", "uplift_pct": -2.0}, (date(2025, 9, 15), -2.0)),
    ],
)
def test_the_day_of_a_rise(one: dict, expected: tuple) -> None:
    assert told(YEARLY | one) == expected


@pytest.mark.ci
def test_several_lines_rise_by_their_sum_on_the_day_of_the_largest_part() -> None:
    small = YEARLY | {"starts_on": "2024-08-01", "mrr_micros": 40_000_000, "product": "x"}
    large = YEARLY | {"starts_on": "2024-11-01", "mrr_micros": 60_000_000, "product": "y"}
    assert told(small, large) == told(large, small) == (date(2025, 11, 1), 5.0)


def test_what_is_billed_by_usage_is_not_raised() -> None:
    billed = YEARLY | {"starts_on": "2024-09-15", "kind": "usage", "product": "x"}
    assert told({"starts_on": "2024-09-15"}, billed) == NONE


def test_a_rise_known_later_is_not_in_the_snapshot() -> None:
    lines = [line("a", starts="2024-09-15", **YEARLY), line("b", starts="2025-07-01", **YEARLY)]
    frame = snapshot(small_book(lines), AS_OF)
    assert frame[["account_id", "uplift_micros"]].to_numpy().tolist() == [["a", 5e6]]


def book(churn: float = 0.1, *, locked: bool = False) -> Outlook:
    """Two accounts of 100: the first is raised by 5 % from lead 3 on."""
    n, p = 2, np.full((2, LEADS), churn)
    accounts = pd.DataFrame({"account_id": ["a", "b"], "mrr_micros": [10**8] * n})
    law, drift = np.full((n, LEADS, 3), 0.2), np.tile([0.01, 0.0001, 1e-6], (n, LEADS, 1))
    nobody = np.zeros((n, LEADS), dtype=bool)
    plain = Outlook(
        accounts, p, p, p, law, law, nobody, np.full((n, LEADS), np.nan), drift, 0 * drift
    )
    rise = np.zeros((n, LEADS))
    rise[0, 2:] = 0.05
    return uplifted(plain, rise, np.full((n, LEADS), locked), np.zeros(n, dtype=bool))


@pytest.mark.parametrize("locked", [True, False])
def test_the_bridge_tells_the_rise_and_still_adds_up(locked: bool) -> None:
    """It is paid by who stays as it is: 100 × 70 % × 5 %; the other drifts by 1 % as before."""
    cohort = cohort_at(book(locked=locked), 3)
    bridge = bridge_of(cohort)
    owed, due = bridge["booked"]["uplift_mrr"], bridge["modelled"]["uplift_mrr"]
    assert (owed, due) == pytest.approx((3.5, 0.0) if locked else (0.0, 3.5))
    assert bridge["booked"]["uplift_accounts"] == int(locked)
    assert bridge["modelled"]["expansion_mrr"] == pytest.approx(2 * 100 * 0.1 * 0.2 + 0.7)
    assert bridge["closing_mrr"] == pytest.approx(means(cohort)["closing"].sum())
    before = bridge_of(cohort_at(book(locked=locked), 2))
    assert (before["booked"]["uplift_mrr"], before["modelled"]["uplift_mrr"]) == (0.0, 0.0)


def test_who_leaves_does_not_pay_it_and_what_is_booked_outranks_it() -> None:
    assert bridge_of(cohort_at(book(churn=1 / 3), 3))["modelled"]["uplift_mrr"] == pytest.approx(0)
    noticed = np.zeros((2, LEADS), dtype=bool)
    noticed[0] = True
    gone = bridge_of(cohort_at(replace(book(), booked_churn=noticed), 3))
    assert gone["modelled"]["uplift_mrr"] == 0.0
    signed = np.full((2, LEADS), np.nan)
    signed[0] = 120e6
    there = bridge_of(cohort_at(replace(book(), booked_mrr_micros=signed), 3))
    assert there["modelled"]["uplift_mrr"] == 0.0
    assert there["booked"]["signed_increase_mrr"] == 20.0


def test_its_lever_is_price_and_the_chances_are_as_they_were() -> None:
    past = pd.DataFrame({"segment": ["smb"], "lever": ["seat"], "amount_micros": [10**9]})
    levers = by_lever(cohort_at(book(), 3), ["smb", "smb"], past)
    assert levers == pytest.approx({"seat": 4.7, "price": 3.5})
    assert (book().p_expand == 0.1).all()


def test_a_fall_that_is_agreed_is_no_rise() -> None:
    falls = np.full((2, LEADS), -0.05)
    plain = replace(book(), uplift_due=np.zeros((2, LEADS)))
    told = uplifted(plain, falls, np.zeros((2, LEADS), dtype=bool), np.array([False, True]))
    bridge = bridge_of(cohort_at(told, 3))
    assert bridge["modelled"]["uplift_mrr"] == pytest.approx(-3.5)  # the other is billed by usage
    assert bridge["modelled"]["contraction_mrr"] == pytest.approx(-4.0)


def test_a_model_puts_it_in_its_outlook() -> None:
    rows = {"term_months": 12.0, "decision": "term", "next_renewal_on": pd.Timestamp(2025, 9, 15)}
    frame = frame_of([rows, rows])
    frame["uplift_on"] = pd.to_datetime(["2025-08-15", None])
    frame["uplift_micros"] = [5e6, np.nan]
    model = model_of(Law(accounts=180, months=21))
    outlook = model.outlook(frame, model.predict(frame))
    assert outlook.uplift_owed[0, :4].tolist() == [0, 0.05, 0, 0]
    assert outlook.uplift_due[0, :4].tolist() == [0, 0, 0.05, 0.05]
    assert not outlook.uplift_owed[1].any()
    assert not outlook.uplift_due[1].any()
    assert outlook.drift_up[0, 1, :2].tolist() == pytest.approx([0.05, 0.0025])
    bare = model.outlook(frame.drop(columns=["uplift_on"]), model.predict(frame))
    assert (outlook.drift_up[1] == bare.drift_up[1]).all()
    assert (outlook.p_expand == bare.p_expand).all()


def test_nothing_agreed_changes_nothing_and_takes_no_room() -> None:
    frame = frame_of([{}])
    assert not uplift_by_lead(frame).any()
    plain = replace(book(), uplift_due=np.zeros((0, LEADS)))
    nobody = np.zeros((2, LEADS), dtype=bool)
    assert uplifted(plain, np.zeros((2, LEADS)), nobody, nobody[:, 0]) is plain
    assert len(packed(plain)) < len(packed(book()))


def test_a_kept_outlook_keeps_it() -> None:
    kept = unpacked(packed(book()))
    assert (kept.uplift_due == book().uplift_due).all()
    assert not unpacked(packed(replace(book(), uplift_due=np.zeros((0, LEADS))))).uplift_due.any()


def test_what_is_known_ahead_is_not_learned_as_a_drift() -> None:
    """All that drifted was agreed: nothing is left that an account without an agreement drifts by."""
    n, no = 200, np.zeros(200, dtype=bool)
    change = np.where(np.arange(n) % 2 == 0, 0.05, 0.0)
    one, code = np.ones(n), np.ones(n, dtype=np.int64)
    closed = Closed(change, 100 * one, 0 * code, 3 * code, code, no, no, 0 * one, one / 2, one / 2)
    assert fit_sizes(closed).creep.up[1, 2, 0] > 0.02
    assert fit_sizes(replace(closed, priced=change > 0)).creep.up.max() == 0.0
