"""The contenders of the ledger's benchmark, each run in a process of its own.

Usage: ``python -m benchmarks.ledger_contenders NAME HOME`` prints one JSON object: the seconds of
its work without start-up, and its result where it has one: at every month-end from which a
trailing year can be looked back on, by segment, the opening and closing MRR (micro-units) and NRR.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["CONTENDERS", "ledger", "pandas_ledger", "perennial", "plain_perennial", "scan"]

YEAR = 12
Result = dict[str, dict[str, list[float | None]]]


def scan(home: Path) -> Result:
    """Read every value of the input once: what no ledger can be faster than."""
    from features.book import open_book

    book = open_book(home)
    for table in ("accounts", "subscriptions"):
        columns = book.connection.table(table)
        parts = [
            f'sum(hash("{name}"))' if kind not in ("BIGINT", "DOUBLE") else f'sum("{name}")'
            for name, kind in zip(columns.columns, map(str, columns.types), strict=True)
        ]
        book.connection.execute(f"SELECT {', '.join(parts)} FROM {table}").fetchall()
    return {}


def ledger(home: Path) -> Result:
    """Make the full ledger only, with every class and lever."""
    from features.book import open_book
    from features.ledger import month_table
    from features.rules import Rules

    month_table(open_book(home), Rules())
    return {}


def perennial(home: Path, **choices: Any) -> Result:
    """Make the full ledger and every trailing year, in all and by segment, under the defaults."""
    from features.book import open_book
    from features.retention import metrics
    from features.rules import Rules

    told = metrics(open_book(home), Rules(**choices), "ttm", ["segment"], None)
    rows = [*told["windows"], *told["series"]]
    found: Result = {}
    for row in rows:
        segment = row["cut"].get("segment") if row["cut"] else "all"
        found.setdefault(row["to"], {})[segment] = [
            round(row["opening_mrr"] * 1e6), round(row["closing_mrr"] * 1e6), row["nrr"],
        ]  # fmt: skip
    return found


def plain_perennial(home: Path) -> Result:
    """The same under the rules that the pandas contender has too."""
    return perennial(home, late_renewal_days=0)


def pandas_ledger(home: Path) -> Result:
    """Sample the lines at every month-end and lay each month beside the one before.

    As one would write it at a desk. It has classes but no levers, no products, no late renewals,
    pauses, currencies, usage or known ends, and nothing checks that it adds up.
    """
    import pandas as pd

    folder = home / "snapshots" / "scale"
    columns = ["account_id", "starts_on", "ends_on", "mrr_micros"]
    lines = pd.read_parquet(folder / "subscriptions.parquet", columns=columns)
    lines["starts_on"] = pd.to_datetime(lines["starts_on"])
    lines["ends_on"] = pd.to_datetime(lines["ends_on"])
    segment = pd.read_parquet(folder / "accounts.parquet").set_index("account_id")["segment"]
    last = pd.Timestamp(_facts(home)["as_of"]) - pd.offsets.MonthEnd()
    month_ends = pd.date_range(lines["starts_on"].min(), last, freq="ME")
    paid = {
        end: lines[
            (lines["starts_on"] <= end) & ~(lines["ends_on"] <= end)
        ].groupby("account_id")["mrr_micros"].sum()
        for end in month_ends
    }  # fmt: skip
    closing = pd.DataFrame(paid).reindex(segment.index).fillna(0).astype("int64")
    opening = closing.shift(1, axis=1, fill_value=0)
    delta = closing - opening
    known = (opening > 0).cummax(axis=1)
    book = pd.DataFrame(
        {
            "opening": opening.stack(),
            "closing": closing.stack(),
            "new": delta.where((opening == 0) & ~known, 0).stack(),
            "reactivation": delta.where((opening == 0) & known, 0).stack(),
            "expansion": delta.where((opening > 0) & (delta > 0), 0).stack(),
            "contraction": -delta.where((closing > 0) & (delta < 0), 0).stack(),
            "churned": -delta.where((closing == 0) & (delta < 0), 0).stack(),
        }
    )
    assert len(book) == closing.size
    found: Result = {}
    for before, after in zip(month_ends[:-YEAR], month_ends[YEAR:], strict=True):
        both = pd.DataFrame({"b": closing[before], "e": closing[after]})
        both["kept"] = both["e"].where(both["b"] > 0, 0)
        sums = both.groupby(segment).sum()
        sums.loc["all"] = sums.sum()
        found[str(after.date())] = {
            name: [row["b"], row["e"], row["kept"] / row["b"]]
            for name, row in sums.to_dict("index").items()
        }
    return found


def _facts(home: Path) -> dict[str, Any]:
    manifest = home / "snapshots" / "scale" / "manifest.json"
    return dict(json.loads(manifest.read_text(encoding="utf-8"))["book"])


CONTENDERS: dict[str, Callable[[Path], Result]] = {
    "scan": scan,
    "ledger": ledger,
    "perennial": perennial,
    "perennial, plain rules": plain_perennial,
    "pandas, plain rules": pandas_ledger,
}


def main(name: str, home: str) -> None:
    """Run one contender and print what it found."""
    started = time.perf_counter()
    found = CONTENDERS[name](Path(home))
    print(json.dumps({"seconds": time.perf_counter() - started, "found": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
