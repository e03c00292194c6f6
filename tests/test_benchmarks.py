"""Benchmarks: whole, each with its source, unit and period, and fitting the user's own figures."""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from features.benchmark_table import BY, errata, metrics_told, table
from features.benchmarks import arr_tier, benchmarks
from features.company import BenchmarkSettings, Company, accounts_per_csm, company
from features.compounding import compounding
from features.faults import UsageFault
from features.measure import Measure
from features.rates import lost_over, retained_over
from features.windows import Window
from serving.manual.benchmarks import benchmark_page

DOCS = Path(__file__).resolve().parents[1] / "docs"
SEEDS = Path(__file__).resolve().parents[2] / "shared" / "seeds"
UNITS = {"ratio", "share", "points", "days", "months", "accounts", "levers", "times"}
PERIODS = {"year", "month", "quarter", "moment", "life", "window"}
YEAR = Window(date(2024, 12, 31), date(2025, 12, 31))


def of(by: str, part: str, metric: str, source: str = "") -> dict[str, tuple[float | None, ...]]:
    """Give the figures by level."""
    return {
        row.level: (row.value, row.low, row.high)
        for row in table()
        if (row.by, row.of, row.metric) == (by, part, metric) and source in ("", row.source)
    }


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row.source}-{row.metric}-{row.of}")
def test_every_benchmark_has_its_source_unit_and_period(row):
    assert re.fullmatch(r"S00[0-3]", row.source)
    assert all((row.where, row.level, row.of))
    assert row.unit in UNITS
    assert row.period in PERIODS
    assert row.metric in metrics_told()
    assert row.by == "context" or row.of in BY[row.by]
    assert (row.value is None) != (row.low is None and row.high is None)
    assert row.low is None or row.high is None or row.low < row.high


def test_no_figure_stands_twice_and_no_metric_without_one():
    keys = [(r.source, r.where, r.metric, r.by, r.of, r.level, r.value, r.low) for r in table()]
    assert len(keys) == len(set(keys)) == 135
    assert {row.metric for row in table()} == set(metrics_told())
    assert {row.by for row in table()} == set(BY)
    for by, parts in BY.items():
        assert by == "context" or {row.of for row in table() if row.by == by} == set(parts)


def test_the_tables_as_they_stand_in_the_articles():
    assert of("stage", "growth", "nrr") == {
        "strong": (None, 1.15, None),
        "median": (1.15, None, None),
        "top quartile": (None, 1.30, None),
        "bottom quartile": (None, None, 1.00),
    }
    assert of("stage", "public", "nrr", "S000")["median"] == (1.12, None, None)
    assert of("acv", "strategic", "nrr") == {"typical": (None, 1.15, 1.40)}
    assert of("category", "ai", "nrr") == {"typical": (None, 1.20, 1.50)}
    assert of("arr", "1M to 10M", "nrr") == {
        "median": (None, 0.95, 1.05),
        "top quartile": (None, 1.08, 1.15),
    }
    assert of("arr", "50M and more", "grr") == {"benchmark": (None, 0.91, 0.96)}
    assert of("acv", "smb", "accounts_per_csm") == {"typical": (None, 200, 500)}
    assert of("acv", "enterprise", "logo_churn") == {"target": (None, None, 0.05)}
    assert of("model", "plg", "time_to_first_expansion") == {"target": (None, None, 90)}
    assert of("acv", "strategic", "time_to_first_expansion") == {"target": (None, None, 180)}
    assert of("model", "plg", "expansion_share") == {"target": (None, 0.30, 0.50)}


HUNDREDTHS = ("ratio", "share", "points")
SPELLED = {1: "(1|one)", 2: "(2|two)", 3: "(3|three)"}


def test_every_figure_stands_in_its_article():
    if not SEEDS.is_dir():
        pytest.skip("the source articles are not here")
    texts = {f"S{path.name[:3]}": path.read_text(encoding="utf-8") for path in SEEDS.glob("*.txt")}
    assert {row.source for row in table()} == set(texts)
    for row in table():
        for amount in (row.value, row.low, row.high):
            if amount is not None:
                told = round(amount * 100) if row.unit in HUNDREDTHS else int(amount)
                number = SPELLED.get(told, str(told))
                assert re.search(rf"(?<!\d){number}(?!\d)", texts[row.source]), row


LIMITS = [
    (0.01, "below 1M"),
    (999_999.99, "below 1M"),
    (1_000_000, "1M to 10M"),
    (9_999_999.99, "1M to 10M"),
    (10_000_000, "10M to 50M"),
    (50_000_000, "50M and more"),
]


