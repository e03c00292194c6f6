"""Cautions: each is raised by its own figures, and by no others."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from features.cautions import cautions
from features.cohorts import Measure
from features.windows import Window

YEAR = Window(date(2024, 12, 31), date(2025, 12, 31))
QUARTER = Window(date(2025, 9, 30), date(2025, 12, 31))
MONTH = Window(date(2025, 11, 30), date(2025, 12, 31))


def measure(
    up: int = 0, down: int = 0, lost: int = 0, window: Window = YEAR, **cut: str | None
) -> Measure:
    """Make a cohort that paid 10,000 at the opening."""
    closing = 10_000 + up - down - lost
    cohort = {"accounts": 30, "lost": 0, "opening": 10_000, "expansion": up, "contraction": down}
    cohort |= {"churned": lost, "closing": closing, "kept": closing - up, "organic": up}
    return Measure(window, cut, cohort, {})


def codes(whole: Measure, *segments: Measure, largest: tuple[int, ...] = ()) -> list[str]:
    return [found["code"] for found in cautions(whole, list(segments), list(largest))]


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
]


@pytest.mark.parametrize(("figures", "expected"), CASES)
def test_each_caution_has_its_own_limit(figures: dict[str, Any], expected: list[str]) -> None:
    assert codes(measure(**figures)) == expected


def test_contraction_above_twice_the_limit_is_said_to_triple_the_risk() -> None:
    found = cautions(measure(up=2_000, down=1_001), [], [])
    assert "three times the churn risk" in found[0]["message"]


def test_the_illusion_names_the_segments_below_90_percent() -> None:
    smb, none = measure(lost=1_001, segment="smb"), measure(lost=2_000, segment=None)
    fine = measure(lost=1_000, segment="big")
    (found,) = cautions(measure(up=500), [smb, none, fine], [])
    assert found["message"] == "NRR is 105.0% in all, but below 90% in: smb 90.0%, no segment 80.0%"
    assert codes(measure(up=100, lost=101), smb) == []


def test_concentration_says_what_nrr_would_be_without_the_five_largest() -> None:
    (found,) = cautions(measure(up=1_000), [], [300, 100, 50, 30, 21])
    assert (found["code"], found["share"], found["nrr_without"]) == ("concentration", 0.501, 1.0499)
    assert codes(measure(up=1_000), largest=(300, 100, 50, 30, 20)) == []


def test_an_empty_cohort_raises_nothing() -> None:
    empty = measure()
    empty.cohort.update(dict.fromkeys(empty.cohort, 0))
    assert cautions(empty, [], []) == []
