"""Which run is asked about: the one that serves, unless a revision or a date is named."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from serving.api.access import Who
from serving.api.state import Serving, current
from serving.problems import Problem
from serving.store import Run

__all__ = ["AboutRun", "Day", "Nothing", "asked_run", "clock", "mine", "own"]

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")


def _day(value: Any) -> Any:
    if isinstance(value, str):
        if not _ISO.fullmatch(value):
            raise ValueError("must be a day as 2025-07-01")
        return date.fromisoformat(value)
    return value


Day = Annotated[date, BeforeValidator(_day)]
"""A day, ISO-8601 and nothing else."""


class Nothing(BaseModel):
    """No parameter is known."""

    model_config = ConfigDict(extra="forbid")


class AboutRun(BaseModel):
    """Which run."""

    model_config = ConfigDict(extra="forbid")

    run: str | None = Field(
        None,
        max_length=256,
        pattern=r"^[^\x00]*$",
        description="A run by its id, a held or superseded one too; default: the one that serves.",
    )
    as_of: Day | None = Field(None, description="The run that stands for this date.")


def asked_run(asked: AboutRun, state: Serving, request: Request) -> Run:
    """Give the run that is asked about; without a name never one that is held or superseded.

    Raises
    ------
    Problem
        503 ``no_published_run``; 404 ``unknown_run``, ``no_such_date`` (naming the nearest date
        that there is); 422 ``validation`` for a day to come, or for both a run and a date; 403
        ``scope`` for another run than the serving one, by a key of one CSM: some accounts of then
        may be another's today.
    """
    run = _named(asked, state, request)
    who: Who | None = request.scope.get("state", {}).get("who")
    limited = who is not None and who.csm is not None
    another = asked.run is not None or asked.as_of is not None
    if limited and another and run != state.store.current():
        raise Problem(403, "scope", "a key of one CSM is shown the run that serves")
    return run


def _named(asked: AboutRun, state: Serving, request: Request) -> Run:
    """Give the run that is asked about, whoever asks."""
    if asked.run is not None and asked.as_of is not None:
        raise _refused("as_of", "both", "name a run or a date, not both")
    if asked.run is not None:
        run = state.store.run(asked.run)
        if run is None:
            raise Problem(404, "unknown_run", "no run has this id: see /v1/runs")
        return run
    if asked.as_of is None:
        return current(state.store.current())
    return _of_date(asked.as_of, state, request)


def _of_date(day: date, state: Serving, request: Request) -> Run:
    moment = getattr(request.app.state, "now", None)
    if moment is not None and day > moment().date():
        raise _refused("as_of", "in_future", "this day is still to come")
    runs = state.store.runs(_MOST)
    if not runs:
        return current(None)
    for run in runs:  # newest revision of a date first
        if run.as_of == day:
            return run
    nearest = min(runs, key=lambda run: (abs((run.as_of - day).days), run.as_of))
    at = {"parameter": "as_of", "code": "nearest", "message": str(nearest.as_of)}
    raise Problem(404, "no_such_date", f"no run stands for {day}; nearest: {nearest.as_of}", [at])


_MOST = 100_000


def _refused(parameter: str, code: str, message: str) -> Problem:
    at = {"parameter": parameter, "code": code, "message": message}
    return Problem(422, "validation", "see errors", [at])


def clock(request: Request) -> datetime:
    """Read the clock that the process was given."""
    moment = getattr(request.app.state, "now", None)
    if moment is None:
        raise Problem(503, "no_clock", "this process was started without a clock")
    told: datetime = moment()
    return told


def mine(who: Who, row: dict[str, Any] | None) -> dict[str, Any]:
    """Give an account's row, if there is one and this key may see it.

    Raises
    ------
    Problem
        404 ``unknown_account``: another CSM's account is answered as one that is not there.
    """
    if row is None or (who.csm is not None and row["csm"] != who.csm):
        raise Problem(404, "unknown_account", "this run has no such account")
    return row


def own(who: Who, csm: str | None) -> tuple[str | None, bool]:
    """Give the CSM that a listing is limited to, and whether anything can be in it.

    Examples
    --------
    >>> own(Who("cs", "Ada", True, "ada"), "Ben"), own(Who("cs", None, True, "all"), "Ben")
    (('Ada', False), ('Ben', True))
    """
    if who.csm is None:
        return csm, True
    return who.csm, csm in (None, who.csm)