@pytest.mark.parametrize(("arr", "tier"), LIMITS)
def test_an_arr_has_its_tier(arr, tier):
    assert arr_tier(arr) == tier


def parts(who: Company) -> set[tuple[str, str]]:
    return {(row["by"], row["of"]) for row in benchmarks(who)}


def test_only_what_fits_is_told():
    assert parts(Company()) == {("all", "all")}
    assert parts(Company(arr=0.0)) == {("all", "all")}
    who = Company(arr=2e6, by_acv={"smb": {}}, stage="series-a", category="hr", model="plg")
    expected = {("all", "all"), ("arr", "1M to 10M"), ("acv", "smb"), ("stage", "series-a")}
    assert parts(who) == expected | {("category", "hr"), ("model", "plg")}


@pytest.mark.parametrize("key", ["stage", "category", "model"])
def test_what_no_article_has_is_refused_with_the_nearest(key):
    with pytest.raises(UsageFault, match="no article has it") as refused:
        benchmarks(Company(**{key: f"{BY[key][0]}x"}))
    assert refused.value.code == "benchmark.unknown"
    assert BY[key][0] in refused.value.cure


def test_each_stands_beside_the_figure_of_its_own_segment():
    who = Company(own={"nrr": 1.04}, by_acv={"smb": {"nrr": 0.8, "grr": None}}, arr=2e6)
    rows = benchmarks(who)
    yours = {(row["by"], row["metric"]): row["yours"] for row in rows}
    assert yours[("all", "nrr")] == yours[("arr", "nrr")] == 1.04
    assert yours[("acv", "nrr")] == 0.8
    assert yours[("acv", "grr")] is None
    (unknown,) = [row for row in rows if (row["by"], row["metric"]) == ("acv", "grr")]
    assert unknown["note"] == "small businesses fail more often"
    assert all(row["definition"] and row["source"] and row["period"] for row in rows)
    assert all(("value" in row) != ("low" in row or "high" in row) for row in rows)


def test_limits_in_dollars_say_so_in_another_currency():
    rows = benchmarks(Company(arr=2e6, by_acv={"smb": {}}, currency="EUR", stage="seed"))
    said = {row["by"] for row in rows if "the book is in EUR" in row["note"]}
    assert said == {"arr", "acv"}


def test_a_years_rate_over_another_window():
    who = Company(by_acv={"enterprise": {"logo_churn": 0.004}}, months=1)
    rows = {(row["metric"], row["level"]): row for row in benchmarks(who) if row["by"] == "acv"}
    churn = rows[("logo_churn", "target")]
    # 1 - 0.95 ** (1/12): 0.95 = 0.99573... ** 12
    assert churn["high"] == pytest.approx(0.004265318777, abs=1e-12)
    assert (churn["period"], churn["yours"]) == ("1 month", 0.004)
    assert churn["note"] == "a year's rate, over 1 month by 1 - (1 - r)^(1/12)"
    assert rows[("nrr", "typical")]["low"] == pytest.approx(1.10 ** (1 / 12))
    assert rows[("accounts_per_csm", "typical")]["low"] == 20
    assert rows[("time_to_first_expansion", "target")]["high"] == 180
    quarter = benchmarks(Company(months=3))
    assert {row["period"] for row in quarter} == {"3 months", "moment", "window"}


def test_months_of_a_rate_compound_to_its_year():
    assert 1 - (1 - lost_over(0.08, 1)) ** 12 == pytest.approx(0.08)
    assert retained_over(1.2, 1) ** 12 == pytest.approx(1.2)
    assert (lost_over(0.08, 12), retained_over(1.2, 12)) == (0.08, 1.2)


