"""Outreach: whom to contact this week, for which play, and what that is worth.

The cell picks the play, expected value the order, a CSM's capacity the cut. Until treated and
control outcomes have been counted, the order is a priority and not a measured lift.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from features.configuration import Section
from models.matrix import ACTIONS

__all__ = ["COLUMNS", "PLAYS", "UNASSIGNED", "OutreachSettings", "Play", "break_even", "rank"]

Floats = NDArray[np.float64]

COLUMNS = (
    "rank",
    "account_id",
    "name",
    "csm",
    "segment",
    "cell",
    "kind",
    "play",
    "action",
    "mrr",
    "expected_value",
    "p_event",
    "next_renewal_on",
    "guard",
    "lever",
    "reasons",
    "triggers",
)
"""Columns of the list."""

UNASSIGNED = "unassigned"
"""The list of the accounts that no CSM has."""

SAVEABILITY = 0.12
SHORT_LEAD_DAYS, LIKELY_GONE = 30, 0.6
SAVE_PLACES, EXPANSION_PLACES = 3, 2
LARGEST_BREAK_EVEN = 0.5


class OutreachSettings(Section):
    """Section ``[outreach]``.

    Attributes
    ----------
    hour_cost : float
        Cost of a CSM's hour, in the book's currency.
    hours_per_play : float
        Hours that a play takes.
    per_csm : int
        Places in each CSM's list a week.
    holdout : float
        Share of accounts held out to measure the effect; 0 = off.
    """

    hour_cost: float = Field(default=100.0, ge=0.0)
    hours_per_play: float = Field(default=2.0, ge=0.0)
    per_csm: int = Field(default=10, ge=0)
    holdout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @property
    def cost(self) -> float:
        """Cost of one play."""
        return self.hour_cost * self.hours_per_play


@dataclass(frozen=True)
class Play:
    """What to do in a cell: ``save`` or ``expansion``, and the play's name."""

    kind: str
    name: str


PLAYS: dict[str, Play] = {
    "HH": Play("expansion", "Priority expansion"),
    "HM": Play("expansion", "Plant seeds"),
    "MH": Play("save", "Stabilise first"),
    "MM": Play("save", "Quarterly review"),
    "ML": Play("save", "Investigate risk"),
    "LH": Play("save", "Investigate risk"),
    "LM": Play("save", "Engage at once"),
    "LL": Play("save", "Intervene at once"),
}
"""The play of every cell; High/Low has none: the relationship is maintained."""


def rank(
    scores: pd.DataFrame,
    settings: OutreachSettings,
    capacity: int | None = None,
    *,
    as_of: date,
    held_out: Collection[str] = (),
) -> pd.DataFrame:
    """Rank the accounts that are worth a play this week.

    Expected value, in the book's currency per year: for a save p x MRR x 12 x .12 - cost, the
    .12 halved when the renewal is less than 30 days away, halved when p > .6 or notice was given;
    for an expansion the expected expansion MRR (already probability x amount) x 12 - cost.
    Medium expansion readiness is listed only while an expansion trigger fires at "act".

    Parameters
    ----------
    scores : DataFrame
        ``account_id, cell, mrr, p_expand, p_churn_by_decision_or_12m, expected_expansion_mrr``
        and, where known, ``name, segment, csm, next_renewal_on, notice, guard, expansion_held,
        save_held, lever, reasons_retention, reasons_expansion, triggers``. Without
        ``expansion_held`` every guard text holds.
    settings : OutreachSettings
        Cost and places.
    capacity : int, optional
        Places per CSM, instead of ``per_csm``.
    as_of : date
        The as-of date.
    held_out : collection of str
        Accounts in the holdout.

    Returns
    -------
    DataFrame
        `COLUMNS`, best first over the whole book; a CSM's list is the rows of that ``csm``, in
        this order. Of each CSM's places at least 3 go to saves and 2 to expansions where there
        are that many worth their cost.

    Examples
    --------
    >>> scores = pd.DataFrame({"account_id": ["a", "b"], "cell": ["LL", "HH"], "mrr": [5e3, 1e3],
    ...     "p_churn_by_decision_or_12m": [0.5, 0.02], "p_expand": [0.1, 0.6],
    ...     "expected_expansion_mrr": [10.0, 150.0]})
    >>> told = rank(scores, OutreachSettings(), as_of=date(2025, 7, 1))
    >>> told[["rank", "account_id", "kind", "expected_value"]].values.tolist()
    [[1, 'a', 'save', 3400.0], [2, 'b', 'expansion', 1600.0]]
    """
    table = _candidates(scores, settings, as_of)
    wanted = table[table["listed"] & ~table["account_id"].isin(list(held_out))]
    wanted = wanted.sort_values(["expected_value", "account_id"], ascending=[False, True])
    places = settings.per_csm if capacity is None else capacity
    parts = [_cut(part, places) for _, part in wanted.groupby("csm", sort=True)]
    chosen = pd.concat(parts) if parts else wanted
    chosen = chosen.sort_values(["expected_value", "account_id"], ascending=[False, True])
    ranked = chosen.assign(rank=np.arange(1, len(chosen) + 1))
    return ranked[list(COLUMNS)].reset_index(drop=True)


