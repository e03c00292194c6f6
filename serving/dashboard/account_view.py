"""One account as its page shows it: read from the store, put in order, nothing worked out anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from models.moves import trigger_name
from models.plays import PLAYS
from serving import queries
from serving.api.access import Who
from serving.dashboard.account_drawn import (
    chances_option,
    tickets_option,
    usage_option,
    weeks_until,
)
from serving.database import reading
from serving.done import actions_of, call_of
from serving.model_notes import bundle_told
from serving.queries import Run
from serving.store import Store

__all__ = ["LEVELS", "Axis", "Reason", "account_view", "allowed"]

LEVELS = ("High", "Medium", "Low")
HISTORY = 53
_BASE = "calendar"
_LETTERS = {"H": "High", "M": "Medium", "L": "Low"}
_ORDER = {"hard": 0, "red": 1, "act": 2, "attention": 3}
_POOLED = "pooled"
_LEAST = 0.0005
_DETAIL = (
    "first_paid_on", "usage", "tickets", "lines", "renewals", "movements", "contacts", "milestones",
)  # fmt: skip
_MATURITY = ("activation", "habit", "adoption", "advanced", "integration", "advocacy")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reason:
    """A reason as shown: what it adds in points, in words, and its bar on a scale of 100."""

    phrase: str
    effect: float
    start: float
    width: float
    base: bool

    @property
    def told(self) -> str:
        """Its points with their sign; the base, where all begins, without one."""
        text = f"{abs(100 * self.effect):.1f}"
        sign = (
            "" if self.base and self.effect >= 0 else "+" if self.effect > 0 else "\N{MINUS SIGN}"
        )
        return text if text == "0.0" else f"{sign}{text}"


@dataclass(frozen=True)
class Axis:
    """One of the two chances: how likely, which band, where the bands begin, and why."""

    name: str
    asks: str
    chance: float
    level: str
    raw: str | None
    bands: str | None
    reasons: list[Reason]


def allowed(row: Row | None, who: Who) -> bool:
    """Say whether somebody may see an account."""
    return row is not None and (who.csm is None or row["csm"] == who.csm)


def account_view(
    store: Store, run: Run, row: dict[str, Any], who: Who, today: date | None
) -> dict[str, Any]:
    """Gather everything that the page shows of an account.

    Parameters
    ----------
    store : Store
    run : Run
        The run that is shown.
    row : dict
        The account's scored row of it.
    who : Who
        Who asks: contacts' names are for some alone.
    today : date, optional
        Says which call holds; the day of the run where no clock is at hand.
    """
    name = row["account_id"]
    told = bundle_told(store.home, run.model_digest)
    cuts = _cuts(told.get("bands"), row)
    history = list(reversed(store.history(name, limit=HISTORY)))
    detail = store.detail(name, run=run.run_id)
    found = call_of(store.engine, name, today or run.as_of)
    return {
        "row": row,
        "who": who,
        "axes": [_retention(row, cuts), _expansion(row, cuts)],
        "triggers": _triggers(row["triggers"] or ()),
        "history": history,
        "chances": chances_option(history, cuts) if len(history) > 1 else None,
        "detail": _shown(detail, who),
        "term": _term((detail or {}).get("lines") or ()),
        "usage": _usage(detail),
        "tickets": _tickets(detail),
        "maturity": _maturity((detail or {}).get("maturity")),
        "listed": _listed(store, run, name),
        "call": found[0] if found else None,
        "disagrees": found is not None
        and found[0].disagrees(row["retention_health"], row["expansion_readiness"]),
        "actions": actions_of(store.engine, name),
        "plays": [one.name for one in PLAYS.values()],
        "today": (today or run.as_of).isoformat(),
    }


def _cuts(bands: Any, row: Row) -> dict[str, list[float]] | None:
    """Give where High and Medium begin on both axes, as chances to renew and to expand."""
    if not isinstance(bands, Mapping):
        return None
    risk = bands["risk"].get(row["renew_basis"]) or bands["risk"].get(_POOLED)
    if risk is None:
        return None
    medium, high = risk
    return {
        "renew": [1 - medium, 1 - high],
        "expand": [bands["expansion"][1], bands["expansion"][0]],
    }


def _retention(row: Row, cuts: Mapping[str, Sequence[float]] | None) -> Axis:
    basis = {
        "decision": "passing the next contract decision",
        "extrapolated": "passing the next contract decision, a year or more ahead",
        "horizon": f"staying {row['horizon_months']} months (a monthly contract)",
    }
    return Axis(
        "Retention",
        basis.get(row["renew_basis"], "renewing"),
        row["p_renew"],
        row["retention_health"],
        _raw(row, 0),
        _bands(cuts, "renew"),
        _reasons(row["reasons_retention"] or ()),
    )


def _expansion(row: Row, cuts: Mapping[str, Sequence[float]] | None) -> Axis:
    return Axis(
        "Expansion",
        f"paying at least 2 % more in {row['horizon_months']} months",
        row["p_expand"],
        row["expansion_readiness"],
        _raw(row, 1),
        _bands(cuts, "expand"),
        _reasons(row["reasons_expansion"] or ()),
    )


def _raw(row: Row, place: int) -> str | None:
    """Give the band of this week's chance where the published one waits."""
    cell, raw = row["cell"], row["raw_cell"]
    return _LETTERS[raw[place]] if raw and raw[place] != cell[place] else None


