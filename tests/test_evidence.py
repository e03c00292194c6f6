"""Pictures and papers of a run: the same figures give the same bytes, and too little is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.bundle import write_bundle
from models.target import TARGETS
from models.waiting import leave, waiting
from training.backtest import Backtest
from training.drawings import _held, draw_lift, draw_reliability
from training.evaluate import Judged
from training.evidence import catalog_digest, papers
from training.gate import Check

SERVES = dict.fromkeys(TARGETS, "score")


def judged(events: int, n: int = 400) -> Judged:
    rng = np.random.default_rng(0)
    p, ones = rng.random(n) * 0.3, np.ones(n)
    y = (np.arange(n) < events).astype(np.int64)
    count = np.arange(n)
    return Judged(p, 0.15 * ones, rng.normal(size=n), y, count, ones > 0, ones, count % 4)


@pytest.mark.ci
@pytest.mark.fault("T01")
@pytest.mark.parametrize("draw", [draw_reliability, draw_lift])
def test_pictures_are_the_same_bytes_and_few_events_no_failure(draw: Any, tmp_path: Path) -> None:
    pooled = {"churn": judged(60), "expand": judged(1), "contract": judged(0)}
    for name in ("one.png", "two.png"):
        draw(pooled, SERVES, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    draw({}, SERVES, tmp_path / "none.png")
    assert (tmp_path / "none.png").stat().st_size > 1000


def test_what_a_list_holds_by_hand() -> None:
    y, listed = np.array([1, 0, 1, 0]), np.array([0, 0.25, 0.5, 1])
    assert _held(np.array([4.0, 3, 2, 1]), y, listed).tolist() == [0, 0.5, 0.5, 1]
    assert _held(np.ones(4), y, listed) == pytest.approx(listed)  # ties hold what luck would


@pytest.mark.ci
@pytest.mark.fault("T01")
def test_a_book_without_a_past_has_its_papers(tmp_path: Path) -> None:
    nothing = {"rows": 0, "events": 0}
    past = Backtest((), dict.fromkeys(TARGETS, nothing), ())
    found = papers(tmp_path / "papers", past, [Check("one", None, "any", True)], {"seed": 0})
    assert {"gate.json", "scores.json", "lift.png", "reliability.png"} <= set(found)
    assert all(path.is_file() for path in found.values())


def test_the_catalogue_has_one_digest() -> None:
    assert catalog_digest() == catalog_digest()


@pytest.mark.fault("T06")
def test_papers_wait_with_their_bundle(tmp_path: Path) -> None:
    digest = write_bundle(tmp_path / "bundle", {"rung": "calendar"}, {}, pd.DataFrame())
    paper = tmp_path / "gate.json"
    paper.write_text("[]")
    folder = leave(tmp_path, tmp_path / "bundle", digest, {}, {}, {}, {"gate.json": paper})
    (found,) = waiting(tmp_path)
    assert found.artifacts == {"gate.json": folder / "papers" / "gate.json"}
    found.done()
    assert not folder.exists()
