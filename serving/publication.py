"""What one run publishes, checked, and the digest of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import orjson
import pandas as pd

from features.faults import InternalFault
from serving.columns import Columns, native, plain
from serving.facts import KINDS, Facts
from serving.schemas import CELLS, OUTREACH_TABLE, PROBABILITIES, SCORE_TABLE

__all__ = ["NOTES", "Publication", "content_digest", "run_id"]

NOTES = "notes"
"""Kind of the document that says what a run stands on."""
_BESIDE = frozenset({NOTES, *KINDS})
_STATES = ("p_churn", "p_contract", "p_flat", "p_expand")
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Publication:
    """Everything that one run publishes for one as-of date.

    Attributes
    ----------
    as_of : date
        Date before which everything used was known.
    snapshot_id, model_digest, settings_digest : str
        Digests of what went in: together with ``as_of`` the key of the run.
    model_version : str
        The model's version in the registry.
    scores : DataFrame
        One row per account, columns of CONTRACT section 3; ``run_id``, ``as_of`` and
        ``model_version`` may be left out or empty: the store fills them.
    outreach : DataFrame
        The ranked list, in its order, columns ``serving.schemas.OUTREACH_COLUMNS``.
    matrix : dict
        Counts, MRR, action per cell, and flows.
    forecast : dict of str to dict
        CONTRACT section 4, keyed by horizon in months: ``"1"``, ``"3"``, ``"12"``.
    memory : dict of str to str
        Per account what the next scoring needs of this one (JSON text of ``models.memory``);
        kept beside the scores and never shown.
    outlook : bytes
        The run's outlook (`serving.outlooks.packed`), kept for scenarios; empty: none is kept.
    basis : dict
        What its forecast rests on beside the outlook (``models.basis``).
    notes : dict
        What the run says of its own footing: ``warnings``, and how far its ``tables`` reach. They
        are told beside the content, and are no part of its digest.
    gates, bins : dict
        What the gates found, and how the signals are spread: later runs are held beside it.
    alerts : tuple of mapping
        Whom it tells of what (``serving.alerts.news``): queued with it, and no part of its digest.
    facts : Facts
        What the book says of itself (`serving.facts`): kept with it, and no part of its digest.
    holdout : dict
        Who is held out this quarter (``models.listing``); empty: nobody.
    """

    as_of: date
    snapshot_id: str
    model_version: str
    model_digest: str
    scores: pd.DataFrame
    outreach: pd.DataFrame
    matrix: dict[str, Any]
    forecast: dict[str, dict[str, Any]]
    settings_digest: str
    memory: dict[str, str] = field(default_factory=dict)
    outlook: bytes = b""
    basis: dict[str, Any] = field(default_factory=dict)
    holdout: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    gates: dict[str, Any] = field(default_factory=dict)
    bins: dict[str, Any] = field(default_factory=dict)
    alerts: tuple[Mapping[str, Any], ...] = ()
    facts: Facts = field(default_factory=Facts)

    @property
    def key(self) -> tuple[str, str, str]:
        """What the run stands on, beside its date."""
        return (self.snapshot_id, self.model_digest, self.settings_digest)

    @cached_property
    def score_columns(self) -> Columns:
        """The scores as plain values in account order; ``run_id`` is still empty."""
        filled = {"run_id": "", "as_of": self.as_of, "model_version": self.model_version}
        frame = self.scores.assign(**filled).sort_values("account_id", kind="stable")
        columns = native(frame, SCORE_TABLE)
        _check(columns)
        return columns

    @cached_property
    def outreach_columns(self) -> Columns:
        """The outreach list as plain values, in its order."""
        return native(self.outreach, OUTREACH_TABLE)

    @cached_property
    def documents(self) -> list[tuple[str, str, Any]]:
        """Kind, key and body of each document."""
        forecast = [("forecast", h, plain(body)) for h, body in sorted(self.forecast.items())]
        kept = [("outlook", "", self.kept)] if self.outlook else []
        said = [(NOTES, "", plain(self.notes))] if self.notes else []
        beside = (("bins", self.bins), ("gates", self.gates), ("holdout", self.holdout))
        told = [(kind, "", plain(body)) for kind, body in beside if body]
        facts = self.facts.documents
        return [("matrix", "", plain(self.matrix)), *forecast, *kept, *said, *told, *facts]

    @cached_property
    def kept(self) -> dict[str, Any]:
        """Digest and basis of the outlook that is kept."""
        digest = hashlib.sha256(self.outlook).hexdigest()
        return {"sha256": digest, "basis": plain(self.basis)}

    @cached_property
    def digest(self) -> str:
        """Sha256 of the content: no clock, no run, no path."""
        of_what = (self.as_of, self.model_version)
        tables = (self.score_columns, self.outreach_columns)
        return content_digest(of_what, tables, self.documents, self.memory)


def content_digest(
    of_what: tuple[date, str],
    tables: tuple[Columns, Columns],
    documents: list[tuple[str, str, Any]],
    memory: dict[str, str],
) -> str:
    """Digest what a run says: a column that is empty throughout says nothing.

    So the digest of an old run stays what it was when a later version adds a column.

    Examples
    --------
    >>> of_what = (date(2025, 7, 1), "3")
    >>> old, new = {"mrr": [1.0]}, {"mrr": [1.0], "later": [None]}
    >>> content_digest(of_what, (old, {}), [], {}) == content_digest(of_what, (new, {}), [], {})
    True
    """
    told = [
        {k: v for k, v in table.items() if any(one not in (None, []) for one in v)}
        for table in tables
    ]
    bodies = sorted((one for one in documents if one[0] not in _BESIDE), key=lambda one: one[:2])
    content = [*of_what, *told, bodies, memory]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def run_id(publication: Publication, revision: int) -> str:
    """Name a run by its date, its revision and a hash of what went in."""
    p = publication
    parts = [str(p.as_of), p.snapshot_id, p.model_digest, p.settings_digest, str(revision)]
    short = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return f"{p.as_of}-r{revision}-{short}"


def _check(columns: Columns) -> None:
    accounts = columns["account_id"]
    if None in accounts or len(set(accounts)) != len(accounts):
        raise InternalFault("publication.accounts", "an account is unnamed or there twice")
    for name in PROBABILITIES:
        if any(p is None or not 0 <= p <= 1 for p in columns[name]):
            raise InternalFault("publication.probability", f"{name}: empty or outside [0, 1]")
    sums = map(sum, zip(*(columns[name] for name in _STATES), strict=True))
    if any(abs(total - 1) > _ROUNDING for total in sums):
        raise InternalFault("publication.probability", "the four states do not sum to 1")
    if not set(columns["cell"]) <= set(CELLS):
        raise InternalFault("publication.cell", f"a cell that is none of {', '.join(CELLS)}")
