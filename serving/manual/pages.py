"""Every generated page of the manual, by file name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from features.catalog import as_markdown
from features.dictionary import dictionary
from serving.manual.benchmarks import benchmark_page
from serving.manual.codes import codes
from serving.manual.commands import commands
from serving.manual.configuration import configuration
from serving.manual.endpoints import endpoints
from serving.manual.presets import presets
from serving.manual.triggers import trigger_page

__all__ = ["PAGES", "write"]

PAGES: Mapping[str, Callable[[], str]] = {
    "api.md": endpoints,
    "benchmarks.md": benchmark_page,
    "cli.md": commands,
    "codes.md": codes,
    "configuration.md": configuration,
    "presets.md": presets,
    "signals.md": lambda: as_markdown() + "\n",
    "tables.md": dictionary,
    "triggers.md": trigger_page,
}
"""File name to what writes it."""


def write(folder: Path) -> None:
    """Write every page into a folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write(folder)
    >>> (folder / "cli.md").read_text().splitlines()[0]
    '# Commands'
    """
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
