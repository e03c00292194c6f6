"""A breach: one place where a source file does not keep the contract, and the cure."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

__all__ = ["CURES", "Breach", "echo"]

CURES = {
    "row.missing_columns": "quote values that hold the delimiter, or export the row again",
    "row.extra_columns": "quote values that hold the delimiter, or export the row again",
    "row.too_long": "shorten the value, or leave the column out of the export",
    "encoding.invalid": "save the file as UTF-8",
    "value.missing": "fill the column in, or leave the row out",
    "value.unknown": "map it under `values`, or use one of the contract's words",
    "text.control": "take the invisible characters out of the id",
    "id.excel_mangled": "export the id as text, without opening the file in a spreadsheet",
    "number.not_finite": "leave the cell empty where there is no number",
    "number.out_of_range": "check the unit, or map it under `units`",
    "number.negative": "use the contract's sign; refunds and credits belong in payments",
    "number.format": "write plain digits with a point: no thousands, no currency sign",
    "boolean.format": "write true or false",
    "currency.unknown": "write a code of ISO 4217",
    "timestamp.ambiguous": "write ISO-8601 (2024-02-01), or declare it under `formats`",
    "timestamp.format": "write ISO-8601 (2024-02-01T10:00:00Z), or declare it under `formats`",
    "timestamp.unit": 'declare units = "epoch_s" or "epoch_ms" for the column',
    "timestamp.future": "check the clock or the time zone of the source",
    "timestamp.sentinel": "leave the cell empty, or list the value under `sentinels`",
    "timestamp.nonexistent": "this local time was skipped by the clock; write an offset",
    "subscription.interval": "let a line end on or after its start",
    "subscription.overlap": "end the earlier line first, or give the line an id of its own",
    "key.conflict": "keep one version of the row, or send `updated_at`",
    "key.unknown_account": "add the account to accounts",
    "merger.survivor": "name the account that took this one over: one of accounts, and none that it took over",
    "privacy.tombstone": "take the account out of the export: it was erased here",
}


@dataclass(frozen=True)
class Breach:
    """One breach, as it is printed and written to ``errors.jsonl``.

    Attributes
    ----------
    file : str
        The file, relative to the book.
    row : int or None
        Line in a CSV (the header is line 1), row in a Parquet file; None for the whole file.
    column : str or None
        Column as the contract calls it.
    code : str
        Dotted name, as in the fault catalogue.
    found : str
        What was found; personal values only by length and digest.
    cure : str
        What the user can do.

    Examples
    --------
    >>> print(Breach("usage.csv", 7, "count", "number.format", '"1,5"', "write plain digits"))
    usage.csv:7: column "count": number.format: found "1,5": write plain digits
    """

    file: str
    row: int | None
    column: str | None
    code: str
    found: str
    cure: str

    def __str__(self) -> str:
        place = self.file if self.row is None else f"{self.file}:{self.row}"
        column = f' column "{self.column}":' if self.column else ""
        found = f" found {self.found}:" if self.found else ""
        return f"{place}:{column} {self.code}:{found} {self.cure}"

    def to_json(self) -> dict[str, str | int | None]:
        """Give the shape that scripts rely on."""
        return asdict(self)


def echo(value: str | None, personal: bool = False, limit: int = 60) -> str:
    """Say what was found, without repeating what is about a person.

    A value with an ``@`` is taken for a person's wherever it stands.

    Examples
    --------
    >>> echo("12,5"), echo(None)
    ('"12,5"', 'nothing')
    >>> echo("Ada Lovelace", personal=True)
    '12 chars (sha256:76740216…)'
    """
    if value is None:
        return "nothing"
    if personal or "@" in value:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{len(value)} chars (sha256:{digest[:8]}…)"
    short = value if len(value) <= limit else value[:limit] + "…"
    return '"' + short.replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0") + '"'
