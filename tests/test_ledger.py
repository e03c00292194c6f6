"""The ledger: hand-worked worlds, its laws, and an oracle in plain Python."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import ledger
from features.asof import add_months, month_ends
from features.book import Book, BookFacts
from features.contracts import canonical
from features.faults import DataRejected, InternalFault
from features.ledger import account_months, month_table, movements, mrr_on
from features.rules import Rules

FACTS = BookFacts(as_of=date(2025, 7, 1))
FLOWS = ("new", "reactivation", "expansion", "contraction", "churned", "fx")


def book_of(*lines: dict[str, Any], facts: BookFacts = FACTS, **tables: pd.DataFrame) -> Book:
    frame = pd.DataFrame([{"account_id": "a"} | line for line in lines])
    frames = {"subscriptions": frame, **tables}
    return Book.of({name: canonical(name, rows) for name, rows in frames.items()}, facts)


def line(start: str, end: str | None, mrr: float, **more: Any) -> dict[str, Any]:
    if "list_mrr" in more:
        more["list_mrr_micros"] = round(more.pop("list_mrr") * 1e6)
    return {"starts_on": start, "ends_on": end, "mrr_micros": round(mrr * 1e6)} | more


def flows(book: Book, month: str, rules: Rules | None = None) -> dict[str, float]:
    """Give the non-zero amounts of account "a" in a month, in whole units."""
    months = account_months(book, rules or Rules())
    row = months[months["month_end"].map(str).str.startswith(month)].iloc[0]
    found = {name: row[f"{name}_micros"] / 1e6 for name in ("opening", *FLOWS, "closing")}
    return {name: amount for name, amount in found.items() if amount}


def levers(book: Book, month: str) -> dict[str, float]:
    moves = movements(book, Rules())
    rows = moves[moves["month_end"].map(str).str.startswith(month)]
    named = rows.assign(name=rows["lever"].fillna(rows["class"]))
    return {k: v / 1e6 for k, v in named.groupby("name")["amount_micros"].sum().items()}


# --- parts of closing and churn


def parts(book: Book, month: str, account: str = "a") -> dict[str, float]:
    """Give the non-zero amounts of an account's row of a month, in whole units."""
    number = 12 * int(month[:4]) + int(month[5:]) - 1
    rows = month_table(book, Rules()).to_pylist()
    row = next(r for r in rows if r["account_id"] == account and r["m"] <= number < r["until_m"])
    return {k[:-7]: v / 1e6 for k, v in row.items() if k.endswith("_micros") and v}


def test_a_paused_line_that_is_renewed_late_is_not_in_grace() -> None:
    late = line("2024-01-16", "2025-01-16", 30, term_months=12, paused_from="2024-04-03")
    renewed = line("2025-02-10", None, 30)
    other = line("2024-01-01", None, 100, product="p")
    assert parts(book_of(late, renewed, other), "2025-01")["closing"] == 100
    assert "grace" not in parts(book_of(late, renewed, other), "2025-01")
    running = {k: v for k, v in late.items() if k != "paused_from"}
    assert parts(book_of(running, renewed, other), "2025-01")["grace"] == 30


def test_a_line_lost_unpaid_stays_involuntary_in_an_account_that_was_once_in_arrears() -> None:
    lost = line("2024-01-01", "2025-03-15", 10, loss_reason="involuntary", term_months=1)
    owed = {"invoice_id": "i", "account_id": "a", "due_on": "2024-03-01", "paid_on": "2024-06-01"}
    book = book_of(lost, payments=pd.DataFrame([owed | {"amount_micros": 10**7}]))
    assert parts(book, "2024-03")["involuntary_churn"] == 10
    assert parts(book, "2025-03")["involuntary_churn"] == 10


def test_a_merger_into_an_account_that_had_merged_goes_straight_to_the_last_survivor() -> None:
    rows = [("b", "2025-02-10", "c"), ("a", "2025-04-10", "b")]
    history = pd.DataFrame(rows, columns=["account_id", "valid_from", "merged_into"])
    book = book_of(
        line("2024-01-01", None, 10),
        line("2024-01-01", None, 5, account_id="b"),
        line("2024-01-01", None, 1, account_id="c"),
        account_history=history,
    )
    assert parts(book, "2025-04")["merger_churn"] == 10
    april = parts(book, "2025-04", "c")
    assert (april["opening"], april["merger"], april["closing"]) == (6, 10, 16)
    assert parts(book, "2025-04", "b") == parts(book, "2025-02", "b")


