"""The census of a matrix: accounts and MRR per cell, and the flows since the run before."""

from __future__ import annotations

from typing import Any

import pandas as pd

from models.matrix import ACTIONS, CELLS

__all__ = ["summary"]


def summary(scores: pd.DataFrame) -> dict[str, Any]:
    """Count accounts and MRR per cell, and the flows between cells since the last run.

    Parameters
    ----------
    scores : DataFrame
        ``cell, previous_cell, mrr``.

    Examples
    --------
    >>> told = summary(pd.DataFrame({"cell": ["HH", "LL"], "previous_cell": ["HH", "MM"],
    ...     "mrr": [10.0, 5.0]}))
    >>> told["cells"]["LL"]["mrr"], len(told["cells"]), told["moved"]
    (5.0, 9, 1)
    >>> told["flows"]
    [{'from': 'MM', 'to': 'LL', 'accounts': 1, 'mrr': 5.0}]
    """
    known = scores["previous_cell"].notna()
    moved = scores[known & (scores["previous_cell"] != scores["cell"])]
    flows = moved.groupby(["previous_cell", "cell"])["mrr"].agg(["size", "sum"])
    cells = scores.groupby("cell")["mrr"].agg(["size", "sum"]).reindex(CELLS, fill_value=0)
    return {
        "accounts": len(scores),
        "mrr": float(scores["mrr"].sum()),
        "cells": {
            cell: {
                "accounts": int(cells.at[cell, "size"]),
                "mrr": float(cells.at[cell, "sum"]),
                "retention_health": _word(cell[0]),
                "expansion_readiness": _word(cell[1]),
                "action": ACTIONS[cell],
            }
            for cell in CELLS
        },
        "flows": [
            {"from": pair[0], "to": pair[1], "accounts": int(row["size"]), "mrr": float(row["sum"])}
            for pair, row in flows.iterrows()
        ],
        "moved": len(moved),
        "new": int((~known).sum()),
    }


def _word(letter: str) -> str:
    return {"H": "High", "M": "Medium", "L": "Low"}[letter]
