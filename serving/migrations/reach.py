"""The reach of a revision: the oldest Perennial that works with its tables as they are.

A later revision that only adds (a table, a column that may be null, an index) promises the revision
before it: after an upgrade that disappoints, the Perennial before it is simply started again. A
revision that promises nothing is refused by every older one (``store.revision``).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["promise"]


def promise(revision: str, oldest: str) -> None:
    """Say within a revision's ``upgrade`` which is the oldest that works with its tables.

    Its ``downgrade`` promises what the revision before it did.

    Parameters
    ----------
    revision : str
        The revision that the tables are at.
    oldest : str
        What the oldest Perennial knows that may read and write them.
    """
    told = sa.text("UPDATE reach SET revision = :revision, oldest = :oldest WHERE slot = 1")
    op.execute(told.bindparams(revision=revision, oldest=oldest))
