"""The pages say what the program does: generated ones are fresh, links lead somewhere, examples run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from features import faults
from features.cautions import CAUTIONS, NOTES
from serving.manual.commands import commands
from serving.manual.configuration import SECTIONS, configuration, meanings
from serving.manual.endpoints import endpoints
from serving.manual.example import cut_out
from serving.manual.pages import PAGES
from tests.conftest import STATES, catalogue, marked, state, table

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FLOORS = ("features", "models", "training", "serving")
README = (ROOT / "README.md").read_text(encoding="utf-8")
WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_fresh(name):
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_every_command_is_on_its_page_and_in_the_readme():
    for name in re.findall(r"^## `perennial (\w+)", commands(), re.MULTILINE):
        assert f"`perennial {name}" in README, name


def test_every_command_that_a_page_names_exists():
    known = set(re.findall(r"^## `perennial (\w+)", commands(), re.MULTILINE))
    for page in WRITTEN:
        named = set(
            re.findall(r"(?:`|\$ |&& )perennial ([a-z]+)", page.read_text(encoding="utf-8"))
        )
        assert named <= known, (page.name, named - known)


def test_every_key_of_every_section_has_its_meaning():
    for kind in SECTIONS.values():
        assert set(meanings(kind)) == set(kind.model_fields), kind.__name__
    page = configuration()
    assert all(f"## [{name}]" in page for name in SECTIONS)
    assert "| `late_renewal_days` | `31` | Longest gap" in page


def test_every_word_that_a_key_takes_is_offered():
    row = next(line for line in configuration().splitlines() if line.startswith("| `fx` "))
    assert row.endswith("Available: `fiscal_year`, `window_opening`, `fixed`, `spot`. |")


def test_every_warning_is_told():
    told = re.findall(r"^\| `(\w+)`( \(note\))? \|", (DOCS / "revenue.md").read_text("utf-8"), re.M)
    codes = {caution.__name__ for caution in CAUTIONS}
    assert {code for code, _ in told} & codes == codes
    assert {code for code, note in told if note} == NOTES


def test_every_code_that_is_raised_is_told():
    kinds = "|".join(name for name in faults.__all__ if name != "Fault")
    sources = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]
    written = rf'^ +(?:raise |return )?(?:{kinds})\(\s*"([a-z_.0-9]+)"'
    named = {
        code
        for path in sources
        for code in re.findall(written, path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    page = (DOCS / "codes.md").read_text(encoding="utf-8")
    assert {"busy", "feed.nested", "memory.exceeded"} <= named
    assert {code for code in named if f"| `{code}` |" not in page} == set()


def test_endpoints_say_what_they_take():
    page = endpoints()
    assert "## `GET /v1/forecast`" in page
    assert "| `horizon` | query | integer | `3` |" in page
    assert "| `account_ids` | body | list of string |  |" in page


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        place, _, anchor = target.partition("#")
        if target.startswith("https:"):
            continue
        there = page if not place else (page.parent / place).resolve()
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), target


def anchors(page):
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_is_listed():
    told = (DOCS / "index.md").read_text(encoding="utf-8")
    decided = (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")
    assert all(f"({page.name})" in told for page in DOCS.glob("*.md") if page.name != "index.md")
    decisions = [page for page in (DOCS / "decisions").glob("*.md") if page.name != "index.md"]
    assert all(f"({page.name})" in decided for page in decisions)


def test_the_first_screen_of_the_readme():
    lines = README.splitlines()
    first = lines[: next(at for at, line in enumerate(lines) if line.startswith("## "))]
    block = first.index("```console")
    assert first[0] == "# Perennial"
    assert first[2].endswith(".")
    assert re.fullmatch(r"!\[.+\]\(docs/images/dashboard\.png\)", first[4])
    assert first[block + 1] == "$ make demo"
    assert "$ make test" in first
    assert next(at for at, line in enumerate(first) if line.startswith("Read next")) < 30


def test_the_picture_is_a_picture():
    data = (DOCS / "images" / "dashboard.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(data) < 300_000


def test_the_demo_of_the_readme_is_a_part_of_what_it_prints():
    printed = (DOCS / "demo.txt").read_text(encoding="utf-8")
    shown = re.search(r"\$ make demo\n⋮[^\n]*\n(.*?)\$ make test", README, re.DOTALL)[1]
    assert shown == cut_out(printed), "run `make docs`"


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ({}, "no test yet"),
        ({"whole": 2}, "passes"),
        ({"whole": 1, "skipped": 1}, "partly"),
        ({"partly": 1}, "partly"),
        ({"whole": 3, "failed": 1}, "fails"),
    ],
)
def test_a_case_stands_as_the_worst_of_its_tests(outcomes, said):
    assert state(outcomes) == said


def test_the_table_of_faults_counts_states():
    page = table({"Ingestion": {"I01": "missing", "I02": "0 bytes"}}, {"I02": {"whole": 2}})
    assert "2 cases: 1 passes, 1 no test yet." in page
    assert "| I02 | 0 bytes | 2 | passes |" in page


def test_the_table_of_faults_lists_the_whole_catalogue():
    cases = [case for group in catalogue().values() for case in group]
    rows = re.findall(
        rf"^\| ([A-Z]\d\d) \| .* \| ({'|'.join(STATES)}) \|$",
        (DOCS / "faults.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert [case for case, _ in rows] == cases
    assert len(set(cases)) == len(cases) > 200


def test_every_fault_that_a_test_carries_is_in_the_catalogue():
    cases = {case for group in catalogue().values() for case in group}
    assert marked(ROOT.glob("tests/test_*.py")) <= cases


def snippets(page, language):
    """Blocks of a page that say where they go: their first line is ``# file: what follows``."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n# (\S+): (.+?)\n(.*?)```", text, re.DOTALL)


@pytest.mark.ci
def test_the_worked_example_of_contributing_works(tmp_path):
    for floor in ("features", "models", "tests"):
        copy(ROOT / floor, tmp_path / floor)
    for name, place, code in snippets(ROOT / "CONTRIBUTING.md", "python"):
        insert(tmp_path / name, place, code)
    asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest"]
    asked += ["--import-mode=prepend", f"--rootdir={tmp_path}", "tests/test_support.py"]
    told = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout
    assert "grave" in (tmp_path / "tests" / "test_support.py").read_text(encoding="utf-8")
    page = "from features.catalog import as_markdown; print(as_markdown())"
    asked = [sys.executable, "-c", page]
    told = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "| `support_grave_open` | open tickets of severity high or urgent |" in told.stdout


def copy(source, target):
    target.mkdir()
    for file in source.rglob("*.py"):
        there = target / file.relative_to(source)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")


def insert(path, place, code):
    """Put code after the line that holds ``after "…"``, or at the end."""
    text = path.read_text(encoding="utf-8")
    if place == "at the end":
        path.write_text(text.rstrip("\n") + "\n\n\n" + code, encoding="utf-8")
        return
    anchor = re.fullmatch(r'after "(.+)"', place)[1]
    lines = text.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if anchor in line)
    path.write_text("".join([*lines[: at + 1], code, *lines[at + 1 :]]), encoding="utf-8")
