"""A release: what is locked, what the changelog says, and that the same commit gives the same files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from release import building, locks, loopback
from release.audit import audit
from release.audit import run as audit_of
from release.billing import with_scripts
from release.changelog import sections, unready
from release.notices import VENDOR, installed, notices, vendored
from tests.test_frame import needed

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FLOORS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
MODULES = ("serving.app", "serving.cli", "training.run", "features.snapshot")


def lock(name: str) -> dict[str, locks.Locked]:
    """Read one lock, by name and marker."""
    text = (ROOT / ".ci" / "release" / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    return {f"{one.name} {one.where}".strip(): one for one in locks.locked(text)}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(name): version for name, version in (s.split("==") for s in lines)}


# --- the locks


@pytest.mark.fault("C01")
@pytest.mark.parametrize("name", locks.LOCKS)
def test_a_lock_pins_every_distribution_by_its_hashes_and_names_no_address(name: str) -> None:
    found = lock(name).values()
    assert len(found) > 20
    assert all(one.hashes and len(set(one.hashes)) == len(one.hashes) for one in found)
    for one in found:
        assert pins().get(one.name, one.version) == one.version, f"{one.name}: `make locks`"


@pytest.mark.fault("C01")
@pytest.mark.fault("C04")
def test_the_lock_holds_what_is_installed_needs_and_nothing_else() -> None:
    held = lock("runtime").values()
    here = {
        one.name
        for one in held
        if not one.where or Requirement(f"x ; {one.where}").marker.evaluate()
    }
    asked = PROJECT["project"]["dependencies"]
    assert here == needed(asked + PROJECT["project"]["optional-dependencies"]["postgres"])


@pytest.mark.parametrize("line", ["numpy", "numpy>=2", "numpy @ https://example.com/numpy.whl"])
@pytest.mark.fault("C01")
def test_a_lock_with_another_kind_of_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line 2: neither a pin nor a hash"):
        locks.locked(f"# a lock\n{line}\n")


def test_tools_that_lock_and_build_are_locked() -> None:
    asked = [Requirement(line) for line in locks.TOOLS.read_text().splitlines()[1:]]
    held = {one.name: one.version for one in lock("tools").values()}
    assert all(one.specifier.contains(held[one.name]) for one in asked)


# --- version and changelog


def test_the_changelog_s_newest_section_is_this_version() -> None:
    newest = sections((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))[0]
    assert newest.version == PROJECT["project"]["version"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("## 0.1.0 – 2026-01-05\n## 0.2.0 – 2026-01-01\n", "0.1.0 stands above 0.2.0"),
        ("## 0.2.0 – 2026-01-01\n## 0.1.0 – unreleased\n", "0.1.0 – unreleased stands below"),
        ("## 0.2.0 – 2026-01-01\n## 0.1.0 – 2026-01-05\n", "0.1.0 – 2026-01-05 stands below"),
        ("## 0.2.0\n", "no version with a date"),
    ],
)
def test_a_changelog_out_of_order_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sections(text)


def test_a_version_is_ready_when_it_is_dated_and_says_its_tables() -> None:
    text = "# Changelog\n\n## 0.1.0 – 2026-01-05\n\nTables: r0007.\n"
    assert unready(text, "0.1.0", "r0007") == []
    assert unready(text, "0.1.0", "r0008") == ['0.1.0 does not say "Tables: r0008."']


# --- licences of what is not ours


def test_every_vendored_script_stands_with_its_version_and_licence() -> None:
    scripts = vendored()
    assert {one.name for one in scripts} == {one.name for one in VENDOR.iterdir() if one.is_dir()}
    for one in scripts:
        assert (VENDOR / one.name / "LICENSE").stat().st_size > 500
        assert any(one.version in script.read_text() for script in (VENDOR / one.name).glob("*.js"))
        assert one.licence


# --- the audit, the bill and the notices

KNOWN = {"name": "numpy", "version": "2.4.6", "vulns": []}
BAD = {"name": "mlflow", "version": "2.9.0", "vulns": [{"id": "PYSEC-2024-1"}]}
SKIPPED = {"name": "perennial", "skip_reason": "not on the registry"}


@pytest.mark.fault("C09")
@pytest.mark.parametrize(
    ("printed", "state", "code"),
    [
        ("", "not audited", 75),
        ("ConnectionError: no route to host", "not audited", 75),
        (json.dumps({"dependencies": []}), "not audited", 75),
        (json.dumps({"dependencies": [KNOWN, SKIPPED]}), "not audited", 75),
        (json.dumps({"dependencies": [KNOWN, BAD]}), "vulnerable", 1),
        (json.dumps({"dependencies": [KNOWN, BAD, SKIPPED]}), "vulnerable", 1),
        (json.dumps({"dependencies": [KNOWN]}), "clean", 0),
    ],
)
def test_what_could_not_be_asked_was_not_audited(printed: str, state: str, code: int) -> None:
    found = audit(run=lambda _: printed)
    assert (found.state, found.exit_code) == (state, code)
    assert found.told.startswith(state)


@pytest.mark.fault("C09")
def test_an_audit_tool_that_is_not_there_or_dies_is_not_a_clean_audit(tmp_path: Path) -> None:
    assert audit_of([str(tmp_path / "no-such-tool")]) == ""
    assert audit_of([sys.executable, "-c", "raise SystemExit(1)"]) == ""


def test_every_vendored_script_stands_in_the_bill_as_a_part_of_the_product() -> None:
    made = {
        "metadata": {"component": {"bom-ref": "root"}},
        "components": [{"bom-ref": "numpy==2.4.6"}],
        "dependencies": [{"ref": "root", "dependsOn": ["numpy==2.4.6"]}],
    }
    told = with_scripts(made, vendored())
    (script,) = vendored()
    assert told["components"][-1]["purl"] == f"pkg:npm/echarts@{script.version}"
    assert told["dependencies"][0]["dependsOn"][-1] == told["components"][-1]["bom-ref"]
    assert made["components"] == [{"bom-ref": "numpy==2.4.6"}]


def test_notices_hold_every_licence_s_text_whole() -> None:
    text = notices({"numpy 2.4.6": "BSD-3-Clause"}, vendored())
    assert all(path.read_text(encoding="utf-8").strip() in text for path in vendored()[0].texts)
    assert installed(Path(pytest.__file__).parents[1])[f"pytest {pytest.__version__}"] == "MIT"


# --- a network of this machine only


@pytest.mark.ci
@pytest.mark.fault("C07")
def test_a_call_to_anybody_else_is_counted_and_fails() -> None:
    if not loopback.available():
        pytest.skip("no network namespaces on this machine")
    calls = "import socket; socket.socket().connect_ex(('198.51.100.1', 80))"
    here = "import socket as s; d = s.create_server(('127.0.0.1', 0)); s.create_connection(d.getsockname())"
    for code, expected in ((calls, loopback.CALLED), (here, 0)):
        asked = loopback.inside([sys.executable, "-c", code])
        assert subprocess.run(asked, capture_output=True, check=False).returncode == expected


# --- what is built


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git knows or would know, as they are here, in a folder of their own."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, check=False)
    if told.returncode:
        pytest.skip("not a git checkout")
    folder = tmp_path_factory.mktemp("tree")
    for name in filter(None, told.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one build."""
    target = tmp_path_factory.mktemp("built")
    building.build(tree, target, seconds=1_700_000_000)
    return target


