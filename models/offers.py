"""Offers: every play that an account could be given, what each is worth, and the best of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bands import log_odds
from models.contacts import Contacts
from models.plays import BEYOND, CELL_PLAYS, Play, asks

__all__ = ["OFFERED", "Terms", "offers", "saveability"]

Floats = NDArray[np.float64]
Row = Mapping[Any, Any]

OFFERED = ("kind", "play", "expected_value", "p_event", "evidence", "how", "others")
"""Columns that an offer brings."""
MONTHS = 12.0
CALENDAR = "calendar"
"""What the contract, tenure and size say by themselves, among the parts of a chance."""


class Terms(Protocol):
    """What of ``[outreach]`` a play's worth depends on."""

    reduction: float
    short_lead_days: int
    likely_gone: float
    content_beyond: float
    may_wait: float

    @property
    def cost(self) -> float:
        """Cost of one play."""


def offers(
    table: pd.DataFrame, terms: Terms, contacts: Contacts, as_of: date, cool_down_days: int
) -> pd.DataFrame:
    """Give every account that is worth a play its best one, and the others beside it.

    The cell decides whether it is a save or an expansion; where its own play is held, or not worth
    its cost, or where it has none, the best of the others stands. Of two that are worth the same
    the cell's play stands first.

    Parameters
    ----------
    table : DataFrame
        As `models.outreach.rank` completes it; ``days_to_review, days_since_review, p_churn,
        p_contract, expected_loss_mrr`` where they are known.
    terms : Terms
    contacts : Contacts
    as_of : date
    cool_down_days : int

    Returns
    -------
    DataFrame
        `OFFERED`, on the index of those rows of ``table``.
    """
    worth = _worth(table, terms, as_of)
    found: dict[Any, dict[str, Any]] = {}
    for at, row in zip(table.index, table.to_dict("records"), strict=True):
        given = [
            _offer(play, said, row, {name: one[at] for name, one in worth.items()})
            for play, said in _due(row, as_of)
        ]
        for offer in given:
            offer["held"] = _held(offer, row, contacts, as_of, cool_down_days)
        paying = [offer for offer in given if offer["expected_value"] > 0.0]
        free = [offer for offer in paying if offer["held"] is None]
        if free:
            best = _best(free)
            found[at] = _told(best, [offer for offer in paying if offer is not best])
    columns = {name: [one[name] for one in found.values()] for name in OFFERED}
    kinds = {"expected_value": float, "p_event": float}
    frame = pd.DataFrame(columns, index=pd.Index(found, dtype=table.index.dtype), dtype="object")
    return frame.astype(kinds)


def _best(free: list[dict[str, Any]]) -> dict[str, Any]:
    """Choose the play that is worth most, of the kind that the cell asks for if its own is free."""
    own = [offer for offer in free if offer["evidence"] is None]
    same = [offer for offer in free if not own or offer["kind"] == own[0]["kind"]]
    return max(same, key=lambda offer: float(offer["expected_value"]))  # the first of equals


def saveability(
    p: Floats, lead_days: Floats, notice: NDArray[np.bool_], spoken_for: Floats, terms: Terms
) -> Floats:
    """Give the share of the churn probability that a play is expected to take away.

    ``spoken_for`` is by how many log odds an account's own signals put its renewal above what its
    contract, tenure and size say; where they do so clearly, a call may wake who was content.

    Examples
    --------
    >>> from models.outreach import OutreachSettings
    >>> p, lead, terms = np.array([0.3, 0.3, 0.7]), np.array([90, 10, 10]), OutreachSettings()
    >>> saveability(p, lead, np.zeros(3, bool), np.array([0.6, -1.0, np.nan]), terms).tolist()
    [0.06, 0.06, 0.03]
    """
    late = np.where(lead_days < terms.short_lead_days, 0.5, 1.0)
    decided = np.where((p > terms.likely_gone) | notice, 0.5, 1.0)
    content = np.where(spoken_for > terms.content_beyond, 0.5, 1.0)
    return np.asarray(terms.reduction * late * decided * content)


