"""The endpoint flows of an opening cohort, and the cumulants of their sums.

A cohort opens with M_0 per account and stands at M_h after h months. Expansion is
max(0, M_h - M_0) of those that pay, contraction max(0, M_0 - M_h) of those that pay, churned is
M_0 of those that do not. So closing = opening + expansion - contraction - churned, whoever moves.
Accounts that count as flat may drift a little (price rises, small moves): their rise is expansion
too, and their fall contraction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from models.cells import Cells
from models.factor import Chances, Leaning, blocks
from models.outcomes import Outlook
from models.room import keep_room

__all__ = [
    "QUANTITIES",
    "Cohort",
    "cohort_at",
    "cumulants",
    "means",
    "own_cumulants",
    "sums_given_factor",
]

Floats = NDArray[np.float64]

QUANTITIES = ("expansion", "contraction", "churned", "closing", "loss", "logos")
"""The sums that have a distribution; loss = contraction + churned, logos counts accounts."""


def _still() -> Floats:
    """Give the drift of nobody; a cohort widens it to its accounts."""
    return np.zeros((0, 3))


def _none() -> Floats:
    """Give the agreed rise of nobody; a cohort widens it to its accounts."""
    return np.zeros(0)


@dataclass(frozen=True)
class Cohort:
    """The accounts of an opening as they are expected at one horizon, booked things settled.

    Attributes
    ----------
    mrr : array of float, (n,)
        Opening MRR, in units of the book's currency.
    p_churn, p_contract, p_expand : array of float, (n,)
        Chances of what is not booked; a booked loss has churn 1, a signed account none of them.
    up, down : array of float, (n, 3)
        Raw moments of the relative rise and fall.
    signed : array of bool, (n,)
        Where a signed successor line fixes the MRR.
    signed_up, signed_down : array of float, (n,)
        The rise and the fall that are signed, in units of currency.
    notice : array of bool, (n,)
        Where notice was given and service has ended by the horizon.
    flat_up, flat_down : array of float, (n, 3)
        Raw moments of the relative rise and fall of an account that counts as flat, zeros
        included; none where signed or notice given. Left out: nobody drifts.
    uplift_owed, uplift_due : array of float, (n,)
        The part of that rise that is an agreed one, as in an outlook. Left out: none.
    """

    mrr: Floats
    p_churn: Floats
    p_contract: Floats
    p_expand: Floats
    up: Floats
    down: Floats
    signed: NDArray[np.bool_]
    signed_up: Floats
    signed_down: Floats
    notice: NDArray[np.bool_]
    flat_up: Floats = field(default_factory=_still)
    flat_down: Floats = field(default_factory=_still)
    uplift_owed: Floats = field(default_factory=_none)
    uplift_due: Floats = field(default_factory=_none)

    def __post_init__(self) -> None:
        for name in ("uplift_owed", "uplift_due"):
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, np.broadcast_to(0.0, len(self.mrr)))
        for name in ("flat_up", "flat_down"):
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, np.broadcast_to(0.0, (len(self.mrr), 3)))

    @property
    def p_flat(self) -> Floats:
        """Chance of none of churn, contract and expand."""
        return Chances(self.p_churn, self.p_contract, self.p_expand).flat

    @property
    def drifts(self) -> bool:
        """Say whether any account that counts as flat moves at all."""
        return bool(self.flat_up.any() or self.flat_down.any())

    @property
    def uplift(self) -> Floats:
        """Expected money of the rises in price that are agreed (a fall is negative), (n,)."""
        return self.p_flat * self.mrr * (self.uplift_owed + self.uplift_due)

    def of(self, who: NDArray[np.int64] | slice) -> Cohort:
        """Take some of the accounts, by position."""
        named = {item.name: getattr(self, item.name) for item in fields(self)}
        if isinstance(who, slice):
            return Cohort(**{name: values[who] for name, values in named.items()})
        return Cohort(**{name: values.take(who, axis=0) for name, values in named.items()})


def cohort_at(outlook: Outlook, horizon: int) -> Cohort:
    """Read an outlook at one horizon: what is booked replaces what is expected.

    A signed successor line outranks a notice: the account is then there at its signed amount.
    """
    keep_room()  # all arithmetic of forecasts begins here
    column = horizon - 1
    mrr = outlook.accounts["mrr_micros"].to_numpy(dtype=np.float64) / 1e6
    amount = outlook.booked_mrr_micros[:, column] / 1e6
    signed = np.isfinite(amount)
    notice = outlook.booked_churn[:, column] & ~signed
    change = np.where(signed, amount - mrr, 0.0)
    open_ = ~(signed | notice)
    return Cohort(
        mrr=mrr,
        p_churn=np.where(notice, 1.0, np.where(open_, outlook.p_churn[:, column], 0.0)),
        p_contract=np.where(open_, outlook.p_contract[:, column], 0.0),
        p_expand=np.where(open_, outlook.p_expand[:, column], 0.0),
        up=np.ascontiguousarray(outlook.up_moments[:, column]),
        down=np.ascontiguousarray(outlook.down_moments[:, column]),
        signed=signed,
        signed_up=np.maximum(change, 0.0),
        signed_down=np.maximum(-change, 0.0),
        notice=notice,
        flat_up=np.where(open_[:, None], outlook.drift_up[:, column], 0.0),
        flat_down=np.where(open_[:, None], outlook.drift_down[:, column], 0.0),
        uplift_owed=np.where(open_, outlook.uplift_owed[:, column], 0.0),
        uplift_due=np.where(open_, outlook.uplift_due[:, column], 0.0),
    )


def means(cohort: Cohort) -> dict[str, Floats]:
    """Give each account's expected flows, in units of currency (logos: accounts).

    Examples
    --------
    >>> from datetime import date
    >>> one = np.ones(1)
    >>> cohort = Cohort(one * 100, one * 0.1, one * 0.0, one * 0.2, np.full((1, 3), 0.5),
    ...     np.zeros((1, 3)), one < 0, one * 0, one * 0, one < 0)
    >>> {name: round(float(flow[0]), 6) for name, flow in means(cohort).items()}
    {'expansion': 10.0, 'contraction': 0.0, 'churned': 10.0, 'closing': 100.0, 'loss': 10.0, 'logos': 0.1}
    """
    expansion = cohort.p_expand * cohort.mrr * cohort.up[:, 0] + cohort.signed_up
    contraction = cohort.p_contract * cohort.mrr * cohort.down[:, 0] + cohort.signed_down
    if cohort.drifts:
        stays = cohort.p_flat * cohort.mrr
        expansion = expansion + stays * cohort.flat_up[:, 0]
        contraction = contraction + stays * cohort.flat_down[:, 0]
    churned = cohort.p_churn * cohort.mrr
    return {
        "expansion": expansion,
        "contraction": contraction,
        "churned": churned,
        "closing": cohort.mrr + expansion - contraction - churned,
        "loss": contraction + churned,
        "logos": cohort.p_churn,
    }


def cumulants(
    cohort: Cohort, chances: Chances, groups: Floats, names: tuple[str, ...] = QUANTITIES
) -> dict[str, Floats]:
    """Give mean, variance and third cumulant of each group's sums, given the factor.

    Parameters
    ----------
    cohort : Cohort
        The accounts.
    chances : Chances
        Their chances at m values of the factor.
    groups : array of float, (g, n)
        One row per group, 1 where an account belongs to it.
    names : tuple of str
        Which of `QUANTITIES` are asked for.

    Returns
    -------
    dict of str to array of float, (g, 3, m)
        One array per name.
    """
    cells = Cells.of(groups)
    at = Chances(*(p[cells.order] for p in (chances.churn, chances.contract, chances.expand)))
    return _summed(cells, names, [(slice(0, len(cells.order)), cohort.of(cells.order), at)])


def sums_given_factor(
    cohort: Cohort, leaning: Leaning, z: Floats, groups: Floats, names: tuple[str, ...] = QUANTITIES
) -> dict[str, Floats]:
    """Give `cumulants` at values of the factor, block by block of accounts."""
    cells = Cells.of(groups)
    return _summed(cells, names, _in_blocks(cohort, leaning, z, cells))


def _in_blocks(
    cohort: Cohort, leaning: Leaning, z: Floats, cells: Cells
) -> Iterator[tuple[slice, Cohort, Chances]]:
    """Take the accounts cell by cell, as many at once as fit a processor's cache."""
    for block in blocks(len(cohort.mrr)):
        who = block if cells.is_one else cells.order[block]  # a slice copies nothing
        yield block, cohort.of(who), leaning.of(who).at(z)


