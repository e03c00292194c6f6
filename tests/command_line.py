"""The command line as a test calls it: what it printed, and its exit code."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from features.locking import held
from serving.cli import main

ACCOUNTS = "account_id,name,segment\na,Ada Ltd,smb\nb,Bee Ltd,smb\nc,Cee Ltd,ent\n"
LINES = (
    "account_id,starts_on,ends_on,mrr,seats\n"
    "a,2025-01-01,,100.00,5\n"
    "b,2025-01-01,2025-06-01,50.00,2\n"
    "c,2025-02-01,,900.00,40\n"
)
USAGE = (
    "account_id,occurred_at,feature,count\n"
    "a,2025-06-01T10:00:00Z,search,3\n"
    "b,2025-06-02T10:00:00Z,search,1\n"
)


@dataclass(frozen=True)
class Answer:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def body(self) -> Any:
        """Read the one JSON object on standard output."""
        assert self.out.count("\n") == 1, self.out[:500]
        return json.loads(self.out)


def perennial(folder: Path, *args: str) -> Answer:
    """Run a command in a folder, in this process."""
    out, err = TextIOWrapper(BytesIO(), "utf-8", write_through=True), StringIO()
    code: Any = 0
    with (
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
        mock.patch.object(sys, "argv", ["perennial", *args]),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    out.flush()
    told = out.buffer.getvalue().decode()  # type: ignore[attr-defined]
    return Answer(code, told, err.getvalue())


def made(folder: Path, toml: str = "", **files: str | bytes | None) -> Path:
    """Write a small book: accounts, subscriptions and usage unless given (None leaves one out)."""
    held_files: dict[str, str | bytes | None] = {
        "accounts.csv": ACCOUNTS,
        "subscriptions.csv": LINES,
        "usage.csv": USAGE,
    }
    for name, text in files.items():
        held_files[name.replace("__", ".") if "__" in name else f"{name}.csv"] = text
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in held_files.items():
        if text is not None:
            (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    if toml:
        (folder / "perennial.toml").write_text(toml)
    return folder


def workspace(factory: pytest.TempPathFactory) -> Path:
    """Give a workspace of 80 accounts and 12 months, trained and scored; made once for all."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, ready = shared / "workspace", shared / "workspace" / "scored.json"
    with held(shared / "workspace.lock", wait_seconds=300):
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            asked = ("--accounts", "80", "--months", "12", "--json")
            assert perennial(shared, "simulate", str(folder), *asked).code == 0
            with (folder / "perennial.toml").open("a") as toml:
                toml.write("\n[outreach]\nhour_cost = 0\n")  # a small book has its list too
            trained = perennial(folder, "train", "--json")
            assert trained.code == 0, trained.err
            (folder / "trained.json").write_text(trained.out)
            scored = perennial(folder, "score", "--json")
            assert scored.code == 0, scored.err
            ready.write_text(scored.out)
    return folder


def copied(folder: Path, to: Path) -> Path:
    """Copy a workspace, for a test that changes it."""
    shutil.copytree(folder, to)
    return to
