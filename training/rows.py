"""Training rows: which (account, as-of date, lead) are learned from, and with what weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.faults import DataRejected
from models.calendar import CalendarFacts
from models.outcomes import LEADS
from training.labels import Outcomes

__all__ = [
    "ROWS_PER_FIT",
    "Rows",
    "all_rows",
    "distinct_events",
    "independent_share",
    "refuse_unfit",
    "sample",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEADS_PER_ROW = 3
ROWS_PER_FIT = 60_000
"""Rows of the final fit, at most."""


@dataclass(frozen=True)
class Rows:
    """Rows of one target.

    Attributes
    ----------
    row : array of int, (rows,)
        Index of the snapshot row.
    lead : array of int, (rows,)
        Months ahead, 1 to 12.
    y : array of int, (rows,)
        1 where the event happened.
    weight : array of float, (rows,)
        Inverse of the probability that the row was sampled.
    """

    row: Ints
    lead: Ints
    y: Ints
    weight: Floats

    def __len__(self) -> int:
        return len(self.row)

    def take(self, keep: Ints) -> Rows:
        """Give some of the rows."""
        return Rows(self.row[keep], self.lead[keep], self.y[keep], self.weight[keep])


def refuse_unfit(target: str, rows: Rows) -> None:
    """Refuse rows that nothing can be learned from.

    Raises
    ------
    DataRejected
        ``train.label`` for an outcome that is neither 0 nor 1, or a weight that is no positive
        number, with the numbers of the first rows.

    Examples
    --------
    >>> lead = np.array([1, 1])
    >>> refuse_unfit("churn", Rows(np.array([7, 9]), lead, lead, np.array([1.0, np.inf])))
    Traceback (most recent call last):
    ...
    features.faults.DataRejected: churn: 1 training rows without outcome or weight, snapshot \
rows 9: train.label: run `perennial check`
    """
    sound = np.isin(rows.y, (0, 1)) & np.isfinite(rows.weight) & (rows.weight > 0)
    if not sound.all():
        first = ", ".join(map(str, rows.row[~sound][:10]))
        said = f"{target}: {int((~sound).sum())} training rows without outcome or weight"
        raise DataRejected("train.label", f"{said}, snapshot rows {first}", "run `perennial check`")


def all_rows(
    target: str, outcomes: Outcomes, facts: CalendarFacts, modelled: NDArray[np.bool_]
) -> Rows:
    """List every closed (row, lead) of a target.

    ``modelled`` is False for rows whose end or renewal was booked: nothing is learned from them.

    Churn: months that hold a decision, the account having paid until the month before.
    Expand: paying at the lead. Contract: paying at the lead, and not more.
    """
    if target == "churn":
        mask, event = outcomes.still_paying_before & facts.free(), outcomes.gone
    elif target == "expand":
        mask, event = ~outcomes.gone, outcomes.expand
    else:
        mask, event = ~outcomes.gone & ~outcomes.expand, outcomes.contract
    row, column = np.nonzero(mask & outcomes.closed & modelled[:, None])
    y = event[row, column].astype(np.int64)
    return Rows(row, column + 1, y, np.ones(len(row)))


def sample(rows: Rows, rng: np.random.Generator, most: int = ROWS_PER_FIT) -> Rows:
    """Keep at most three leads per snapshot row: the first, and two at random; then at most ``most``.

    Weights are the inverse of the chance of being kept, so that sums over the sample estimate
    sums over all rows.
    """
    order = np.lexsort((rng.random(len(rows)), rows.row))
    first_lead = np.full(int(rows.row.max(initial=-1)) + 1, LEADS + 1)
    np.minimum.at(first_lead, rows.row, rows.lead)
    is_first = rows.lead == first_lead[rows.row]
    others = order[~is_first[order]]
    rank = _rank_within(rows.row[others])
    kept = others[rank < LEADS_PER_ROW - 1]
    count = np.bincount(rows.row[others], minlength=len(first_lead))
    weight = rows.weight.copy()
    weight[kept] *= np.maximum(count[rows.row[kept]] / (LEADS_PER_ROW - 1), 1.0)
    chosen = np.sort(np.concatenate([np.nonzero(is_first)[0], kept]))
    if len(chosen) > most:
        weight *= len(chosen) / most
        chosen = np.sort(rng.choice(chosen, size=most, replace=False))
    return Rows(rows.row[chosen], rows.lead[chosen], rows.y[chosen], weight[chosen])


def _rank_within(groups: Ints) -> Ints:
    """Rank of each element within its run of equal, contiguous groups."""
    if not len(groups):
        return groups
    starts = np.concatenate([[True], groups[1:] != groups[:-1]])
    position = np.arange(len(groups))
    return position - np.maximum.accumulate(np.where(starts, position, 0))


def distinct_events(target: str, rows: Rows) -> int:
    """Count the distinct events behind rows: many rows see the same one, at most one per lead.

    A departure is seen at lead 1 only where no notice was given (rows with notice are not
    learned from), so the lead that sees most of them counts. A state lasts: only lead 1 sees its
    beginning.
    """
    by_lead = np.bincount(rows.lead[rows.y == 1], minlength=LEADS + 1)
    return int(by_lead.max() if target == "churn" else by_lead[1])


def independent_share(rows: Rows) -> float:
    """Give the account-months per row: every one of them is seen at most once per lead."""
    return float(np.bincount(rows.lead).max() / len(rows)) if len(rows) else 1.0
