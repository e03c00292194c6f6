"""What a change does to an outlook: probabilities stay coherent, and what is booked stays booked.

Four laws hold whatever is changed: the four states of an account sum to 1; the probability of
leaving never falls with the months ahead; contraction and expansion keep their probability given
that the account stays when churn changes; a booked month (notice given, successor signed) is
left as it is, unless its notice is undone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from models.change import Chance, Change
from models.factor import lean
from models.outcomes import LEADS, Outlook
from models.raised import raised_price

__all__ = ["Effect", "changed", "given_factor"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MONTHS = np.arange(1, LEADS + 1)
TINY = 1e-9  # below it a chance has no course to bend, and a size no spread to keep


@dataclass(frozen=True)
class Effect:
    """What came of one change.

    Attributes
    ----------
    outlook : Outlook
        With the change in it; the very same one where nothing changed.
    reached : array of bool, (n,)
        Accounts that it could act on at the horizon.
    capped : array of bool, (n,)
        Accounts of which more was asked than a probability or a share can be.
    """

    outlook: Outlook
    reached: Bools
    capped: Bools


def changed(outlook: Outlook, change: Change, who: Bools, horizon: int, decision: Floats) -> Effect:
    """Put one change into an outlook.

    Parameters
    ----------
    outlook : Outlook
    change : Change
        Its effects act in the order of its fields, whatever order they were written in.
    who : array of bool, (n,)
        The accounts that it selects.
    horizon : int
        Months ahead by which a replaced probability holds, and until which the saved are safe.
    decision : array of float, (n,)
        Lead of each account's next decision, inf where there is none.
    """
    reached = who & _open(outlook)[:, horizon - 1]
    capped = np.zeros(len(who), dtype=bool)
    if change.saved:
        outlook = _saved(outlook, who, horizon, undo=change.undo_notice)
        reached = who & ~outlook.booked_churn[:, horizon - 1]
    for name in ("churn", "contraction", "expansion"):
        chance: Chance | None = getattr(change, name)
        if chance is not None and not chance.is_null:
            outlook, more = STATES[name](outlook, chance, who, horizon)
            capped |= more
    for name in ("expansion_size", "contraction_share"):
        size: Chance | None = getattr(change, name)
        if size is not None and not size.is_null:
            outlook, more = _sized(outlook, name, size, who)
            capped |= more
    price = change.price_at_renewal
    if price is not None:
        deciding = who & (decision <= horizon)
        reached &= deciding
        if not price.is_null:
            cells = deciding[:, None] & (decision[:, None] <= MONTHS) & _open(outlook)
            outlook, more = _churn_after(outlook, price.churn_multiply, cells)
            outlook = raised_price(outlook, price.rise, cells)
            capped |= more
    return Effect(outlook, reached, capped & who)


def given_factor(outlook: Outlook, taus: tuple[float, ...], z: float, *, fixed: bool) -> Outlook:
    """Give the outlook where the shared factor stands at ``z``, or is moved by it.

    Parameters
    ----------
    outlook : Outlook
    taus : tuple of float
        Scale of the factor in each of the twelve months.
    z : float
        Standard deviations of the factor.
    fixed : bool
        True: the factor is ``z``. False: it is normal about ``z``; the mean over it is given.
    """
    names = ("churn", "contract", "expand")
    before = [getattr(outlook, f"p_{name}") for name in names]
    after = [one.copy() for one in before]
    for column, tau in enumerate(taus):
        churn, contract, expand = (one[:, column] for one in before)
        leaning = lean(churn, contract, expand, tau)
        seen, weight = (np.zeros(1), np.ones(1)) if fixed else _normal()
        chances = leaning.at(seen + z)
        for name, one in zip(names, after, strict=True):
            one[:, column] = getattr(chances, name) @ weight
    open_ = _open(outlook)
    after = [np.where(open_, one, was) for one, was in zip(after, before, strict=True)]
    gone = _in_order(outlook, after[0], np.ones(len(outlook), dtype=bool))
    left = np.divide(1.0 - gone, 1.0 - after[0], out=np.zeros_like(gone), where=after[0] < 1.0)
    return replace(outlook, p_churn=gone, p_contract=after[1] * left, p_expand=after[2] * left)


def _normal() -> tuple[Floats, Floats]:
    z = np.linspace(-6.0, 6.0, 49)
    weight = np.exp(-0.5 * z**2)
    return z, weight / weight.sum()


def _any(cells: Bools) -> Bools:
    """Say of which accounts any month is meant."""
    return np.asarray(cells.any(axis=1))


def _open(outlook: Outlook) -> Bools:
    """Say which months are not booked, (n, 12)."""
    return ~(outlook.booked_churn | np.isfinite(outlook.booked_mrr_micros))


def _in_order(outlook: Outlook, churn: Floats, who: Bools) -> Floats:
    """Let the chance of having left fall nowhere over the open months, but where it fell before.

    A combined forecast (``models.tilt``) may dip by a hair from one month to the next. That dip is
    the baseline's, so no effect mends it: an effect of next to nothing changes next to nothing.
    """
    open_ = _open(outlook) & who[:, None]
    before = np.where(open_, outlook.p_churn, 0.0)
    dip = np.maximum.accumulate(before, axis=1) - before
    highest = np.maximum.accumulate(np.where(open_, churn, 0.0), axis=1)
    return np.where(open_, np.maximum(churn, highest - dip), churn)


def _with_churn(outlook: Outlook, churn: Floats) -> Outlook:
    """Put in another chance of leaving; the chances given that an account stays are kept."""
    before = outlook.p_churn
    moved = churn != before
    stays = np.divide(1.0 - churn, 1.0 - before, out=np.zeros_like(churn), where=before < 1.0)
    keep = np.where(moved, stays, 1.0)
    return replace(
        outlook,
        p_churn=churn,
        p_contract=outlook.p_contract * keep,
        p_expand=outlook.p_expand * keep,
    )


def _churn(outlook: Outlook, chance: Chance, who: Bools, horizon: int) -> tuple[Outlook, Bools]:
    """Multiply the chance of leaving, or replace it along the account's own course."""
    before = outlook.p_churn
    cells = who[:, None] & _open(outlook)
    if chance.is_replacement:
        asked = np.where(cells, _to_churn(before, chance.replace, horizon), before)
        churn = _in_order(outlook, np.minimum(asked, 1.0), who)
    else:
        asked = np.where(cells, before * chance.multiply, before)
        churn = np.minimum(asked, 1.0)  # in the order that it had
    return _with_churn(outlook, churn), _any(asked > 1.0)


