"""Outreach: whom to contact this week, for which play, and what that is worth.

The cell picks the play, expected value the order, a CSM's capacity the cut. Until treated and
control outcomes have been counted, the order is a priority and not a measured lift.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from features.configuration import Section
from models.contacts import Contacts
from models.matrix import ACTIONS
from models.offers import OFFERED, offers

__all__ = ["COLUMNS", "UNASSIGNED", "OutreachSettings", "rank"]

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
    "evidence",
    "how",
    "others",
    "note",
    "csm_call",
    "propensity",
)
"""Columns of the list."""

UNASSIGNED = "unassigned"
"""The list of the accounts that no CSM has."""


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
    capacity : dict of str to int
        Places of a CSM by name, instead of ``per_csm``: ``{"Ana" = 6}``.
    hours : dict of str to float
        Hours of a CSM a week by name: as many places as plays fit in; ``capacity`` goes before.
    save_places, expansion_places : int
        Places of each list that are kept for saves and for expansions.
    reduction : float
        Share of the chance to leave that a play is expected to take away.
    short_lead_days : int
        Days before a renewal, within which that is halved.
    likely_gone : float
        Chance to leave, above which it is halved.
    content_beyond : float
        Log odds by which an account's own signals put its renewal above what its contract says,
        from which that is halved: a call may wake who was content.
    may_wait : float
        Weight of the chance to leave later than three months ahead: a later week's list can save
        that too.
    holdout : float
        Share of accounts held out to measure the effect; 0 = off.
    """

    hour_cost: float = Field(default=100.0, ge=0.0)
    hours_per_play: float = Field(default=2.0, ge=0.0)
    per_csm: int = Field(default=10, ge=0)
    capacity: dict[str, int] = Field(default_factory=dict)
    hours: dict[str, float] = Field(default_factory=dict)
    save_places: int = Field(default=3, ge=0)
    expansion_places: int = Field(default=2, ge=0)
    reduction: float = Field(default=0.12, gt=0.0, le=1.0)
    short_lead_days: int = Field(default=30, ge=0)
    likely_gone: float = Field(default=0.6, gt=0.0, le=1.0)
    content_beyond: float = Field(default=0.5, ge=0.0)
    may_wait: float = Field(default=0.1, ge=0.0, le=1.0)
    holdout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @property
    def cost(self) -> float:
        """Cost of one play."""
        return self.hour_cost * self.hours_per_play

    def places(self, csm: str) -> int:
        """Give a CSM's places a week: their own, else those that their hours hold, else the usual.

        Examples
        --------
        >>> chosen = OutreachSettings(capacity={"Ana": 6}, hours={"Ben": 9.0})
        >>> chosen.places("Ana"), chosen.places("Ben"), chosen.places("Cy")
        (6, 4, 10)
        """
        if csm in self.capacity:
            return max(self.capacity[csm], 0)
        if csm in self.hours and self.hours_per_play > 0:
            return int(max(self.hours[csm], 0.0) / self.hours_per_play)
        return self.per_csm


