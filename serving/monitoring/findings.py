"""Findings: what monitoring asks a person to look at, feeds first, then signals, then outcomes.

The order is that of causes. A feed that stopped explains missing signals, missing signals explain
drift, and drift may explain outcomes; whoever reads from the top mends the first and looks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.cusum import LIMIT, Step

__all__ = ["EVENT_WORDS", "Finding", "found"]

FAR = 3.0
"""Standard deviations below the estimate from which on a ranking asks for a review."""
SHOWN = 3
RANKED_AT = "3"
EVENT_WORDS = {"churn": "left", "contract": "came to pay less", "expand": "came to pay more"}

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """One thing that asks for a review.

    Attributes
    ----------
    kind : str
        ``freshness``, ``missing``, ``drift``, ``counts`` or ``ranking``.
    about : str
        The table, the signals or the event.
    says : str
        What was found, with its figures.
    review : str
        What to look at.
    """

    kind: str
    about: str
    says: str
    review: str


def found(notes: Body, months: Sequence[Body], sums: Mapping[str, Sequence[Step]]) -> list[Finding]:
    """Gather the findings, in the order in which they are to be looked at.

    Parameters
    ----------
    notes : mapping
        Of the run that serves: ``tables`` and ``monitoring`` (`serving.monitoring.footing`).
    months : sequence of mapping
        What became of earlier months, oldest first (`serving.monitoring.outcomes`).
    sums : mapping of str to sequence of Step
        By event.

    Examples
    --------
    >>> usage = {"table": "usage", "last": "2025-06-10", "age_days": 20, "behind": True}
    >>> [(one.kind, one.says) for one in found({"tables": [usage]}, [], {})]
    [('freshness', 'usage reaches to 2025-06-10, 20 days before the run: its signals are missing')]
    """
    own = notes.get("monitoring") or {}
    stale = [_stale(one) for one in notes.get("tables") or () if one["behind"]]
    counted = [_counts(event, steps) for event, steps in sums.items() if steps and steps[-1].alarm]
    return [*stale, *_missing(own), *_drift(own), *counted, *_ranking(months)]


def _stale(one: Body) -> Finding:
    reach = f"{one['table']} reaches to {one['last']}, {one['age_days']} days before the run"
    return Finding(
        "freshness",
        one["table"],
        f"{reach}: its signals are missing",
        "mend the export, score again",
    )


def _missing(own: Body) -> list[Finding]:
    rows = own.get("missing") or ()
    if not rows:
        return []
    shares = [f"{r['signal']} ({r['then']:.0%} then, {r['now']:.0%} now)" for r in rows[:SHOWN]]
    many = f"{len(rows)} of {own['signals']} signals are missing of more accounts than on"
    says = f"{many} {own['since']['as_of']}: {_listed(shares, len(rows))}"
    return [
        Finding(
            "missing", _names(rows), says, "look at the tables they stand on: `perennial check`"
        )
    ]


def _drift(own: Body) -> list[Finding]:
    rows = [row for row in own.get("drift") or () if row["beyond"]]
    if not rows:
        return []
    named = [
        f"{r['signal']} (PSI {r['psi']:.2f}, unusual from {r['mark']:.2f})" for r in rows[:SHOWN]
    ]
    many = f"{own['drifted']} of {own['judged']} signals are spread otherwise than on"
    says = f"{many} {own['since']['as_of']}: {_listed(named, own['drifted'])}"
    review = "has the product, the prices or an export changed? else train again"
    return [Finding("drift", _names(rows), says, review)]


def _counts(event: str, steps: Sequence[Step]) -> Finding:
    """Tell of a sum beyond its limit, over the steps since it last was zero."""
    side = steps[-1].alarm
    values = [getattr(step, side) for step in steps]
    start = max((n + 1 for n, value in enumerate(values) if value == 0.0), default=0)
    mine = steps[start:]
    expected = sum(step.expected for step in mine)
    observed = sum(step.observed for step in mine)
    more = "more" if side == "above" else "fewer"
    what = f"{more} accounts {EVENT_WORDS[event]} within a month than was foretold"
    says = (
        f"{what}: {observed} seen, {expected:.1f} expected, as-of {mine[0].first} to"
        f" {mine[-1].last} (sum {values[-1]:.1f}, limit {LIMIT:g})"
    )
    return Finding("counts", event, says, "what is new since? train again: the gate judges it")


def _ranking(months: Sequence[Body]) -> list[Finding]:
    """Tell of the newest month whose ranking was worse than its own chances allow."""
    told = [one for one in months if RANKED_AT in one["horizons"] and not one["in_hindsight"]]
    if not told:
        return []
    newest = told[-1]
    rows = newest["horizons"][RANKED_AT]["events"].items()
    return [_ranked(newest["as_of"], event, row) for event, row in rows if _far(row)]


def _far(row: Body) -> bool:
    known = row["auc"] is not None and row["auc_estimated"] is not None
    return bool(known and row["auc"] < row["auc_estimated"] - FAR * row["auc_spread"])


def _ranked(as_of: str, event: str, row: Body) -> Finding:
    said = f"AUC {row['auc']:.2f}, estimated {row['auc_estimated']:.2f} ± {row['auc_spread']:.2f}"
    says = f"who {EVENT_WORDS[event]} within three months of {as_of} was ranked worse than said: {said}"
    return Finding("ranking", event, says, "train again: the gate judges the new model")


def _listed(some: Sequence[str], many: int) -> str:
    more = f" and {many - len(some)} more" if many > len(some) else ""
    return ", ".join(some) + more


def _names(rows: Sequence[Body]) -> str:
    return ", ".join(row["signal"] for row in rows)
