"""The input of the ledger's benchmark: a seeded book of contract periods, as a published snapshot.

Usage: ``python -m benchmarks.ledger_input HOME PERIODS ACCOUNTS`` writes a snapshot into HOME.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from features.contracts import canonical, stored_schema
from features.kept_table import KeptTable
from features.partitions import keep_rows
from features.publication import Content, publish

__all__ = ["AS_OF", "FIRST", "MONTHS", "accounts", "periods", "write"]

SEED = 20_260_101
FIRST, MONTHS, AS_OF = np.datetime64("2022-01"), 48, np.datetime64("2026-01-01")

SEGMENTS = ("smb", "mid_market", "enterprise", "strategic")
SHARES = (0.62, 0.25, 0.10, 0.03)
PRODUCTS = ("core", "analytics", "connect", "guard", "studio")
PLANS = ("team", "business", "enterprise")
TERMS = np.array([1, 3, 12])
TERM_SHARES = {0: (0.25, 0.2, 0.55), 1: (0.1, 0.2, 0.7), 2: (0.03, 0.1, 0.87), 3: (0, 0, 1)}
ENDS = {1: 0.03, 3: 0.06, 12: 0.13}
SEATS = (4, 20, 90, 400)


def accounts(how_many: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw the accounts: id, segment, region and the segment's number."""
    size = rng.choice(4, how_many, p=SHARES)
    return pd.DataFrame(
        {
            "account_id": [f"acc-{n:06d}" for n in range(how_many)],
            "segment": np.array(SEGMENTS)[size],
            "region": rng.choice(["amer", "emea", "apac"], how_many),
            "size": size,
        }
    )


def _lines(customers: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw the lines that go from term to term: one per account first, then three more for each."""
    many = len(customers)
    owner = np.concatenate([np.arange(many), rng.permutation(np.tile(np.arange(many), 3))])
    size = customers["size"].to_numpy()[owner]
    term, draw = np.empty(len(owner), np.int64), rng.random(len(owner))
    for kind, shares in TERM_SHARES.items():
        of = size == kind
        term[of] = TERMS[np.searchsorted(np.cumsum(shares)[:-1], draw[of], side="right")]
    start = np.where(rng.random(len(owner)) < 0.3, 0, rng.integers(0, MONTHS, len(owner)))
    ends = pd.Series(term).map(ENDS).to_numpy()
    room = -((start - MONTHS) // term)
    turn = np.concatenate([np.zeros(many, np.int64), 1 + np.arange(3 * many) // many])
    return pd.DataFrame(
        {
            "owner": owner,
            "product": (owner + turn) % len(PRODUCTS),
            "term": term,
            "start": start,
            "day": rng.integers(0, 28, len(owner)),
            "periods": np.minimum(rng.geometric(ends), room),
            "seats": 1 + rng.poisson(np.array(SEATS)[size]),
            "unit_cents": np.round(rng.lognormal(8.0, 0.4, len(owner))),
            "plan": rng.integers(0, 2, len(owner)),
            "discount": rng.choice([0.0, 0.1, 0.2], len(owner), p=[0.8, 0.12, 0.08]),
            "promotion": rng.random(len(owner)) < 0.5,
            "open": rng.random(len(owner)) < 0.08,
        }
    )


def _running(step: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Add up the steps of each line, from its first period on."""
    sums: np.ndarray = pd.Series(step).groupby(line).cumsum().to_numpy()
    return sums


def periods(how_many: int, customers: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw the contract periods; some renew late, some return, some change seats, plan or price."""
    lines = _lines(customers, rng)
    kept = lines[: int(np.searchsorted(lines["periods"].cumsum(), 1.05 * how_many)) + 1]
    line = np.repeat(np.arange(len(kept)), kept["periods"])
    row = kept.iloc[line].reset_index(drop=True)
    k = row.groupby(line).cumcount().to_numpy()
    later, luck = k > 0, rng.random((4, len(row)))
    late = np.where(luck[0] < 0.05, rng.integers(1, 31, len(row)), 0)
    late = np.where(luck[0] > 0.99, rng.integers(40, 150, len(row)), late)
    shift = _running(np.where(later, late, 0), line).astype("timedelta64[D]")
    month = FIRST + row["start"].to_numpy() + k * row["term"].to_numpy()
    day = row["day"].to_numpy().astype("timedelta64[D]") + shift
    starts = month.astype("datetime64[D]") + day
    ends = (month + row["term"].to_numpy()).astype("datetime64[D]") + day
    last = np.append(line[1:] != line[:-1], True) & (ends >= AS_OF)
    ends = np.where(last & row["open"], np.datetime64("NaT"), ends)
    moved = np.where(luck[1] < 0.12, rng.integers(-3, 7, len(row)), 0)
    seats = np.maximum(row["seats"] + _running(np.where(later, moved, 0), line), 1)
    dearer = later & (row["term"] == 12) & (luck[2] < 0.4)
    price = row["unit_cents"] * 1.05 ** _running(dearer.astype(int), line)
    plan = np.minimum(row["plan"] + _running((later & (luck[3] < 0.02)).astype(int), line), 2)
    gross = np.round(price * (1 + 0.5 * plan) * seats / 10).astype(np.int64) * 100_000
    off = np.where(row["promotion"] & later, 0.0, row["discount"])
    made = pd.DataFrame(
        {
            "subscription_id": [f"s{n}" for n in line],
            "account_id": customers["account_id"].to_numpy()[row["owner"]],
            "product": np.array(PRODUCTS)[row["product"]],
            "plan": np.array(PLANS)[plan],
            "seats": seats,
            "starts_on": starts,
            "ends_on": ends,
            "list_mrr_micros": gross,
            "mrr_micros": (gross // 10) * np.round(10 * (1 - off)).astype(np.int64),
            "discount": off,
            "term_months": row["term"],
        }
    )
    return made[starts <= AS_OF + np.timedelta64(60, "D")][:how_many]


def write(home: Path, how_many: int, customers: int) -> None:
    """Publish the book as a snapshot, sorted as ingest sorts it."""
    rng = np.random.default_rng(SEED)
    who = accounts(customers, rng)
    rows = periods(how_many, who, rng).sort_values(["account_id", "starts_on"])
    tables = {
        "accounts": canonical("accounts", who.drop(columns="size")),
        "subscriptions": canonical("subscriptions", rows),
    }
    given = {"accounts": ["account_id", "segment", "region"], "subscriptions": list(rows.columns)}
    entries = {
        name: {"rows": len(table), "provided": [c for c in given[name] if c in table.column_names]}
        for name, table in tables.items()
    }
    assert tables["subscriptions"].schema.names == stored_schema("subscriptions").names
    facts = {"currency": "USD", "timezone": "UTC", "fiscal_year_starts": 1, "as_of": str(AS_OF)}
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: KeptTable(keep_rows(t, Path(folder), name)) for name, t in tables.items()}
        publish(home, "scale", Content(kept), {"book": facts, "tables": entries, "sources": {}})


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
