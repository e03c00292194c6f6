"""One part of a bulk scoring: rows of the snapshot in, judged accounts out, on any worker.

Run as ``python -m serving.bulk.part FOLDER PART ...`` it judges these parts. Spark's workers call ``judged_on_spark``. Both read and write the plan's folder alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.engines import duckdb_in_memory
from models.bundle import open_bundle
from models.carried import Carried, read_bundle
from models.judging import judge_accounts
from serving.bulk.plan import FRAME, MODEL, SCORES, Plan, part_name
from serving.columns import native, plain
from serving.schemas import SCORE_COLUMNS, SCORE_TABLE

if TYPE_CHECKING:
    from serving.columns import Columns

__all__ = ["SCHEMA", "judge_part", "judged_on_spark", "judged_rows", "main"]

KINDS = {
    "text": pa.string(),
    "date": pa.date32(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "list": pa.string(),
}
SCHEMA = pa.schema(
    [
        *(pa.field(column.name, KINDS[column.kind]) for column in SCORE_TABLE),
        pa.field("memory", pa.string()),
    ]
)
"""The columns of CONTRACT section 3, lists as JSON text, and what the next scoring needs of this."""
DONE = pa.schema([("part", pa.int32()), ("accounts", pa.int64())])


def judged_rows(
    frame: pd.DataFrame, carried: Carried, previous: pd.DataFrame | None, plan: Plan
) -> pa.Table:
    """Judge rows of the snapshot, each account for itself.

    Parameters
    ----------
    frame : DataFrame
        Rows of ``features.snapshot.snapshot``.
    carried : Carried
        The model that serves.
    previous : DataFrame or None
        ``account_id, memory`` of the scoring before.
    plan : Plan

    Returns
    -------
    pyarrow.Table
        ``SCHEMA``, in the order of the frame.
    """
    _, table = judge_accounts(frame, carried, previous, plan.as_of, plan.choices)
    kept = table.loc[:, [name for name in table.columns if name in SCORE_COLUMNS]]
    kept = kept.assign(run_id=plan.run_id, as_of=plan.as_of, model_version=plan.model_version)
    columns: Columns = native(kept, SCORE_TABLE)
    lists = [column.name for column in SCORE_TABLE if column.kind == "list"]
    columns |= {name: [orjson.dumps(value).decode() for value in columns[name]] for name in lists}
    return pa.table(columns | {"memory": plain(table["memory"].tolist())}, schema=SCHEMA)


def judge_part(folder: Path, number: int) -> int:
    """Judge one part of a plan's frame and write its scores; how many accounts it holds.

    A part that was begun elsewhere, or twice, is written whole by whoever ends first.
    """
    plan, name = Plan.read(folder), part_name(number)
    carried = _carried(folder / MODEL, plan.model_digest)
    frame = pq.read_table(folder / FRAME / name).to_pandas()
    scores = judged_rows(frame, carried, _before(plan.previous, frame["account_id"]), plan)
    target = folder / SCORES / name
    draft = target.with_name(f".{name}-{os.getpid()}")
    pq.write_table(scores, draft, compression="zstd")
    draft.replace(target)
    return len(scores)


def judged_on_spark(folder: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Judge the parts whose numbers come in, and tell how many accounts each held."""
    for batch in batches:
        for number in batch.column(0).to_pylist():
            many = judge_part(Path(folder), number)
            yield pa.RecordBatch.from_pydict({"part": [number], "accounts": [many]}, DONE)


@cache
def _carried(folder: Path, digest: str) -> Carried:
    """Open the model, its digest verified: once in a process."""
    return read_bundle(open_bundle(folder, digest))


def _before(previous: str | None, accounts: pd.Series) -> pd.DataFrame | None:
    """Read what the scoring before keeps of these accounts: its files are in their order."""
    if previous is None:
        return None
    bounds = [f"{previous}/*.parquet", accounts.min(), accounts.max()]
    found = duckdb_in_memory().execute(
        "SELECT account_id, memory FROM read_parquet(?) WHERE account_id BETWEEN ? AND ?", bounds
    )
    return found.df()


def main() -> int:
    """Judge the parts that are named."""
    for number in sys.argv[2:]:
        judge_part(Path(sys.argv[1]), int(number))
    return 0


if __name__ == "__main__":
    sys.exit(main())
