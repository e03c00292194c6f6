"""How much room the history takes, and how soon an account's history is there.

The newest run of a published book is repeated, week by week into the past, for as many accounts as
asked; every number in it is another each time, so that nothing is smaller than it would be. All but
the newest dates are packed, as the weekly job does.

Usage: ``python -m benchmarks.store_size --home .perennial [--weeks 260] [--accounts 5000]``
(``make bench-store``). It prints JSON and keeps nothing; it ends with 1 where the room for five
years of 5,000 accounts is over 1 GB or a history takes 20 ms. With fewer weeks the last half of them
says what a week takes; with fewer accounts what a run has once counts for too much.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from serving import tables
from serving.columns import Columns, as_rows
from serving.database import reading, writing
from serving.queries import Run, firing_rows
from serving.rows import written
from serving.run_rows import rows_of
from serving.store import Store

__all__ = ["main"]

MOST_BYTES, MOST_MILLISECONDS = 1e9, 20.0


def main() -> int:
    """Fill a store, and tell its size and its answers' times."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--home", type=Path, default=Path(".perennial"))
    asked.add_argument("--weeks", type=int, default=260)
    asked.add_argument("--accounts", type=int, default=5000)
    chosen = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        half = _fill(Store.open(chosen.home), store, chosen.weeks, chosen.accounts)
        told = _told(store, Path(folder), chosen.weeks, chosen.accounts, half)
    print(json.dumps(told, indent=2))
    kept = told["five_years_bytes"] <= MOST_BYTES
    return 0 if kept and told["history_ms_p99"] < MOST_MILLISECONDS else 1


def _fill(source: Store, store: Store, weeks: int, accounts: int) -> int:
    """Write weeks of runs, oldest first, and pack what is due after each; the bytes half-way."""
    run = source.current()
    assert run is not None
    with reading(source.engine) as connection:
        rows = rows_of(connection, run.run_id)
        base, memories = rows.columns(connection), rows.memories(connection)
        listed = rows.listed(connection)
        d = tables.documents.c
        of_run = sa.select(tables.documents).where(d.run_id == run.run_id)
        documents = [dict(row._mapping) for row in connection.execute(of_run)]
    chance, half = random.Random(1), 0
    for week in range(weeks):
        day = run.as_of - timedelta(days=7 * (weeks - 1 - week))
        _week(store, run, day, base, memories, listed, documents, accounts, chance)
        store.compact()
        if week == weeks // 2:
            half = _bytes(store)
    return half


def _bytes(store: Store) -> int:
    pages = ("page_count", "freelist_count", "page_size")
    with store.engine.connect() as connection:
        count, free, size = (connection.exec_driver_sql(f"PRAGMA {n}").scalar() or 0 for n in pages)
    return int((count - free) * size)


def _week(
    store: Store,
    run: Run,
    day: date,
    base: Columns,
    memories: dict[str, str],
    listed: list[dict[str, Any]],
    documents: list[dict[str, Any]],
    accounts: int,
    chance: random.Random,
) -> None:
    """Write one run in which every number is another than in the base."""
    name, there = f"{day}-r1-{chance.getrandbits(48):012x}", len(base["account_id"])
    told, kept = [], []
    for n, row in enumerate((as_rows(base) * (accounts // there + 1))[:accounts]):
        account = f"A{n:06d}"
        one = _other(row, chance) | {"run_id": name, "as_of": day, "account_id": account}
        told.append(one | {"model_version": run.model_version})
        memory = _other(json.loads(memories[row["account_id"]]), chance, 8)
        body = json.dumps(memory, separators=(",", ":"), sort_keys=True)
        kept.append({"run_id": name, "account_id": account, "body": body})
    places = (listed * (accounts // there + 1))[: len(listed) * accounts // there]
    lists = [
        _other(row, chance) | {"run_id": name, "position": n, "account_id": f"A{n:06d}"}
        for n, row in enumerate(places)
    ]
    columns = {column: [row[column] for row in told] for column in told[0]}
    entry = {**vars(run), "run_id": name, "as_of": day, "accounts": accounts}
    with writing(store.engine) as connection:
        written(connection, tables.runs, [entry])
        written(connection, tables.scores, told)
        written(connection, tables.memories, kept)
        written(connection, tables.firing, firing_rows(name, columns))
        written(connection, tables.outreach, lists)
        written(connection, tables.documents, [row | {"run_id": name} for row in documents])


def _other(value: Any, chance: random.Random, digits: int = 17) -> Any:
    """Give the same with every fraction a little another."""
    if isinstance(value, float):
        return round(value * chance.uniform(0.9, 1.1), digits)
    if isinstance(value, dict):
        return {key: _other(item, chance, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [_other(item, chance, digits) for item in value]
    return value


def _told(store: Store, folder: Path, weeks: int, accounts: int, half: int) -> dict[str, Any]:
    used = _bytes(store)
    a_week = (used - half) / max(1, weeks - 1 - weeks // 2)
    years = (used + a_week * (260 - weeks)) * 5000 / accounts
    times = []
    for n in range(200):
        begun = time.perf_counter()
        assert store.history(f"A{n:06d}", limit=53)
        times.append(1000 * (time.perf_counter() - begun))
    return {
        "rows": weeks * accounts,
        "bytes": (folder / "perennial.db").stat().st_size,
        "bytes_a_packed_row": round(a_week / accounts, 1),
        "five_years_bytes": round(years),
        "history_ms_median": round(statistics.median(times), 2),
        "history_ms_p99": round(sorted(times)[-2], 2),
    }


if __name__ == "__main__":
    raise SystemExit(main())