def _summed(
    cells: Cells, names: tuple[str, ...], parts: Iterable[tuple[slice, Cohort, Chances]]
) -> dict[str, Floats]:
    """Sum the cumulants of accounts, who are independent given the factor."""
    sums: dict[str, Floats] = {}
    for block, cohort, chances in parts:
        signed = _signed(cohort)
        for name, own in own_cumulants(cohort, chances, names).items():
            own[0] += signed.get(name, 0.0)
            zero = np.zeros((*own.shape[:2], len(cells.first)))
            cells.add(own, block, sums.setdefault(name, zero))
    return {name: cells.groups(sums[name]) for name in names}


def own_cumulants(cohort: Cohort, chances: Chances, names: tuple[str, ...]) -> dict[str, Floats]:
    """Give mean, variance and third cumulant of what each account may add, (3, m, n) each.

    Parameters
    ----------
    cohort : Cohort
        The accounts.
    chances : Chances
        Their chances at m values of the factor.
    names : tuple of str
        Which of `QUANTITIES` are asked for; what is signed is not in them.
    """
    raw = _moments(cohort, chances, names)
    room = np.empty((2, *chances.churn.T.shape))
    return {name: _cumulants(moments, room) for name, moments in raw.items()}


def _signed(cohort: Cohort) -> dict[str, Floats]:
    """Give what is certain of each account's flows."""
    return {
        "expansion": cohort.signed_up,
        "contraction": cohort.signed_down,
        "closing": cohort.mrr + cohort.signed_up - cohort.signed_down,
        "loss": cohort.signed_down,
    }


