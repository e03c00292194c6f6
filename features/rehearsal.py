"""A rehearsal: an ingest of the book into a folder that is thrown away afterwards.

So a book is measured exactly as an ingest would publish it, and nothing of the workspace changes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from features.book import Book, open_book
from features.ingest import attempt
from features.mapping import Workspace
from features.report import IngestReport

__all__ = ["Rehearsal", "rehearsed"]


@dataclass(frozen=True)
class Rehearsal:
    """What an ingest would give.

    Attributes
    ----------
    report : IngestReport
        ``checked`` or ``refused``; its snapshot is None.
    book : Book or None
        The book as it would be published; None where it is refused.
    aside : Path
        Folder of the rows that would be set aside; it is there if there are any.
    """

    report: IngestReport
    book: Book | None
    aside: Path


@contextmanager
def rehearsed(
    settings: Workspace, now: datetime, progress: Callable[[str], None] | None = None
) -> Iterator[Rehearsal]:
    """Ingest a book for as long as the block lasts.

    Parameters
    ----------
    settings : Workspace
        The parsed ``perennial.toml``.
    now : datetime
        Instant that "in the future" is judged by, with its zone.
    progress : callable, optional
        Called with the name of each table before it is read.
    """
    with tempfile.TemporaryDirectory(prefix="perennial-check-") as folder:
        home = Path(folder)
        report = attempt(settings, home, now, progress=progress)
        book = None if report.refusals else open_book(home)
        status = "refused" if report.refusals else "checked"
        aside = home / "quarantine" / (report.snapshot or "none")
        yield Rehearsal(replace(report, status=status, snapshot=None), book, aside)
        if book is not None:
            book.connection.close()
