"""The site: the pages of ``docs/`` made into one that can be searched, by Sphinx with MyST and Furo.

``PYTHONPATH=.ci python -m release.site`` (``make site``) writes ``build/site``. A link that leads nowhere, a page that
does not build whole, or anything that a browser would fetch from another host ends it with exit code 1.
The pages themselves know nothing of the generator: what it needs is written here, in a copy of them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from release.pages import amiss

__all__ = ["GROUPS", "contents", "inside", "main", "stage"]

ROOT = Path(__file__).resolve().parents[2]
SOURCE, TARGET = ROOT / "build" / "site-source", ROOT / "build" / "site"
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md")
REST = "More"
_LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)(?:#[^)\s]*)?\)")
GROUPS: Mapping[str, Sequence[str]] = {
    "Start": ("first-day", "mapping", "systems", "simulated-book", "what-it-cannot-tell-you", "glossary"),
    "By role": ("for-customer-success", "for-finance", "for-operators", "for-data-scientists"),
    "What it tells": (
        "matrix", "outreach", "digest", "dashboard", "forecast", "scenarios", "forecast-against-actual",
        "revenue", "presets", "usage-billed", "reports", "backtest", "alerts",
    ),
    "Running it": (
        "weekly-job", "running", "deployment", "operations", "store", "keys", "privacy", "monitoring",
        "signing", "engines", "examples/schedules/README", "examples/containers/README",
    ),
    "Reference": (
        "cli", "configuration", "tables", "api", "signals", "triggers", "codes", "benchmarks",
    ),
    "How it is made": (
        "CONTRIBUTING", "CHANGELOG", "release", "faults", "fault-catalogue", "decisions/index",
    ),
}  # fmt: skip
"""The order of the contents; a page that is not named stands under ``More``."""
CONF = """project = "Perennial"
version = release = {version!r}
copyright = "The Perennial founders"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Perennial"
html_favicon = "mark.svg"
html_copy_source = html_show_sourcelink = False
html_static_path = ["style"]
html_css_files = ["words.css"]
root_doc = "index"
myst_heading_anchors = 4
highlight_language = "text"
smartquotes = False
suppress_warnings = ["misc.highlighting_failure"]  # requests without their protocol, CSV
"""
STYLE = """@media (min-width: 46em) { article p code.literal, article li code.literal { white-space: nowrap } }
"""
"""An option is not torn at its hyphens, where there is room."""


def main() -> int:
    """Stage the pages, build them, and look at what was built."""
    stage()
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-qaEW", "--keep-going", str(SOURCE), str(TARGET)],
        check=False,
    )
    found = amiss(TARGET)
    for line in found:
        print(f"site: {line}", file=sys.stderr)
    print(f"{TARGET.relative_to(ROOT)}/index.html: {len(list(TARGET.rglob('*.html')))} pages")
    return 1 if built.returncode or found else 0


def stage() -> None:
    """Copy the pages to where the generator reads them, with its settings and the contents."""
    for folder in (SOURCE, TARGET):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE)
    for name in BESIDE:
        shutil.copy(ROOT / name, SOURCE / name)
    shutil.copy(ROOT / "serving" / "dashboard" / "static" / "mark.svg", SOURCE)
    (SOURCE / "style").mkdir()
    (SOURCE / "style" / "words.css").write_text(STYLE, encoding="utf-8")
    for page in SOURCE.rglob("*.md"):
        text = _moved(page.read_text(encoding="utf-8"), page.name in BESIDE)
        page.write_text(inside(text, page.parent, SOURCE), encoding="utf-8")
    pages = [str(path.relative_to(SOURCE).with_suffix("")) for path in SOURCE.rglob("*.md")]
    for name in ("index", "decisions/index"):
        page = SOURCE / f"{name}.md"
        page.write_text(page.read_text("utf-8") + contents(pages, name), encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (SOURCE / "conf.py").write_text(CONF.format(version=project["version"]), encoding="utf-8")


def _moved(text: str, beside: bool) -> str:
    """Let links follow the pages that stand elsewhere in the site than in the repository."""
    if beside:
        return text.replace("](docs/", "](")
    for name in BESIDE:
        text = text.replace(f"](../{name}", f"]({name}")
    return text


def inside(text: str, folder: Path, root: Path = SOURCE) -> str:
    """Say the file instead of linking it, where a link leaves the pages: the site does not have it.

    Parameters
    ----------
    text : str
        A page.
    folder, root : Path
        Where the page lies, and where all do.

    Examples
    --------
    >>> pages = Path("/docs")
    >>> inside("[yours](../README.md#data), [why](../a.md)", pages, pages)
    'yours (README.md), why (a.md)'
    >>> inside("[why](../a.md#b)", pages / "decisions", pages)
    '[why](../a.md#b)'
    """

    def said(link: re.Match[str]) -> str:
        there = (folder / link[2]).resolve()
        return link[0] if there.is_relative_to(root) else f"{link[1]} ({link[2].lstrip('./')})"

    return _LINK.sub(said, text)


def contents(pages: Sequence[str], of: str = "index") -> str:
    """Write the contents of the front page, or of the decisions.

    Examples
    --------
    >>> print(contents(["index", "mapping", "odd", "decisions/ledger"]))
    <BLANKLINE>
    ```{toctree}
    :hidden:
    :caption: Start
    <BLANKLINE>
    mapping
    ```
    <BLANKLINE>
    ```{toctree}
    :hidden:
    :caption: More
    <BLANKLINE>
    odd
    ```
    <BLANKLINE>
    """
    decided = [
        name for name in pages if name.startswith("decisions/") and name != "decisions/index"
    ]
    if of != "index":
        return _tree("", sorted(name.partition("/")[2] for name in decided))
    named = {name for group in GROUPS.values() for name in group}
    groups = {title: [name for name in group if name in pages] for title, group in GROUPS.items()}
    groups[REST] = sorted(set(pages) - named - {"index", *decided})
    return "".join(_tree(title, found) for title, found in groups.items() if found)


def _tree(title: str, pages: Sequence[str]) -> str:
    caption = [f":caption: {title}"] if title else []
    return "\n".join(["", "```{toctree}", ":hidden:", *caption, "", *pages, "```", ""])


if __name__ == "__main__":
    sys.exit(main())
