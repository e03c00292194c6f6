"""A book with every table and every column of the contract, on disk, as a user would have it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.columns import Column
from features.contracts import TABLES

__all__ = ["AS_OF", "by_month", "emptied", "headed", "narrowed", "whole_book", "written"]

AS_OF = pd.Timestamp(2026, 1, 1)
Tables = Mapping[str, pd.DataFrame]


def whole_book(folder: Path) -> dict[str, pd.DataFrame]:
    """Read a simulated book, and give it what it lacks: eight more tables, and every column."""
    found = {file.stem: _read(file) for file in sorted(folder.glob("*.*")) if file.stem in TABLES}
    accounts = found["accounts"]["account_id"]
    rng = np.random.default_rng(0)
    tables = found | {
        "contacts": _contacts(accounts, rng),
        "plans": _plans(found["subscriptions"]),
        "payments": _payments(found["subscriptions"], rng),
        "opportunities": _opportunities(accounts, rng),
        "outreach_log": _outreach_log(accounts, rng),
        "growth": _growth(accounts, rng),
        "account_history": _account_history(found["accounts"]),
        "fx_rates": _fx_rates(),
    }
    return {name: _filled(name, frame, rng) for name, frame in tables.items()}


def _read(file: Path) -> pd.DataFrame:
    return pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)


def _contacts(accounts: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    """Give every account but the last ten three people: one of them has left."""
    owner = np.repeat(accounts.iloc[:-10].to_numpy(), 3)
    left = [_before(rng) if at % 3 == 0 else None for at in range(len(owner))]
    return pd.DataFrame(
        {
            "contact_id": [f"P{at:05d}" for at in range(len(owner))],
            "account_id": owner,
            "area": rng.choice(["finance", "operations"], len(owner)),
            "role": np.resize(["champion", "sponsor", "admin"], len(owner)),
            "left_on": left,
        }
    )


def _plans(lines: pd.DataFrame) -> pd.DataFrame:
    names = sorted(lines["plan"].dropna().unique())
    prices = {"rank": range(1, len(names) + 1), "list_price": 10.0 * np.arange(1, len(names) + 1)}
    return pd.DataFrame({"plan": names, "product": "core", **prices, "limits": "10 seats"})


def _payments(lines: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Bill every line once; each fifth is not paid, each tenth given back."""
    due = pd.to_datetime(lines["starts_on"]) + pd.Timedelta(days=30)
    lines, due = lines[due < AS_OF], due[due < AS_OF]
    at = np.arange(len(lines))
    paid = due + pd.to_timedelta(rng.integers(0, 60, len(lines)), "D")
    paid = paid.where((at % 5 > 0) & (paid < AS_OF))
    return pd.DataFrame(
        {
            "invoice_id": [f"I{one:05d}" for one in at],
            "account_id": lines["account_id"].to_numpy(),
            "due_on": due.dt.strftime("%Y-%m-%d").to_numpy(),
            "paid_on": paid.dt.strftime("%Y-%m-%d").to_numpy(),
            "amount": np.where(at % 10 == 0, -1, 1) * lines["mrr"].to_numpy(),
            "kind": np.where(at % 10 == 0, "refund", "invoice"),
        }
    )