def measure(opening: int, closing: int, kept: int, **cut: str) -> Measure:
    cohort = {"accounts": 10, "lost": 1, "opening": opening, "contraction": opening // 50}
    cohort |= {"closing": closing, "kept": kept}
    flows = {"new": 70, "reactivation": 0, "expansion": 30, "closing": 250_000 * 10**6}
    return Measure(YEAR, cut, cohort, flows)


def test_a_company_is_described_by_its_measures():
    segments = [
        measure(100, 80, 75, acv_segment="smb"),
        measure(0, 0, 0, acv_segment="strategic"),
    ]
    more = {"smb": {"accounts_per_csm": 250.0}}
    who = company(
        measure(200, 210, 180),
        segments,
        more={"levers_active": 2.0},
        more_by_acv=more,
        peers=BenchmarkSettings(stage="seed"),
    )
    assert who.own == {
        "nrr": 1.05,
        "grr": 0.9,
        "logo_churn": 0.1,
        "contraction": 0.02,
        "expansion_share": 0.3,
        "levers_active": 2.0,
    }
    assert who.by_acv.keys() == {"smb"}
    assert who.by_acv["smb"]["nrr"] == 0.8
    assert who.by_acv["smb"]["accounts_per_csm"] == 250.0
    assert (who.arr, who.months, who.stage) == (3_000_000, 12, "seed")


def test_accounts_per_csm_by_segment():
    def served(segment: str, csm: str | None, accounts: int) -> Measure:
        cut = {"acv_segment": segment, "csm": csm}
        return Measure(YEAR, cut, {"accounts": accounts}, {})

    measures = [served("smb", "ann", 300), served("smb", "bo", 100), served("smb", None, 50)]
    measures += [served("enterprise", "ann", 10), served("enterprise", "bo", 0)]
    assert accounts_per_csm(measures) == {
        "smb": {"accounts_per_csm": 200.0},
        "enterprise": {"accounts_per_csm": 10.0},
    }


FIVE_YEARS = [
    (0.85, [4_250_000.0, 3_070_625.0, 2_218_526.56], ["4.25", "3.07", "2.22"]),
    (1.0, [5_000_000.0, 5_000_000.0, 5_000_000.0], ["5.00", "5.00", "5.00"]),
    (1.1, [5_500_000.0, 6_655_000.0, 8_052_550.0], ["5.50", "6.66", "8.05"]),
    (1.2, [6_000_000.0, 8_640_000.0, 12_441_600.0], ["6.00", "8.64", "12.44"]),
    (1.3, [6_500_000.0, 10_985_000.0, 18_564_650.0], ["6.50", "10.99", "18.56"]),
]


@pytest.mark.parametrize(("nrr", "amounts", "millions"), FIVE_YEARS)
def test_five_millions_compounded(nrr, amounts, millions):
    told = compounding(5 * 10**12, nrr)
    found = [year["arr"] for year in told["years"]]
    assert found == amounts
    cents = Decimal("0.01")
    rounded = [(Decimal(str(arr)) / 10**6).quantize(cents, ROUND_HALF_UP) for arr in found]
    assert [str(amount) for amount in rounded] == millions
    assert told["label"].startswith("compounding, not a forecast")


def test_compounding_is_exact_from_amounts_and_by_windows():
    month = compounding(12 * 10**11, Fraction(103_000, 100_000), months=1)
    assert round(month["years"][0]["multiple"], 3) == 1.426
    third = compounding(10**8, Fraction(1, 3))
    assert [year["arr"] for year in third["years"]] == [33.33, 3.7, 0.41]
    odd = compounding(10**8, 1.21, months=24)
    assert [year["arr"] for year in odd["years"]] == [110.0, 133.1, 161.05]


CORRECTED = [
    ("5 x 1.30^5", f"${5 * 1.30**5:.2f}M"),
    ("1.20 + 0.50 of", f"{1.20 + 0.50:.0%}".replace("%", " %")),
    ("1 - 0.04 + 0.20", f"to {1 - 0.04 + 0.20:.0%}".replace("%", " %")),
    ("40 / 200", f"{40 / 200:.0%}".replace("%", " %")),
    ("100 x (1 + 0.9", f"${100 * sum(0.9**n for n in range(12)):.1f}k"),
    ("100 x (1 + 0.9", f"${100 * sum(1.1**n for n in range(12)):,.0f}k at 110 %"),
]


@pytest.mark.parametrize(("formula", "right"), CORRECTED)
def test_an_erratum_says_what_its_formula_gives(formula, right):
    (found,) = [one for one in errata() if one.formula.startswith(formula)]
    assert right in found.right


def test_every_erratum_is_told():
    page = benchmark_page()
    assert len(errata()) == 10
    assert all(f"| {one.said} | {one.formula} | {one.right} |" in page for one in errata())


def test_no_model_reads_a_benchmark():
    root = DOCS.parent
    readers = [
        path
        for floor in ("models", "training")
        for path in (root / floor).rglob("*.py")
        if "features.benchmark" in path.read_text(encoding="utf-8")
    ]
    assert readers == []


def test_the_page_is_fresh_and_whole():
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert page == benchmark_page(), "run `make docs`"
    assert page.count("| S00") >= len(table())
    assert "| series-b | Net revenue retention | median | 105 % | year | S000: " in page
    assert "| below 1M | Gross revenue retention | benchmark | 80 to 88 % | year | S001: " in page
