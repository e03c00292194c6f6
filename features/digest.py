"""Digest: what a table holds as one number, whatever its bytes, chunks or file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["content_digest", "file_digest", "joined"]


def content_digest(table: pa.Table) -> str:
    """Digest the names, types and values of a table, in its order of rows.

    Examples
    --------
    >>> one = pa.table({"a": [1, None]})
    >>> content_digest(one) == content_digest(pa.concat_tables([one[:1], one[1:]]))
    True
    >>> content_digest(one) == content_digest(one.rename_columns(["b"]))
    False
    """
    digest = hashlib.sha256()
    for column in table.schema:
        digest.update(f"{column.name}\x1f{column.type}\x1f{table.num_rows}\x1e".encode())
        values = table[column.name]
        for part in values.chunks:
            digest.update(_bytes(pc.is_valid(part).cast(pa.uint8())))
        if pa.types.is_string(column.type):
            for part in values.chunks:
                digest.update(_bytes(pc.binary_length(part).fill_null(0)))
            for part in values.chunks:
                digest.update(joined(part))
        else:
            for part in values.chunks:
                digest.update(_bytes(_numbers(part)))
    return digest.hexdigest()


def file_digest(path: Path) -> str | None:
    """Give the sha256 of a file's bytes; None where there is no such file.

    Examples
    --------
    >>> print(file_digest(Path("/nowhere/at/all")))
    None
    """
    if not path.is_file():
        return None
    with path.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


def joined(values: pa.Array) -> memoryview:
    """Give the texts of an array one after the other, nulls left out.

    Examples
    --------
    >>> bytes(joined(pa.array(["ab", None, "c"])))
    b'abc'
    """
    whole = values.drop_null()
    _, offsets, content = whole.buffers()
    if content is None or not len(whole):
        return memoryview(b"")
    ends = np.frombuffer(offsets, np.int32)[[whole.offset, whole.offset + len(whole)]]
    return memoryview(content)[ends[0] : ends[1]]


def _numbers(values: pa.Array) -> pa.Array:
    if pa.types.is_boolean(values.type):
        return values.cast(pa.uint8()).fill_null(0)
    if pa.types.is_date32(values.type):
        return values.cast(pa.int32()).fill_null(0)
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.int64()).fill_null(0)
    return values.fill_null(0)


def _bytes(values: pa.Array) -> memoryview:
    return np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).data
