"""What the forecast page shows of a run: horizons, parts of the book, the board's dates, the drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from models.outcomes import HORIZONS
from serving.dashboard.figures import Range, ranges
from serving.dashboard.forecast_asked import SLIDERS, Asked
from serving.dashboard.forecast_drawn import fan_of, steps_of
from serving.dashboard.forecast_words import MEANINGS, brief, found, said, span
from serving.definition import rules_line
from serving.store import Run, Store

__all__ = ["Answer", "Part", "currency_of", "cut_of", "parts_of", "view_of"]

SPANS = {1: "1 month", 3: "3 months", 12: "12 months"}
LISTED_BY = ("segment", "csm")
"""Columns that the list of accounts can be filtered by."""

KINDS = (
    ("nrr", "NRR", "ratio", "points"),
    ("grr", "GRR", "ratio", "points"),
    ("expansion_mrr", "Expansion", "money", "more"),
    ("contraction_mrr", "Contraction", "money", "more"),
    ("churned_mrr", "Churned", "money", "more"),
    ("closing_mrr", "Closing MRR", "money", "more"),
    ("logos_lost", "Accounts lost", "count", "counts"),
)
"""Figure, its name, how it is written, and how a difference of it is."""

OPTIONAL = (
    "nrr_target",
    "p_target",
    "combined",
    "expansion_plan",
    "reason",
    "confidence_reasons",
    "ttm_at",
)
"""What a forecast may leave out."""

ENDS = (("month", "This month"), ("quarter", "This fiscal quarter"), ("fiscal_year", "This fiscal year"))  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What an address asks beyond what is published.

    Attributes
    ----------
    parts : mapping or None
        The forecast in the cut that was asked for.
    told : mapping or None
        The answer to the assumptions, where any were made (`models.scenario.compare`).
    refusal : str or None
        Why something cannot be told.
    status : int
        HTTP status: 422 for what the book cannot tell, 503 where too many ask just now.
    """

    parts: Mapping[str, Any] | None
    told: Mapping[str, Any] | None = None
    refusal: str | None = None
    status: int = 200


@dataclass(frozen=True)
class Horizon:
    """One horizon as shown: its forecast, and its intervals on the scale of all of them."""

    months: int
    span: str
    body: Mapping[str, Any]
    nrr: Range | None
    grr: Range | None


@dataclass(frozen=True)
class Part:
    """One value of a cut as shown.

    Attributes
    ----------
    place : int
        Where it stands among the forecast's parts.
    value : str
    body : mapping
        Its figures.
    link : str or None
        Address of its accounts.
    moves : float or None
        By how much it moves NRR of the whole book: closing less opening, over the book's opening.
    bar : tuple of float or None
        Where the bar of that begins, and how long it is, 0 to 100.
    nrr : Range or None
    """

    place: int
    value: str
    body: Mapping[str, Any]
    link: str | None
    moves: float | None
    bar: tuple[float, float] | None
    nrr: Range | None


def view_of(
    store: Store, run: Run, asked: Asked, answer: Answer, cuts: Sequence[str]
) -> dict[str, Any]:
    """Gather what the template asks for.

    Parameters
    ----------
    store : Store
    run : Run
        The run that is shown.
    asked : Asked
        What the address asks.
    answer : Answer
        What was computed for it.
    cuts : sequence of str
        Columns that the book can be cut by; none where nothing can be assumed of it.
    """
    bodies = {h: _complete(store.forecast(h, run=run.run_id)) for h in HORIZONS}
    body, told = bodies[asked.horizon], answer.told
    after = found(told, "scenario") if asked.is_assuming else None
    cut = cut_of(answer.parts)
    return {
        "run": run,
        "asked": asked,
        "body": body,
        "told": told,
        "refusal": answer.refusal,
        "currency": currency_of(store, run),
        "horizons": _horizons(bodies),
        "cut": cut,
        "is_published_cut": cut == cut_of(body),
        "cuts": list(dict.fromkeys([cut_of(body), *cuts])),
        "parts": parts_of(answer.parts),
        "segments": [part.value for part in parts_of(body) if "segment" in part.body["cut"]],
        "fan": fan_of(body, after) if body else None,
        "bridge": steps_of(body["bridge"]) if body else ([], 0.0),
        "ends": [
            (label, end) for key, label in ENDS if (end := found(body, f"ttm_at.{key}")) is not None
        ],
        "levers": _levers(body),
        "rules": rules_line(body["definition"]) if body else "",
        "can_assume": bool(cuts),
        "kinds": KINDS,
        "meanings": MEANINGS,
        "sliders": SLIDERS,
        "spans": SPANS,
        "said": said,
        "span": span,
        "brief": brief,
        "found": found,
    }