def test_a_line_that_another_account_lost_unpaid_is_no_involuntary_churn_of_the_first() -> None:
    merged = [{"account_id": "a", "valid_from": "2025-02-20", "merged_into": "b"}]
    book = book_of(
        line("2024-01-01", "2025-02-05", 7, product="p", term_months=1),
        line("2024-01-01", "2025-05-05", 10, loss_reason="involuntary", term_months=1),
        account_history=pd.DataFrame(merged),
    )
    february = parts(book, "2025-02")
    assert (february["churned"], february["merger_churn"]) == (17, 10)
    assert "involuntary_churn" not in february
    assert parts(book, "2025-05", "b")["involuntary_churn"] == 10


def test_usage_holds_through_the_month_though_a_first_contract_comes_later() -> None:
    billed = line("2025-02-01", "2025-03-01", 30, kind="usage", product="u")
    for more in ((), (line("2025-06-01", None, 100),)):
        book = book_of(billed, *more)
        paid = [mrr_on(book, date(2025, 3, day), Rules())["mrr_micros"].sum() for day in (15, 30)]
        assert paid == [30_000_000, 30_000_000]


def test_a_brief_line_that_is_paused_from_its_first_day_moves_nothing() -> None:
    kept = line("2024-01-01", "2024-03-01", 10)
    paused = line("2025-02-03", "2025-02-20", 7, paused_from="2025-02-03")
    assert flows(book_of(kept, paused), "2025-02") == {}
    later = paused | {"paused_from": "2025-02-10"}
    assert flows(book_of(kept, later), "2025-02") == {"reactivation": 7, "churned": 7}


def test_a_return_is_measured_to_its_first_day_though_that_line_was_brief() -> None:
    book = book_of(
        line("2024-06-01", "2025-01-01", 10),
        line("2025-05-13", "2025-05-18", 4),
        line("2025-05-19", None, 30),
    )
    assert flows(book, "2025-05", Rules(reactivation="new")) == {"new": 30, "closing": 30}
    longer = Rules(reactivation="new", reactivation_gap_days=133)
    assert flows(book, "2025-05", longer) == {"reactivation": 30, "closing": 30}


def test_a_line_of_usage_was_served_to_its_months_end_though_the_account_closed_later() -> None:
    usage = {"kind": "usage", "product": "u"}
    book = book_of(
        line("2025-01-01", "2025-02-20", 5, product="p", term_months=1),
        line("2025-01-01", "2025-02-01", 30, **usage),
        line("2025-05-02", None, 40, product="u"),
    )
    found = month_table(book, Rules(reactivation="new"), lines=("product",)).to_pylist()
    may = [row for row in found if row["product"] == "u" and row["m"] == 12 * 2025 + 4]
    assert [row["new_micros"] for row in may] == [40_000_000]


# --- REVENUE's cases


def test_case_5_an_annual_renewal_at_a_higher_price_is_one_expansion() -> None:
    book = book_of(
        line("2024-03-01", "2025-03-01", 10_000, term_months=12),
        line("2025-03-01", "2026-03-01", 12_500, term_months=12),
    )
    assert flows(book, "2025-03") == {"opening": 10_000, "expansion": 2_500, "closing": 12_500}
    moves = movements(book, Rules())
    assert list(moves["class"]) == ["new", "expansion"]


def test_case_6_month_to_month_back_after_two_months_is_a_churn_and_a_return() -> None:
    book = book_of(
        line("2024-06-01", "2025-01-15", 50, interval_months=1), line("2025-03-02", None, 60)
    )
    assert flows(book, "2025-01") == {"opening": 50, "churned": 50}
    assert flows(book, "2025-02") == {}
    assert flows(book, "2025-03") == {"reactivation": 60, "closing": 60}


