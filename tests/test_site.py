"""The site of the pages: its contents, and what is looked for in what was built."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from release.pages import amiss
from release.site import BESIDE, GROUPS, contents

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def site(folder: Path, **pages: str) -> Path:
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


def test_a_link_to_a_page_and_a_place_that_are_there_is_fine(tmp_path: Path) -> None:
    site(tmp_path, a='<a href="b.html#end">x</a> <a href="#t">y</a><i id="t">', b='<h2 id="end">')
    assert amiss(tmp_path) == []


def test_a_link_to_another_site_is_the_reader_s(tmp_path: Path) -> None:
    assert amiss(site(tmp_path, a='<a href="https://example.com/x#y">x</a>')) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<a href="none.html">x</a>', "a.html: nothing at none.html"),
        ('<a href="#none">x</a>', "a.html: nothing at #none"),
        ('<img src="none.png">', "a.html: nothing at none.png"),
        ('<img src="https://example.com/a.png">', "a.html: fetches https://example.com/a.png"),
        ('<script src="//example.com/a.js">', "a.html: fetches //example.com/a.js"),
        ('<link rel="stylesheet" href="http://x.example/a">', "a.html: fetches http://x.example/a"),
    ],
)
def test_what_is_dead_or_fetched_is_told(tmp_path: Path, text: str, said: str) -> None:
    assert amiss(site(tmp_path, a=text)) == [said]


def test_a_style_that_fetches_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("p { src: url('https://example.com/f.woff2') }")
    assert amiss(tmp_path) == ["a.css: fetches https://example.com/f.woff2"]


def test_every_page_stands_in_the_contents_once() -> None:
    pages = [str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md")]
    pages += [name.removesuffix(".md") for name in BESIDE]
    front = contents(pages).splitlines()
    decided = [f"decisions/{line}" for line in contents(pages, "decisions/index").splitlines()]
    assert [page for page in pages if [*front, *decided].count(page) != (page != "index")] == []


def test_no_page_is_in_two_groups() -> None:
    named = [name for group in GROUPS.values() for name in group]
    assert len(named) == len(set(named))


@pytest.mark.slow
def test_the_site_is_made_whole() -> None:
    if not (ROOT / "build" / "venv-site" / ".installed").exists():
        pytest.skip("`make site` was never run here: its generator is not installed")
    told = subprocess.run(["make", "site"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
