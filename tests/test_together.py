"""What is reckoned together to save time is what it would be alone, to the last digit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.cells import Cells
from models.flows import Cohort
from models.mixture import quantiles, quantiles_together
from models.view import groups_of, months_of

LEVELS = (0.1, 0.5, 0.9)


def _sums(nodes: int, sums: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = np.linspace(-6.0, 6.0, nodes)
    mean = 100.0 + rng.normal(0.0, 9.0, (sums, 1)) * z  # of unlike steepness: of unlike density
    sd = rng.uniform(0.5, 4.0, (sums, 1)) + 0.0 * z
    return z, np.stack([mean, sd**2, rng.normal(0.0, 0.5, (sums, 1)) * sd**3], axis=1)


def test_quantiles_found_together_are_those_found_alone() -> None:
    parts = [
        _sums(25, 3, 1),
        _sums(13, 5, 2),
        _sums(25, 1, 3),
        (_sums(49, 2, 4)[0], np.zeros((0, 3, 49))),
    ]
    for (z, sums), found in zip(parts, quantiles_together(parts, LEVELS), strict=True):
        assert np.array_equal(found, quantiles(z, sums, LEVELS))
    assert quantiles_together([], LEVELS) == []


@pytest.mark.parametrize("accounts", [0, 30, 900])
def test_months_told_together_are_those_told_alone(accounts: int) -> None:
    rng = np.random.default_rng(accounts)
    one, no = np.ones(accounts), np.zeros(accounts, dtype=bool)
    laws = np.tile([0.2, 0.05, 0.02], (accounts, 1))
    mrr = rng.lognormal(6.0, 0.5, accounts)
    months = [
        (Cohort(mrr, p * one, p * one, p * one, laws, laws, no, 0 * one, 0 * one, no), tau)
        for p, tau in ((0.01, 0.3), (0.05, 0.05), (0.2, 0.4))
    ]
    alone = [months_of([month])[0] for month in months]
    assert months_of(iter(months)) == alone


def test_many_groups_are_told_apart_by_many_cells() -> None:
    labels = np.random.default_rng(0).integers(0, 70, 2_000)
    groups = np.concatenate([np.ones((1, 2_000)), labels == np.arange(70)[:, None]])
    cells = Cells.of(groups)
    assert np.array_equal(np.sort(cells.order), np.arange(2_000))
    assert len(cells.first) == 70
    assert np.array_equal(groups[:, cells.order[cells.first]], cells.belongs)


def test_a_missing_label_and_the_word_unknown_are_one_group() -> None:
    accounts = pd.DataFrame({"segment": ["unknown", None, "smb", "b", np.nan]})
    found = [(group.cut, group.members.tolist()) for group in groups_of(accounts, ["segment"])]
    assert found[1:] == [
        ({"segment": "b"}, [3]),
        ({"segment": "smb"}, [2]),
        ({"segment": "unknown"}, [0, 1, 4]),
    ]
