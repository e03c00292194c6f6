"""Answers: JSON with exact numbers, and the shapes that OpenAPI tells of."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
from fastapi.responses import Response
from pydantic import BaseModel, Field, create_model

from serving.schemas import OUTREACH_TABLE, SCORE_TABLE, Column

__all__ = [
    "AccountsReply",
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