def _moments(cohort: Cohort, chances: Chances, names: tuple[str, ...]) -> dict[str, Floats]:
    """Give three raw moments of what each account adds to the sums asked for, (3, m, n) each."""
    powers = np.stack([cohort.mrr, cohort.mrr**2, cohort.mrr**3])
    rise = _times(chances.expand, powers * cohort.up.T)
    fall = _times(chances.contract, powers * cohort.down.T)
    if cohort.drifts:
        flat = chances.flat
        rise += _times(flat, powers * cohort.flat_up.T)
        fall += _times(flat, powers * cohort.flat_down.T)
    gone = _times(chances.churn, powers)
    raw = {"expansion": rise, "contraction": fall, "churned": gone}
    if "loss" in names or "closing" in names:
        raw["loss"] = fall + gone
    if "closing" in names:
        raw["closing"] = rise + raw["loss"]
        np.subtract(rise[::2], raw["loss"][::2], out=raw["closing"][::2])  # a loss is below zero
    if "logos" in names:
        raw["logos"] = np.repeat(chances.churn.T[None], 3, axis=0)
    return {name: raw[name] for name in names}


def _times(chance: Floats, sizes: Floats) -> Floats:
    """Multiply a chance, (n, m), with three moments of its size, (3, n): (3, m, n)."""
    return np.asarray(chance.T * sizes[:, None])


def _cumulants(moments: Floats, room: Floats) -> Floats:
    """Turn raw moments, (3, m, n), into mean, variance and third cumulant, in their place.

    ``room`` is for two matrices in between: new ones for every block cost more than the sums do.
    """
    first, second, third = moments
    square, more = room
    np.multiply(first, first, out=square)
    np.multiply(second, 3.0, out=more)
    np.subtract(second, square, out=second)
    np.maximum(second, 0.0, out=second)
    square *= 2.0
    more -= square
    more *= first
    third -= more
    return moments