def wheel(folder: Path) -> Path:
    return next(folder.glob("*.whl"))


@pytest.mark.ci
@pytest.mark.fault("C10")
def test_two_builds_give_the_same_bytes_wherever_and_whenever(
    tree: Path, built: Path, tmp_path: Path
) -> None:
    elsewhere = shutil.copytree(tree, tmp_path / "another place")
    for path in (elsewhere / "serving").rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() else 0o600)
    (elsewhere / "serving" / "__pycache__").mkdir()
    (elsewhere / "serving" / "__pycache__" / "app.cpython-311.pyc").write_bytes(b"stale")
    again = building.build(elsewhere, tmp_path / "again", seconds=1_700_000_000)
    assert again == building.digests(built)
    assert sorted(name.rpartition(".")[2] for name in again) == ["gz", "whl"]


@pytest.mark.ci
@pytest.mark.fault("C10")
def test_the_source_archive_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(next(built.glob("*.tar.gz")), tmp_path, filter="data")
    source = next(tmp_path.iterdir())
    again = building.build(source, tmp_path / "again", seconds=1_700_000_000, kinds="wheel")
    assert again[wheel(built).name] == building.digests(built)[wheel(built).name]


@pytest.mark.ci
def test_the_wheel_holds_every_file_of_the_four_floors_and_every_licence(
    tree: Path, built: Path
) -> None:
    files = {name for name in zipfile.ZipFile(wheel(built)).namelist() if ".dist-info/" not in name}
    assert files == {
        str(path.relative_to(tree))
        for floor in FLOORS
        for path in (tree / floor).rglob("*")
        if path.is_file()
    }
    noted = {name.partition("/licenses/")[2] for name in zipfile.ZipFile(wheel(built)).namelist()}
    texts = {str(path.relative_to(ROOT)) for one in vendored() for path in one.texts}
    assert len(texts) >= 3
    assert noted - {""} == {"LICENSE"} | texts


