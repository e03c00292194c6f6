"""A forecast compared with itself under a scenario: who is meant, what is assumed, what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.configuration import nearest
from features.faults import DataRejected
from models.basis import Basis
from models.change import Change
from models.cuts import cut_columns
from models.decisions import decision_leads
from models.effects import changed, given_factor
from models.figures import FIGURES
from models.goal import reach
from models.outcomes import Outlook
from models.scenario import Scenario

__all__ = ["assume", "compared", "difference"]

Bools = NDArray[np.bool_]

SHOWN = 20
MOST_PARTS = 500
"""How many parts a book is cut into at most."""
NUMBERS = (*FIGURES, "p_target", "bridge", "by_cut", "monthly_path")
"""What a difference is taken of."""
UNTOLD = frozenset({"ttm_at", "expansion_by_lever"})
"""What stands on the ledger's past and is not told under other assumptions."""
LABELS = frozenset({"cut", "month", "period_end", "reason"})


def compared(
    outlook: Outlook,
    scenario: Scenario,
    basis: Basis,
    horizon: int,
    *,
    by: str | None = None,
    published: Mapping[str, Any] | None = None,
    target: float | None = None,
) -> dict[str, Any]:
    """Compare a book with itself under a scenario (`models.scenario.compare` says how)."""
    cuts = None if by is None else (_cut(outlook.accounts, by),)
    assumed, told = assume(outlook, scenario, basis.taus, horizon)
    baseline = dict(published) if published and by is None else None
    if baseline is None:
        baseline = dict(published or {}) | basis.told(outlook, horizon, cuts)
    after = baseline
    alone = scenario.macro is not None and scenario.macro.is_fixed
    if assumed is not outlook:
        untold = dict.fromkeys(UNTOLD & baseline.keys())
        after = baseline | untold | basis.told(assumed, horizon, cuts, alone=alone)
    return {
        "baseline": baseline,
        "scenario": after,
        "difference": difference(baseline, after),
        "changes": told,
    } | ({} if target is None else {"reach": _reach(assumed, basis, horizon, target, alone)})


def assume(
    outlook: Outlook, scenario: Scenario, taus: tuple[float, ...], horizon: int
) -> tuple[Outlook, list[dict[str, Any]]]:
    """Put every change into an outlook, in the order written, then the shock.

    Parameters
    ----------
    outlook : Outlook
    scenario : Scenario
    taus : tuple of float
        Scale of the shared factor in each of the twelve months.
    horizon : int

    Returns
    -------
    tuple of Outlook and list of dict
        The very same outlook where nothing changes; what became of each change.
    """
    decision = (
        decision_leads(outlook.accounts) if _prices(scenario) else np.full(len(outlook), np.inf)
    )
    now, told = outlook, []
    mrr = outlook.accounts["mrr_micros"].to_numpy(dtype=np.float64) / 1e6
    for place, change in enumerate(scenario.changes):
        who = _selected(outlook.accounts, change, f"/changes/{place}")
        effect = changed(now, change, who, horizon, decision)
        now = effect.outlook
        told.append(
            {
                "accounts": int(who.sum()),
                "opening_mrr": float(mrr[who].sum()),
                "reached": int(effect.reached.sum()),
                "capped": int(effect.capped.sum()),
            }
        )
    macro = scenario.macro
    if macro is not None and not macro.is_null:
        now = given_factor(now, taus, macro.z, fixed=macro.is_fixed)
    return now, told


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Take every figure of one forecast from another's; None where either has none.

    Examples
    --------
    >>> difference({"nrr": {"mean": 1.0, "p10": 0.75}}, {"nrr": {"mean": 1.25, "p10": 0.5}})
    {'nrr': {'mean': 0.25, 'p10': -0.25}}
    """
    shared = [name for name in NUMBERS if name in before and name in after]
    return {name: _minus(after[name], before[name], name) for name in shared}


def _reach(
    assumed: Outlook, basis: Basis, horizon: int, target: float, alone: bool
) -> dict[str, Any]:
    """Say what would bring NRR to a target once the assumptions hold."""
    tau, stretch = basis.taus[horizon - 1], basis.stretches[horizon - 1]
    return reach(assumed, horizon, 0.0 if alone else tau, target, stretch=stretch)


def _minus(after: Any, before: Any, name: str) -> Any:
    if name in LABELS or isinstance(before, str):
        return before
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return {key: _minus(after[key], before[key], key) for key in before if key in after}
    if isinstance(before, Sequence) and isinstance(after, Sequence):
        return [_minus(a, b, name) for a, b in zip(after, before, strict=True)]
    numbers = isinstance(before, int | float) and isinstance(after, int | float)
    return after - before if numbers else None


def _prices(scenario: Scenario) -> bool:
    return any(change.price_at_renewal is not None for change in scenario.changes)


def _selected(accounts: pd.DataFrame, change: Change, at: str) -> Bools:
    """Say which accounts a change is about."""
    if change.everyone:
        return np.ones(len(accounts), dtype=bool)
    if change.accounts is not None:
        return _named(accounts, change.accounts, at)
    who = np.ones(len(accounts), dtype=bool)
    for name, value in (change.where or {}).items():
        column = accounts[_column(accounts, name, f"{at}/where")]
        labels = column.astype("object").where(column.notna(), "unknown").astype(str)
        found = (labels == value).to_numpy()
        if not found.any():
            hint = nearest(value[:100], sorted(labels.unique())[:SHOWN])
            raise DataRejected("scenario.nobody", f"{at}/where: nobody has this {name}", hint)
        who &= found
    if not who.any():
        raise DataRejected(
            "scenario.nobody", f"{at}/where: nobody has all of these", "ask for less at once"
        )
    return who


def _named(accounts: pd.DataFrame, names: list[str], at: str) -> Bools:
    ids = accounts["account_id"].astype(str)
    known = set(ids)
    for place, name in enumerate(names):
        if name not in known:
            found = f"{at}/accounts/{place}: this account pays nothing at the as-of date"
            raise DataRejected("scenario.unknown_account", found, "name accounts of the book")
    return np.asarray(ids.isin(names))


def _cut(accounts: pd.DataFrame, by: str) -> str:
    """Give the name of a column that divides accounts into parts that can be told one by one."""
    parts = accounts[_column(accounts, by, "/by")].nunique(dropna=False)
    if parts > MOST_PARTS:
        found = f"/by: {parts} values, more than {MOST_PARTS}"
        raise DataRejected("scenario.too_many_parts", found, "cut by a column with fewer values")
    return by


def _column(accounts: pd.DataFrame, name: str, at: str) -> str:
    """Give the name of a column that accounts can be cut by."""
    known = cut_columns(accounts)
    if name not in known:
        raise DataRejected(
            "scenario.unknown_cut", f"{at}: no such column", nearest(name[:100], known[:SHOWN])
        )
    return name
