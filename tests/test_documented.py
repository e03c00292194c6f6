"""Nothing that a user can meet is without its place in the pages."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import typer

from features.catalog import as_markdown
from features.cautions import CAUTIONS
from features.triggers import TRIGGERS
from serving.app import create_app
from serving.cli import app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FLOORS = ("features", "models", "training", "serving")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
ROLES = ("customer-success", "finance", "operators", "data-scientists")
FOREIGN = {"PERENNIAL_STORE_URL", "PERENNIAL_PEPPER"}


@cache
def pages() -> str:
    """Give every page as one text."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md")))


def written(pattern: str) -> set[str]:
    """Find what the sources write that a user meets."""
    files = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]
    return {one for path in files for one in re.findall(pattern, path.read_text(encoding="utf-8"))}


def shown() -> list[tuple[str, str]]:
    """Give every command that a page shows, with the page's name."""
    found = []
    for path in sorted(DOCS.rglob("*.md")):
        for line in re.findall(r"^\$ (perennial .+)$", path.read_text(encoding="utf-8"), re.M):
            found.append((path.name, re.split(r" (?:#|\||>|&&) ?", line)[0]))
    return found


def test_every_option_that_a_page_shows_is_one_of_its_command() -> None:
    for page, line in shown():
        name, *rest = shlex.split(line)[1:]
        known = {flag for param in COMMANDS[name].params for flag in param.opts}
        assert {word for word in rest if word.startswith("--")} <= known | {"--help"}, (page, line)
    assert len(shown()) > 60


@pytest.mark.ci
def test_every_endpoint_is_told(tmp_path: Path) -> None:
    asked = [
        f"{method.upper()} {path}"
        for path, methods in create_app(tmp_path).openapi()["paths"].items()
        for method in methods
    ]
    told = (DOCS / "api.md").read_text(encoding="utf-8")
    assert len(asked) > 15
    assert [one for one in asked if f"`{one}`" not in told] == []


def test_every_signal_trigger_and_warning_is_told() -> None:
    signals = re.findall(r"^\| `(\w+)` \|", as_markdown(), re.MULTILINE)
    told = pages()
    named = [*signals, *(one.name for one in TRIGGERS), *(one.__name__ for one in CAUTIONS)]
    assert len(named) > 150
    assert [one for one in named if f"`{one}`" not in told] == []


def test_every_metric_is_told() -> None:
    made = r'(?:Counter|Gauge|Histogram|MetricFamily)\(\s*"(perennial_[a-z_]+)"'
    metrics = written(made)
    assert len(metrics) > 8
    assert [one for one in sorted(metrics) if one not in pages()] == []


def test_every_variable_of_the_environment_is_told() -> None:
    read = written(r'"(PERENNIAL_[A-Z_]+)"') | FOREIGN
    assert [one for one in sorted(read) if one not in pages()] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_s_page_is_short_and_leads_to_the_words(role: str) -> None:
    text = (DOCS / f"for-{role}.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    assert "(glossary.md)" in text
    assert "```console\n$ perennial " in text


def test_words_stand_in_order_and_once() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    words = [row.lower() for row in re.findall(r"^\| (.+?) \| ", text, re.M) if row != "word"]
    assert words == sorted(words)
    assert len(words) == len(set(words)) > 50
