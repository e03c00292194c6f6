"""The oracle: every signal of the catalogue once more, in plain pandas, account by account.

Written from `SIGNALS.md`'s words and from the meanings of `docs/signals.md`, not from the program.
Each signal is a function named by its slug, whose docstring is the words that it follows; it takes
what was known (`tests.pandas_known`) and an account, and gives a number, NaN for missing. Slow and
plain: nothing is rolled up, nothing is shared with the engine but the rows.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from tests import (
    pandas_adjacency,
    pandas_adoption,
    pandas_billing,
    pandas_commercial,
    pandas_expansion,
    pandas_growth,
    pandas_maturity,
    pandas_payments,
    pandas_relationship,
    pandas_support,
    pandas_timing,
    pandas_usage,
)
from tests.pandas_known import Known

__all__ = ["ORACLE", "expected"]

Told = Callable[[Known, str], float]
PAGES = (
    pandas_usage, pandas_adoption, pandas_support, pandas_relationship, pandas_commercial,
    pandas_payments, pandas_billing, pandas_expansion, pandas_adjacency, pandas_growth,
    pandas_timing, pandas_maturity,
)  # fmt: skip
ORACLE: dict[str, Told] = {slug: told for page in PAGES for slug, told in page.SIGNALS.items()}


def expected(known: Known) -> pd.DataFrame:
    """Give one row per paying account and one column per signal that the oracle knows."""
    rows = {
        name: {slug: tell(known, name) for slug, tell in ORACLE.items()} for name in known.mrr.index
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(ORACLE)).astype(float)
