"""Facts: what a run publishes beside its predictions, so that pages need not open the book.

They restate the snapshot by the run's own rules, as it was known at the run's as-of date, and are
no part of the digest of its content: a run keeps its digest whether it carries facts or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.columns import plain

__all__ = ["KINDS", "Facts"]

KINDS = ("expansion", "metrics")
"""Kinds of the documents that hold facts."""


@dataclass(frozen=True)
class Facts:
    """What the book says of itself at a run's date.

    Attributes
    ----------
    metrics : mapping
        What ``perennial metrics --as-of DATE --by segment --json`` gives, its ``series`` cut to
        the last 24 month-ends, and beside it ``months`` and ``expansion_mrr_by_week``.
        Empty: the run carries no facts.
    expansion : mapping
        The eight figures (`serving.facts_expansion`).
    details : mapping of str to mapping
        By account (`features.account_detail`).

    Examples
    --------
    >>> Facts().documents
    []
    """

    metrics: Mapping[str, Any] = field(default_factory=dict)
    expansion: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def documents(self) -> list[tuple[str, str, Any]]:
        """Kind, key and body of its documents."""
        both = (("expansion", self.expansion), ("metrics", self.metrics))
        return [(kind, "", plain(body)) for kind, body in both if body]
