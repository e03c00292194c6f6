"""A scenario: the same forecast under other assumptions, beside the published one.

A scenario is a list of changes, put in one after the other in the order written, and then a
shock to the shared factor if one is asked for. Both forecasts stand on the same accounts, the
same booked things and the same width; their difference is what the assumptions do.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from features.configuration import nearest
from features.faults import DataRejected
from models.basis import Basis
from models.calendar import calendar_facts
from models.change import Change, Macro, Strict
from models.effects import changed, given_factor
from models.outcomes import Outlook
from models.view import FIGURES

__all__ = ["Scenario", "assume", "compare", "difference", "read_scenario"]

Bools = NDArray[np.bool_]

MOST_CHANGES = 100
SHOWN = 20
NUMBERS = (*FIGURES, "p_target", "bridge", "by_cut", "monthly_path")
"""What a difference is taken of."""
UNTOLD = frozenset({"ttm_at", "expansion_by_lever"})
"""What stands on the ledger's past and is not told under other assumptions."""
LABELS = frozenset({"cut", "month", "period_end", "reason"})


class Scenario(Strict):
    """What is assumed.

    Attributes
    ----------
    changes : list of Change
        In the order in which they act; an empty list changes nothing.
    macro : Macro, optional
        What the shared factor does, after all changes.

    Examples
    --------
    >>> Scenario.model_validate({"changes": []}).is_null
    True
    """

    changes: list[Change] = Field(default_factory=list, max_length=MOST_CHANGES)
    macro: Macro | None = None

    @property
    def is_null(self) -> bool:
        """Say whether nothing changes by it."""
        return all(one.is_null for one in self.changes) and (
            self.macro is None or self.macro.is_null
        )


def read_scenario(text: str, kind: Literal["json", "toml"]) -> Scenario:
    """Read a scenario out of a file's text.

    Raises
    ------
    DataRejected
        ``scenario.form`` for text that cannot be read, an unknown key or a value that cannot be:
        the message starts with the JSON pointer of the place (exit code 65).

    Examples
    --------
    >>> read_scenario('[[changes]]\\nwhere = {segment = "smb"}\\nchurn = {multiply = 0.8}', "toml").is_null
    False
    >>> read_scenario('{"changes": [{"all": true, "chrun": {"multiply": 0.8}}]}', "json")
    Traceback (most recent call last):
    ...
    features.faults.DataRejected: /changes/0/chrun: scenario.form: unknown key; did you mean "churn"?
    """
    try:
        value = tomllib.loads(text) if kind == "toml" else _json(text)
    except (ValueError, RecursionError) as refused:
        found = f"the scenario is not {kind.upper()}: {refused}"
        raise DataRejected("scenario.form", found, "see docs/scenarios.md") from refused
    try:
        return Scenario.model_validate(value)
    except ValidationError as refused:
        first = refused.errors(include_url=False, include_context=False, include_input=False)[0]
        place = "".join(f"/{step}" for step in first["loc"]) or "/"
        said = str(first["msg"]).removeprefix("Value error, ")
        raise DataRejected("scenario.form", place, said) from refused


def compare(
    outlook: Outlook,
    scenario: Scenario,
    basis: Basis,
    horizon: int,
    *,
    by: str | None = None,
    published: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Forecast a book as published and under a scenario, and take the difference.

    Parameters
    ----------
    outlook : Outlook
        The run's, as published.
    scenario : Scenario
    basis : Basis
        What the run's forecast rests on.
    horizon : int
        1, 3 or 12.
    by : str, optional
        Cut both forecasts by this column instead of the published ones.
    published : mapping, optional
        The published forecast: it is then the baseline as it stands (forecast anew if absent).

    Returns
    -------
    dict
        ``baseline`` and ``scenario`` (CONTRACT section 4), ``difference`` (scenario less
        baseline, figure by figure: a difference of quantiles is no quantile of the difference)
        and ``changes`` (per change: accounts and MRR that it selects, how many it reached, how
        many are capped).

    Raises
    ------
    DataRejected
        ``scenario.unknown_cut``, ``scenario.unknown_account``, ``scenario.nobody``.
    """
    cuts = None if by is None else (_column(outlook.accounts, by, "/by"),)
    assumed, told = assume(outlook, scenario, basis.taus, horizon)
    baseline = dict(published) if published and by is None else None
    if baseline is None:
        baseline = dict(published or {}) | basis.told(outlook, horizon, cuts)
    after = baseline
    if assumed is not outlook:
        alone = scenario.macro is not None and scenario.macro.is_fixed
        untold = dict.fromkeys(UNTOLD & baseline.keys())
        after = baseline | untold | basis.told(assumed, horizon, cuts, alone=alone)
    return {
        "baseline": baseline,
        "scenario": after,
        "difference": difference(baseline, after),
        "changes": told,
    }


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
    decision = _decisions(outlook.accounts) if _prices(scenario) else np.full(len(outlook), np.inf)
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


def _minus(after: Any, before: Any, name: str) -> Any:
    if name in LABELS or isinstance(before, str):
        return before
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return {key: _minus(after[key], before[key], key) for key in before if key in after}
    if isinstance(before, Sequence) and isinstance(after, Sequence):
        return [_minus(a, b, name) for a, b in zip(after, before, strict=True)]
    return None if before is None or after is None else after - before


def _prices(scenario: Scenario) -> bool:
    return any(change.price_at_renewal is not None for change in scenario.changes)


def _decisions(accounts: pd.DataFrame) -> NDArray[np.float64]:
    """Give each account's lead of its next decision; inf where its contract names none."""
    facts = calendar_facts(accounts)
    unknown = (accounts["decision"] == "unknown").to_numpy()
    return np.where(unknown, np.inf, facts.decision)


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


def _column(accounts: pd.DataFrame, name: str, at: str) -> str:
    """Give the name of a column that accounts can be cut by."""
    known = sorted(str(one) for one in accounts.columns if _is_cut(accounts[one], str(one)))
    if name not in known:
        raise DataRejected(
            "scenario.unknown_cut", f"{at}: no such column", nearest(name[:100], known[:SHOWN])
        )
    return name


def _is_cut(column: pd.Series, name: str) -> bool:
    """Say whether a column holds words that divide accounts."""
    return name not in ("account_id", "name") and (
        pd.api.types.is_string_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype)
    )


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once, parse_constant=_finite)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is given twice")
    return made


def _finite(word: str) -> float:
    raise ValueError(f"{word} is no number")