def _opportunities(accounts: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    at = np.arange(len(accounts))
    return pd.DataFrame(
        {
            "opportunity_id": [f"O{one:05d}" for one in at],
            "account_id": accounts.to_numpy(),
            "opened_on": [_before(rng, 200) for _ in at],
            "stage": np.where(at % 2 == 0, "proposal", "closed"),
            "amount_mrr": 100.0 + at,
            "closed_on": np.where(at % 2 == 0, None, "2025-12-20"),
            "won": np.where(at % 2 == 0, None, at % 4 == 1),
            "lever": np.resize(["seat", "tier", "cross_sell"], len(at)),
            "probability": 0.4,
            "source": np.resize(["csm", "sales", "self_serve", "trigger"], len(at)),
            "owner": "Ola",
            "qualified_on": "2025-12-10",
        }
    )


def _outreach_log(accounts: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    at = np.arange(len(accounts))
    return pd.DataFrame(
        {
            "outreach_id": [f"X{one:05d}" for one in at],
            "account_id": accounts.to_numpy(),
            "assigned_on": "2025-10-06",
            "play": "stabilize",
            "arm": np.where(at % 4 == 0, "holdout", "treated"),
            "acted_on": np.where(at % 4 == 0, None, "2025-10-09"),
            "outcome": np.where(at % 3 == 0, "reached", None),
            "csm": "Ada Alder",
        }
    )


def _growth(accounts: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    kinds = ["headcount", "funding", "hiring", "region", "intent", "layoffs"]
    rows = [(one, kind) for one in accounts for kind in kinds]
    return pd.DataFrame(
        {
            "account_id": [account for account, _ in rows],
            "observed_on": [_before(rng, 300) for _ in rows],
            "kind": [kind for _, kind in rows],
            "value": rng.normal(0.05, 0.1, len(rows)).round(3),
        }
    )


def _account_history(accounts: pd.DataFrame) -> pd.DataFrame:
    """Move the first half into their segment halfway; the last account goes into the first."""
    half = accounts.iloc[: len(accounts) // 2]
    moved = pd.DataFrame(
        {
            "account_id": half["account_id"],
            "valid_from": "2025-06-01",
            "segment": half["segment"],
            "csm": "Ada Alder",
            "parent_account_id": None,
            "merged_into": None,
        }
    )
    first, last = accounts["account_id"].iloc[[0, -1]]
    merged = {"account_id": last, "valid_from": "2025-11-01", "merged_into": first}
    return pd.concat([moved, pd.DataFrame([merged])], ignore_index=True)


def _fx_rates() -> pd.DataFrame:
    days = pd.date_range("2023-12-31", "2025-12-31", freq="ME").strftime("%Y-%m-%d")
    return pd.DataFrame({"currency": "EUR", "date": days, "rate": np.linspace(1.0, 1.2, len(days))})


def _before(rng: np.random.Generator, days: int = 400) -> str:
    day = AS_OF - pd.Timedelta(days=int(rng.integers(1, days)))
    return str(day.date())


def _filled(name: str, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Give a table the columns of its contract that it lacks, in each third row something sound."""
    absent = [c for c in TABLES[name].columns if c.name not in frame and c.name not in _NOT]
    third = np.arange(len(frame)) % 3 == 0
    made = {c.name: np.where(third, _something(c), None) for c in absent}
    ids = {c: [f"{c}-{at}" for at in range(len(frame))] for c in made if c in TABLES[name].key}
    return frame.assign(**(made | ids))


_NOT = ("recorded_at", "updated_at", "amount", "paused_from", "paused_to", "parent_account_id")


def _something(column: Column) -> object:
    if column.allowed:
        return column.default or column.allowed[0]
    plain: dict[str, object] = {
        "date": "2025-12-01",
        "timestamp": "2025-12-01T00:00:00Z",
        "boolean": False,
        "integer": 1,
        "number": 1.0,
        "share": 0.1,
        "money": 100.0,
        "currency": "USD",
    }
    return plain.get(column.kind, "some")


def narrowed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Keep a table's required columns alone (a line's price is one: no revenue is told without)."""
    price = ["mrr"] if name == "subscriptions" else []
    return frame[[*TABLES[name].required, *price]]


def emptied(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Keep a table's columns, and what the required ones hold (unpaid invoices end accounts)."""
    kept = {*narrowed(name, frame).columns, "paid_on"}
    return frame.assign(**{c: None for c in frame.columns if c not in kept})


def headed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Keep a table's columns alone."""
    return frame.iloc[:0]


def by_month(tables: Tables) -> dict[str, pd.DataFrame]:
    """Tell the same revenue by account and month instead of by line."""
    lines = tables["subscriptions"]
    rows = []
    for month in pd.date_range("2024-11-01", "2025-12-01", freq="MS"):
        end = str((month + pd.offsets.MonthEnd(0)).date())
        live = lines[(lines["starts_on"] <= end) & ~(lines["ends_on"] <= end)]
        told = live.groupby(["account_id", "product", "plan"], as_index=False)
        rows.append(told.agg({"mrr": "sum", "seats": "sum"}).assign(month=str(month.date())))
    monthly = pd.concat(rows).drop_duplicates(["account_id", "product", "month"])
    others = {name: frame for name, frame in tables.items() if name != "subscriptions"}
    return others | {"mrr_by_month": monthly.assign(currency="USD", kind="recurring")}


def written(folder: Path, tables: Tables, *, parquet: bool = False) -> Path:
    """Write tables in place of those that lie there."""
    for file in [file for file in folder.iterdir() if file.name.split(".")[0] in TABLES]:
        file.unlink()
    for name, frame in tables.items():
        if parquet:
            pq.write_table(_typed(name, frame), folder / f"{name}.parquet")
        else:
            frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


_TYPES = {
    "date": pa.date32(),
    "month": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "share": pa.float64(),
    "money": pa.float64(),
}


def _typed(name: str, frame: pd.DataFrame) -> pa.Table:
    """Give the columns the types that a warehouse would give them."""
    kinds = {column.name: column.kind for column in TABLES[name].columns}
    return pa.table({c: _array(frame[c], _TYPES.get(kinds.get(c, ""))) for c in frame.columns})


def _array(values: pd.Series, kind: pa.DataType | None) -> pa.Array:
    if kind is None:
        return pa.array([None if pd.isna(one) else str(one) for one in values], pa.string())
    if pa.types.is_temporal(kind):
        moments = pd.to_datetime(values, utc=True, format="ISO8601")
        return pa.Array.from_pandas(moments).cast(pa.timestamp("us", "UTC")).cast(kind)
    return pa.array([None if pd.isna(one) else one for one in values]).cast(kind)
