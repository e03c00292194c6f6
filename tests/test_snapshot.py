"""The two tests that guard the door, and what the door gives."""

from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features import snapshot as door
from features.asof import add_months
from features.book import Book, BookFacts
from features.catalog import CATALOG
from features.contracts import canonical
from features.faults import DataRejected, InternalFault
from features.snapshot import EVIDENCE, data_coverage, family_coverage, snapshot
from features.view import assert_known
from tests.small_books import AS_OF, ago, line, small_book

MIDNIGHT = pd.Timestamp(AS_OF)
ACCOUNTS = ["a", "b", "c", "d"]
CLOSING = ["closed_at", "csat", "reopened", "escalated", "first_response_minutes"]


def random_tables(seed, late):
    """Draw a small book; about a third of its rows come after the as-of date, or known late."""
    draw = np.random.default_rng(seed)

    def pick(n, values):
        return [values[k] for k in draw.integers(0, len(values), n)]

    def times(n):
        return [MIDNIGHT + timedelta(hours=int(h)) for h in draw.integers(-24 * 120, 24 * 45, n)]

    def dates(n, first=-400, last=120):
        return [AS_OF + timedelta(days=int(k)) for k in draw.integers(first, last, n)]

    def known(moments):
        delays = draw.integers(0, 24 * 20, len(moments)) * (draw.random(len(moments)) < late)
        return [m + timedelta(hours=int(h)) for m, h in zip(moments, delays, strict=True)]

    n = int(draw.integers(3, 60))
    used, opened, touched, seen = times(3 * n), times(n), times(n), times(n)
    starts = [AS_OF - timedelta(days=300)] * 4 + dates(8)
    terms = pick(12, [None, 1, 6, 12])
    ends = [
        pick(
            1, [None, start + timedelta(days=int(draw.integers(20, 500))), contracted(start, term)]
        )[0]
        for start, term in zip(starts, terms, strict=True)
    ]
    return {
        "subscriptions": pd.DataFrame(
            {
                "subscription_id": [f"s{k}" for k in range(12)],
                "account_id": ACCOUNTS + pick(8, ACCOUNTS),
                "starts_on": starts,
                "ends_on": ends,
                "term_months": pd.array(terms, dtype="Int64"),
                "canceled_on": pick(12, [None, None, *dates(2)]),
                "mrr_micros": [int(m) * 1_000_000 for m in draw.integers(10, 900, 12)],
                "seats": pd.array(pick(12, [None, 5, 20]), dtype="Int64"),
                "plan": pick(12, ["basic", "pro"]),
                "status": pick(12, ["active", "canceled"]),
                "currency": "USD",
            }
        ),
        "usage": pd.DataFrame(
            {
                "account_id": pick(3 * n, ACCOUNTS[:3]),
                "occurred_at": used,
                "feature": pick(3 * n, ["f", "g", "h"]),
                "user_id": pick(3 * n, ["u", "v", None]),
                "count": pick(3 * n, [1.0, 2.5, 0.0]),
                "recorded_at": known(used),
            }
        ),
        "feature_catalog": pd.DataFrame(
            {"feature": ["f", "g", "h"], "tier": ["core", "core", "advanced"], "activation": [True, False, False]}
        ),
        "tickets": pd.DataFrame(
            {
                "ticket_id": [f"t{k}" for k in range(n)],
                "account_id": pick(n, ACCOUNTS),
                "opened_at": opened,
                "closed_at": [
                    at + timedelta(days=int(k)) if k < 40 else None
                    for at, k in zip(opened, draw.integers(0, 60, n), strict=True)
                ],
                "severity": pick(n, ["low", "high", "urgent"]),
                "category": pick(n, ["bug", "question"]),
                "csat": pick(n, [None, 1.0, 4.0]),
                "escalated": pick(n, [True, False]),
                "reopened": pick(n, [True, False]),
                "first_response_minutes": pick(n, [5.0, 200.0]),
                "recorded_at": known(opened),
            }
        ),
        "touchpoints": pd.DataFrame(
            {
                "account_id": pick(n, ACCOUNTS),
                "occurred_at": touched,
                "kind": pick(n, ["qbr", "nps", "champion_left", "email_in", "notice_given"]),
                "value": pick(n, [3.0, 9.0]),
                "recorded_at": known(touched),
            }
        ),
        "events": pd.DataFrame(
            {
                "account_id": pick(n, ACCOUNTS),
                "occurred_at": seen,
                "kind": pick(n, ["gate_hit", "pricing_view", "payment_failed"]),
                "user_id": pick(n, ["u", None]),
                "feature": pick(n, ["sso", None]),
                "recorded_at": known(seen),
            }
        ),
        "limits": pd.DataFrame(
            {
                "account_id": pick(n, ACCOUNTS),
                "metric": pick(n, ["seats", "api_calls"]),
                "observed_on": dates(n, -60, 30),
                "used": pick(n, [1.0, 8.0, 70.0]),
                "limit": pick(n, [100.0, 10.0]),
            }
        ),
        "contacts": pd.DataFrame(
            {
                "contact_id": ["k1", "k2"],
                "account_id": pick(2, ACCOUNTS),
                "role": "champion",
                "left_on": dates(2, -30, 30),
            }
        ),
    }  # fmt: skip