def rank(
    scores: pd.DataFrame,
    settings: OutreachSettings,
    capacity: int | None = None,
    *,
    as_of: date,
    held_out: Collection[str] = (),
    contacts: Contacts | None = None,
    cool_down_days: int = 30,
) -> pd.DataFrame:
    """Rank the accounts that are worth a play this week.

    Expected value, in the book's currency per year: for a save p x MRR x 12 x .12 - cost, the
    .12 halved when the renewal is less than 30 days away, halved when p > .6 or notice was given,
    halved when the account's own signals (``parts``) speak clearly for it; what of p lies later than the three months ahead (``p_churn``) counts for a tenth, since a later
    list can save it too. For an expansion the expected expansion MRR (already probability x amount) x 12 - cost.
    Medium expansion readiness is listed only while an expansion trigger fires at "act".

    Parameters
    ----------
    scores : DataFrame
        ``account_id, cell, mrr, p_expand, p_churn_by_decision_or_12m, expected_expansion_mrr``
        and, where known, ``name, segment, csm, next_renewal_on, notice, guard, expansion_held,
        save_held, lever, reasons_retention, reasons_expansion, triggers``, and what
        ``models.offers`` reads beside. Without ``expansion_held`` every guard text holds.
    settings : OutreachSettings
        Cost and places.
    capacity : int, optional
        Places per CSM, instead of what the settings say.
    as_of : date
        The as-of date.
    held_out : collection of str
        Accounts in the holdout.
    contacts : Contacts, optional
        Past outreach: who was contacted, and the CSMs' own calls.
    cool_down_days : int
        Days in which an account is not listed again for a play that it was contacted for.

    Returns
    -------
    DataFrame
        `COLUMNS`, best first over the whole book; a CSM's list is the rows of that ``csm``, in
        this order. An account stands in it once, with its best play; ``others`` are beside it. Of
        each CSM's places at least 3 go to saves and 2 to expansions where there are that many
        worth their cost.

    Examples
    --------
    >>> scores = pd.DataFrame({"account_id": ["a", "b"], "cell": ["LL", "HH"], "mrr": [5e3, 1e3],
    ...     "p_churn_by_decision_or_12m": [0.5, 0.02], "p_expand": [0.1, 0.6],
    ...     "expected_expansion_mrr": [10.0, 150.0]})
    >>> told = rank(scores, OutreachSettings(), as_of=date(2025, 7, 1))
    >>> told[["rank", "account_id", "kind", "expected_value"]].values.tolist()
    [[1, 'a', 'save', 3400.0], [2, 'b', 'expansion', 1600.0]]
    """
    known = contacts or Contacts()
    table = _complete(scores)
    best = offers(table, settings, known, as_of, cool_down_days)
    wanted = table.join(best, how="inner")
    wanted = wanted[~wanted["account_id"].isin(list(held_out))]
    wanted = wanted.sort_values(["expected_value", "account_id"], ascending=[False, True])
    parts = [
        _cut(part, settings.places(str(csm)) if capacity is None else capacity, settings)
        for csm, part in wanted.groupby("csm", sort=True)
    ]
    chosen = pd.concat(parts) if parts else wanted
    chosen = chosen.sort_values(["expected_value", "account_id"], ascending=[False, True])
    return _laid_out(chosen, known)


def _laid_out(chosen: pd.DataFrame, known: Contacts) -> pd.DataFrame:
    """Number the rows and say on each what is known of it beside."""
    save = chosen["kind"].eq("save")
    calls = [known.calls.get(account) for account in chosen["account_id"]]
    keys = zip(chosen["account_id"], chosen["play"], strict=True)
    ranked = chosen.assign(
        rank=np.arange(1, len(chosen) + 1),
        action=chosen["cell"].map(ACTIONS),
        reasons=chosen["reasons_retention"].where(save, chosen["reasons_expansion"]),
        note=pd.Series([_note(known.listed.get(key, 0)) for key in keys], chosen.index, object),
        csm_call=pd.Series([call and call.told() for call in calls], chosen.index, object),
        propensity=0.0,
    )
    return ranked[list(COLUMNS)].reset_index(drop=True)


def _note(weeks: int) -> str | None:
    """Say that an account was listed before: it comes back until somebody acts."""
    times = "once" if weeks == 1 else f"{weeks} times in a row"
    return f"listed {times} before for this play, and no contact was logged" if weeks else None


def _complete(scores: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that may be absent, as missing."""
    table = scores.reset_index(drop=True)
    held = table["guard"].notna() if "guard" in table else False
    for name, value in {"expansion_held": held, "save_held": False, "notice": False}.items():
        table[name] = table[name].fillna(value=False) if name in table else value
    made = {*OFFERED, "rank", "action", "reasons", "note", "csm_call", "propensity"}
    absent = {*COLUMNS, "reasons_retention", "reasons_expansion"} - made - {*table.columns}
    for name in sorted(absent):
        table[name] = None
    table["csm"] = table["csm"].astype("object").where(table["csm"].notna(), UNASSIGNED)
    flags = dict.fromkeys(("expansion_held", "save_held"), bool)
    return table.drop(columns=made & {*table.columns}).astype(flags)


def _cut(part: pd.DataFrame, places: int, settings: OutreachSettings) -> pd.DataFrame:
    """Cut one CSM's candidates (best first) to its places, some of them kept for each kind.

    Where there are fewer places than are to be kept, both kinds keep their share, rounded down.
    """
    save, expansion = settings.save_places, settings.expansion_places
    whole = max(save + expansion, 1)
    kept: Mapping[Any, int] = {
        "save": min(save, places * save // whole),
        "expansion": min(expansion, places * expansion // whole),
    }
    own = part.groupby("kind").cumcount()
    first = own < part["kind"].map(kept)
    order = part.assign(first=~first).sort_values("first", kind="stable")
    return part.loc[order.index[:places]]
