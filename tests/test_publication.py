from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.book import latest_snapshot, open_book
from features.dictionary import dictionary
from features.faults import CannotWrite
from features.ingest import IngestSettings, ingest
from features.mapping import BookSettings, TableSettings, read_workspace

NOW = datetime(2025, 7, 1, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[1]

DIES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from features.ingest import ingest
from features.mapping import read_workspace

names = ("fsync", "link", "rename", "replace", "unlink")
left, real = int(sys.argv[2]), {name: getattr(os, name) for name in names}

def dying(name):
    def call(*given, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real[name](*given, **named)
    return call

for name in real:
    setattr(os, name, dying(name))
folder = Path(sys.argv[1])
ingest(read_workspace(None, folder), folder / "home", datetime(2025, 7, 1, tzinfo=UTC))
"""


def small(folder: Path, price: int) -> None:
    (folder / "accounts.csv").write_text("account_id\na\n")
    text = f"account_id,starts_on,mrr\na,2025-01-01,{price}\n"
    (folder / "subscriptions.csv").write_text(text)


@pytest.mark.fault("I44")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_leaves_the_old_snapshot_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    small(tmp_path, 1)
    settings = read_workspace(None, tmp_path)
    first = ingest(settings, tmp_path / "home", NOW).snapshot
    small(tmp_path, 2)

    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr("features.durable.os.fsync", full)
        with pytest.raises(CannotWrite) as caught:
            ingest(settings, tmp_path / "home", NOW)
    assert caught.value.exit_code == 73
    assert latest_snapshot(tmp_path / "home") == first
    assert not list((tmp_path / "home" / "snapshots").glob(".tmp-*"))
    assert ingest(settings, tmp_path / "home", NOW).status == "published"


def used(folder: Path, *names: str) -> None:
    """Write a month of usage per file, one of an account that nobody knows."""
    (folder / "usage").mkdir(exist_ok=True)
    for path in (folder / "usage").iterdir():
        path.unlink()
    for name in names:
        rows = f"a,2025-{name}-01,s\nghost,2025-{name}-01,s\n"
        (folder / "usage" / f"{name}.csv").write_text(f"account_id,occurred_at,feature\n{rows}")


@pytest.mark.slow
@pytest.mark.fault("I45")
def test_killed_at_every_write_the_old_or_the_new_snapshot_serves(tmp_path: Path) -> None:
    """From one file of usage to two, so that a month is linked and another is made."""
    small(tmp_path, 1)
    used(tmp_path, "05")
    settings = read_workspace(None, tmp_path)
    old = tmp_path / "old"
    first = ingest(settings, old, NOW).snapshot
    small(tmp_path, 2)
    used(tmp_path, "05", "06")
    second = ingest(settings, tmp_path / "whole", NOW).snapshot
    for writes in range(120):
        home = tmp_path / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(old, home)
        command = [sys.executable, "-c", DIES, str(tmp_path), str(writes)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert latest_snapshot(home) in (first, second)
        assert open_book(home).table("subscriptions").collect().shape[0] == 1
        assert ended.returncode in (0, -9)
        again = ingest(settings, home, NOW)
        assert again.snapshot == second
        assert again.tables["usage"].accepted == again.tables["usage"].unmatched == 2
        assert not list((home / "snapshots").glob(".tmp-*"))
        if ended.returncode == 0:
            break
    else:
        pytest.fail("the ingest never ended")
    assert writes > 30


@pytest.mark.ci
@pytest.mark.fault("I45")
def test_killed_when_only_the_ledger_is_news(tmp_path: Path) -> None:
    """A stranger's rows change what waits, but not what the snapshot is called."""
    small(tmp_path, 1)
    used(tmp_path, "05")
    settings = read_workspace(None, tmp_path)
    first = ingest(settings, tmp_path / "old", NOW).snapshot
    ghosts = "account_id,occurred_at,feature\nghost,2025-05-02,s\n"
    (tmp_path / "usage" / "06.csv").write_text(ghosts)
    for writes in range(0, 40, 3):
        home = tmp_path / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(tmp_path / "old", home)
        command = [sys.executable, "-c", DIES, str(tmp_path), str(writes)]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert open_book(home).snapshot_id == first
        again = ingest(settings, home, NOW)
        assert (again.snapshot, again.tables["usage"].unmatched) == (first, 2)


def test_the_dictionary_is_what_the_contract_says() -> None:
    page = ROOT / "docs" / "tables.md"
    assert page.read_text(encoding="utf-8") == dictionary(), "write docs/tables.md again"


def test_every_key_of_the_mapping_is_documented() -> None:
    page = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
    for section in (BookSettings, TableSettings, IngestSettings):
        for name in section.model_fields:
            assert f"| `{name}` |" in page
