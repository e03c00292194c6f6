"""A scenario: the same forecast under other assumptions, beside the published one.

A scenario is a list of changes, put in one after the other in the order written, and then a
shock to the shared factor if one is asked for. Both forecasts stand on the same accounts, the
same booked things and the same width; their difference is what the assumptions do.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from features.faults import DataRejected
from models.change import Change, Macro, Strict

if TYPE_CHECKING:
    from models.basis import Basis
    from models.outcomes import Outlook

__all__ = ["Scenario", "compare", "read_scenario"]

MOST_CHANGES = 100


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
    target: float | None = None,
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
    target : float, optional
        NRR to reach: what it would take under the scenario is told beside it.

    Returns
    -------
    dict
        ``baseline`` and ``scenario`` (CONTRACT section 4), ``difference`` (scenario less
        baseline, figure by figure: a difference of quantiles is no quantile of the difference),
        ``changes`` (per change: accounts and MRR that it selects, how many it reached, how many
        are capped) and, with a target, ``reach`` (``models.goal.reach``).

    Raises
    ------
    DataRejected
        ``scenario.unknown_cut``, ``scenario.unknown_account``, ``scenario.nobody``.
    """
    from models.compared import compared  # heavy: scipy

    return compared(outlook, scenario, basis, horizon, by=by, published=published, target=target)


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once, parse_constant=_finite)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is given twice")
    return made


def _finite(word: str) -> float:
    raise ValueError(f"{word} is no number")
