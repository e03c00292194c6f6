"""Databases: the tables that a book asks of a database, staged as private Parquet files.

Every query of one database runs in one read-only transaction that sees one moment. A connection
that is lost takes all of it with it: what was staged is removed, and a new transaction begins.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from features.copies import Staged
from features.durable import disk_watched
from features.faults import ConfigurationRefused, DependencyDown
from features.mapping import Workspace
from features.selecting import Question, SqlSource
from features.shelf import Shelf

__all__ = ["extract"]

RETRIES = 3
PAUSE = 0.5


def extract(
    workspace: Workspace,
    folder: Path,
    pause: Callable[[float], None] = time.sleep,
    shelf: Shelf | None = None,
) -> dict[str, Staged]:
    """Ask every query of the book, and stage what they give.

    Parameters
    ----------
    workspace : Workspace
        The parsed ``perennial.toml``.
    folder : Path
        Private folder of the staged files; made if it is not there.
    pause : callable
        Waits the given seconds before a lost connection is tried again.
    shelf : Shelf, optional
        What was read before of queries with a watermark; absent, they are asked whole. What is
        settled now is kept there.

    Returns
    -------
    dict of str to Staged
        Table → the rows that were asked now and are not kept, as Parquet; empty where no table has
        a query. On any fault nothing of it stays in the folder.

    Raises
    ------
    ConfigurationRefused
        ``config``: the variable is not set, is not the URL of a database, or has no driver.
    DependencyDown
        ``extract.unavailable``: the database did not answer, four times.
    DataRejected
        ``extract.inconsistent``: it cannot show several tables as of one moment;
        ``extract.query``: it refuses the query; ``extract.watermark``: it has no order;
        ``schema.type``, ``schema.duplicate_column``.
    InputMissing
        ``feed.missing``: no such file of SQLite.
    NotPermitted
        ``extract.denied``: the user may not read the table; ``file.not_regular``.

    Examples
    --------
    >>> import sqlite3, tempfile
    >>> book = Path(tempfile.mkdtemp())
    >>> with sqlite3.connect(book / "crm.db") as database:
    ...     _ = database.execute("create table firms as select 'a' as account_id, 1.5 as mrr")
    >>> from features.mapping import TableSettings
    >>> firms = TableSettings(source=SqlSource(url="sqlite:///crm.db", table="firms"))
    >>> staged = extract(Workspace(book, book, tables={"accounts": firms}), book / "staged")
    >>> import pyarrow.parquet
    >>> staged["accounts"].label, pyarrow.parquet.read_table(staged["accounts"].path).to_pylist()
    ('accounts (sqlite:///crm.db)', [{'account_id': 'a', 'mrr': '1.5'}])
    """
    staged: dict[str, Staged] = {}
    with ExitStack() as undo:
        for url, questions in _by_database(workspace, folder).items():
            undo.callback(_remove, questions)
            staged |= _asked(url, questions, workspace, pause, shelf)
        if shelf is not None:
            with disk_watched(shelf.folder):
                shelf.keep([name for name, each in workspace.queries().items() if each.watermark])
        undo.pop_all()
    return staged


def _by_database(workspace: Workspace, folder: Path) -> dict[str, list[Question]]:
    """Group the queries by the URL that is meant, however it is written."""
    found: dict[str, list[Question]] = {}
    for table, source in workspace.queries().items():
        question = Question(table, source, folder / f"{table}.query.parquet")
        found.setdefault(_url(table, source), []).append(question)
    return found


def _url(table: str, source: SqlSource) -> str:
    if source.variable is None:
        return source.url
    url = os.environ.get(source.variable, "").strip()
    if not url:
        message = f"perennial.toml [tables.{table}] source: {source.variable} is not set"
        cure = f"set it in the environment: export {source.variable}=dialect://user:…@host/database"
        raise ConfigurationRefused("config", message, cure)
    return url


def _asked(
    url: str,
    questions: list[Question],
    workspace: Workspace,
    pause: Callable[[float], None],
    shelf: Shelf | None,
) -> dict[str, Staged]:
    from features.extraction import staged_rows  # heavy: sqlalchemy, only for such books

    for left in reversed(range(RETRIES + 1)):
        try:
            questions[0].path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with disk_watched(questions[0].path.parent):
                return staged_rows(url, questions, workspace, shelf)
        except DependencyDown:
            _remove(questions)
            if not left:
                raise
            pause(PAUSE * 2 ** (RETRIES - left) * random.uniform(0.5, 1.5))
    return {}


def _remove(questions: list[Question]) -> None:
    for question in questions:
        for left in question.path.parent.glob(f"{question.path.stem}.*"):
            left.unlink()
