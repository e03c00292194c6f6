"""Hostile revenue: books that lie, and what must not move because of them."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pyarrow as pa
import pytest

from features import ledger
from features.asof import add_months
from features.book import Book, BookFacts
from features.contracts import canonical
from features.retention import metrics
from features.rules import Rules
from tests.command_line import made, perennial

pytestmark = pytest.mark.ci

TOML = '[book]\nas_of = "2025-07-01"\ntimezone = "Europe/Berlin"\n'
ACCOUNTS = "account_id,segment,parent_account_id\na,smb,b\nb,smb,c\nc,ent,a\n"
HEAD = "subscription_id,account_id,starts_on,ends_on,mrr,currency,seats,recorded_at\n"
CLEAN = (
    "s1,a,2024-01-01,,100,USD,5,\ns2,b,2024-01-01,2025-03-01,50,,,\ns3,c,2024-01-01,,900,usd,,\n"
)

# A row, the column that is blamed, the code; none of them may move a figure.
ROWS = [
    pytest.param("x,a,2025-01-31,2025-01-01,9,USD,,", "ends_on", "subscription.interval",
                 id="reversed", marks=pytest.mark.fault("I35")),
    pytest.param("s1,a,2025-01-01,,9,USD,,", "starts_on", "subscription.overlap",
                 id="overlap", marks=pytest.mark.fault("I35")),
    pytest.param("x,a,2025-01-01,9999-12-31,9,USD,,", "ends_on", "timestamp.sentinel",
                 id="no end", marks=pytest.mark.fault("I30")),
    pytest.param("x,a,2025-01-01,0001-01-01,9,USD,,", "ends_on", "timestamp.sentinel",
                 id="end of old", marks=pytest.mark.fault("I30")),
    pytest.param("x,a,1970-01-01,,9,USD,,", "starts_on", "timestamp.sentinel",
                 id="epoch", marks=pytest.mark.fault("I30")),
    pytest.param("x,a,2025-01-01,,9,EURO,,", "currency", "currency.unknown",
                 id="currency", marks=pytest.mark.fault("I26")),
    pytest.param("x,a,2025-01-01,,9,USD,,2025-03-30 02:30:00", "recorded_at",
                 "timestamp.nonexistent", id="skipped hour", marks=pytest.mark.fault("I28")),
    pytest.param("x,a,2025-01-01,,1e15,USD,,", "mrr", "number.out_of_range", id="1e15"),
    pytest.param("x,a,2025-01-01,,-9,USD,,", "mrr", "number.negative", id="negative"),
    pytest.param("x,a,2025-01-01,,9,USD,999999999999999999,", "seats", "number.out_of_range",
                 id="seats"),
    pytest.param("x,zz,2025-01-01,,9,USD,,", "account_id", "key.unknown_account", id="stranger"),
]  # fmt: skip


def figures(folder: Path, *asked: str) -> Any:
    """Ingest and measure as the user would; windows and series."""
    told = perennial(
        folder, "metrics", "--window", "2024-12:2025-06", "--by", "segment", "--json", *asked
    )
    assert told.code == 0, told.out
    return [told.body["windows"], told.body["series"]]


@pytest.mark.ci
@pytest.mark.fault("I26")
@pytest.mark.fault("I28")
@pytest.mark.fault("I30")
@pytest.mark.fault("I35")
def test_every_bad_line_is_set_aside_and_no_figure_moves(tmp_path: Path) -> None:
    clean = made(tmp_path / "clean", TOML, accounts=ACCOUNTS, subscriptions=HEAD + CLEAN)
    bad = "".join(f"{row.values[0]}\n" for row in ROWS).replace("x,", "x{},")
    numbered = bad.format(*range(len(ROWS)))
    hostile = made(tmp_path / "bad", TOML, accounts=ACCOUNTS, subscriptions=HEAD + CLEAN + numbered)
    told = perennial(hostile, "ingest", "--json")
    report = told.body["tables"]["subscriptions"]
    assert told.code == 0
    assert (report["accepted"], report["quarantined"]) == (3, len(ROWS))
    found = {each["row"]: (each["column"], each["code"]) for each in report["errors"]}
    assert found == {5 + n: row.values[1:] for n, row in enumerate(ROWS)}
    assert figures(hostile) == figures(clean)
    assert perennial(hostile, "ingest", "--strict", "--json").code == 65


@pytest.mark.ci
@pytest.mark.parametrize(("row", "column", "code"), ROWS)
def test_one_bad_line_is_told_however_large_the_book(
    tmp_path: Path, row: str, column: str, code: str
) -> None:
    many = "".join(f"old{n},a,2023-01-01,2023-02-01,1,USD,,\n" for n in range(500))
    lines = f"{HEAD}{CLEAN}{many}{row}\n"
    told = perennial(
        made(tmp_path, TOML, accounts=ACCOUNTS, subscriptions=lines), "check", "--json"
    )
    report = told.body["tables"]["subscriptions"]
    assert (told.code, report["accepted"], report["quarantined"]) == (0, 503, 1)
    error = report["errors"][0]
    assert (error["row"], error["column"], error["code"]) == (505, column, code)
    assert any("1 of 504 rows (0.1984%) are set aside" in said for said in report["warnings"])


@pytest.mark.ci
@pytest.mark.fault("I30")
@pytest.mark.parametrize("end", ["9999-12-31", "9999-12-31T00:00:00", "9999-12-31 23:59:59.997"])
def test_a_declared_sentinel_is_an_open_end_at_any_time_of_its_day(
    tmp_path: Path, end: str
) -> None:
    toml = TOML + '[tables.subscriptions]\nsentinels = ["9999-12-31"]\n'
    lines = HEAD + CLEAN.replace("2024-01-01,,", f"2024-01-01,{end},")
    sentinel = made(tmp_path / "one", toml, accounts=ACCOUNTS, subscriptions=lines)
    plain = made(tmp_path / "two", TOML, accounts=ACCOUNTS, subscriptions=HEAD + CLEAN)
    assert figures(sentinel) == figures(plain)


@pytest.mark.ci
@pytest.mark.fault("I28")
def test_of_an_hour_that_comes_twice_the_earlier_is_meant(tmp_path: Path) -> None:
    """The line is recorded at 02:30 when the clock goes back: 00:30 in UTC, not 01:30."""
    lines = HEAD + CLEAN + "x,a,2024-10-01,,9,USD,,2024-10-27 02:30:00\n"
    told = perennial(
        made(tmp_path, TOML, accounts=ACCOUNTS, subscriptions=lines), "ingest", "--json"
    )
    assert told.body["tables"]["subscriptions"]["accepted"] == 4
    snapshot = tmp_path / ".perennial" / "snapshots" / told.body["snapshot"]
    kept = pd.read_parquet(snapshot / "subscriptions.parquet")["recorded_at"].dropna()
    assert [str(each) for each in kept] == ["2024-10-27 00:30:00+00:00"]


@pytest.mark.ci
def test_strange_lines_that_are_taken_are_counted_aloud(tmp_path: Path) -> None:
    lines = "account_id,starts_on,ends_on,mrr,canceled_on,paused_from,paused_to\n" + (
        "a,2024-01-01,,100,,,\n"
        "a,2025-02-28,2025-02-28,7,,,\n"
        "b,2024-01-01,2026-01-01,50,2023-06-01,,\n"
        "c,2014-01-01,2026-01-01,900,,,2025-02-01\n"
    )
    folder = made(
        tmp_path, TOML, accounts=ACCOUNTS.replace("b,smb,c", "b,smb,b"), subscriptions=lines
    )
    tables = perennial(folder, "ingest", "--json").body["tables"]
    assert tables["subscriptions"]["accepted"] == 4
    assert tables["subscriptions"]["warnings"] == [
        "subscriptions: 1 lines end on the day on which they start: they never count",
        "subscriptions: 1 lines are canceled before they start",
        "subscriptions: 1 pauses end but never start: not applied",
    ]
    assert tables["accounts"]["warnings"] == [
        "accounts: 1 accounts are their own parent: not applied"
    ]
    (whole, *_), _ = figures(folder)
    assert (whole["opening_mrr"], whole["closing_mrr"], whole["nrr"]) == (1050, 1050, 1)


RATES = "currency,date,rate\n"
GOOD_RATES = "eur,2024-01-01,1.10\nEUR,2025-01-01,1.20\n"


@pytest.mark.fault("F13")
@pytest.mark.fault("I26")
@pytest.mark.parametrize(
    ("rates", "code"),
    [
        pytest.param(None, "fx.missing", id="none"),
        pytest.param("EUR,2024-01-01,0\nEUR,2025-01-01,0\n", "fx.missing", id="zero",
                     marks=pytest.mark.ci),
        pytest.param("EUR,2024-01-01,-1.1\nEUR,2025-01-01,1.2\n", "fx.missing", id="negative",
                     marks=pytest.mark.ci),
        pytest.param("EUR,2024-01-01,1e9\nEUR,2025-01-01,1.2\n", "fx.missing", id="too high",
                     marks=pytest.mark.ci),
        pytest.param("EUR,2024-01-01,1.1\nEUR,2024-01-01,1.3\n" + GOOD_RATES[23:], "fx.missing",
                     id="two of one day", marks=pytest.mark.ci),
        pytest.param("EUR,2023-12-20,1.1\n", "fx.missing", id="too old", marks=pytest.mark.ci),
        pytest.param("EURO,2024-01-01,1.1\n", "fx.missing", id="no currency", marks=pytest.mark.ci),
        pytest.param(GOOD_RATES + "USD,2024-01-01,0.91\n", "fx.base", id="to another base",
                     marks=pytest.mark.ci),
    ],
)  # fmt: skip
def test_nothing_is_summed_across_currencies_without_a_good_rate(
    tmp_path: Path, rates: str | None, code: str
) -> None:
    lines = HEAD + CLEAN.replace("900,usd", "900,eur")
    given = {} if rates is None else {"fx_rates": RATES + rates}
    folder = made(tmp_path, TOML, accounts=ACCOUNTS, subscriptions=lines, **given)
    told = perennial(folder, "metrics", "--window", "2024-12:2025-06", "--json")
    assert (told.code, told.body["error"]["code"]) == (65, code)
    assert "USD" in told.body["error"]["message"]


@pytest.mark.ci
@pytest.mark.fault("F13")
@pytest.mark.fault("I26")
def test_with_its_rate_of_the_year_a_foreign_line_counts(tmp_path: Path) -> None:
    lines = HEAD + CLEAN.replace("900,usd", "900,eur")
    folder = made(
        tmp_path, TOML, accounts=ACCOUNTS, subscriptions=lines,
        fx_rates=RATES + GOOD_RATES + "USD,2024-01-01,1\n",
    )  # fmt: skip
    (whole, *_), _ = figures(folder)
    flows = [whole[f"{name}_mrr"] for name in ("opening", "churned", "fx", "closing")]
    assert flows == [150 + 900 * 1.1, 50, 900 * 0.1, 100 + 900 * 1.2]
    assert whole["nrr"] == pytest.approx((100 + 1080) / (150 + 1080), abs=1e-15)


@pytest.mark.fault("F12")
@pytest.mark.parametrize(
    ("history", "bad", "accounts"),
    [
        pytest.param("a,2025-02-01,zz\nb,2025-02-01,b\n", 2, 3, id="nowhere"),
        pytest.param("a,2025-02-01,b\nb,2025-02-01,a\n", 2, 3, id="circle", marks=pytest.mark.ci),
        pytest.param("a,2024-06-01,b\nb,2024-08-01,c\n", 0, 1, id="chain", marks=pytest.mark.ci),
        pytest.param("a,2020-06-01,c\n", 0, 2, id="before it paid", marks=pytest.mark.ci),
    ],
)  # fmt: skip
def test_a_merger_moves_money_once_or_not_at_all(
    tmp_path: Path, history: str, bad: int, accounts: int
) -> None:
    text = "account_id,valid_from,merged_into\n" + history
    folder = made(
        tmp_path, TOML, accounts=ACCOUNTS, subscriptions=HEAD + CLEAN, account_history=text
    )
    told = perennial(folder, "ingest", "--json").body["tables"]["account_history"]
    assert told["codes"] == ({"merger.survivor": bad} if bad else {})
    (whole, *_), _ = figures(folder)
    assert (whole["accounts"], whole["opening_mrr"], whole["closing_mrr"]) == (accounts, 1050, 1000)


@pytest.mark.ci
@pytest.mark.parametrize("parents", ["bca", "aaa", "bab", "zzz"])
def test_parents_in_a_circle_end_somewhere_and_lose_nothing(tmp_path: Path, parents: str) -> None:
    accounts = "account_id,segment,parent_account_id\n" + "".join(
        f"{name},smb,{parent}\n" for name, parent in zip("abc", parents, strict=True)
    )
    toml = TOML + '[revenue]\nrollup = "parent"\n'
    folder = made(tmp_path, toml, accounts=accounts, subscriptions=HEAD + CLEAN)
    (whole, *cuts), _ = figures(folder)
    assert (whole["opening_mrr"], whole["closing_mrr"]) == (1050, 1000)
    assert sum(cut["opening_mrr"] for cut in cuts) == 1050


@pytest.mark.ci
@pytest.mark.fault("B22")
def test_a_broken_identity_ends_the_command_with_70(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(tmp_path, TOML, accounts=ACCOUNTS, subscriptions=HEAD + CLEAN)
    assert perennial(folder, "ingest", "--json").code == 0
    truth = ledger.run

    def mistaken(*asked: Any) -> Any:
        table = truth(*asked)
        if "churned_micros" not in table.column_names:
            return table
        nothing = pa.array([0] * len(table), pa.int64())
        return table.set_column(
            table.column_names.index("churned_micros"), "churned_micros", nothing
        )

    monkeypatch.setattr(ledger, "run", mistaken)
    told = perennial(folder, "metrics", "--window", "2024-12:2025-06", "--json")
    assert (told.code, told.body["error"]["code"]) == (70, "identity.broken")


@pytest.mark.ci
def test_an_unpaid_invoice_is_a_loss_after_its_dunning_and_a_refund_is_none(tmp_path: Path) -> None:
    payments = "invoice_id,account_id,due_on,paid_on,amount,kind\n" + (
        "1,a,2025-01-01,2025-05-10,100,\n2,c,2025-06-20,,900,\n3,c,2025-01-01,,-5,refund\n"
        "4,c,2025-01-01,,5,credit\n5,zz,2025-01-01,,5,invoice\n"
    )
    folder = made(tmp_path, TOML, accounts=ACCOUNTS, subscriptions=HEAD + CLEAN, payments=payments)
    (whole, *_), _ = figures(folder)
    flows = [whole[f"{name}_mrr"] for name in ("churned", "reactivation", "closing")]
    assert flows == [100 + 50, 100, 1000]


@pytest.mark.ci
@pytest.mark.parametrize(("lines", "code"), [(9, 0), (12, 65)])
def test_a_thousand_billion_many_times_is_exact_or_refused(
    tmp_path: Path, lines: int, code: int
) -> None:
    huge = "".join(f"t{n},a,2025-01-{n + 1:02d},,1e12,USD,,\n" for n in range(lines))
    folder = made(tmp_path, TOML, accounts=ACCOUNTS, subscriptions=HEAD + CLEAN + huge)
    told = perennial(folder, "metrics", "--window", "2024-12:2025-06", "--json")
    assert told.code == code
    if code:
        assert told.body["error"]["code"] == "money.out_of_range"
    else:
        assert told.body["windows"][0]["closing_mrr"] == lines * 1e12 + 1000


# --- what is not known yet changes nothing -------------------------------------------------


def choices() -> list[Any]:
    """Give Rules for every value that every choice accepts beside its default, and every preset."""
    found = [pytest.param({}, id="default")]
    for key, field in Rules.model_fields.items():
        for value in get_args(field.annotation):
            if isinstance(value, str) and value != field.default:
                fixed = {"fx_date": date(2024, 1, 1)} if value == "fixed" else {}
                found.append(pytest.param({key: value, **fixed}, id=f"{key}={value}"))
    numbers = {"late_renewal_days": 0, "late_renewal_min_term": 0, "dunning_days": 0}
    found += [pytest.param({key: value}, id=f"{key}={value}") for key, value in numbers.items()]
    gap = {"reactivation": "new", "reactivation_gap_days": 45}
    return [*found, pytest.param(gap, id="new after 45 days")]


def random_book(seed: int, accounts: int = 25) -> dict[str, list[dict[str, Any]]]:
    """Draw lines of every kind, invoices, rates, parents and mergers."""
    rng = random.Random(seed)
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("accounts", "subscriptions", "payments", "account_history")
    }
    days = [date(2023, 1, 1) + timedelta(days=5 * n) for n in range(190)]
    tables["fx_rates"] = [
        {"currency": "EUR", "date": day, "rate": 1 + day.toordinal() % 7 / 20} for day in days
    ]
    for n in range(accounts):
        name = f"a{n}"
        parent = f"a{rng.randrange(accounts)}" if rng.random() < 0.3 else None
        segment = rng.choice(["smb", "ent"])
        tables["accounts"].append(
            {"account_id": name, "segment": segment, "parent_account_id": parent}
        )
        tables["subscriptions"] += [_random_line(rng, name) for _ in range(rng.randint(1, 5))]
        if rng.random() < 0.4:
            due = date(2024, 1, 1) + timedelta(days=rng.randint(0, 500))
            paid = due + timedelta(days=rng.randint(0, 150)) if rng.random() < 0.7 else None
            tables["payments"].append(
                {"invoice_id": f"i{n}", "account_id": name, "due_on": due, "paid_on": paid,
                 "amount_micros": 10**7, "currency": "USD"}
            )  # fmt: skip
        if n % 8 == 7:
            day = date(2024, 1, 1) + timedelta(days=rng.randint(0, 500))
            tables["account_history"].append(
                {"account_id": name, "valid_from": day, "merged_into": f"a{n - 1}"}
            )
    return tables


def _random_line(rng: random.Random, account: str) -> dict[str, Any]:
    start = date(2023, 6, 1) + timedelta(days=rng.randint(0, 600))
    term = rng.choice([1, 3, 12])
    end = rng.choice([add_months(start, term), start + timedelta(days=rng.randint(1, 400)), None])
    pause = start + timedelta(days=rng.randint(0, 200)) if rng.random() < 0.15 else None
    canceled = end and rng.random() < 0.4 and end - timedelta(days=rng.randint(0, 90))
    rate = rng.choice([10, 10.5, 33.333333, 120])
    return {
        "account_id": account,
        "product": rng.choice(["p", "q"]),
        "plan": rng.choice(["s", "t"]),
        "seats": rng.choice([None, 2, 3]),
        "kind": rng.choice(["recurring"] * 6 + ["usage", "trial"]),
        "currency": rng.choice(["USD", "USD", "EUR"]),
        "mrr_micros": round(rate * 1e6),
        "list_mrr_micros": round(rate * 1e6) * rng.choice([1, 2]),
        "starts_on": start,
        "ends_on": end,
        "term_months": term if rng.random() < 0.5 else None,
        "canceled_on": canceled or None,
        "paused_from": pause,
        "paused_to": pause and rng.choice([None, pause + timedelta(days=rng.randint(1, 120))]),
        "loss_reason": rng.choice([None, "involuntary"]) if end else None,
    }


def book_of(tables: dict[str, list[dict[str, Any]]]) -> Book:
    """Make a book in memory, in the shape that ingest writes."""
    shaped = {
        name: canonical(name, pd.DataFrame(rows, dtype=object))
        for name, rows in tables.items()
        if rows
    }
    return Book.of(shaped, BookFacts(as_of=date(2025, 7, 1)))


def blanked(tables: dict[str, list[dict[str, Any]]], as_of: date) -> dict[str, Any]:
    """Take out whatever nobody could know before the as-of date."""

    def unknown(day: date | None) -> bool:
        return day is not None and day >= as_of

    lines = []
    for line in tables["subscriptions"]:
        if unknown(line["starts_on"]):
            continue
        term = line["term_months"]
        known_end = term and line["ends_on"] == add_months(line["starts_on"], term)
        told = line["canceled_on"] is not None and line["canceled_on"] < as_of
        hidden = {
            name: None
            for name in ("canceled_on", "paused_from", "paused_to")
            if unknown(line[name])
        }
        if unknown(line["ends_on"]) and not known_end and not told:
            hidden |= {"ends_on": None, "loss_reason": None}
        lines.append(line | hidden)
    payments = [
        row | ({"paid_on": None} if unknown(row["paid_on"]) else {})
        for row in tables["payments"]
        if not unknown(row["due_on"]) or (row["paid_on"] and not unknown(row["paid_on"]))
    ]
    mergers = [row for row in tables["account_history"] if not unknown(row["valid_from"])]
    rates = [row for row in tables["fx_rates"] if not unknown(row["date"])]
    seen = {"payments": payments, "account_history": mergers, "fx_rates": rates}
    return tables | {"subscriptions": lines} | seen


def check_leakage(seed: int, chosen: dict[str, Any], as_of: date, by: list[str]) -> None:
    rules, tables = Rules(**chosen), random_book(seed)
    full, hidden = book_of(tables), book_of(blanked(tables, as_of))
    one = metrics(full, rules, "ttm", by, as_of)
    other = metrics(hidden, rules, "ttm", by, as_of)
    for part in ("windows", "series", "warnings"):
        assert one[part] == other[part], part
    assert one["windows"][0]["nrr"] is not None


@pytest.mark.ci
def test_what_is_not_known_yet_changes_no_figure() -> None:
    check_leakage(1, {}, date(2025, 2, 10), ["segment"])


@pytest.mark.ci
@pytest.mark.parametrize("chosen", choices())
def test_what_is_not_known_yet_changes_no_figure_under_any_choice(chosen: dict[str, Any]) -> None:
    check_leakage(2, chosen, date(2024, 12, 18), ["segment", "product"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 13))
@pytest.mark.parametrize("chosen", choices())
def test_what_is_not_known_yet_changes_no_figure_in_many_books(
    chosen: dict[str, Any], seed: int
) -> None:
    as_of = date(2024, 9, 1) + timedelta(days=20 * seed)
    check_leakage(seed, chosen, as_of, ["segment", "plan"])


FLOWS = ("opening", "new", "reactivation", "expansion", "contraction", "churned", "fx", "closing")


@pytest.mark.ci
@pytest.mark.fault("B22")
@pytest.mark.parametrize("chosen", choices())
def test_movements_make_the_closing_and_cuts_make_the_book(chosen: dict[str, Any]) -> None:
    told = metrics(book_of(random_book(3)), Rules(**chosen), "ttm", ["segment", "product"], None)
    rows = told["windows"] + told["series"]
    for row in rows:
        if row["opening_mrr"] is None:
            continue
        flow = {name: round(100 * row[f"{name}_mrr"]) for name in FLOWS}
        gained = flow["new"] + flow["reactivation"] + flow["expansion"] + flow["fx"]
        made_of = flow["opening"] + gained - flow["contraction"] - flow["churned"]
        assert abs(made_of - flow["closing"]) <= 4
        cohort = row["cohort"]
        kept = cohort["opening_micros"] + cohort["expansion_micros"] - cohort["contraction_micros"]
        assert kept - cohort["churned_micros"] == cohort["closing_micros"]
    for end in {row["to"] for row in rows}:
        of = [row for row in rows if row["to"] == end]
        whole = next(row for row in of if not row["cut"])
        for cut in ("segment", "product"):
            parts = [row for row in of if list(row["cut"]) == [cut]]
            for name in ("opening", "expansion", "contraction", "churned", "closing"):
                total = sum(part["cohort"][f"{name}_micros"] for part in parts)
                assert total == whole["cohort"][f"{name}_micros"], (end, cut, name)