def _worth(table: pd.DataFrame, terms: Terms, as_of: date) -> dict[str, Floats]:
    """Give what a save, a save from shrinking and an expansion are worth, and their chances."""
    p_churn = _numbers(table, "p_churn_by_decision_or_12m")
    p_now = _now(p_churn, _numbers(table, "p_churn"), terms)
    mrr = _numbers(table, "mrr")
    lead = (pd.to_datetime(table["next_renewal_on"]) - pd.Timestamp(as_of)).dt.days
    notice = table["notice"].to_numpy(dtype=bool)
    days = lead.to_numpy(dtype=np.float64)
    share = saveability(p_churn, days, notice, _spoken_for(table), terms)
    leaving = p_now * mrr * MONTHS * share
    shrink = np.nan_to_num(_numbers(table, "expected_loss_mrr") - _numbers(table, "p_churn") * mrr)
    shrinking = np.maximum(shrink, 0.0) * MONTHS * share
    grown = _numbers(table, "expected_expansion_mrr") * MONTHS
    return {
        "save": leaving - terms.cost,
        "contraction": leaving + shrinking - terms.cost,
        "expansion": grown - terms.cost,
        "p_save": p_now,
        "p_expansion": _numbers(table, "p_expand"),
    }


def _spoken_for(table: pd.DataFrame) -> Floats:
    """Give by how many log odds the signals raise the chance to renew; missing without parts."""
    if "parts" not in table:
        return np.full(len(table), np.nan)
    parts = [one["renew"] if isinstance(one, Mapping) else {} for one in table["parts"]]
    whole = [sum(one.values()) if one else np.nan for one in parts]
    alone = [one.get(CALENDAR, np.nan) for one in parts]
    return log_odds(np.array(whole, dtype=np.float64)) - log_odds(np.array(alone, dtype=np.float64))


def _now(by_decision: Floats, soon: Floats, terms: Terms) -> Floats:
    """Count what may wait less: what is lost only later can be saved by a later week's list too."""
    within = np.minimum(np.where(np.isnan(soon), by_decision, soon), by_decision)
    return np.asarray(within + terms.may_wait * (by_decision - within))


def _numbers(table: pd.DataFrame, name: str) -> Floats:
    if name not in table:
        return np.full(len(table), np.nan)
    return table[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _due(row: Row, as_of: date) -> Iterator[tuple[Play, str | None]]:
    """Give the plays that are due: the cell's first, at Medium readiness only if a trigger asks."""
    cell = row["cell"]
    fired = row.get("triggers")
    if cell in CELL_PLAYS and (cell != "HM" or any(map(asks, () if fired is None else fired))):
        yield CELL_PLAYS[cell], None
    for play, evidence in BEYOND:
        said = evidence(row, as_of)
        if said is not None:
            yield play, said


def _offer(play: Play, said: str | None, row: Row, worth: Mapping[str, float]) -> dict[str, Any]:
    """Say what a play of an account is, and what it is worth."""
    kind = "contraction" if play.name == "Contraction ahead" else play.kind
    return {
        "kind": play.kind,
        "play": play.name,
        "expected_value": float(worth[kind]),
        "p_event": float(worth[f"p_{play.kind}"]),
        "evidence": said,
        "how": play.how,
    }


def _held(
    offer: Mapping[str, Any], row: Row, contacts: Contacts, as_of: date, days: int
) -> str | None:
    """Say what holds a play of an account back: a guard, or that it was done of late."""
    if offer["kind"] == "expansion" and row["expansion_held"]:
        return str(row["guard"] or "a guard")
    if offer["kind"] == "save" and row["save_held"]:
        return "contacted for it of late"
    since = row.get("days_since_review")
    if offer["play"] == CELL_PLAYS["MM"].name and since is not None and since < days:
        return f"reviewed {since:.0f} days ago"
    return contacts.cooling(row["account_id"], offer["play"], as_of, days)


def _told(best: Mapping[str, Any], others: list[dict[str, Any]]) -> dict[str, Any]:
    """Lay the other plays beside the best one."""
    names = ("play", "kind", "expected_value", "evidence", "held")
    beside = [{name: offer[name] for name in names} for offer in others]
    return {name: best[name] for name in OFFERED if name != "others"} | {"others": beside}
