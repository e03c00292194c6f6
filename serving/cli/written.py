"""A page that a command writes beside what it says: refused before any work, then put in place."""

from __future__ import annotations

from pathlib import Path

from features.faults import UsageFault

__all__ = ["refuse_unwritable", "write_page"]

PAGES = (".html", ".htm")


def refuse_unwritable(html: Path | None) -> None:
    """Refuse a file that could not be written.

    Raises
    ------
    UsageFault
        ``report.kind`` for a name that is no page's, ``report.unwritable`` for a folder that is
        not there.

    Examples
    --------
    >>> refuse_unwritable(None)
    >>> refuse_unwritable(Path("check.doc"))
    Traceback (most recent call last):
    ...
    features.faults.UsageFault: --html check.doc: not a page: report.kind: name the file .html
    """
    if html is None:
        return
    if html.suffix.lower() not in PAGES:
        raise UsageFault("report.kind", f"--html {html}: not a page", "name the file .html")
    if html.is_dir() or not html.parent.is_dir():
        raise UsageFault("report.unwritable", f"--html {html}: no such folder", "make it first")


def write_page(html: Path, content: bytes) -> None:
    """Put a page in place by one rename, and say so."""
    from features.durable import disk_watched, replace
    from serving import terminal  # heavy: rich

    with disk_watched(html):
        replace(html, content)
    terminal.say(f"perennial: page written to {html}")