def _to_churn(before: Floats, goal: float, horizon: int) -> Floats:
    """Bend every account's survival to a power, so that ``goal`` have left by the horizon.

    Where nobody can leave by then, or all will have, the chance builds up evenly.
    """
    by_then = before[:, horizon - 1]
    bends = (by_then > TINY) & (by_then < 1.0)
    even = 1.0 - np.power(1.0 - goal, MONTHS / horizon)
    if goal >= 1.0:
        bent = np.where(before > 0.0, 1.0, 0.0)
    else:
        hazard = np.log1p(-np.where(bends, by_then, 0.5))
        power = np.log1p(-goal) / hazard
        bent = 1.0 - np.power(1.0 - before, power[:, None])
    churn = np.where(bends[:, None], bent, even[None, :])
    churn[:, horizon - 1] = goal
    return churn


def _churn_after(outlook: Outlook, factor: float, cells: Bools) -> tuple[Outlook, Bools]:
    """Multiply what is left to leave from the first of some months on."""
    if factor == 1.0:
        return outlook, np.zeros(len(outlook), dtype=bool)
    before = outlook.p_churn
    earlier = np.where(cells, 0.0, np.where(_open(outlook), before, 0.0))
    had_left = np.maximum.accumulate(earlier, axis=1)
    asked = np.where(cells, had_left + factor * (before - had_left), before)
    churn = _in_order(outlook, np.minimum(asked, 1.0), _any(cells))
    return _with_churn(outlook, churn), _any(asked > 1.0)


def _saved(outlook: Outlook, who: Bools, horizon: int, *, undo: bool) -> Outlook:
    """Let nobody of some accounts leave until the horizon; afterwards they leave as if new."""
    if undo:
        outlook = _without_notice(outlook, who)
    before = outlook.p_churn
    by_then = before[:, horizon - 1 : horizon]
    later = np.divide(
        before - by_then, 1.0 - by_then, out=np.zeros_like(before), where=by_then < 1.0
    )
    cells = who[:, None] & _open(outlook)
    saved = np.where(cells, np.where(horizon >= MONTHS, 0.0, np.maximum(later, 0.0)), before)
    return _with_churn(outlook, _in_order(outlook, saved, who))


def _without_notice(outlook: Outlook, who: Bools) -> Outlook:
    """Take notice back: the account is there, and nothing else is known of those months."""
    undone = outlook.booked_churn & who[:, None]
    carried = np.maximum.accumulate(np.where(_open(outlook), outlook.p_churn, 0.0), axis=1)
    return replace(
        outlook,
        p_churn=np.where(undone, carried, outlook.p_churn),
        booked_churn=outlook.booked_churn & ~undone,
    )


