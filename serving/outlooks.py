"""A run's outlook, kept beside its exports: what a scenario is computed from, without the model.

One Parquet file, one row per account: the columns that accounts can be selected and cut by, the
facts of the contract, and every matrix of the outlook as a list of fixed length. Its digest is
published with the run, and a file that does not match it is refused.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.faults import DataRejected, InputMissing
from models.basis import Basis
from models.decisions import LEAD, decision_leads
from models.outcomes import LEADS, Outlook
from serving.store import Store

__all__ = ["Kept", "kept_outlook", "packed", "unpacked"]

FACTS = (
    "account_id",
    "mrr_micros",
    "as_of",
    "term_months",
    "tenure_days",
    "next_renewal_on",
    "decision",
    "notice_ends_on",
    "successor_on",
)
CUTS = ("segment", "acv_segment", "csm", "currency", "product", "plan")
MATRICES = tuple(item.name for item in fields(Outlook) if item.name != "accounts")
SELDOM = ("uplift_owed", "uplift_due")
"""Matrices that are kept where they hold anything."""
AGAIN = "publish the run again: `perennial score` on a newer date or with the model of today"


@dataclass(frozen=True)
class Kept:
    """What was kept of a run.

    Attributes
    ----------
    run_id : str
    outlook : Outlook
        With every column that a forecast can be cut by.
    basis : Basis
    """

    run_id: str
    outlook: Outlook
    basis: Basis


def packed(outlook: Outlook, people: pd.DataFrame | None = None) -> bytes:
    """Pack an outlook into one Parquet file.

    Parameters
    ----------
    outlook : Outlook
    people : DataFrame, optional
        Further columns of accounts to select and cut by, one row per ``account_id``; texts alone
        are kept, and no names.

    Examples
    --------
    >>> p, law = np.full((1, 12), 0.25), np.full((1, 12, 3), 0.5)
    >>> accounts = pd.DataFrame({"account_id": ["a"], "mrr_micros": [10**8], "segment": ["smb"]})
    >>> one = Outlook(accounts, p, p, p, law, law, p > 1, np.full((1, 12), np.nan))
    >>> unpacked(packed(one)).p_churn[0, :2].tolist()
    [0.25, 0.25]
    """
    accounts = outlook.accounts
    known = [name for name in (*FACTS, *CUTS) if name in accounts.columns]
    told = accounts.loc[:, known]
    if people is not None:
        more = [name for name in people.columns if _is_word(people[name]) and name not in told]
        found = people.set_index("account_id", drop=False)[more]
        told = told.assign(**{name: _of(found[name], told["account_id"]) for name in more})
    if "decision" in told.columns:
        told = told.assign(**{LEAD: decision_leads(accounts)})
    table = pa.Table.from_pandas(told.reset_index(drop=True), preserve_index=False)
    for name in MATRICES:
        if name in SELDOM and not getattr(outlook, name).any():
            continue
        flat = np.ascontiguousarray(getattr(outlook, name)).reshape(-1)
        width = getattr(outlook, name)[:1].size if len(outlook) else LEADS
        table = table.append_column(name, pa.FixedSizeListArray.from_arrays(pa.array(flat), width))
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def unpacked(content: bytes) -> Outlook:
    """Unpack an outlook, every number as it was."""
    table = pq.read_table(pa.BufferReader(content))
    there = [name for name in MATRICES if name not in SELDOM or name in table.column_names]
    accounts = table.drop_columns(there).to_pandas()
    return Outlook(accounts, **{name: _matrix(table.column(name)) for name in there})


def kept_outlook(store: Store, run: str) -> Kept:
    """Open what was kept of a run, and check it against the run's digest.

    Raises
    ------
    InputMissing
        ``outlook.none`` for a run that kept none: it was published by an earlier version.
    DataRejected
        ``outlook.damaged`` for a file that is not the one that was published.
    """
    told = store.document(run, "outlook")
    if told is None:
        raise InputMissing("outlook.none", f"run {run} kept no outlook", AGAIN)
    path = store.home / "exports" / run / f"outlook-{told['sha256'][:16]}.parquet"
    try:
        content = path.read_bytes()
    except OSError as gone:
        raise DataRejected("outlook.damaged", f"{path.name}: {gone.strerror}", AGAIN) from gone
    if hashlib.sha256(content).hexdigest() != told["sha256"]:
        raise DataRejected("outlook.damaged", f"{path.name}: not what was published", AGAIN)
    return Kept(run, unpacked(content), Basis.from_json(told["basis"]))


def _is_word(column: pd.Series) -> bool:
    return column.name not in ("account_id", "name") and pd.api.types.is_string_dtype(column)


def _of(column: pd.Series, accounts: pd.Series) -> Any:
    return column.reindex(accounts).to_numpy()


def _matrix(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Read a column of lists back into a matrix; three numbers per month where they are moments."""
    width = column.type.list_size
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape((-1, LEADS) if width == LEADS else (-1, LEADS, width // LEADS))