def _complete(body: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Give a forecast every key that may be left out of it, null."""
    return None if body is None else {**dict.fromkeys(OPTIONAL), **body}


def currency_of(store: Store, run: Run) -> str:
    """Give the currency of a run's money."""
    first = store.scores(run=run.run_id, limit=1).rows
    return str(first[0]["currency"]) if first else ""


def cut_of(body: Mapping[str, Any] | None) -> str:
    """Name the column that a forecast is cut by; empty where it is not cut.

    Examples
    --------
    >>> cut_of({"by_cut": [{"cut": {"segment": "smb"}}]}), cut_of({"by_cut": {}}), cut_of(None)
    ('segment', '', '')
    """
    cuts = found(body, "by_cut") or []
    return next(iter(cuts[0]["cut"]), "") if isinstance(cuts, list) and cuts else ""


def parts_of(body: Mapping[str, Any] | None) -> list[Part]:
    """List the values of a cut, the one that lowers the book's NRR most first.

    Examples
    --------
    >>> figures = {name: {"mean": 1.0, "p10": 1.0, "p90": 1.0} for name in MEANINGS}
    >>> def one(value, opening, closing):
    ...     more = {"opening_mrr": opening, "closing_mrr": {"mean": closing}, "cohort_accounts": 1}
    ...     return figures | more | {"cut": {"segment": value}}
    >>> parts = parts_of({"opening_mrr": 100.0, "by_cut": [one("ent", 60.0, 66.0), one("smb", 40.0, 36.0)]})
    >>> [(part.value, round(part.moves, 2), part.link) for part in parts]
    [('smb', -0.04, '/accounts?segment=smb'), ('ent', 0.06, '/accounts?segment=ent')]
    """
    cuts = found(body, "by_cut") or []
    if not isinstance(cuts, list) or body is None:
        return []
    moves = [_moves(one, body["opening_mrr"]) for one in cuts]
    drawn = zip(cuts, moves, _bars(moves), ranges([one["nrr"] for one in cuts]), strict=True)
    rows = [
        Part(at, ", ".join(map(str, one["cut"].values())), one, _link(one["cut"]), moved, bar, nrr)
        for at, (one, moved, bar, nrr) in enumerate(drawn)
    ]
    return sorted(rows, key=lambda row: (row.moves is None, row.moves or 0.0, row.value))


def _moves(one: Mapping[str, Any], opening: float) -> float | None:
    closing = found(one, "closing_mrr.mean")
    return None if closing is None or not opening else (closing - one["opening_mrr"]) / opening


def _bars(moves: list[float | None]) -> list[tuple[float, float] | None]:
    """Place bars that begin at nothing on one scale."""
    known = [0.0, *(one for one in moves if one is not None)]
    low, length = min(known), (max(known) - min(known)) or 1.0
    return [
        None
        if one is None
        else (
            round((min(one, 0.0) - low) / length * 100, 2),
            round(max(abs(one) / length * 100, 0.8), 2),
        )
        for one in moves
    ]


def _link(cut: Mapping[str, str]) -> str | None:
    """Give the address of the accounts of a part; none where the list has no such filter."""
    known = set(cut) <= set(LISTED_BY) and "unknown" not in cut.values()
    return f"/accounts?{urlencode(cut)}" if known else None


def _horizons(bodies: Mapping[int, Mapping[str, Any] | None]) -> list[Horizon]:
    present = {h: body for h, body in bodies.items() if body is not None}
    nrr = ranges([body["nrr"] for body in present.values()])
    grr = ranges([body["grr"] for body in present.values()])
    return [
        Horizon(h, SPANS[h], body, one, other)
        for (h, body), one, other in zip(present.items(), nrr, grr, strict=True)
    ]


def _levers(body: Mapping[str, Any] | None) -> list[tuple[str, float, float]]:
    """List the levers with their amount and share of expansion, the largest first."""
    levers = found(body, "expansion_by_lever") or {}
    whole = sum(levers.values()) or 1.0
    rows = [(name, amount, amount / whole) for name, amount in levers.items()]
    return sorted(rows, key=lambda row: -row[1])
