"""A run's files: scores as Parquet and CSV, the outreach list as CSV, matrix and forecast as JSON.

Numbers are written exactly. In CSV a text that a spreadsheet would run as a formula gets an
apostrophe before it, and a list is JSON text.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from features.durable import sync
from serving.columns import Columns
from serving.publication import Publication
from serving.schemas import OUTREACH_TABLE, SCORE_TABLE, Column

__all__ = ["clear_drafts", "csv_rows", "csv_text", "safe_cell", "scores_table", "write_exports"]

_FORMULA = frozenset("=+-\N{MINUS SIGN}@|%'")
_REASON = {
    "signal": pa.string(),
    "value": pa.float64(),
    "unit": pa.string(),
    "effect": pa.float64(),
    "phrase": pa.string(),
}
_ARROW = {
    "text": pa.string(),
    "date": pa.date32(),
    "integer": pa.int64(),
    "number": pa.float64(),
}


def write_exports(
    publication: Publication, run: str, folder: Path, checkpoint: Callable[[str], None]
) -> None:
    """Write the files beside ``folder``, flush them to the disk, then rename them into place.

    A folder that an interrupted run left behind is replaced. Files are readable by their
    owner alone.
    """
    draft = folder.with_name(f".draft-{os.getpid()}-{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    scores = publication.score_columns | {"run_id": [run] * len(publication.scores)}
    pq.write_table(scores_table(scores), draft / "scores.parquet", compression="zstd")
    checkpoint("exports.half")
    _write(draft / "scores.csv", csv_text(scores, SCORE_TABLE))
    _write(draft / "outreach.csv", csv_text(publication.outreach_columns, OUTREACH_TABLE))
    _write(draft / "matrix.json", _json(publication.documents[0][2]))
    forecast = {key: body for kind, key, body in publication.documents if kind == "forecast"}
    _write(draft / "forecast.json", _json(forecast))
    if publication.outlook:
        name = f"outlook-{publication.kept['sha256'][:16]}.parquet"
        _write(draft / name, publication.outlook)
    _flush(draft)
    checkpoint("exports.written")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    sync(folder.parent)
    checkpoint("exports.renamed")


def clear_drafts(folder: Path) -> None:
    """Remove what interrupted runs left half-written."""
    for draft in folder.glob(".draft-*"):
        shutil.rmtree(draft, ignore_errors=True)


def csv_text(columns: Columns, table: tuple[Column, ...]) -> bytes:
    """Write columns as RFC 4180 CSV in UTF-8, numbers exact, texts safe in a spreadsheet.

    Examples
    --------
    >>> kinds = (Column("name", "text", ""), Column("mrr", "number", ""), Column("why", "list", ""))
    >>> print(csv_text({"name": ["=1+1"], "mrr": [-0.1], "why": [["a"]]}, kinds).decode())
    name,mrr,why
    '=1+1,-0.1,"[""a""]"
    <BLANKLINE>
    """
    cells = [[_cell(value, column.kind) for value in columns[column.name]] for column in table]
    return csv_rows([[column.name for column in table], *zip(*cells, strict=True)])


def csv_rows(rows: Iterable[Sequence[str]]) -> bytes:
    """Write rows of texts, the header first, as they stand."""
    lines = _Lines()
    csv.writer(lines, lineterminator="\r\n").writerows(rows)
    return lines.text.getvalue().encode("utf-8")


class _Lines:
    """Ends lines with a line feed alone, and yet a text with a carriage return is quoted.

    The writer of Python 3.11 quotes only what its own line ends are made of.
    """

    def __init__(self) -> None:
        self.text = io.StringIO(newline="")

    def write(self, line: str) -> int:
        """Take one line."""
        return self.text.write(line.removesuffix("\r\n") + "\n")


def safe_cell(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet might run.

    Leading white space is looked through, full-width variants count as their plain forms, and
    a text that begins with a control character is never trusted.

    Examples
    --------
    >>> [safe_cell(t) for t in ("Acme", "=cmd", " +1", "＝1", "\\tx", "3 - 1")]
    ['Acme', "'=cmd", "' +1", "'＝1", "'\\tx", '3 - 1']
    """
    if text[:1].isalnum() and text.isascii() and "\x00" not in text:
        return text  # most texts are plain: no need to look closer
    first = unicodedata.normalize("NFKC", text.lstrip("\ufeff\u200b\u200e\u200f")).lstrip()[:1]
    risky = bool(first) and first in _FORMULA
    control = bool(text) and unicodedata.category(text[0]) in {"Cc", "Cf"}
    shown = text.replace("\x00", "\ufffd")
    return f"'{shown}" if risky or control else shown


def scores_table(columns: Columns) -> pa.Table:
    """Make the Parquet table of scores: list columns are lists, reasons are structs."""
    arrays = [_array(columns[column.name], column) for column in SCORE_TABLE]
    return pa.table(arrays, names=[column.name for column in SCORE_TABLE])


def _cell(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == "list":
        return orjson.dumps(value).decode()
    return (
        repr(value) if kind == "number" else safe_cell(str(value)) if kind == "text" else str(value)
    )


def _array(values: list[Any], column: Column) -> pa.Array:
    if column.kind != "list":
        return pa.array(values, type=_ARROW[column.kind])
    return pa.array(values, type=pa.list_(_item_type([item for row in values for item in row])))


def _item_type(items: list[Any]) -> pa.DataType:
    if not items or not all(isinstance(item, dict) for item in items):
        return pa.infer_type(items) if items else pa.string()
    keys = {key: None for item in items for key in item}
    return pa.struct([(key, _field_type(key, items)) for key in keys])


def _field_type(key: str, items: list[dict[str, Any]]) -> pa.DataType:
    found = pa.infer_type([item.get(key) for item in items])
    declared = _REASON.get(key, pa.string())
    numeric = pa.types.is_floating(declared) and pa.types.is_integer(found)
    return declared if numeric or pa.types.is_null(found) else found


def _json(body: Any) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _flush(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        path.chmod(0o600)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync(folder)