def contracted(start, term):
    return None if pd.isna(term) else add_months(start, int(term))


def shaped(tables):
    frames = {"accounts": pd.DataFrame({"account_id": ACCOUNTS}), **tables}
    return {name: canonical(name, frame) for name, frame in frames.items()}


KNOWN = "known_at < TIMESTAMPTZ '2025-07-01 00:00:00+00'"
CLOSED = "CASE WHEN closed_at < TIMESTAMPTZ '2025-07-01 00:00:00+00' THEN {0} END AS {0}"
PAST = "CASE WHEN {0} < DATE '2025-07-01' THEN {0} END AS {0}"
TOLD = """CASE WHEN ends_on < DATE '2025-07-01' OR canceled_on < DATE '2025-07-01'
    OR ends_on = CAST(starts_on + to_months(CAST(term_months AS INTEGER)) AS DATE)
    THEN ends_on END AS ends_on"""
BLANKS = {
    "tickets": [CLOSED.format(column) for column in CLOSING],
    "subscriptions": [TOLD, PAST.format("canceled_on"), "NULL AS status"],
    "contacts": [PAST.format("left_on")],
}


def as_it_was(tables):
    """Delete what was not known, and blank what was filled in later."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    then = {}
    for name, table in tables.items():
        connection.register("source", table)
        blank = f"REPLACE ({', '.join(BLANKS[name])})" if name in BLANKS else ""
        known = KNOWN if "known_at" in table.column_names else "true"
        rows = connection.sql(f"SELECT * {blank} FROM source WHERE {known}").to_arrow_table()
        then[name] = rows.cast(table.schema)
    return then


def seen(tables, as_of=AS_OF):
    return snapshot(Book.of(tables, BookFacts(as_of=AS_OF)), as_of)


def guard(seed, late):
    tables = shaped(random_tables(seed, late))
    pd.testing.assert_frame_equal(seen(tables), seen(as_it_was(tables)), check_exact=True)


# a seed has no smaller form: nothing is shrunk
QUIETLY = {"deadline": None, "phases": [Phase.explicit, Phase.reuse, Phase.generate]}


@pytest.mark.ci
@given(seed=st.integers(0, 2**32 - 1), late=st.sampled_from([0.0, 0.5]))
@settings(max_examples=4, **QUIETLY)
def test_what_was_not_known_never_changes_a_snapshot(seed, late):
    guard(seed, late)


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), late=st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=60, **QUIETLY)
def test_what_was_not_known_never_changes_many_snapshots(seed, late):
    guard(seed, late)


@pytest.mark.ci
def test_an_old_date_gives_its_row_again():
    tables = shaped(random_tables(7, 0.5))
    book = Book.of(tables, BookFacts(as_of=AS_OF))
    snapshot(book, AS_OF + timedelta(days=30))
    pd.testing.assert_frame_equal(snapshot(book, AS_OF), seen(as_it_was(tables)), check_exact=True)


@pytest.mark.ci
@pytest.mark.fault("F09")
def test_the_order_of_rows_changes_nothing():
    tables = shaped(random_tables(11, 0.5))
    draw = np.random.default_rng(1)
    mixed = {name: rows.take(draw.permutation(len(rows))) for name, rows in tables.items()}
    pd.testing.assert_frame_equal(seen(tables), seen(mixed), check_exact=True)


def test_one_sorted_row_per_paying_account_and_one_column_per_signal():
    lines = [
        line("b"),
        line("a", 20_000, currency="USD", product="core", plan="pro"),
        line("gone", ends_on="2025-06-30"),
        line("new", starts="2025-07-01"),
    ]
    accounts = [
        {"account_id": name, "name": name.upper(), "csm": "Ada"}
        for name in ("a", "b", "gone", "new")
    ]
    frame = snapshot(small_book(lines, accounts=accounts), AS_OF)
    assert frame["account_id"].tolist() == ["a", "b"]
    assert frame["name"].tolist() == ["A", "B"]
    assert frame["acv_segment"].tolist() == ["strategic", "smb"]
    assert frame["segment"].tolist() == ["strategic", "smb"]
    assert frame["mrr_micros"].tolist() == [20_000_000_000, 100_000_000]
    slugs = [signal.slug for signal in CATALOG]
    assert frame.columns[-len(slugs) - len(EVIDENCE) :].tolist() == [*slugs, *EVIDENCE]
    assert (frame[slugs].dtypes == "float64").all()
    assert frame.loc[0, ["product", "plan", "currency", "csm"]].tolist() == [
        "core",
        "pro",
        "USD",
        "Ada",
    ]


def test_the_accounts_asked_for_are_measured_on_the_whole_book():
    book = small_book([line("a"), line("b"), line("c")])
    whole, some = snapshot(book, AS_OF), snapshot(book, AS_OF, accounts=["c", "a"])
    expected = whole[whole["account_id"].isin(["a", "c"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, expected)


@pytest.mark.ci
def test_a_segment_is_the_books_own_as_it_was():
    accounts = [{"account_id": "a", "segment": "gold"}]
    history = [
        {"account_id": "a", "valid_from": "2024-01-01", "segment": "silver"},
        {"account_id": "a", "valid_from": "2025-07-01", "segment": "gold"},
    ]
    book = small_book([line("a")], accounts=accounts, account_history=history)
    assert snapshot(book, AS_OF)["segment"].tolist() == ["silver"]
    assert snapshot(book, AS_OF + timedelta(days=1))["segment"].tolist() == ["gold"]


def test_nobody_pays():
    book = small_book([line("a", starts="2025-06-01")])
    frame = snapshot(book, date(2025, 1, 1))
    assert frame.empty
    assert "usage_events_28d" in frame.columns


@pytest.mark.fault("F05")
def test_an_infinite_signal_is_refused(monkeypatch):
    def broken(view, families):
        named = [*(s.slug for s in CATALOG), *EVIDENCE]
        return pd.DataFrame(dict.fromkeys(named, np.inf), index=view.standing.index)

    monkeypatch.setattr(door, "account_frame", broken)
    with pytest.raises(DataRejected, match="usage_events_7d: not finite for 2 accounts") as held:
        snapshot(small_book([line("a"), line("b")]), AS_OF)
    assert held.value.code == "feature.not_finite"


@pytest.mark.fault("F01")
def test_a_row_not_yet_known_stops_the_build():
    with pytest.raises(InternalFault, match="usage: a row known 0 days after") as held:
        assert_known("usage", 20270, 20270)
    assert (held.value.code, held.value.exit_code) == ("leak.future_event", 70)


def test_coverage_is_the_share_of_signals_present():
    usage = [{"account_id": "a", "occurred_at": ago(d), "feature": "f"} for d in range(1, 90)]
    frame = snapshot(small_book([line("a"), line("b")], usage=usage), AS_OF)
    observed = data_coverage(frame)
    assert 0.1 < observed["a"] < 0.3
    assert observed["b"] == 0
    known = family_coverage(frame)
    assert known.columns.tolist() == list(dict.fromkeys(signal.family for signal in CATALOG))
    assert known.loc["a", "usage"] > 0.5
    assert known.loc[:, "support"].tolist() == [0, 0]
    assert (known["commercial"] > 0.3).all()


@pytest.mark.ci
def test_money_above_what_a_float_holds_exactly_is_measured() -> None:
    book = small_book([line("a", mrr=33_383_900_000)])
    frame = snapshot(book, AS_OF)
    assert frame["mrr_micros"].tolist() == [33_383_900_000 * 10**6]
    assert np.isfinite(frame["commercial_mrr_log"]).all()


@pytest.mark.ci
def test_a_book_in_which_nobody_pays_any_more_has_its_columns() -> None:
    left = [line("a", ends_on="2025-03-01")]
    catalog = [{"feature": "report", "tier": "core"}]
    frame = snapshot(small_book(left, feature_catalog=catalog), AS_OF)
    assert len(frame) == 0
    assert {signal.slug for signal in CATALOG} <= set(frame)
