"""A pack: some columns of many rows, as compressed JSON."""

from __future__ import annotations

import orjson

from features.faults import DataRejected
from serving.columns import Columns

__all__ = ["pack", "unpack"]

LEVEL = 12
"""How hard Zstandard tries: beyond it, it takes three times as long for a fiftieth of the size."""
_LENGTH = 8
_MOST = 1 << 31


def pack(columns: Columns) -> bytes:
    """Compress columns of plain values; numbers come back as they are, days as ISO texts.

    Examples
    --------
    >>> unpack(pack({"account_id": ["a", "b"], "mrr": [0.1 + 0.2, None]}))
    {'account_id': ['a', 'b'], 'mrr': [0.30000000000000004, None]}
    """
    import pyarrow as pa  # heavy: only where old runs are written or read

    text = orjson.dumps(columns)
    body: bytes = pa.Codec("zstd", compression_level=LEVEL).compress(text, asbytes=True)
    return len(text).to_bytes(_LENGTH, "big") + body


def unpack(body: bytes) -> Columns:
    """Give the columns of a pack.

    Raises
    ------
    DataRejected
        ``store.pack`` if it is not what was packed (exit code 65).
    """
    import pyarrow as pa  # heavy: only where old runs are written or read

    length = int.from_bytes(body[:_LENGTH], "big")
    try:
        if length > _MOST:
            raise ValueError(f"{length} bytes")
        text = pa.Codec("zstd").decompress(body[_LENGTH:], length, asbytes=True)
        columns: Columns = orjson.loads(text)
    except (OSError, ValueError) as odd:  # pyarrow's and orjson's own are among them
        cure = "restore the last backup of the store"
        raise DataRejected("store.pack", f"a pack of an old run is broken: {odd}", cure) from odd
    return columns