def break_even(mrr: float, settings: OutreachSettings) -> float:
    """Give the churn probability from which a save is worth its cost, at most a half.

    Parameters
    ----------
    mrr : float
        MRR of a typical account, e.g. the book's median.
    settings : OutreachSettings
        Cost of a play.

    Examples
    --------
    >>> round(break_even(2000.0, OutreachSettings()), 4)
    0.0694
    """
    worth = max(mrr, 0.0) * 12.0 * SAVEABILITY
    return min(settings.cost / worth, LARGEST_BREAK_EVEN) if worth > 0.0 else LARGEST_BREAK_EVEN


def saveability(p: Floats, lead_days: Floats, notice: NDArray[np.bool_]) -> Floats:
    """Give the share of the churn probability that a play is expected to take away.

    Examples
    --------
    >>> saveability(np.array([0.3, 0.3, 0.7]), np.array([90, 10, 10]), np.zeros(3, bool)).tolist()
    [0.12, 0.06, 0.03]
    """
    late = np.where(lead_days < SHORT_LEAD_DAYS, 0.5, 1.0)
    decided = np.where((p > LIKELY_GONE) | notice, 0.5, 1.0)
    return np.asarray(SAVEABILITY * late * decided)


def _candidates(scores: pd.DataFrame, settings: OutreachSettings, as_of: date) -> pd.DataFrame:
    """Give every account its play and the play's value."""
    table = _complete(scores)
    kind = table["cell"].map({cell: play.kind for cell, play in PLAYS.items()})
    save = kind.eq("save").to_numpy()
    p_churn = table["p_churn_by_decision_or_12m"].to_numpy(dtype=np.float64)
    lead = (pd.to_datetime(table["next_renewal_on"]) - pd.Timestamp(as_of)).dt.days
    notice = table["notice"].fillna(value=False).to_numpy(dtype=bool)
    share = saveability(p_churn, lead.to_numpy(dtype=np.float64), notice)
    saved = p_churn * table["mrr"].to_numpy(dtype=np.float64) * 12.0 * share
    grown = table["expected_expansion_mrr"].to_numpy(dtype=np.float64) * 12.0
    value = np.where(save, saved, grown) - settings.cost
    free = np.where(save, ~table["save_held"], ~table["expansion_held"] & _asked(table))
    return table.assign(
        csm=table["csm"].astype("object").where(table["csm"].notna(), UNASSIGNED),
        kind=kind,
        play=table["cell"].map({cell: play.name for cell, play in PLAYS.items()}),
        action=table["cell"].map(ACTIONS),
        expected_value=value,
        p_event=np.where(save, p_churn, table["p_expand"].to_numpy(dtype=np.float64)),
        reasons=table["reasons_retention"].where(save, table["reasons_expansion"]),
        listed=kind.notna().to_numpy() & free.astype(bool) & (value > 0.0),
    )


def _complete(scores: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that may be absent, as missing."""
    table = scores.reset_index(drop=True)
    held = table["guard"].notna() if "guard" in table else False
    for name, value in {"expansion_held": held, "save_held": False, "notice": False}.items():
        table[name] = table[name].fillna(value=False) if name in table else value
    absent = {*COLUMNS, "reasons_retention", "reasons_expansion"} - {*table.columns}
    for name in sorted(absent - {"rank", "kind", "play", "action", "expected_value", "p_event"}):
        table[name] = None
    flags = dict.fromkeys(("expansion_held", "save_held"), bool)
    return table.astype(flags)


def _asked(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Say where an expansion may be talked of: at Medium readiness only while a trigger asks."""
    fires = [any(map(_asks, () if fired is None else fired)) for fired in table["triggers"]]
    return np.asarray(table["cell"].ne("HM").to_numpy() | np.array(fires, dtype=bool))


def _asks(trigger: Any) -> bool:
    side = isinstance(trigger, Mapping) and trigger.get("side") == "expansion"
    return side and trigger.get("level", "act") == "act"


def _cut(part: pd.DataFrame, places: int) -> pd.DataFrame:
    """Cut one CSM's candidates (best first) to its places, some of them kept for each kind."""
    save = min(SAVE_PLACES, -(-places * SAVE_PLACES // (SAVE_PLACES + EXPANSION_PLACES)))
    kept = {"save": save, "expansion": min(EXPANSION_PLACES, places - save)}
    own = part.groupby("kind").cumcount()
    first = own < part["kind"].map(kept)
    order = part.assign(first=~first).sort_values("first", kind="stable")
    return part.loc[order.index[:places]]