def test_case_6_annual_renewed_20_days_late_across_a_month_end_is_neither() -> None:
    book = book_of(line("2024-01-20", "2025-01-20", 50), line("2025-02-09", None, 50))
    assert set(movements(book, Rules())["class"]) == {"new"}
    assert list(movements(book, Rules(late_renewal_days=0))["class"]) == [
        "new",
        "churn",
        "reactivation",
    ]


def test_case_8_an_open_line_stays_alive_to_the_last_month() -> None:
    months = account_months(book_of(line("2025-01-10", None, 5)), Rules())
    assert list(months["month_end"]) == month_ends(date(2025, 1, 1), date(2025, 6, 1))
    assert set(months["closing_micros"]) == {5_000_000}


# --- classes


def test_one_of_two_lines_cancelled_is_a_contraction_by_product() -> None:
    book = book_of(
        line("2025-01-01", None, 70, product="core"),
        line("2025-01-01", "2025-04-10", 30, product="chat"),
    )
    assert flows(book, "2025-04") == {"opening": 100, "contraction": 30, "closing": 70}
    assert levers(book, "2025-04") == {"product": -30}


def test_new_and_churned_in_one_month_count_both() -> None:
    book = book_of(
        line("2025-02-03", "2025-02-20", 40, interval_months=1), line("2025-05-01", None, 10)
    )
    assert flows(book, "2025-02") == {"new": 40, "churned": 40}
    assert flows(book, "2025-05") == {"reactivation": 10, "closing": 10}


def test_a_gap_that_covers_no_month_end_needs_no_rule() -> None:
    book = book_of(
        line("2024-06-01", "2025-02-05", 50, interval_months=1), line("2025-02-20", None, 50)
    )
    assert set(movements(book, Rules())["class"]) == {"new"}


def test_a_move_to_zero_is_churn() -> None:
    book = book_of(line("2025-01-01", "2025-03-01", 50), line("2025-03-01", None, 0))
    assert flows(book, "2025-03") == {"opening": 50, "churned": 50}


def test_a_trial_is_no_customer_until_the_first_paid_day() -> None:
    book = book_of(line("2025-01-01", "2025-03-01", 50, kind="trial"), line("2025-03-01", None, 50))
    assert flows(book, "2025-03") == {"new": 50, "closing": 50}
    assert account_months(book, Rules())["month_end"].min() == date(2025, 3, 31)


def test_a_pause_is_zero_and_flagged() -> None:
    book = book_of(line("2025-01-01", None, 50, paused_from="2025-03-05", paused_to="2025-05-01"))
    assert flows(book, "2025-03") == {"opening": 50, "churned": 50}
    assert flows(book, "2025-05") == {"reactivation": 50, "closing": 50}
    assert levers(book, "2025-03") == {"pause": -50}
    assert levers(book, "2025-05") == {"pause": 50}


def test_a_line_that_ends_in_its_pause_moves_nothing_more() -> None:
    book = book_of(line("2025-01-01", "2025-04-20", 50, paused_from="2025-03-05"))
    assert flows(book, "2025-04") == {}


def test_nothing_of_the_ledger_lies_after_the_last_closed_month() -> None:
    book = book_of(line("2025-01-01", None, 50), line("2025-07-01", None, 50))
    assert account_months(book, Rules())["month_end"].max() == date(2025, 6, 30)
    early = account_months(book, Rules(), until=date(2025, 3, 30))
    assert early["month_end"].max() == date(2025, 2, 28)
    known = account_months(book, Rules(), as_of=date(2025, 3, 1))
    assert known["month_end"].max() == date(2025, 2, 28)


# --- fx


def rates(*rows: tuple[str, float]) -> pd.DataFrame:
    return pd.DataFrame([{"currency": "EUR", "date": day, "rate": rate} for day, rate in rows])


def test_one_rate_set_serves_a_fiscal_year_and_its_change_is_fx() -> None:
    book = book_of(
        line("2024-11-01", None, 100, currency="EUR"),
        fx_rates=rates(("2023-12-29", 1.1), ("2024-06-01", 9.0), ("2025-01-01", 1.2)),
    )
    assert flows(book, "2024-12") == {"opening": 110, "closing": 110}
    assert flows(book, "2025-01") == {"opening": 110, "fx": 10, "closing": 120}
    paid = [
        mrr_on(book, day, Rules())["mrr_micros"].sum()
        for day in month_ends(date(2024, 12, 1), date(2025, 1, 1))
    ]
    assert paid == [110_000_000, 120_000_000]


