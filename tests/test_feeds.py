"""Feeds rolled up once: whatever the way by which a book came to hold its rows."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.ingest import ingest
from features.mapping import Workspace, read_workspace
from features.publication import read_manifest
from features.report import IngestReport

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
TOML = "".join(
    f'[tables.{name}]\nsource = "{name}/*.csv"\n' for name in ("usage", "tickets", "limits")
)
HEADS = {
    "usage": "event_id,account_id,occurred_at,feature,user_id,count,recorded_at,updated_at",
    "tickets": "ticket_id,account_id,opened_at,severity,csat,recorded_at,updated_at",
    "limits": "account_id,metric,observed_on,used,limit,updated_at",
}
FOLDERS = tuple(HEADS)


class World:
    """A book on disk that changes from day to day."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder, self.rng = folder, rng
        self.accounts = {"a", "b"}
        self.sent: dict[str, list[str]] = {name: [] for name in HEADS}
        for name in FOLDERS:
            (folder / name).mkdir()
        (folder / "perennial.toml").write_text(TOML)
        lines = "account_id,starts_on,mrr\na,2025-01-01,5\n"
        (folder / "subscriptions.csv").write_text(lines)
        for name in FOLDERS:
            self.deliver(name)
        self.sign()

    @property
    def workspace(self) -> Workspace:
        return read_workspace(self.folder / "perennial.toml")

    def sign(self) -> None:
        rows = "\n".join(["account_id", *sorted(self.accounts)])
        (self.folder / "accounts.csv").write_text(rows + "\n")

    def turn(self) -> None:
        """Let one thing happen."""
        rng, name = self.rng, self.rng.choice(FOLDERS)
        files = sorted((self.folder / name).iterdir())
        kind = rng.choice(["deliver", "deliver", "deliver", "change", "delete", "account"])
        if kind == "deliver":
            self.deliver(name)
        elif kind == "change":
            self.write(name, rng.choice(files))
        elif kind == "delete" and len(files) > 1:
            rng.choice(files).unlink()
        else:
            self.accounts ^= {rng.choice("abcd")}
            self.accounts |= {"a"}
            self.sign()

    def deliver(self, name: str) -> None:
        self.write(name, self.folder / name / f"{self.rng.randrange(10**6):06}.csv")

    def write(self, name: str, path: Path) -> None:
        """Write a file: new rows, rows that were sent before, and some that are broken."""
        rng = self.rng
        rows = [self.row(name) for _ in range(rng.randrange(1, 6))]
        again = self.sent[name]
        rows += rng.sample(again, min(len(again), rng.randrange(3)))
        self.sent[name] += rows
        rng.shuffle(rows)
        path.write_text("\n".join([HEADS[name], *rows]) + "\n")

    def row(self, name: str) -> str:
        rng = self.rng
        account, month = rng.choice("abcd"), rng.choice([4, 5, 5, 6])
        day = f"2025-{month:02}-{rng.randrange(1, 4):02}"
        number = str(rng.randrange(8)) if name == "tickets" or rng.random() < 0.6 else ""
        stamp = rng.choice(["", "", "2025-06-20", "2025-06-21"])
        recorded = rng.choice(["", "2025-06-10", "2025-06-11"])
        if name == "usage":
            user, count = rng.choice(["", "u", "v"]), rng.choice(["1", "2", "", "many"])
            moment = f"{day}T0{rng.randrange(3)}:00:00Z"
            feature = rng.choice("st")
            return f"{number},{account},{moment},{feature},{user},{count},{recorded},{stamp}"
        if name == "tickets":
            severity, csat = rng.choice(["low", "high"]), rng.choice(["", "4"])
            return f"{number},{account},{day}T01:00:00Z,{severity},{csat},{recorded},{stamp}"
        metric, used = rng.choice(["seats", "calls"]), rng.randrange(3)
        return f"{account},{metric},{day},{used},5,{stamp}"


def content(home: Path) -> dict[str, Any]:
    """Give the partitions of the snapshot that serves."""
    manifest = read_manifest(home)
    assert manifest is not None
    return {name: entry.get("rolled") for name, entry in manifest["tables"].items()}


def told(report: IngestReport) -> dict[str, Any]:
    """Give what a report counts over a whole table."""
    names = ("rows_in", "accepted", "quarantined", "duplicates", "unmatched")
    counts = {
        name: [getattr(each, count) for count in names] for name, each in report.tables.items()
    }
    codes = {name: each.codes for name, each in report.tables.items()}
    return {"counts": counts, "codes": codes, "coverage": report.coverage}


def compare(seed: int, turns: int) -> None:
    """Ingest a book day by day, and once; both must hold the same."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "book").mkdir()
        world = World(Path(place) / "book", random.Random(seed))
        home, whole = Path(place) / "home", Path(place) / "whole"
        ingest(world.workspace, home, NOW)
        for _ in range(turns):
            for _ in range(world.rng.choice([1, 1, 2, 5])):
                world.turn()
            report = ingest(world.workspace, home, NOW)
        full = ingest(world.workspace, whole, NOW)
        assert told(report) == told(full)
        assert content(home) == content(whole)
        assert report.snapshot == full.snapshot


@pytest.mark.ci
def test_an_order_of_deliveries_gives_the_same_snapshot() -> None:
    compare(seed=7, turns=2)


@pytest.mark.ci
@settings(max_examples=2)
@given(st.integers(0, 10**6))
def test_any_order_of_deliveries_gives_the_same_snapshot(seed: int) -> None:
    compare(seed, turns=8)
