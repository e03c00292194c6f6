from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from features.copies import staged
from features.faults import Busy, DataRejected, NotPermitted
from features.mapping import Workspace
from features.sources import find_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A private folder for copies."""
    made = tmp_path / "copies"
    made.mkdir()
    return made


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user who may not read everything: root may."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.fault("I06")
def test_a_file_that_grows_while_it_is_copied(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    assert staged(path, tmp_path, folder).label == "t.csv"

    def grow(seconds: float) -> None:
        with path.open("a") as file:
            file.write("2\n")

    monkeypatch.setattr("features.copies.time.sleep", grow)
    with pytest.raises(Busy) as caught:
        staged(path, tmp_path, folder, settle_seconds=1)
    assert (caught.value.code, caught.value.exit_code) == ("feed.incomplete", 75)


@pytest.mark.fault("I07")
def test_a_checksum_beside_the_file(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n1\n")
    digest = staged(path, tmp_path, folder).sha256
    (tmp_path / "t.csv.sha256").write_text(f"{digest}  t.csv\n")
    assert staged(path, tmp_path, folder).sha256 == digest
    path.write_bytes(b"a\n2\n")
    with pytest.raises(DataRejected, match=digest):
        staged(path, tmp_path, folder)


@pytest.mark.fault("I39")
def test_a_gzip_is_inflated_on_the_way_and_hashed_as_it_lies(tmp_path: Path, folder: Path) -> None:
    text = b"a,b\n" + b"1,2\n" * 900_000
    packed = gzip.compress(text[:4]) + gzip.compress(text[4:]) + bytes(9)
    (tmp_path / "t.csv.gz").write_bytes(packed)
    copy = staged(tmp_path / "t.csv.gz", tmp_path, folder)
    assert copy.path.read_bytes() == text
    assert copy.sha256 == hashlib.sha256(packed).hexdigest()
    assert (copy.kind, copy.path.stat().st_mode & 0o777) == ("csv", 0o600)
    for cut in (packed[:-30], packed[:20], packed[:2] + b"no gzip"):
        (tmp_path / "t.csv.gz").write_bytes(cut)
        with pytest.raises(DataRejected, match=r"gzip\.truncated"):
            staged(tmp_path / "t.csv.gz", tmp_path, folder)


@pytest.mark.fault("I52")
def test_a_file_that_is_swapped_after_it_was_hashed_is_read_as_it_was(
    tmp_path: Path, folder: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n1\n")
    copy = staged(path, tmp_path, folder)
    path.unlink()
    path.write_bytes(b"a\n2\n")
    assert copy.path.read_bytes() == b"a\n1\n"
    assert copy.sha256 == hashlib.sha256(b"a\n1\n").hexdigest()


@pytest.mark.fault("I52")
def test_a_file_that_is_swapped_for_a_link_is_not_followed(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "secret").write_text("a\n1\n")
    (tmp_path / "t.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(NotPermitted, match=r"file\.not_regular"):
        staged(tmp_path / "t.csv", tmp_path, folder)
    assert list(folder.iterdir()) == []


@pytest.mark.fault("I49")
def test_a_file_that_may_not_be_read_is_77(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n")
    path.chmod(0)
    with as_nobody(), pytest.raises(NotPermitted) as caught:
        staged(path, tmp_path, folder)
    assert (caught.value.code, caught.value.exit_code) == ("file.unreadable", 77)


@pytest.mark.fault("I49")
def test_a_folder_that_may_not_be_read_is_77(tmp_path: Path) -> None:
    (tmp_path / "usage").mkdir(mode=0)
    with as_nobody(), pytest.raises(NotPermitted) as caught:
        find_files(Workspace(tmp_path, tmp_path), "usage")
    assert (caught.value.code, caught.value.exit_code) == ("file.unreadable", 77)


@pytest.mark.fault("I39")
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("usage.csv", b"PK\x03\x04 and the rest of a workbook", "a zip archive or a workbook"),
        ("usage.csv.gz", b"account_id,occurred_at\n", "not compressed"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused_by_what_it_is(
    tmp_path, name, content, said
):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "copies").mkdir()
    with pytest.raises(DataRejected, match=said) as refused:
        staged(tmp_path / name, tmp_path, tmp_path / "copies")
    assert refused.value.code == "file.type"
