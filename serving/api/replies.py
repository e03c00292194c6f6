"""Answers: JSON with exact numbers, and the shapes that OpenAPI tells of."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from serving.queries import HISTORY
from serving.schemas import OUTREACH_TABLE, SCORE_TABLE, Column

__all__ = [
    "AccountReply",
    "AccountsReply",
    "CallReply",
    "CalledReply",
    "DetailReply",
    "ExpansionReply",
    "FigureReply",
    "HistoryReply",
    "LoggedReply",
    "MatrixReply",
    "MetricsReply",
    "ModelsReply",
    "OutreachReply",
    "OutreachRow",
    "Reply",
    "RunsReply",
    "ScoreReply",
    "ScoredAccount",
]

_TYPES: dict[str, Any] = {
    "text": str | None,
    "date": date | None,
    "integer": int | None,
    "number": float | None,
    "list": list[Any],
}


class Reply(Response):
    """A JSON answer: numbers are written so that they read back as they were."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Write the content."""
        return orjson.dumps(content)


def _shape(name: str, doc: str, table: tuple[Column, ...]) -> type[BaseModel]:
    fields: dict[str, Any] = {
        column.name: (_TYPES[column.kind], Field(description=column.doc)) for column in table
    }
    return create_model(name, __doc__=doc, **fields)


ScoredAccount = _shape("ScoredAccount", "One account of a published run.", SCORE_TABLE)
OutreachRow = _shape("OutreachRow", "One place in the outreach list.", OUTREACH_TABLE)


class AccountsReply(BaseModel):
    """One page of scored accounts."""

    run_id: str
    as_of: date
    total: int = Field(description="Accounts that the filters let through.")
    items: list[ScoredAccount]  # type: ignore[valid-type]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page.")


class CallReply(BaseModel):
    """A CSM's own call that holds."""

    retention: str | None = Field(description="High, Medium, Low, or null: nothing said.")
    expansion: str | None = Field(description="High, Medium, Low, or null: nothing said.")
    note: str | None
    csm: str | None = Field(description="Whose call it is.")
    until: date | None = Field(description="First day on which it holds no more.")
    made_at: str = Field(description="When it was made, ISO-8601.")
    disagrees: bool = Field(description="Whether the machine's is another.")


AccountReply = create_model(
    "AccountReply",
    __base__=ScoredAccount,
    __doc__="One account of a run, and its CSM's own call that holds now.",
    call=(CallReply | None, Field(None, description="Absent: there is none, or it is over.")),
)


class CalledReply(BaseModel):
    """A call that was kept."""

    account_id: str
    call: CallReply | None = Field(description="Null: the call before it was withdrawn.")
    machine: dict[str, str | None] = Field(description="What the machine says.")


HistoryRow = create_model(
    "HistoryRow",
    __doc__="What an account was told to be at one date.",
    **{  # type: ignore[call-overload]
        one.name: (_TYPES[one.kind], Field(description=one.doc))
        for one in SCORE_TABLE
        if one.name in HISTORY
    },
)


class HistoryReply(BaseModel):
    """An account over time, the newest date first."""

    account_id: str
    items: list[HistoryRow]  # type: ignore[valid-type]
    next_before: date | None = Field(description="Give it as `before` for the dates before.")


class DetailReply(BaseModel):
    """What an account's page draws beside its scores."""

    run_id: str
    as_of: date
    account_id: str
    detail: dict[str, Any] | None = Field(
        description="first_paid_on, usage, tickets, lines, renewals, movements, contacts, "
        "milestones, maturity; null with a reason."
    )
    reason: str | None


class MetricsReply(BaseModel):
    """The retention figures of a run, as `perennial metrics` gives them."""

    model_config = ConfigDict(extra="allow")

    run_id: str
    as_of: date
    reason: str | None = Field(description="Why there are none.")
    currency: str | None = None
    definition: dict[str, Any] | None = Field(None, description="The revenue choices.")
    windows: list[dict[str, Any]] | None = Field(
        None, description="Trailing twelve months: the whole book, then by segment."
    )
    series: list[dict[str, Any]] | None = Field(
        None, description="The same at the 23 month-ends before, the latest first."
    )
    months: list[dict[str, Any]] | None = Field(
        None, description="The last 24 months one by one, the latest first."
    )
    warnings: list[dict[str, Any]] | None = None


class FigureReply(BaseModel):
    """One of the eight figures."""

    figure: str
    name: str
    value: float | None = Field(description="Null with a reason.")
    unit: str
    period: dict[str, str | None]
    definition: str
    target: Any = Field(description="Null where the design names none.")
    series: list[dict[str, Any]] | None = Field(description="Month by month, the oldest first.")
    reason: str | None
    beside: dict[str, Any] = Field(description="What stands beside it.")


class ExpansionReply(BaseModel):
    """The expansion dashboard: eight figures."""

    run_id: str
    as_of: date
    currency: str | None
    figures: list[FigureReply] | None
    reason: str | None = Field(description="Why there are none.")


class FlowReply(BaseModel):
    """Accounts that moved from one cell to another since the run before."""

    model_config = ConfigDict(populate_by_name=True)

    from_: str = Field(alias="from")
    to: str
    accounts: int
    mrr: float


class MatrixReply(BaseModel):
    """The nine cells."""

    run_id: str
    as_of: date
    accounts: int | None = None
    mrr: float | None = None
    cells: Any = Field(None, description="By cell: accounts, mrr, and what it asks for.")
    flows: list[FlowReply] = Field(default_factory=list)
    moved: int | None = Field(None, description="Accounts that moved since the run before.")
    new: int | None = Field(None, description="Accounts that the run before did not have.")


class LoggedReply(BaseModel):
    """A contact that was logged."""

    account_id: str
    play: str
    acted_on: date
    outcome: str | None
    csm: str | None
    logged_at: str


class OutreachReply(BaseModel):
    """The ranked list."""

    run_id: str
    as_of: date
    total: int = Field(description="Length of the list before `limit`.")
    items: list[OutreachRow]  # type: ignore[valid-type]


class ScoreReply(BaseModel):
    """Accounts scored now, in the order asked for."""

    items: list[ScoredAccount]  # type: ignore[valid-type]


class RunReply(BaseModel):
    """One published run."""

    run_id: str
    as_of: date
    revision: int
    snapshot_id: str
    model_version: str
    model_digest: str
    settings_digest: str
    digest: str
    accounts: int
    published_at: str
    status: str = Field(description="published, held or approved: a held run serves nobody.")
    held_because: list[str] | None
    approved_at: str | None
    approved_by: str | None


class RunsReply(BaseModel):
    """The runs, newest date first."""

    current: str | None
    items: list[RunReply]


class TroubleReply(BaseModel):
    """Why another model than the published run's own serves."""

    code: str
    cure: str


class ServingModelReply(BaseModel):
    """The model that serves."""

    status: str = Field(description="ready, or degraded where a damaged model was refused.")
    model_version: str
    model_digest: str
    troubles: list[TroubleReply]


class ModelReply(BaseModel):
    """One model that published runs."""

    version: str
    digest: str
    serves: bool
    runs: int
    first_as_of: date
    last_as_of: date


class ModelsReply(BaseModel):
    """The models, the latest first."""

    serving: ServingModelReply | None
    items: list[ModelReply]