def test_a_movement_is_measured_at_the_new_years_rates() -> None:
    book = book_of(
        line("2024-11-01", "2025-01-10", 100, currency="EUR"),
        line("2025-01-10", None, 150, currency="EUR"),
        fx_rates=rates(("2024-01-01", 1.1), ("2025-01-01", 1.2)),
    )
    assert flows(book, "2025-01") == {"opening": 110, "fx": 10, "expansion": 60, "closing": 180}


def test_a_loss_stays_a_loss_though_the_rate_rose() -> None:
    book = book_of(
        line("2024-11-01", "2025-01-10", 100, currency="EUR"),
        line("2025-01-10", None, 95, currency="EUR"),
        fx_rates=rates(("2024-01-01", 1.1), ("2025-01-01", 1.2)),
    )
    assert flows(book, "2025-01") == {"opening": 110, "fx": 10, "contraction": 6, "closing": 114}


@pytest.mark.fault("F13")
def test_a_missing_rate_is_refused_with_pair_and_date() -> None:
    book = book_of(
        line("2024-11-01", None, 100, currency="EUR"), fx_rates=rates(("2023-12-24", 1.1))
    )
    with pytest.raises(DataRejected, match="EUR/USD for 2024-01-01") as refused:
        account_months(book, Rules())
    assert (refused.value.code, refused.value.exit_code) == ("fx.missing", 65)


@pytest.mark.fault("F13")
def test_a_rate_up_to_seven_days_old_serves() -> None:
    book = book_of(
        line("2024-11-01", "2024-12-01", 100, currency="EUR"), fx_rates=rates(("2023-12-25", 1.1))
    )
    assert mrr_on(book, date(2024, 11, 30), Rules())["mrr_micros"].sum() == 110_000_000


def test_the_fiscal_year_sets_the_rate() -> None:
    facts = BookFacts(as_of=date(2025, 7, 1), fiscal_year_starts=4)
    table = rates(("2024-04-01", 1.1), ("2025-04-01", 1.2))
    book = book_of(line("2025-02-01", None, 100, currency="EUR"), facts=facts, fx_rates=table)
    assert flows(book, "2025-03") == {"opening": 110, "closing": 110}
    assert flows(book, "2025-04") == {"opening": 110, "fx": 10, "closing": 120}


# --- an oracle in plain Python, on random accounts


def random_lines(rng: random.Random, account: str) -> list[dict[str, Any]]:
    found = []
    for _ in range(rng.randint(1, 6)):
        start = date(2024, 1, 1) + timedelta(days=rng.randint(0, 400))
        term = rng.choice([1, 1, 3, 6, 12])
        end = rng.choice(
            [add_months(start, term), start + timedelta(days=rng.randint(1, 300)), None]
        )
        more: dict[str, Any] = {
            "product": rng.choice(["p", "q"]),
            "kind": rng.choice(["recurring"] * 8 + ["trial"]),
        }
        if rng.random() < 0.5:
            more["term_months"] = term
        if rng.random() < 0.1:
            more["paused_from"] = start + timedelta(days=rng.randint(0, 90))
            more["paused_to"] = more["paused_from"] + timedelta(days=rng.randint(1, 90))
        paid = rng.choice([0, 1, 10.5, 33.333333, 120])
        found.append(
            line(str(start), None if end is None else str(end), paid, account_id=account, **more)
        )
    return found


def whole_months(start: date, end: date) -> int | None:
    return next((n for n in range(1, 40) if add_months(start, n) == end), None)


