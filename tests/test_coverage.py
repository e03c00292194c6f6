"""The coverage benchmark in small: books are repeatable, counts are right, cells are judged."""

import numpy as np
import pytest

from benchmarks.coverage import cell, jobs_of, verdict
from benchmarks.coverage_book import book_told
from benchmarks.coverage_world import HISTORY, draw_book, futures
from models.outcomes import HORIZONS

pytestmark = pytest.mark.ci


def told(nrr, low, high):
    """Give a book that was forecast: ours, independent and the oracle alike."""
    figures = {name: [low - 0.01, low, high, high + 0.01] for name in ("nrr", "grr")}
    who = dict.fromkeys(("ours", "independent", "oracle"), figures)
    return {"3": {"nrr": nrr, "grr": nrr, "mean": 1.0, "oracle_mean": 1.0} | who}


def test_a_book_is_repeatable_and_its_figures_are_in_order():
    first = book_told(90, "medium", 1)
    assert book_told(90, "medium", 1) == first
    for horizon in HORIZONS:
        for who in ("ours", "independent", "oracle"):
            for name in ("nrr", "grr"):
                assert first[str(horizon)][who][name] == sorted(first[str(horizon)][who][name])


def test_without_shocks_the_oracle_is_right_on_average():
    rng = np.random.default_rng(3)
    missed = []
    for _ in range(30):
        book = draw_book(250, 0.0, rng)
        opening = book.mrr[HISTORY - 1]
        paying = opening > 0
        drawn = futures(book, 200, rng)[11, :, 0]
        actual = book.mrr[HISTORY + 11][paying].sum() / opening.sum()
        missed.append((actual - drawn.mean()) / drawn.std())
    assert abs(np.mean(missed)) < 3 / 30**0.5


def test_a_cell_counts_what_is_inside():
    one = cell([told(1.0, 0.9, 1.1)] * 80 + [told(1.2, 0.9, 1.1)] * 20, 3)
    mine = one["coverage"]["ours"]["nrr"]["80"]
    low, high = mine["wilson99"]
    assert (mine["percent"], round(low, 1), round(high, 1)) == (80.0, 68.0, 88.3)
    assert mine["median_width_over_oracle"] == 1.0
    assert verdict(one, 3)["holds"]
    assert not verdict(cell([told(1.2, 0.9, 1.1)] * 100, 3), 3)["80"]


def test_a_part_of_the_books_is_the_first_of_them():
    part = {(job["shock"], job["live"], job["first"]) for job in jobs_of(0.1, 0)}
    assert part <= {(job["shock"], job["live"], job["first"]) for job in jobs_of(1.0, 0)}
    assert sum(job["books"] for job in jobs_of(0.1, 0)) == 120