def _contraction(
    outlook: Outlook, chance: Chance, who: Bools, horizon: int
) -> tuple[Outlook, Bools]:
    less, more, capped = _moved(outlook, outlook.p_contract, outlook.p_expand, chance, who, horizon)
    return replace(outlook, p_contract=less, p_expand=more), capped


def _expansion(outlook: Outlook, chance: Chance, who: Bools, horizon: int) -> tuple[Outlook, Bools]:
    more, less, capped = _moved(outlook, outlook.p_expand, outlook.p_contract, chance, who, horizon)
    return replace(outlook, p_contract=less, p_expand=more), capped


STATES = {"churn": _churn, "contraction": _contraction, "expansion": _expansion}


def _moved(
    outlook: Outlook, mine: Floats, other: Floats, chance: Chance, who: Bools, horizon: int
) -> tuple[Floats, Floats, Bools]:
    """Change one state of those that stay, out of flat; then the other gives way."""
    cells = who[:, None] & _open(outlook)
    stays = 1.0 - outlook.p_churn
    if chance.is_replacement:
        asked = _to_state(mine, stays, chance.replace, horizon)
    else:
        asked = mine * chance.multiply
    asked = np.where(cells, asked, mine)
    ours = np.where(cells, np.minimum(asked, stays), mine)
    theirs = np.where(cells, np.minimum(other, np.maximum(stays - ours, 0.0)), other)
    capped = ((asked > stays + 1e-12) | (theirs < other - 1e-12)) & cells
    return ours, theirs, _any(capped)


def _to_state(mine: Floats, stays: Floats, goal: float, horizon: int) -> Floats:
    """Shift the odds of a state given paying, so that its chance is ``goal`` at the horizon.

    Where it is impossible or certain by then, the chance builds up evenly.
    """
    given = np.divide(mine, stays, out=np.zeros_like(mine), where=stays > 0.0)
    there = given[:, horizon - 1]
    room = stays[:, horizon - 1]
    aim = np.minimum(np.divide(goal, room, out=np.ones_like(room), where=room > 0.0), 1.0)
    bends = (there > TINY) & (there < 1.0 - TINY) & (aim > 0.0) & (aim < 1.0)
    shift = logit(np.where(bends, aim, 0.5)) - logit(np.where(bends, there, 0.5))
    bent = expit(logit(np.clip(given, 0.0, 1.0)) + shift[:, None])
    even = aim[:, None] * np.minimum(MONTHS / horizon, 1.0)
    state = np.where(bends[:, None], bent, even) * stays
    state[:, horizon - 1] = goal
    return np.asarray(state)


def _sized(outlook: Outlook, name: str, size: Chance, who: Bools) -> tuple[Outlook, Bools]:
    """Scale the law of a rise, or bend that of a fall towards all or nothing."""
    field = "up_moments" if name == "expansion_size" else "down_moments"
    moments = getattr(outlook, field)
    mean = moments[:, :, 0]
    goal = np.full_like(mean, size.replace) if size.is_replacement else mean * size.multiply
    law = _risen(moments, goal) if field == "up_moments" else _fallen(moments, goal)
    cells = who[:, None] & _open(outlook)
    over = (goal > 1.0) & cells if field == "down_moments" else np.zeros_like(cells)
    put = np.where(cells[:, :, None], law, moments)
    return replace(outlook, **{field: put}), _any(over)


def _risen(moments: Floats, goal: Floats) -> Floats:
    """Give moments of a rise with another mean, its spread in proportion."""
    mean = moments[:, :, 0]
    some = mean > TINY
    factor = np.divide(goal, mean, out=np.zeros_like(mean), where=some)
    powers = np.stack([factor, factor**2, factor**3], axis=2)
    certain = np.stack([goal, goal**2, goal**3], axis=2)
    return np.where(some[:, :, None], moments * powers, certain)


def _fallen(moments: Floats, goal: Floats) -> Floats:
    """Give moments of a share in (0, 1) with another mean: less of it, or less of what is left."""
    goal = np.minimum(goal, 1.0)
    first, second, third = np.moveaxis(moments, 2, 0)
    less = _risen(moments, goal)
    kept = np.stack(
        [1.0 - first, 1.0 - 2.0 * first + second, 1.0 - 3.0 * first + 3.0 * second - third], axis=2
    )
    rest, cube = _risen(kept, 1.0 - goal), np.zeros_like(moments)
    cube[:, :, 0] = goal
    cube[:, :, 1] = 1.0 - 2.0 * rest[:, :, 0] + rest[:, :, 1]
    cube[:, :, 2] = 1.0 - 3.0 * rest[:, :, 0] + 3.0 * rest[:, :, 1] - rest[:, :, 2]
    more = (goal > first) & (first > 0.0)
    return np.where(more[:, :, None], cube, less)
