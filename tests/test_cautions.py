"""Cautions: each is raised by its own figures, and by no others."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from features.asof import add_months, month_end
from features.cautions import CAUTIONS, raised
from features.evidence import Activation, Evidence
from features.measure import Measure
from features.windows import Window

YEAR = Window(date(2024, 12, 31), date(2025, 12, 31))
QUARTER = Window(date(2025, 9, 30), date(2025, 12, 31))
MONTH = Window(date(2025, 11, 30), date(2025, 12, 31))


def measure(
    up: int = 0,
    down: int = 0,
    lost: int = 0,
    window: Window = YEAR,
    accounts: int = 30,
    flows: dict[str, int] | None = None,
    **cut: str | None,
) -> Measure:
    """Make a cohort that paid 10,000 at the opening."""
    closing = 10_000 + up - down - lost
    cohort = {"accounts": accounts, "lost": 0, "opening": 10_000, "expansion": up}
    cohort |= {"contraction": down, "churned": lost}
    cohort |= {"closing": closing, "kept": closing - up, "organic": up}
    return Measure(window, cut, cohort, flows or {})


def first(
    whole: Measure, *segments: Measure, largest: tuple[int, ...] = ()
) -> list[dict[str, Any]]:
    """Give those of the first six cautions, which need no more than this."""
    names = {caution.__name__ for caution in CAUTIONS[:6]}
    return [one for one in raised(Evidence(whole, segments, largest)) if one["code"] in names]


def codes(whole: Measure, *segments: Measure, largest: tuple[int, ...] = ()) -> list[str]:
    return [found["code"] for found in first(whole, *segments, largest=largest)]


def raise_one(code: str, whole: Measure, **more: Any) -> dict[str, Any] | None:
    """Give the caution of a code, or None."""
    found = [one for one in raised(Evidence(whole, **more)) if one["code"] == code]
    assert len(found) <= 1
    return found[0] if found else None


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"up": 500}, []),
    ({"up": 1_600, "lost": 1_501}, ["grr_masked"]),
    ({"up": 1_600, "lost": 1_500}, []),
    ({"up": 1_400, "lost": 1_501}, []),
    ({"lost": 500}, ["no_expansion"]),
    ({"up": 1_000, "down": 501}, ["contraction"]),
    ({"up": 1_000, "down": 500}, []),
    ({"up": 1_000, "down": 126, "window": QUARTER}, ["contraction"]),
    ({"up": 1_000, "down": 125, "window": QUARTER}, []),
    ({"up": 1_000, "window": MONTH}, ["indicative"]),
    ({"up": 1_000, "window": QUARTER}, []),
]


@pytest.mark.parametrize(("figures", "expected"), CASES)
def test_each_caution_has_its_own_limit(figures: dict[str, Any], expected: list[str]) -> None:
    assert codes(measure(**figures)) == expected


def test_returns_that_the_rules_add_to_nrr_keep_it_from_being_grr() -> None:
    whole = measure(lost=500)
    assert raise_one("no_expansion", whole)
    with_returns = replace(whole, cohort=whole.cohort | {"reactivation": 200})
    assert raise_one("no_expansion", with_returns) is None


def test_every_caution_is_called_by_its_function() -> None:
    assert len({caution.__name__ for caution in CAUTIONS}) == len(CAUTIONS) == 16
    loud = Evidence(
        measure(up=1_600, down=501, lost=1_501, flows={"new": 1, "expansion": 1_600}),
        segments=(measure(lost=1_001, segment="smb"),),
        largest=(1_600,),
        cohorts=(measure(lost=5_000, cohort="2023-Q1"), measure(cohort="2023-Q2")),
        top_fifth=measure(),
        price_rises=900,
        levers_active=("seat",),
        no_activation="no catalogue",
    )
    expected = ["contraction", "concentration", "fix_grr_first", "worst_cohort", "top_fifth"]
    expected += ["price_led", "expansion_share", "few_levers", "activation"]
    assert [found["code"] for found in raised(loud)] == expected
    assert all(found["message"] for found in raised(loud))
    notes = {found["code"] for found in raised(loud) if found["level"] == "note"}
    assert notes == {"worst_cohort", "top_fifth", "expansion_share", "activation"}
    assert {found["level"] for found in raised(loud)} == {"note", "warning"}


def test_the_returns_that_a_rule_adds_to_nrr_stay_in_it_without_the_five_largest() -> None:
    whole = measure(up=1_000)
    whole.cohort["reactivation"] = 500
    found = raise_one("concentration", whole, largest=(1_000,))
    assert found is not None
    assert found["nrr_without"] == 1.05


def test_contraction_above_twice_the_limit_is_said_to_triple_the_risk() -> None:
    found = first(measure(up=2_000, down=1_001))
    assert "three times the churn risk" in found[0]["message"]
    found = first(measure(up=2_000, down=1_000))
    assert "a product or pricing problem" in found[0]["message"]


def test_the_illusion_names_the_segments_below_90_percent() -> None:
    smb, none = measure(lost=1_001, segment="smb"), measure(lost=2_000, segment=None)
    fine = measure(lost=1_000, segment="big")
    (found,) = first(measure(up=500), smb, none, fine)
    assert found["message"] == "NRR is 105.0% in all, but below 90% in: smb 90.0%, no segment 80.0%"
    assert codes(measure(up=100, lost=101), smb) == []


def test_concentration_says_what_nrr_would_be_without_the_five_largest() -> None:
    (found,) = first(measure(up=1_000), largest=(300, 100, 50, 30, 21))
    assert (found["code"], found["share"], found["nrr_without"]) == ("concentration", 0.501, 1.0499)
    assert codes(measure(up=1_000), largest=(300, 100, 50, 30, 20)) == []


def test_an_empty_cohort_raises_nothing() -> None:
    empty = measure()
    empty.cohort.update(dict.fromkeys(empty.cohort, 0))
    assert raised(Evidence(empty)) == []


# GRR of 85 % a year is 0.85 ** 0.25 = 96.0185 % a quarter.
FIRST: list[tuple[dict[str, Any], bool]] = [
    ({"lost": 1_501}, True),
    ({"lost": 1_500}, False),
    ({"lost": 399, "window": QUARTER}, True),
    ({"lost": 398, "window": QUARTER}, False),
    ({"lost": 5_000, "window": MONTH}, False),
]


@pytest.mark.parametrize(("figures", "expected"), FIRST)
def test_below_85_percent_grr_comes_first(figures: dict[str, Any], expected: bool) -> None:
    assert (raise_one("fix_grr_first", measure(**figures)) is not None) == expected


# 88 % a year is 0.88 ** 0.25 = 96.8546 % a quarter; 110 % is 102.4114 %.
BUILD: list[tuple[dict[str, Any], bool]] = [
    ({"lost": 1_200}, True),
    ({"lost": 1_201}, False),
    ({"up": 999}, True),
    ({"up": 1_000}, False),
    ({"lost": 314, "window": QUARTER}, True),
    ({"lost": 315, "window": QUARTER}, False),
    ({"up": 241, "window": QUARTER}, True),
    ({"up": 242, "window": QUARTER}, False),
    ({"up": 10, "window": MONTH}, False),
]


@pytest.mark.parametrize(("figures", "expected"), BUILD)
def test_from_88_percent_on_expansion_is_built(figures: dict[str, Any], expected: bool) -> None:
    assert (raise_one("build_expansion", measure(**figures)) is not None) == expected


def test_over_a_quarter_the_limit_is_told_with_its_year() -> None:
    found = raise_one("fix_grr_first", measure(lost=1_000, window=QUARTER))
    assert found is not None
    assert found["message"].startswith("GRR is 90.0%, below 96.0% (85% a year): fix GRR first")
    assert found["limit"] == pytest.approx(0.85**0.25)


def test_between_88_and_90_percent_grr_must_stay_there_first() -> None:
    near, there = measure(lost=1_001), measure(lost=1_000)
    found = raise_one("build_expansion", near)
    assert found is not None
    assert found["message"].endswith("once it stays there, build the expansion engine")
    found = raise_one("build_expansion", there)
    assert found is not None
    assert found["message"] == "GRR is 90.0%, NRR 90.0%: the base holds, build the expansion engine"


def earlier(*lost: int, months: int = 12) -> tuple[Measure, ...]:
    """Make windows that closed 3, 6, 9… months before, each with its loss."""
    ends = [month_end(add_months(date(2025, 12, 1), -3 * n)) for n in range(1, len(lost) + 1)]
    starts = [month_end(add_months(end.replace(day=1), -months)) for end in ends]
    return tuple(
        measure(lost=loss, window=Window(start, end))
        for loss, start, end in zip(lost, starts, ends, strict=True)
    )


def test_grr_that_falls_three_quarters_running() -> None:
    whole = measure(lost=800)
    found = raise_one("grr_falling", whole, series=earlier(700, 600, 500))
    assert found is not None
    assert found["grr"] == [0.95, 0.94, 0.93, 0.92]
    assert found["message"].endswith("running: 95.0%, 94.0%, 93.0%, 92.0%")
    assert raise_one("build_expansion", whole, series=earlier(700, 600, 500)) is None
    assert raise_one("grr_falling", whole, series=earlier(700, 600, 600)) is None
    assert raise_one("grr_falling", whole, series=earlier(700, 600)) is None
    assert raise_one("grr_falling", whole, series=earlier(800, 600, 500)) is None


def test_windows_between_the_quarters_do_not_count_and_months_say_nothing_of_quarters() -> None:
    off = Window(date(2024, 10, 31), date(2025, 10, 31))
    series = (*earlier(700, 600, 500), measure(lost=9_000, window=off))
    assert raise_one("grr_falling", measure(lost=800), series=series) is not None
    quarterly = earlier(700, 600, 500, months=3)
    whole = measure(lost=800, window=QUARTER)
    assert raise_one("grr_falling", whole, series=quarterly) is not None
    monthly = earlier(700, 600, 500, months=1)
    assert raise_one("grr_falling", measure(lost=800, window=MONTH), series=monthly) is None


def test_the_worst_cohort_stands_apart_from_the_blend() -> None:
    good, bad = measure(up=500, cohort="2024-Q1"), measure(lost=2_000, cohort="2024-Q2")
    tiny = measure(lost=10_000, accounts=19, cohort="2024-Q3")
    found = raise_one("worst_cohort", measure(up=100), cohorts=(good, tiny, bad))
    assert found is not None
    assert (found["cohort"], found["nrr"], round(found["gap"], 9)) == ("2024-Q2", 0.8, 0.21)
    assert found["message"].startswith("the cohort of 2024-Q2 is at 80.0%, 21.0 points below")
    least = measure(lost=2_001, accounts=20, cohort="2024-Q4")
    found = raise_one("worst_cohort", measure(), cohorts=(good, bad, least))
    assert found is not None
    assert found["cohort"] == "2024-Q4"


def test_where_all_cohorts_are_small_it_says_so() -> None:
    few = (measure(cohort="2024-Q1", accounts=9), measure(lost=100, cohort="2024-Q2", accounts=5))
    tiny = measure(lost=9_000, cohort="2024-Q3", accounts=4)
    found = raise_one("worst_cohort", measure(), cohorts=(*few, tiny))
    assert found is not None
    assert found["small_cohort"]
    assert "2024-Q2 (only 5 accounts) is at" in found["message"]
    assert raise_one("worst_cohort", measure(), cohorts=few[1:]) is None
    assert raise_one("worst_cohort", measure(), cohorts=(tiny, tiny)) is None
    assert raise_one("worst_cohort", measure(lost=1), cohorts=few) is None  # less than a point


def test_the_top_fifth_is_shown_beside_the_others() -> None:
    whole = measure(up=1_000)
    top = measure(accounts=6)
    top.cohort.update(opening=6_000, closing=7_200, kept=6_000)
    found = raise_one("top_fifth", whole, top_fifth=top)
    assert found is not None
    assert (found["accounts"], found["share"], found["nrr"], found["nrr_of_others"]) == (
        6,
        0.6,
        1.2,
        0.95,
    )
    assert found["message"].endswith(
        "pay 60% of opening MRR; their NRR is 120.0%, the others at 95.0%"
    )
    alone = raise_one("top_fifth", whole, top_fifth=whole)
    assert alone is not None
    assert alone["nrr_of_others"] is None
    assert raise_one("top_fifth", whole) is None


def test_price_rises_that_make_more_than_half_of_expansion() -> None:
    whole = measure(up=1_000, flows={"expansion": 1_000, "price": 1_000})
    found = raise_one("price_led", whole, price_rises=501)
    assert found is not None
    assert found["share"] == 0.501
    assert raise_one("price_led", whole, price_rises=500) is None
    assert raise_one("price_led", whole) is None
    assert raise_one("price_led", measure(), price_rises=0) is None


@pytest.mark.parametrize(
    ("flows", "share", "place"),
    [
        ({"new": 701, "expansion": 299}, 0.299, "below"),
        ({"new": 700, "expansion": 300}, 0.3, "within"),
        ({"new": 400, "reactivation": 100, "expansion": 500}, 0.5, "within"),
        ({"new": 400, "reactivation": 99, "expansion": 501}, 0.501, "above"),
    ],
)
def test_expansion_as_a_share_of_all_new_mrr(
    flows: dict[str, int], share: float, place: str
) -> None:
    found = raise_one("expansion_share", measure(flows=flows))
    assert found is not None
    assert found["share"] == share
    assert f", {place} the 30% to 50%" in found["message"]


def test_no_new_mrr_has_no_share() -> None:
    assert raise_one("expansion_share", measure(flows={"new": 0, "expansion": 0})) is None


def test_fewer_than_two_levers() -> None:
    found = raise_one("few_levers", measure(), levers_active=("seat",))
    assert found is not None
    assert found["message"].startswith("1 of 4 expansion levers active (seat): ")
    found = raise_one("few_levers", measure(), levers_active=())
    assert found is not None
    assert found["message"].startswith("0 of 4 expansion levers active: ")
    assert raise_one("few_levers", measure(), levers_active=("seat", "usage")) is None
    assert raise_one("few_levers", measure()) is None


def test_activation_stands_beside_the_nrr_of_its_cohort() -> None:
    cohorts = (
        Activation("2024-Q4", accounts=0, activated=0, nrr=None),
        Activation("2025-Q1", accounts=40, activated=10, nrr=0.8),
        Activation("2025-Q2", accounts=20, activated=15, nrr=None),
    )
    found = raise_one("activation", measure(), activation=cohorts)
    assert found is not None
    assert found["message"].endswith(
        "cohort: 2025-Q1 25% (NRR 80.0%); 2025-Q2 75% (nobody paid at the opening)"
    )
    assert [(one["cohort"], one["rate"], one["nrr"]) for one in found["cohorts"]] == [
        ("2025-Q1", 0.25, 0.8),
        ("2025-Q2", 0.75, None),
    ]
    assert raise_one("activation", measure()) is None


def test_activation_that_cannot_be_known_says_why() -> None:
    found = raise_one("activation", measure(), no_activation="the book has no feature_catalog")
    assert found is not None
    assert found["cohorts"] is None
    assert found["reason"] == "the book has no feature_catalog"


def test_returns_after_a_single_month_may_never_have_left() -> None:
    assert raise_one("short_gaps", measure(), returns=(20, 5))
    assert not raise_one("short_gaps", measure(), returns=(21, 5))
    assert not raise_one("short_gaps", measure(), returns=(4, 4))


def test_one_expansion_is_named_as_one() -> None:
    told = raise_one("concentration", measure(up=100), largest=(100,))
    assert told is not None
    assert told["message"].startswith("one expansion makes 100% of all expansion; without it")
