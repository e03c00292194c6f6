"""What the figures stand on: warnings, data coverage, and how fresh the tables are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from serving.digest.lines import plain
from serving.digest.moves import known, moved_rows
from serving.digest.reading import Week

__all__ = ["Coverage", "coverage", "warnings"]

WEEK = 8
"""Days between two runs from which the digest says that weeks were missed."""
MANY = 0.25
"""Share of accounts that move at once from which it is said."""
POOR = 0.25
"""Data coverage below which an account is called poorly known."""
SPANS = {1: "1 month", 3: "3 months", 12: "12 months"}


@dataclass(frozen=True)
class Coverage:
    """How much is known of the accounts.

    Attributes
    ----------
    mean, by_mrr : float or None
        Share of the observed signals that are known: mean over accounts, and weighted by MRR.
    before : float or None
        The mean of the last run.
    poor, unscorable : int
        Accounts with less than a quarter of the signals, and those that could not be scored.
    unnamed, unassigned : int
        Accounts without a name, and without a CSM.
    tables : tuple of mapping
        As ``serving.digest.freshness`` tells them; empty where the run kept none.
    """

    mean: float | None
    by_mrr: float | None
    before: float | None
    poor: int
    unscorable: int
    unnamed: int
    unassigned: int
    tables: tuple[Mapping[str, Any], ...]


def coverage(week: Week) -> Coverage:
    """Sum up how much is known of the accounts."""
    rows = list(week.rows.values())
    known = [(row["data_coverage"], row["mrr"] or 0.0) for row in rows]
    seen = [(share, mrr) for share, mrr in known if share is not None]
    paid = sum(mrr for _, mrr in seen)
    past = [row["data_coverage"] for row in week.past.values()]
    return Coverage(
        mean=_mean([share for share, _ in seen]),
        by_mrr=sum(share * mrr for share, mrr in seen) / paid if paid > 0 else None,
        before=_mean([share for share in past if share is not None]),
        poor=sum(share < POOR for share, _ in seen),
        unscorable=sum(row["status"] != "scored" for row in rows),
        unnamed=sum(not row["name"] for row in rows),
        unassigned=sum(not row["csm"] for row in rows),
        tables=tuple(week.notes.get("tables") or ()),
    )


def warnings(week: Week) -> tuple[str, ...]:
    """Say what is unusual about this run, gravest first, each once."""
    told = [plain_sentence(one) for one in (*_of_run(week), *_of_data(week), *_thin(week))]
    return tuple(dict.fromkeys(f"{one[:1].upper()}{one[1:]}." for one in told))


def plain_sentence(text: Any) -> str:
    """Make a warning safe to print: it may be longer than a name.

    Examples
    --------
    >>> plain_sentence("one two\\nthree")
    'one two three'
    """
    return " ".join(plain(word) for word in str(text).split())


def _of_run(week: Week) -> Iterable[str]:
    yield from (str(one) for one in week.notes.get("warnings") or ())
    run, last = week.run, week.before
    if last is None:
        return
    days = (run.as_of - last.as_of).days
    if days > WEEK:
        yield f"the last run was {days} days before this one: what changed is of more than one week"
    if last.model_digest != run.model_digest:
        yield (
            f"another model serves (version {last.model_version} before, {run.model_version} now): "
            "a move may be the model's, not the account's"
        )
    if last.settings_digest != run.settings_digest:
        yield "the settings are others than at the last run: bands, lists and triggers may differ"
    moved, can = len(moved_rows(week)), known(week)
    if can and moved > MANY * can:
        yield f"{moved} of {can} accounts moved at once: that is rarely the customers"


def _of_data(week: Week) -> Iterable[str]:
    if week.before is not None and week.before.snapshot_id == week.run.snapshot_id:
        yield "the data is the same snapshot as at the last run: only the day is another"
    for table in week.notes.get("tables") or ():
        if table["behind"]:
            yield f"{table['table']} is behind (last day {table['last']}): its signals are missing"
    unscorable = sum(row["status"] != "scored" for row in week.rows.values())
    if unscorable:
        yield f"accounts that could not be scored: {unscorable}; they carry rates, not judgements"


def _thin(week: Week) -> Iterable[str]:
    """Say why forecasts are thin, horizons of one reason together."""
    spans: dict[str, list[str]] = {}
    for months, body in week.forecasts.items():
        if body.get("confidence") == "thin":
            said = body.get("confidence_reasons") or body.get("confidence_reason") or "few data"
            for reason in [said] if isinstance(said, str) else said:
                spans.setdefault(reason, []).append(SPANS.get(months, f"{months} months"))
    for reason, found in spans.items():
        yield f"the forecast at {', '.join(found)} is thin: {reason}"


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
