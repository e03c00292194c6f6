"""Cells of weekly runs: what is counted, by hand; and twelve weeks of a simulated book."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from benchmarks.stability_counts import counted, figures, pooled, true_moves
from benchmarks.stability_year import book_of, weeks_of

MONDAY = date(2025, 6, 30)


def runs(
    shown: str, raw: str = "", renewal: str | None = None
) -> list[tuple[date, pd.DataFrame, float]]:
    """Give weekly runs of one account: its retention letters, published and raw."""
    return [
        (
            MONDAY + timedelta(weeks=week),
            pd.DataFrame(
                {
                    "account_id": ["a"],
                    "cell": [f"{letter}L"],
                    "raw_cell": [f"{other}L"],
                    "guard": [None],
                    "next_renewal_on": [renewal],
                }
            ),
            0.0,
        )
        for week, (letter, other) in enumerate(zip(shown, raw or shown, strict=True))
    ]


def test_moves_and_what_the_next_one_takes_back():
    told = counted(runs("HHMMLLMHH"))
    assert (told["cell_moves"], told["account_weeks"]) == (4, 8)
    assert told["retention"]["moves"] == 4
    assert told["retention"]["reversed"] == 1  # from L to M; then on to H
    assert told["retention"]["reversed_within"] == {"4": 1, "8": 1, "13": 1}
    assert told["expansion"]["moves"] == 0


def test_a_band_that_starts_afresh_reverses_nothing():
    passed = (MONDAY + timedelta(weeks=3, days=-1)).isoformat()
    assert counted(runs("HLLH", renewal=passed))["retention"]["reversed"] == 0
    assert counted(runs("HLLH"))["retention"]["reversed"] == 1


def test_the_delay_is_that_of_rises_that_last():
    assert counted(runs("HHMMM", "HMMMM"))["retention"]["delays"] == {"1": 1}
    assert counted(runs("HHHHH", "HMMHH"))["retention"]["delays"] == {}
    there = counted(runs("MMMMM", "HMMMM"))["retention"]
    assert (there["delays"], there["late"]) == ({"0": 1}, {})


def test_figures_of_several_books_are_those_of_all_accounts():
    told = figures(pooled([counted(runs("HM" * 13)), counted(runs("H" * 27))]))
    assert told["moves"]["cell"] == pytest.approx(25 / (51 / 52))
    assert told["reversed"] == pytest.approx(24 / 25)


def test_true_chances_are_followed_by_the_same_rule():
    months = pd.date_range("2025-01-01", periods=5, freq="MS")
    rows = [
        {"account_id": name, "as_of": month, "p_churn_3": risk, "p_expand_3": 0.1}
        for name, risks in {"a": [0.01, 0.5, 0.5, 0.01, 0.01], "b": [0.01] * 5}.items()
        for month, risk in zip(months, risks, strict=True)
    ]
    told = true_moves(pd.DataFrame(rows), date(2025, 1, 1))
    assert told["account_months"] == 8
    assert (told["retention"]["moves"], told["retention"]["reversed"]) == (2, 1)
    assert told["expansion"]["moves"] == 0


@pytest.mark.ci
def test_twelve_weeks_of_a_simulated_book(tmp_path: Path):
    """300 accounts, weekly: far fewer moves than raw ones, none late, all of it adds up."""
    with threadpool_limits(limits=1):
        weeks = list(weeks_of(book_of(300, 3, tmp_path, months=13), 12, 3))
    told = counted(weeks)
    shown = figures(told)
    assert told["off"] <= 1e-6
    assert told["account_weeks"] > 1000
    assert shown["moves"]["retention"] + shown["moves"]["expansion"] < 0.6 * sum(
        shown["raw_moves"].values()
    )
    assert shown["reversed"] < shown["raw_reversed"]
    assert shown["delay"]["median"] == 0
    assert shown["delay"]["p90"] <= 1
