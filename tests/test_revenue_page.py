"""The pages about revenue say what the program does: presets, choices, and each worked example."""

from __future__ import annotations

import io
import re
import typing
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.book import Book, BookFacts
from features.cohorts import Measure, open_desk
from features.contracts import canonical
from features.ledger import movements
from features.presets import PRESETS
from features.rules import Rules
from features.windows import Window
from tests.small_books import Rows, line

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "revenue.md").read_text(encoding="utf-8")
YEAR = Window(date(2024, 6, 30), date(2025, 6, 30))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_it_says_that_it_differs_in(name: str) -> None:
    preset = PRESETS[name]
    assert preset.name == name
    assert Rules(preset=name) == Rules(**preset.differs, preset=name)
    standard = Rules().stamp()
    assert all(standard[key] != value for key, value in preset.differs.items())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_gives_its_reasons_and_its_sources(name: str) -> None:
    preset = PRESETS[name]
    assert set(preset.why) == set(preset.differs)
    assert all(why.endswith(".") for why in preset.why.values())
    assert preset.source
    assert preset.not_covered or name == "default"
    assert all(one.endswith(".") for one in preset.not_covered)


def test_the_names_of_the_presets_are_those_that_the_rules_take() -> None:
    assert tuple(PRESETS) == typing.get_args(Rules.model_fields["preset"].annotation)


def test_a_key_beside_a_preset_wins() -> None:
    rules = Rules(preset="stripe-like", dunning_days=21)
    assert (rules.dunning_days, rules.fx, rules.preset) == (21, "spot", "stripe-like")


CHOICES = {
    cells[1].strip("` "): cells
    for row in PAGE.partition("## Every choice")[2].partition("\n## ")[0].splitlines()
    if len(cells := re.split(r"(?<!\\)\|", row)) == 7 and cells[1].startswith(" `")
}
"""Key to the cells of its row."""


def test_every_key_has_its_row_its_default_and_all_its_words() -> None:
    assert set(CHOICES) == set(Rules.model_fields)
    for key, cells in CHOICES.items():
        default = Rules.model_fields[key].default
        told = f"**`{default}`**" if isinstance(default, str) else f"**{default}**"
        assert told in cells[2] or (default is None and "unset" in cells[2]), key
        if key != "preset":
            assert all(f"`{word}`" in cells[2] for word in words(key)), key


def words(key: str) -> list[str]:
    """List the words that a key takes."""
    kind = Rules.model_fields[key].annotation
    return [word for word in typing.get_args(kind) if isinstance(word, str)]


def test_the_worked_example_is_what_the_ledger_says() -> None:
    lines = pd.read_csv(io.StringIO(re.search(r"```csv\n(.*?)```", PAGE, re.DOTALL)[1]))
    rates = (lines.pop("amount") * 1_000_000) // lines["interval_months"]
    book = of(lines.assign(mrr_micros=rates, currency="USD").to_dict("records"))
    found = movements(book, Rules())
    found = found[
        (found["month_end"] > date(2024, 6, 30)) & (found["month_end"] <= date(2025, 6, 30))
    ]
    rows = re.findall(r"^\| (\d{4}-\d\d-\d\d) \| (\w+) \| (\w+) \| (\S+) \|", PAGE, re.MULTILINE)
    told = [(day, who, what, number(amount)) for day, who, what, amount in rows]
    moved = [(str(r.month_end), r.account_id, r[3], r.amount_micros) for r in found.itertuples()]
    assert sorted(moved) == sorted(told)
    year = seen(book, Rules())
    assert (year.flows["opening"], year.flows["closing"]) == (1_800_000_000, 1_750_000_000)
    for ratio, said in (("nrr", "NRR 86.1 %"), ("grr", "GRR 72.2 %"), ("organic_nrr", "72.2 %")):
        assert said in PAGE.replace("**", "")
        assert f"{getattr(year, ratio):.3f}"[2:] == re.sub(r"\D", "", said)
    assert year.logo_churn == pytest.approx(1 / 3)


def number(amount: str) -> int:
    """Read an amount of the page as micro-units."""
    return round(float(amount.replace("−", "-")) * 1_000_000)


def of(lines: Rows, **tables: Rows) -> Book:
    """Make a book that is seen on the first of August 2025."""
    sources = {"subscriptions": lines, **tables}
    ids = sorted({one["account_id"] for one in lines})
    sources.setdefault("accounts", [{"account_id": one} for one in ids])
    shaped = {name: canonical(name, pd.DataFrame(rows)) for name, rows in sources.items()}
    return Book.of(shaped, BookFacts(as_of=date(2025, 8, 1)))


def seen(book: Book, rules: Rules) -> Measure:
    """Measure the year to the end of June 2025, as known on the first of August."""
    desk = open_desk(book, rules, as_of=None, until=date(2025, 7, 31), facing=YEAR)
    return desk.measure([YEAR])[0]


def two(**second: Any) -> Rows:
    """Two customers who pay 1,000 each; what is told is the second's."""
    return [line("a", 1000), line("b", 1000, **second)]


def billed(amounts: dict[str, float]) -> Rows:
    """Usage lines, one per service month."""
    rows = []
    for month, amount in amounts.items():
        first = pd.Timestamp(f"{month}-01")
        ends = str((first + pd.DateOffset(months=1)).date())
        rows.append(
            line("a", amount, str(first.date()), ends_on=ends, kind="usage", product="calls")
        )
    return rows


