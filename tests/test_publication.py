from __future__ import annotations

import errno
import os
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

left, real = int(sys.argv[2]), {name: getattr(os, name) for name in ("fsync", "rename", "replace")}

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


@pytest.mark.ci
@pytest.mark.fault("I45")
def test_killed_at_every_write_the_old_or_the_new_snapshot_serves(tmp_path: Path) -> None:
    small(tmp_path, 1)
    settings = read_workspace(None, tmp_path)
    home = tmp_path / "home"
    first = ingest(settings, home, NOW).snapshot
    small(tmp_path, 2)
    (tmp_path / "whole").mkdir()
    second = ingest(settings, tmp_path / "whole", NOW).snapshot
    for writes in range(30):
        command = [sys.executable, "-c", DIES, str(tmp_path), str(writes)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert latest_snapshot(home) in (first, second)
        assert open_book(home).table("subscriptions").collect().shape[0] == 1
        if ended.returncode == 0:
            break
        assert ended.returncode == -9
        assert ingest(settings, home, NOW).snapshot == second
        assert not list((home / "snapshots").glob(".tmp-*"))
        small(tmp_path, 1)
        ingest(settings, home, NOW)
        (home / "snapshots" / str(second) / "manifest.json").unlink()
        for left in (home / "snapshots" / str(second)).iterdir():
            left.unlink()
        (home / "snapshots" / str(second)).rmdir()
        small(tmp_path, 2)
    else:
        pytest.fail("the ingest never ended")
    assert writes > 5


def test_the_dictionary_is_what_the_contract_says() -> None:
    page = ROOT / "docs" / "tables.md"
    assert page.read_text(encoding="utf-8") == dictionary(), "write docs/tables.md again"


def test_every_key_of_the_mapping_is_documented() -> None:
    page = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
    for section in (BookSettings, TableSettings, IngestSettings):
        for name in section.model_fields:
            assert f"| `{name}` |" in page