def oracle_lines(lines: list[dict[str, Any]], rules: Rules) -> list[dict[str, Any]]:
    """Parse the lines of one account, and bridge its late renewals, the slow way."""
    parsed = []
    for raw in lines:
        if not raw["mrr_micros"] or raw["kind"] != "recurring":
            continue
        start = date.fromisoformat(raw["starts_on"])
        end = date.fromisoformat(raw["ends_on"]) if raw["ends_on"] else None
        term = raw.get("term_months") or (end and whole_months(start, end)) or 1
        parsed.append({**raw, "start": start, "end": end, "held": end, "term": term})
    for one in parsed:
        if one["end"] is None or one["term"] < rules.late_renewal_min_term:
            continue
        same = [x["start"] for x in parsed if x["product"] == one["product"]]
        if one["end"] in same:
            continue
        ends = {x["end"] for x in parsed if x["product"] == one["product"]}
        after = [day for day in same if day > one["end"] and day not in ends]
        limit = one["end"] + timedelta(days=rules.late_renewal_days)
        alone = not any(
            x["start"] <= one["end"] and (x["end"] is None or x["end"] > one["end"]) for x in parsed
        )
        anything = [x["start"] for x in parsed if x["start"] > one["end"]]
        if after and min(after) <= limit:
            one["held"] = min(after)
        elif alone and anything and min(anything) <= limit:
            one["held"] = min(anything)
    return parsed


def oracle_mrr(parsed: list[dict[str, Any]], day: date) -> int:
    return sum(
        x["mrr_micros"]
        for x in parsed
        if x["start"] <= day
        and (x["held"] is None or day < x["held"])
        and not (x.get("paused_from") and x["paused_from"] <= day < x["paused_to"])
    )


def oracle_months(lines: list[dict[str, Any]], rules: Rules) -> list[tuple[Any, ...]]:
    """Walk one account's month-ends: (month_end, opening, new, back, up, down, lost, closing)."""
    parsed = oracle_lines(lines, rules)
    rows, opening, seen = [], 0, False
    for end in month_ends(date(2024, 1, 1), date(2025, 6, 1)):
        closing = oracle_mrr(parsed, end)
        new = back = up = down = lost = 0
        if opening == 0 and closing == 0:
            inside = [
                x
                for x in parsed
                if x["held"] and end.replace(day=1) <= x["start"] <= x["held"] <= end
            ]
            first = min((x["start"] for x in inside), default=None)
            lost = gained = sum(x["mrr_micros"] for x in inside if x["start"] == first)
            new, back = (0, gained) if seen else (gained, 0)
        elif opening == 0:
            new, back = (0, closing) if seen else (closing, 0)
        elif closing == 0:
            lost = opening
        else:
            up, down = max(closing - opening, 0), max(opening - closing, 0)
        seen = seen or bool(new)
        if seen:
            rows.append((end, opening, new, back, up, down, lost, closing))
        opening = closing
    return rows


COLUMNS = [
    "month_end",
    *(
        f"{n}_micros"
        for n in (
            "opening",
            "new",
            "reactivation",
            "expansion",
            "contraction",
            "churned",
            "closing",
        )
    ),
]


@pytest.mark.parametrize(
    "rules",
    [
        Rules(),
        pytest.param(Rules(late_renewal_min_term=0), marks=pytest.mark.ci),
        pytest.param(Rules(late_renewal_days=0), marks=pytest.mark.ci),
    ],
)
def test_the_ledger_is_what_plain_python_says_on_800_random_accounts(rules: Rules) -> None:
    rng = random.Random(rules.late_renewal_min_term + rules.late_renewal_days)
    worlds = {f"a{n:03}": random_lines(rng, f"a{n:03}") for n in range(800)}
    book = book_of(*(x for lines in worlds.values() for x in lines))
    months = account_months(book, rules)
    got = {
        name: list(rows[COLUMNS].itertuples(index=False, name=None))
        for name, rows in months.groupby("account_id")
    }
    for name, lines in worlds.items():
        assert got.get(name, []) == oracle_months(lines, rules), (name, lines)


LINE = st.builds(
    lambda account, start, length, mrr, seats, plan, product, ramp, off: line(
        str(date(2024, 6, 1) + timedelta(days=start)),
        None if length is None else str(date(2024, 6, 1) + timedelta(days=start + length)),
        mrr,
        account_id=account,
        seats=seats,
        plan=plan,
        product=product,
        ramp=ramp,
        list_mrr=mrr * off,
    ),
    st.sampled_from("ab"),
    st.integers(0, 300),
    st.none() | st.integers(1, 300),
    st.sampled_from([0.0, 1.0, 99.99, 33.333333]),
    st.none() | st.integers(0, 40),
    st.sampled_from(["basic", "pro", None]),
    st.sampled_from(["p", "q"]),
    st.booleans(),
    st.sampled_from([1.0, 1.25]),
)
BOOKS = st.lists(LINE, min_size=1, max_size=8)
FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(FEW, max_examples=25)


