"""The two-axis matrix: Retention Health by Expansion Readiness, nine cells, one action each.

The first letter of a cell is Retention Health, the second Expansion Readiness. A raw cell follows
this week's probabilities; the published cell follows it with hysteresis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.faults import InternalFault
from models.bands import Bands, BandSettings, fit_bands
from models.guards import GuardSettings
from models.hysteresis import HysteresisSettings, State, follow, start
from models.memory import Memory, iso_week, recall, week_before
from models.moves import moved_because, trigger_names
from models.reasons import KEPT

__all__ = [
    "ACTIONS",
    "CELLS",
    "Bands",
    "MatrixSettings",
    "fit_bands",
    "place",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ACTIONS: dict[str, str] = {
    "HH": "Priority expansion outreach; bring in sales",
    "HM": "Plant seeds; wait for a trigger signal",
    "HL": "Maintain the relationship; focus on advocacy",
    "MH": "Stabilise retention first; expansion can wait 60 days",
    "MM": "Standard QBR cadence",
    "ML": "Investigate retention risk",
    "LH": "Unusual: investigate before any expansion conversation",
    "LM": "Churn risk: engage immediately",
    "LL": "Immediate intervention required",
}
"""What every cell asks for."""

CELLS: tuple[str, ...] = tuple(ACTIONS)
"""The nine cells, Retention Health first."""

HEALTH = np.array(["High", "Medium", "Low"])
READINESS = np.array(["Low", "Medium", "High"])
RULE_CUTS = np.array([0.5, 1.5])
HARD_RISK = 2
NOTICE = "notice_given"


class MatrixSettings(BandSettings, HysteresisSettings):
    """Section ``[matrix]``: cut-offs, hysteresis, hard events and guards.

    Attributes
    ----------
    hard_events : tuple of str
        Triggers that move an account to its raw band at once.
    guards : GuardSettings
        Section ``[matrix.guards]``.
    """

    hard_events: tuple[str, ...] = ("champion_left", "notice_given")
    guards: GuardSettings = GuardSettings()


def place(
    scores: pd.DataFrame,
    bands: Bands,
    previous: pd.DataFrame | None,
    as_of: date,
    *,
    settings: MatrixSettings | None = None,
    rule_based: bool = False,
    model: str = "",
) -> pd.DataFrame:
    """Place every account in its cell.

    Parameters
    ----------
    scores : DataFrame
        ``account_id, p_renew, renew_basis, p_expand`` and, where known, ``next_renewal_on,
        notice, triggers, parts`` (what p_renew and p_expand are made of) and ``parts_before``
        (the same by the model of the last run, where that was another).
    bands : Bands
        The model's cut-offs.
    previous : DataFrame or None
        ``account_id, memory`` of the last published run.
    as_of : date
        The as-of date; its ISO week is the week that counts.
    settings : MatrixSettings, optional
        Hysteresis and hard events.
    rule_based : bool
        On the lowest rung the triggers place an account: one red retention trigger is at most
        Medium, two or a hard event Low; expansion triggers at "act" count likewise.
    model : str
        The start of the digest of the model that scored.

    Returns
    -------
    DataFrame
        One row per row of ``scores``, same index: ``account_id, retention_health,
        expansion_readiness, raw_cell, cell, previous_cell, moved_because (list), action,
        cell_basis ("model" or "rule-based"), waits_since (date or None), memory (JSON text)``.

    Raises
    ------
    InternalFault
        ``score.not_finite`` if a probability is not in [0, 1].

    Examples
    --------
    >>> from models.bands import Cut
    >>> bands = Bands({"pooled": Cut(0.1, 0.3)}, Cut(0.1, 0.3))
    >>> scores = pd.DataFrame({"account_id": ["a", "b"], "p_renew": [0.97, 0.4],
    ...     "renew_basis": "decision", "p_expand": [0.5, 0.2]})
    >>> place(scores, bands, None, date(2025, 7, 1))[["cell", "action"]].values.tolist()
    [['HH', 'Priority expansion outreach; bring in sales'], ['LM', 'Churn risk: engage immediately']]
    """
    chosen = settings or MatrixSettings()
    facts = _facts(scores, chosen)
    past = _past(scores["account_id"], previous, as_of)
    risk, expansion = _distances(scores, facts, bands, rule_based)
    in_a_row = np.array([m is not None and m.week == week_before(as_of) for m in past], dtype=bool)
    risk_state = _follow(risk, [m and m.risk for m in past], in_a_row, chosen)
    expansion_state = _follow(expansion, [m and m.expansion for m in past], in_a_row, chosen)
    raw, raw_expansion = start(risk, chosen).level, start(expansion, chosen).level
    hits = _hits(facts, past, chosen)
    hard = np.array([bool(events) for events in hits], dtype=bool)
    renewed = np.array([_passed(m, as_of) for m in past], dtype=bool)
    level = np.where(hard, np.maximum(risk_state.level, raw), risk_state.level)
    level = np.where(renewed, raw, level)
    state = State(
        np.asarray(level), *(_reset(c, renewed) for c in (risk_state.up, risk_state.back))
    )
    out = pd.DataFrame(
        {
            "account_id": scores["account_id"],
            "retention_health": HEALTH[level],
            "expansion_readiness": READINESS[expansion_state.level],
            "raw_cell": _cells(raw, raw_expansion),
            "cell": _cells(level, expansion_state.level),
            "previous_cell": [None if m is None else m.cell for m in past],
        },
        index=scores.index,
    ).astype({"previous_cell": "object"})
    wait = timedelta(days=chosen.guards.wait_days)
    memories = _remember(out, scores, facts, past, (state, expansion_state), as_of, wait, model)
    out["moved_because"] = [
        moved_because(
            m, now, between=between, hard=h, renewed=bool(r), rule_based=rule_based, settings=chosen
        )
        for m, now, between, h, r in zip(
            past, memories, facts["before"], hits, renewed, strict=True
        )
    ]
    out["action"] = [ACTIONS[cell] for cell in out["cell"]]
    out["cell_basis"] = "rule-based" if rule_based else "model"
    out["waits_since"] = pd.Series(
        [m.waits_since and date.fromisoformat(m.waits_since) for m in memories],
        index=scores.index,
        dtype="object",
    )
    out["memory"] = [memory.text() for memory in memories]
    return out


def _facts(scores: pd.DataFrame, settings: MatrixSettings) -> pd.DataFrame:
    """Bring what is optional in the scores into one shape: notice, renewal, triggers."""
    for name in ("p_renew", "p_expand"):
        p = scores[name].to_numpy(dtype=np.float64)
        if not ((p >= 0.0) & (p <= 1.0)).all():
            raise InternalFault("score.not_finite", f"{name} lies outside [0, 1]")
    if scores["account_id"].duplicated().any():
        raise InternalFault("score.duplicate", "an account is scored twice")
    empty: list[list[Any]] = [[] for _ in range(len(scores))]
    triggers = list(scores["triggers"]) if "triggers" in scores else empty
    renewal = (
        pd.to_datetime(scores["next_renewal_on"]).dt.date if "next_renewal_on" in scores else None
    )
    notice = scores["notice"].fillna(value=False).astype(bool) if "notice" in scores else False
    names = [trigger_names(fired) for fired in triggers]
    return pd.DataFrame(
        {
            "notice": notice,
            "renewal": None if renewal is None else renewal.astype("object"),
            "triggers": pd.Series(names, index=scores.index, dtype="object"),
            "parts": scores["parts"] if "parts" in scores else [{} for _ in range(len(scores))],
            "before": scores.get("parts_before"),
            "red": [_count(fired, "retention") for fired in triggers],
            "act": [_count(fired, "expansion") for fired in triggers],
            "hard": [bool({*named} & {*settings.hard_events}) for named in names],
        },
        index=scores.index,
    )


def _count(fired: Sequence[Any], side: str) -> int:
    """Count the triggers of one side that ask for action."""
    asks = ("act", "red", "hard")
    found = [t for t in fired if isinstance(t, Mapping) and t.get("level", "act") in asks]
    return sum(t.get("side", "retention") == side for t in found)


def _past(
    accounts: pd.Series[Any], previous: pd.DataFrame | None, as_of: date
) -> list[Memory | None]:
    """Give what each account remembers from before this week."""
    if previous is None:
        return [None] * len(accounts)
    texts = dict(zip(previous["account_id"], previous["memory"], strict=True))
    return [recall(texts.get(account), iso_week(as_of)) for account in accounts]


def _distances(
    scores: pd.DataFrame, facts: pd.DataFrame, bands: Bands, rule_based: bool
) -> tuple[Floats, Floats]:
    """Give how far both sides lie beyond their cut-offs; notice given is beyond all of them."""
    if rule_based:
        hard = (facts["hard"] | facts["notice"]).to_numpy(dtype=bool)
        red = np.where(hard, HARD_RISK, np.minimum(facts["red"].to_numpy(), HARD_RISK))
        act = np.minimum(facts["act"].to_numpy(), 2)
        return red[:, None] - RULE_CUTS, act[:, None] - RULE_CUTS
    p_renew = scores["p_renew"].to_numpy(dtype=np.float64)
    risk = np.where(facts["notice"].to_numpy(dtype=bool), 1.0, 1.0 - p_renew)
    basis = scores["renew_basis"].astype(str).to_numpy()
    expand = scores["p_expand"].to_numpy(dtype=np.float64)
    return bands.risk_distance(risk, basis), bands.expansion_distance(expand)


def _follow(
    distance: Floats,
    remembered: list[Any],
    in_a_row: NDArray[np.bool_],
    settings: MatrixSettings,
) -> State:
    """Follow the accounts that have a past; start the others at their raw band."""
    fresh = start(distance, settings)
    known = np.array([row is not None for row in remembered], dtype=bool)
    rows = [row if row is not None else [0] * 5 for row in remembered]
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    moved = follow(State(table[:, 0], table[:, 1:3], table[:, 3:5]), distance, in_a_row, settings)
    return State(
        np.where(known, moved.level, fresh.level),
        np.where(known[:, None], moved.up, fresh.up),
        np.where(known[:, None], moved.back, fresh.back),
    )


def _hits(
    facts: pd.DataFrame, past: list[Memory | None], settings: MatrixSettings
) -> list[list[str]]:
    """Name the hard events that have hit each account since the last scoring, and any notice."""
    named = {*settings.hard_events}
    return [
        sorted(({*names} & named - {*(m.triggers if m else ())}) | ({NOTICE} if notice else set()))
        for notice, names, m in zip(facts["notice"], facts["triggers"], past, strict=True)
    ]


def _passed(memory: Memory | None, as_of: date) -> bool:
    """Say whether the renewal that was ahead has passed since."""
    return memory is not None and memory.renewal is not None and memory.renewal < as_of.isoformat()


def _reset(counters: Ints, renewed: NDArray[np.bool_]) -> Ints:
    return np.asarray(np.where(renewed[:, None], 0, counters), dtype=np.int64)


def _cells(risk: Ints, expansion: Ints) -> list[str]:
    """Name the cells of two levels."""
    pairs = zip(HEALTH[risk], READINESS[expansion], strict=True)
    return [f"{health[0]}{readiness[0]}" for health, readiness in pairs]


def _remember(
    out: pd.DataFrame,
    scores: pd.DataFrame,
    facts: pd.DataFrame,
    past: list[Memory | None],
    states: tuple[State, State],
    as_of: date,
    wait: timedelta,
    model: str,
) -> list[Memory]:
    """Write down this week's state of every account, with the state that it started from."""
    columns = (out["cell"], scores["p_renew"], scores["p_expand"])
    told = (facts["renewal"], facts["triggers"], facts["parts"])
    rows = zip(*columns, *told, past, strict=True)
    return [
        Memory(
            week=iso_week(as_of),
            cell=cell,
            risk=_row(states[0], at),
            expansion=_row(states[1], at),
            p=[round(float(p_renew), KEPT), round(float(p_expand), KEPT)],
            renewal=None if renewal is None or pd.isna(renewal) else renewal.isoformat(),
            waits_since=_waits(cell, before, as_of, wait),
            triggers=triggers,
            parts=parts,
            model=model,
            before=None if before is None else before.without_past(),
        )
        for at, (cell, p_renew, p_expand, renewal, triggers, parts, before) in enumerate(rows)
    ]


def _row(state: State, i: int) -> list[int]:
    return [int(state.level[i]), *state.up[i].tolist(), *state.back[i].tolist()]


def _waits(cell: str, before: Memory | None, as_of: date, wait: timedelta) -> str | None:
    """Keep the first published week of Medium/High until it has waited and Retention is High."""
    since = before.waits_since if before else None
    if since is not None and cell[0] == "H" and as_of >= date.fromisoformat(since) + wait:
        since = None
    return (since or as_of.isoformat()) if cell == "MH" else since
