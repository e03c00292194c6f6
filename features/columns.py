"""A column of a source table: what it is called, what kind of value it holds, what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

__all__ = ["ARROW", "Column", "Kind"]

Kind = Literal[
    "id", "text", "choice", "currency", "date", "month", "timestamp",
    "number", "share", "integer", "money", "boolean",
]  # fmt: skip

ARROW: dict[str, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "choice": pa.string(),
    "currency": pa.string(),
    "date": pa.date32(),
    "month": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "number": pa.float64(),
    "share": pa.float64(),
    "integer": pa.int64(),
    "money": pa.int64(),
    "boolean": pa.bool_(),
}


@dataclass(frozen=True)
class Column:
    """One column of the contract.

    Attributes
    ----------
    name : str
        Name in the source contract.
    kind : str
        What a value is; ``money`` is stored as int64 micro-units under ``<name>_micros``.
    doc : str
        Meaning, in plain words.
    required : bool
        Whether the source must have the column, with a value in every row.
    allowed : tuple of str
        The closed list of values; empty = open.
    default : str or None
        What an absent or empty value means.
    personal : bool
        Whether values are about a person and are never echoed.
    past : bool
        Whether a value cannot lie in the future (it happened).
    least, most : float or None
        Bounds of a number, both included.
    stored : bool
        Whether the snapshot keeps the column.

    Examples
    --------
    >>> Column("mrr", "money", "monthly run-rate").field
    pyarrow.Field<mrr_micros: int64>
    """

    name: str
    kind: Kind
    doc: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    default: str | None = None
    personal: bool = False
    past: bool = False
    least: float | None = None
    most: float | None = None
    stored: bool = True

    @property
    def stored_name(self) -> str:
        """Name in a snapshot."""
        return f"{self.name}_micros" if self.kind == "money" else self.name

    @property
    def field(self) -> pa.Field:
        """Name and type in a snapshot."""
        return pa.field(self.stored_name, ARROW[self.kind])
