"""The digest's content: one object, of which the HTML, the Markdown and the JSON are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from serving.digest.desks import Desk, desks
from serving.digest.firing import NewTrigger, business_growth, long_since_expansion, new_triggers
from serving.digest.forecast import ForecastChange, forecast_change
from serving.digest.lines import Listing, plain
from serving.digest.moves import arrivals, departures, known, moves
from serving.digest.pulse import Pulse, pulse
from serving.digest.reading import Week
from serving.digest.standing import Coverage, coverage, plain_sentence, warnings

__all__ = ["Digest", "digest_of"]


@dataclass(frozen=True)
class Digest:
    """What a CS team reads on Monday.

    Attributes
    ----------
    run_id, status, model_version, currency : str
        Status is published, held or approved.
    as_of, since : date, date or None
        The run's date, and the last run's (None: this is the first).
    held_because : tuple of str
        Why the run is held, or was.
    csm : str or None
        The one desk that is told of.
    accounts, accounts_before : int
    mrr, mrr_before : float
        Paying accounts and their MRR, now and at the last run.
    known : int
        Accounts that had a cell at the last run: those that can have moved.
    months : int
        Months ahead that "expands" and "leaves" speak of.
    moves, new, gone
        What happened since the last run.
    triggers, desks, pulse, long_since_expansion, growth, forecast, warnings, coverage
        The sections.
    """

    run_id: str
    as_of: date
    since: date | None
    status: str
    held_because: tuple[str, ...]
    csm: str | None
    model_version: str
    currency: str
    accounts: int
    accounts_before: int
    mrr: float
    mrr_before: float
    known: int
    months: int
    moves: tuple[Listing, ...]
    new: Listing
    gone: Listing
    triggers: tuple[NewTrigger, ...]
    desks: tuple[Desk, ...]
    pulse: Pulse
    long_since_expansion: Listing
    growth: Listing
    forecast: ForecastChange
    warnings: tuple[str, ...]
    coverage: Coverage

    @property
    def held(self) -> bool:
        """Whether the run waits for somebody to approve it."""
        return self.status == "held"

    @property
    def moved(self) -> int:
        """How many accounts moved."""
        return sum(group.accounts for group in self.moves)

    @property
    def first(self) -> bool:
        """Whether there is no run before this one."""
        return self.since is None


def digest_of(week: Week) -> Digest:
    """Make the digest of a week."""
    run, last = week.run, week.before
    return Digest(
        run_id=run.run_id,
        as_of=run.as_of,
        since=last.as_of if last else None,
        status=run.status,
        held_because=tuple(plain_sentence(one) for one in run.held_because or ()),
        csm=None if week.csm is None else plain(week.csm),
        model_version=run.model_version,
        currency=plain(week.currency),
        accounts=len(week.rows),
        accounts_before=len(week.past),
        mrr=sum(float(row["mrr"] or 0.0) for row in week.rows.values()),
        mrr_before=sum(float(row["mrr"] or 0.0) for row in week.past.values()),
        known=known(week),
        months=week.horizon,
        moves=moves(week),
        new=arrivals(week),
        gone=departures(week),
        triggers=new_triggers(week),
        desks=desks(week),
        pulse=pulse(week),
        long_since_expansion=long_since_expansion(week),
        growth=business_growth(week),
        forecast=forecast_change(week),
        warnings=warnings(week),
        coverage=coverage(week),
    )