def basis() -> Book:
    months = pd.period_range("2024-03", "2025-07", freq="M")
    return of([line("a", 1000), *billed({str(m): 200 if m.year == 2024 else 300 for m in months})])


def usage() -> Book:
    months = pd.period_range("2024-03", "2025-07", freq="M")
    return of(
        [line("a", 1000), *billed({str(m): 400 if str(m) == "2025-06" else 100 for m in months})]
    )


def reactivation() -> Book:
    return of(
        [
            line("a", 900),
            line("b", 100, ends_on="2024-08-01"),
            line("b", 100, "2025-01-01"),
            line("c", 50, ends_on="2024-05-01"),
            line("c", 50, "2025-02-01"),
        ]
    )


def renewed(term: int) -> Callable[[], Book]:
    first = {"ends_on": "2025-06-15", "term_months": term, "starts": "2024-06-15"}
    again = line("b", 1000, "2025-07-05", term_months=term)
    return lambda: of([*two(**first), again])


def currencies() -> Book:
    days = {"2024-01-01": 1.3, "2024-06-30": 1.2, "2025-01-01": 1.0, "2025-06-30": 1.1}
    steady = [{"currency": "EUR", "date": day, "rate": rate} for day, rate in days.items()]
    ends = pd.date_range("2024-01-31", "2025-07-31", freq="ME")
    filled = [
        {"currency": "EUR", "date": str(end.date()), "rate": 1.15}
        for end in ends
        if str(end.date()) not in days
    ]
    euros = [
        line("b", 1000, ends_on="2025-03-01", currency="EUR"),
        line("b", 1100, "2025-03-01", currency="EUR"),
    ]
    return of([line("a", 1000), *euros], fx_rates=[*steady, *filled])


def family() -> Book:
    accounts = [
        {"account_id": "a"},
        {"account_id": "b"},
        {"account_id": "s", "parent_account_id": "b"},
    ]
    return of([*two(), line("s", 300, "2025-02-01")], accounts=accounts)


def merged() -> Book:
    history = [{"account_id": "b", "valid_from": "2025-01-01", "merged_into": "a"}]
    return of(two(), account_history=history)


def discounted() -> Book:
    return of(
        [
            line("a", 1000),
            line("b", 800, ends_on="2025-01-01", list_mrr_micros=1_000_000_000),
            line("b", 1000, "2025-01-01", list_mrr_micros=1_000_000_000),
        ]
    )


def up_and_down() -> Book:
    steps = [("2024-01-01", 1000, "2024-10-01"), ("2024-10-01", 1100, "2025-03-01")]
    lines = [line("b", mrr, starts, ends_on=ends) for starts, mrr, ends in steps]
    return of([line("a", 1000), *lines, line("b", 1000, "2025-03-01")])


def unpaid() -> Book:
    invoice = {"invoice_id": "i", "account_id": "b", "due_on": "2025-05-20", "amount_micros": 10**9}
    return of(two(), payments=[invoice])


SHOWN: list[tuple[str, Callable[[], Book], str, list[dict[str, Any]]]] = [
    ("basis", basis, "nrr", [{}, {"basis": "committed"}, {"basis": "usage"}]),
    ("usage", usage, "nrr", [{}, {"usage": "billed_month"}, {"usage": "excluded"}]),
    (
        "reactivation",
        reactivation,
        "nrr",
        [{"reactivation": word} for word in ("own", "excluded", "new", "s002")],
    ),
    (
        "reactivation_gap_days",
        reactivation,
        "nrr",
        [{"reactivation": "new", "reactivation_gap_days": 365}],
    ),
    ("late_renewal_days", renewed(12), "nrr", [{}, {"late_renewal_days": 0}]),
    ("late_renewal_min_term", renewed(1), "nrr", [{}, {"late_renewal_min_term": 0}]),
    (
        "churn_date",
        lambda: of(two(canceled_on="2025-05-10", ends_on="2025-09-30")),
        "nrr",
        [{}, {"churn_date": "cancellation"}],
    ),
    ("dunning_days", unpaid, "nrr", [{}, {"dunning_days": 90}]),
    ("pause", lambda: of(two(paused_from="2025-06-01")), "nrr", [{}, {"pause": "unchanged"}]),
    ("discount", discounted, "nrr", [{}, {"discount": "ignored"}]),
    (
        "fx",
        currencies,
        "nrr",
        [
            {},
            {"fx": "window_opening"},
            {"fx": "fixed", "fx_date": date(2025, 6, 30)},
            {"fx": "spot"},
        ],
    ),
    ("rollup", family, "nrr", [{}, {"rollup": "parent"}]),
    ("merger", merged, "grr", [{}, {"merger": "restated"}]),
    ("losses", up_and_down, "grr", [{}, {"losses": "movements"}]),
]


@pytest.mark.ci
@pytest.mark.parametrize(("key", "world", "ratio", "choices"), SHOWN, ids=[one[0] for one in SHOWN])
def test_each_choice_does_what_its_example_tells(
    key: str, world: Callable[[], Book], ratio: str, choices: list[dict[str, Any]]
) -> None:
    book = world()
    found = [f"{100 * getattr(seen(book, Rules(**chosen)), ratio):.1f} %" for chosen in choices]
    told = re.findall(r"\d+\.\d %", CHOICES[key][5])
    assert found == told[: len(found)]


def test_every_choice_that_has_a_second_word_has_an_example() -> None:
    several = {key for key in Rules.model_fields if len(words(key)) > 1}
    assert several - {"preset"} <= {key for key, *_ in SHOWN}
