"""A declaration: what one source table is, and the columns that many tables share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from features.columns import Column

__all__ = [
    "ACCOUNT", "CSM", "CURRENCY", "HAPPENED", "KNOWN_AT", "LINE_KIND", "PLAN", "PRODUCT",
    "RECORDED", "SEATS", "UPDATED", "USER", "TableContract", "dated", "flag", "midnight",
]  # fmt: skip

KNOWN_AT = pa.field("known_at", pa.timestamp("us", tz="UTC"))
Stranger = Literal["quarantine", "unmatched", "none"]


@dataclass(frozen=True)
class TableContract:
    """One source table.

    Attributes
    ----------
    name, doc : str
        What it is called and what a row of it is.
    columns : tuple of Column
        Its columns, in order.
    key : tuple of str
        The columns that name a row; a row is its own key where these are absent.
    known : str or None
        SQL over the stored columns: the instant from which a row is known when it has no
        ``recorded_at``. None for tables that carry today's state only.
    stranger : str
        What becomes of a row whose account is unknown: ``quarantine`` (money), ``unmatched``
        (set aside, counted apart), ``none`` (the table has no account to look up).
    extras : bool
        Whether further columns of the source are kept, as text.
    free_text : bool
        Whether a row may hold what people wrote; such rows are never kept raw.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    known: str | None = None
    stranger: Stranger = "unmatched"
    extras: bool = False
    free_text: bool = False

    @property
    def stored(self) -> tuple[Column, ...]:
        """Columns that a snapshot keeps."""
        return tuple(column for column in self.columns if column.stored)

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a source must have."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def schema(self) -> pa.Schema:
        """Names and types in a snapshot, without extra columns."""
        fields = [column.field for column in self.stored]
        return pa.schema([*fields, KNOWN_AT] if self.known else fields)

    def column(self, name: str) -> Column:
        """Give a column by its name."""
        return next(column for column in self.columns if column.name == name)


ACCOUNT = Column("account_id", "id", "the customer", required=True)
RECORDED = Column("recorded_at", "timestamp", "when the source first held the row", past=True)
UPDATED = Column("updated_at", "timestamp", "which of two versions is newer", stored=False)
CURRENCY = Column("currency", "currency", "ISO 4217; empty = the book's")
HAPPENED = Column("occurred_at", "timestamp", "when it happened", required=True, past=True)
PLAN = Column("plan", "text", "tier of the product")
PRODUCT = Column("product", "text", "product line")
SEATS = Column("seats", "integer", "seats paid for", least=0, most=1e9)
USER = Column("user_id", "text", "who, inside the account", personal=True)
CSM = Column("csm", "text", "who looks after the account", personal=True)
KINDS = ("recurring", "usage", "one_time", "trial")
LINE_KIND = Column("kind", "choice", "what is billed", allowed=KINDS, default="recurring")


def dated(name: str, doc: str, required: bool = False, past: bool = False) -> Column:
    """Declare a date."""
    return Column(name, "date", doc, required=required, past=past)


def flag(name: str, doc: str) -> Column:
    """Declare a yes or no."""
    return Column(name, "boolean", doc)


def midnight(column: str) -> str:
    """Give the SQL of a day's first instant."""
    return f'CAST("{column}" AS TIMESTAMPTZ)'