@pytest.fixture(scope="module")
def away(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a virtual environment with the wheel; what it needs is this one's."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    libraries = next(folder.glob("lib/python*/site-packages"))
    (libraries / "needed.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    asked = ["--python", str(folder / "bin" / "python"), "install", "--no-deps", "--no-index"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", *asked, "--quiet"]
    subprocess.run([*pip, str(wheel(built))], check=True)
    return folder


def outside(folder: Path) -> Mapping[str, str]:
    """An environment that knows nothing of the checkout."""
    return {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}


@pytest.mark.ci
def test_what_is_installed_is_found_outside_the_checkout(away: Path, tmp_path: Path) -> None:
    code = f"import {', '.join(MODULES)}\nprint({', '.join(f'{m}.__file__' for m in MODULES)})"
    asked = [away / "bin" / "python", "-c", code]
    told = subprocess.run(
        asked, cwd=tmp_path, env=outside(away), capture_output=True, text=True, check=True
    )
    assert all(str(away) in place for place in told.stdout.split())


def heads(text: str) -> list[tuple[str, list[str]]]:
    """Titles and header cells of the tables that a terminal shows."""
    lines = text.splitlines()
    found = []
    for at, line in enumerate(lines):
        if line.startswith("┏"):
            cells = [cell.strip() for cell in lines[at + 1].strip("┃").split("┃")]
            found.append((lines[at - 1].strip(), cells))
    return found


@pytest.mark.ci
@pytest.mark.fault("C07")
def test_the_installed_demo_prints_what_the_pages_show_and_calls_nobody(
    away: Path, tmp_path: Path
) -> None:
    demo = [str(away / "bin" / "perennial"), "demo", "--accounts", "120", "--months", "18"]
    alone = loopback.available()
    told = subprocess.run(
        loopback.inside(demo) if alone else demo,
        cwd=tmp_path,
        env=outside(away),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    printed = (ROOT / "docs" / "demo.txt").read_text(encoding="utf-8")
    fixed = [(re.split(r"[:,]", title)[0], cells) for title, cells in heads(told.stdout)]
    shown = [(re.split(r"[:,]", title)[0], cells) for title, cells in heads(printed)]
    assert len(shown) == 4
    assert fixed == shown
    if not alone:
        pytest.skip("no network namespaces on this machine: whom it calls was not counted")
    assert told.stderr.endswith("calls to anybody else: 0\n")