def _bands(cuts: Mapping[str, Sequence[float]] | None, axis: str) -> str | None:
    if cuts is None:
        return None
    high, medium = (f"{100 * level:.1f}\N{NO-BREAK SPACE}%" for level in cuts[axis])
    return f"High from {high}, Medium from {medium}"


def _reasons(told: Sequence[Row]) -> list[Reason]:
    """Put reasons in order: the base first, then as they came; each with a bar from the middle."""
    base = [one for one in told if one.get("signal") == _BASE]
    rest = [one for one in told if one.get("signal") != _BASE and abs(one["effect"] or 0) >= _LEAST]
    most = max([abs(one["effect"]) for one in rest], default=0.0) or 1.0
    return [_reason(one, most, base=True) for one in base] + [
        _reason(one, most, base=False) for one in rest
    ]


def _reason(one: Row, most: float, *, base: bool) -> Reason:
    effect = float(one["effect"] or 0.0)
    width = 0.0 if base else round(50 * abs(effect) / most, 1)
    return Reason(one["phrase"], effect, 50.0 if effect >= 0 else round(50 - width, 1), width, base)


def _triggers(told: Sequence[Any]) -> list[dict[str, Any]]:
    """Put triggers in order of gravity, each with its name in words."""
    rows = [dict(one) if isinstance(one, Mapping) else {"trigger": one} for one in told]
    shown = [
        {
            "name": trigger_name(one).replace("_", " "),
            "side": one.get("side") or one.get("axis"),
            "level": one.get("level"),
            "evidence": one.get("evidence"),
        }
        for one in rows
    ]
    return sorted(shown, key=lambda one: _ORDER.get(str(one["level"]), 9))


def _shown(detail: Row | None, who: Who) -> dict[str, Any]:
    """Give the detail as somebody may see it: without names where they are not for them."""
    kept = dict.fromkeys(_DETAIL) | dict(detail or {})
    if not who.contacts:
        kept |= {name: _unnamed(kept[name]) for name in ("contacts", "milestones")}
    return kept


def _unnamed(rows: Sequence[Row] | None) -> list[dict[str, Any]] | None:
    return None if rows is None else [{**row, "contact": None} for row in rows]


def _term(lines: Sequence[Row]) -> str | None:
    """Say the term of the largest line that has one; lines come the largest first."""
    line = next((one for one in lines if one["term_months"]), None)
    if line is None:
        return None
    months = line["term_months"]
    said = "monthly" if months == 1 else f"{months}-month term"
    return f"{said}, renews by itself" if line["auto_renew"] else said


def _usage(detail: Row | None) -> dict[str, Any] | None:
    """Give weeks of usage with their option; None where nothing is known of it."""
    usage = (detail or {}).get("usage")
    if not usage or not usage.get("events"):
        return None
    days = weeks_until(usage["until"], len(usage["events"]))
    users = usage["users"] or [None] * len(days)
    rows = list(zip(days, usage["events"], users, strict=True))
    return {"option": usage_option(usage), "rows": rows, "until": usage["until"]}


def _tickets(detail: Row | None) -> dict[str, Any] | None:
    tickets = (detail or {}).get("tickets")
    if not tickets or not tickets.get("months"):
        return None
    rows = list(zip(tickets["months"], tickets["opened"], tickets["solved"], strict=True))
    return {"option": tickets_option(tickets), "rows": rows, "open_now": tickets["open_now"]}


def _maturity(parts: Row | None) -> list[tuple[str, float | None]]:
    """Give the parts of the maturity score, 0 to 1 each; none where the run kept none."""
    return [] if not parts else [(name, parts.get(name)) for name in _MATURITY]


def _listed(store: Store, run: Run, account_id: str) -> dict[str, Any] | None:
    """Give the account's line of this run's outreach list; None where it is not on it."""
    with reading(store.engine) as connection:
        return queries.listing_of(connection, run.run_id, account_id)