@pytest.mark.ci
@pytest.mark.fault("B22")
@FEW
@given(BOOKS)
def test_movements_and_levers_make_the_closing_of_every_account_and_month(
    lines: list[dict[str, Any]],
) -> None:
    book = book_of(*lines)
    months, moves = account_months(book, Rules()), movements(book, Rules())
    sums = moves.groupby(["account_id", "month_end"])["amount_micros"].sum()
    keyed = months.set_index(["account_id", "month_end"])
    change = keyed["closing_micros"] - keyed["opening_micros"]
    assert change[change != 0].to_dict() == sums[sums != 0].to_dict()
    named = moves[moves["class"].isin(["expansion", "contraction"])]
    assert named["lever"].notna().all()
    assert not named.duplicated(["account_id", "month_end", "lever", "product"]).any()
    follows = months.groupby("account_id")["closing_micros"].shift(fill_value=0)
    assert (months["opening_micros"] == follows).all()


def check_order(lines: list[dict[str, Any]], shuffled: list[dict[str, Any]]) -> None:
    one, other = book_of(*lines), book_of(*shuffled)
    for asked in (account_months, movements):
        pd.testing.assert_frame_equal(asked(one, Rules()), asked(other, Rules()))


def check_blanking(lines: list[dict[str, Any]], as_of: date) -> None:
    def blank(one: dict[str, Any]) -> dict[str, Any]:
        unknown = one["ends_on"] is not None and one["ends_on"] >= str(as_of)
        return one | {"ends_on": None} if unknown else one

    known = [one for one in lines if one["starts_on"] < str(as_of)]
    if not known:
        return
    full, blanked = book_of(*lines), book_of(*map(blank, known))
    pd.testing.assert_frame_equal(
        account_months(full, Rules(), as_of=as_of), account_months(blanked, Rules(), as_of=as_of)
    )
    day = as_of - timedelta(days=1)
    pd.testing.assert_frame_equal(
        mrr_on(full, day, Rules(), as_of=as_of), mrr_on(blanked, day, Rules(), as_of=as_of)
    )


def many_lines(seed: int, accounts: int = 200) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [one for n in range(accounts) for one in random_lines(rng, f"a{n}")]


def test_the_order_of_rows_is_irrelevant() -> None:
    lines = many_lines(1)
    check_order(lines, random.Random(2).sample(lines, len(lines)))


@pytest.mark.parametrize("as_of", [date(2024, 8, 1), date(2025, 1, 15), date(2025, 6, 30)])
def test_blanking_every_end_not_known_yet_changes_no_figure(as_of: date) -> None:
    check_blanking(many_lines(3), as_of)


@pytest.mark.ci
@MANY
@given(BOOKS, st.randoms(), st.dates(date(2024, 8, 1), date(2025, 6, 1)))
def test_order_and_unknown_ends_are_irrelevant_in_any_book(
    lines: list[dict[str, Any]], rng: random.Random, as_of: date
) -> None:
    check_order(lines, rng.sample(lines, len(lines)))
    check_blanking(lines, as_of)


@pytest.mark.fault("B22")
def test_a_broken_identity_is_a_bug_that_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ledger, "_EVERY_MONTH", ledger._EVERY_MONTH.replace("THEN new ELSE", "THEN 1 ELSE")
    )
    with pytest.raises(InternalFault, match="account a, 2025-01-31") as broken:
        account_months(book_of(line("2025-01-01", None, 5)), Rules())
    assert broken.value.exit_code == 70


def test_a_thousand_billion_a_month_is_still_exact() -> None:
    book = book_of(line("2025-01-01", None, 1e12), line("2025-02-01", None, 0.000001, product="x"))
    assert account_months(book, Rules())["closing_micros"].iloc[-1] == 10**18 + 1


def test_an_empty_book_has_an_empty_ledger() -> None:
    months = account_months(book_of(line("2025-01-01", None, 0)), Rules())
    assert len(months) == 0
    assert months["opening_micros"].dtype == "int64"
