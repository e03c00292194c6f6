"""Judging accounts: probabilities, cell, guards, triggers and lever of each, from a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from features.catalog import CATALOG
from features.maturity import stage
from features.snapshot import data_coverage
from features.triggers import TRIGGERS, TriggerSettings, fire
from models.carried import Carried
from models.choices import Choices
from models.contacts import Contacts
from models.guards import guards
from models.matrix import place
from models.memory import short
from models.scoring import Scored, parts_by, score_accounts
from models.unscorable import bounded, out_of_bounds, unscorable

__all__ = ["LEVERS", "judge_accounts", "likely_lever"]

LEVERS: Mapping[str, str] = {each.name: each.lever for each in TRIGGERS if each.lever}
"""The lever that an expansion trigger points at."""
SIGNALS = tuple(signal.slug for signal in CATALOG)


def judge_accounts(
    frame: pd.DataFrame,
    carried: Carried,
    previous: pd.DataFrame | None,
    as_of: date,
    choices: Choices,
    earlier: Carried | None = None,
    contacts: Contacts | None = None,
) -> tuple[Scored, pd.DataFrame]:
    """Score accounts, place them in their cells, and say why.

    Parameters
    ----------
    frame : DataFrame
        Rows of ``features.snapshot.snapshot``.
    carried : Carried
        The model that serves.
    previous : DataFrame or None
        ``account_id, memory`` of the last published run.
    as_of : date
    choices : Choices
    earlier : Carried, optional
        The model of the last run, where that was another (``models.keeper.open_earlier``): moves
        are told apart into what it says and what the new model says otherwise.
    contacts : Contacts, optional
        Past outreach: an expansion rests after a contact for it; a CSM's own call stands beside.

    Returns
    -------
    tuple of Scored and DataFrame
        The probabilities, and CONTRACT section 3 with ``memory``.
    """
    why = unscorable(frame, SIGNALS)
    read = out_of_bounds(frame, carried.model.signals, why)
    scored = score_accounts(carried.model, read, CATALOG, carried.stability)
    frame = bounded(frame, SIGNALS)
    table = scored.table.reset_index(drop=True)
    table["triggers"] = _triggers(frame, choices.triggers)
    table["lever"] = [likely_lever(fired) for fired in table["triggers"]]
    if earlier is not None:
        table["parts_before"] = parts_by(earlier.model, frame, CATALOG)
    placed = place(
        table,
        carried.bands,
        previous,
        as_of,
        settings=choices.matrix,
        rule_based=carried.rule_based,
        model=short(carried.digest),
    )
    table = table.join(placed.drop(columns=["account_id"]))
    known = contacts or Contacts()
    held = guards(_guard_facts(table, frame, known), as_of, choices.matrix.guards)
    table = _described(table.join(held.drop(columns=["account_id"])), frame, choices, known)
    return scored, _with_status(table, why)


def _with_status(table: pd.DataFrame, why: Sequence[str | None]) -> pd.DataFrame:
    """Say which accounts could not be scored, and why; notes of the others stay."""
    status = ["scored" if reason is None else "unscorable" for reason in why]
    noted = zip(why, table["status_reason"], strict=True)
    said = pd.Series([reason or note for reason, note in noted], index=table.index, dtype="object")
    return table.assign(status=status, status_reason=said)


def _described(
    table: pd.DataFrame, frame: pd.DataFrame, choices: Choices, known: Contacts
) -> pd.DataFrame:
    """Add where each account stands on the maturity curve, how much of it is seen, who calls it what."""
    calls = [known.calls.get(account) for account in table["account_id"]]
    grown = stage(frame, choices.maturity)
    return table.assign(
        maturity_stage=grown["maturity_stage"].to_numpy(),
        maturity_score=grown["maturity_score"].to_numpy(),
        data_coverage=data_coverage(frame).to_numpy(),
        csm_call=pd.Series([call and call.told() for call in calls], table.index, object),
        days_to_review=frame["commercial_days_to_review"].to_numpy(),
        days_since_review=frame["relationship_days_since_review"].to_numpy(),
    )


def _triggers(frame: pd.DataFrame, asked: TriggerSettings) -> list[list[dict[str, Any]]]:
    """List each account's triggers, in the order of ``features.triggers.TRIGGERS``."""
    fired: dict[str, list[dict[str, Any]]] = {account: [] for account in frame["account_id"]}
    for row in fire(frame, asked).to_dict("records"):
        fired[row["account_id"]].append(
            {
                "trigger": row["trigger"],
                "side": row["axis"],
                "level": row["level"],
                "evidence": row["evidence"],
            }
        )
    return list(fired.values())


def likely_lever(fired: Sequence[Mapping[str, Any]]) -> str | None:
    """Name the likely lever: that of the first trigger at "act", else of the first that has one.

    Examples
    --------
    >>> likely_lever([{"trigger": "gate_hits", "level": "watch"}]), likely_lever([])
    ('tier', None)
    """
    named = [(t["level"] != "act", LEVERS[t["trigger"]]) for t in fired if t["trigger"] in LEVERS]
    return min(named, key=lambda pair: pair[0])[1] if named else None


def _guard_facts(table: pd.DataFrame, frame: pd.DataFrame, known: Contacts) -> pd.DataFrame:
    """Give the guards what they ask for, out of the scores and the signals."""
    facts = table.copy()
    facts["urgent_open"] = (frame["support_urgent_open_days"] > 0).to_numpy()
    facts["detractor"] = (frame["relationship_nps"] <= 6).to_numpy()
    facts["bill_shock"] = [_names(fired, "bill_shock") for fired in table["triggers"]]
    facts["area_contact"] = frame.get("adjacent_contact", pd.Series(None, frame.index)).to_numpy()
    facts["seats_idle"] = [_names(fired, "seats_idle") for fired in table["triggers"]]
    facts["days_since_expansion"] = frame["commercial_days_since_expansion"].to_numpy()
    owed = frame["payments_overdue"].fillna(frame["commercial_payments_failed_91d"])
    facts["past_due"] = (owed > 0).to_numpy()
    last = known.last_of("expansion")
    facts["last_expansion_play_on"] = [last.get(account) for account in facts["account_id"]]
    return facts


def _names(fired: Sequence[Mapping[str, Any]], trigger: str) -> bool:
    return any(each["trigger"] == trigger for each in fired)
