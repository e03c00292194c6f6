"""The schema of a model: which signals it reads of a snapshot, and what each was at training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from features.faults import DataRejected
from features.signal import Signal

__all__ = ["refuse_other_schema", "refuse_other_types", "schema_of"]

CURE = "run `perennial train` again"
DTYPE = "float64"


def schema_of(slugs: Sequence[str], catalog: Sequence[Signal]) -> dict[str, str]:
    """Give the signals of a model in their order: slug to type, unit and window.

    Examples
    --------
    >>> from features.catalog import CATALOG
    >>> schema_of(["usage_wau_ratio"], CATALOG)
    {'usage_wau_ratio': 'float64 ratio 35 days'}
    """
    known = {signal.slug: signal for signal in catalog}
    return {slug: _said(known[slug]) for slug in slugs if slug in known}


def refuse_other_schema(contract: Mapping[str, Any], catalog: Sequence[Signal]) -> None:
    """Refuse a model whose signals are not, or are no longer, those of the catalogue.

    A signal that came to the catalogue since is no reason: the model does not read it. It is told
    beside those that went, for it may be one of them under another name.

    Parameters
    ----------
    contract : mapping
        ``signals``, ``schema`` and ``catalog`` of a bundle.
    catalog : sequence of Signal
        The signals of this program.

    Raises
    ------
    DataRejected
        ``feature.schema_mismatch``, with what was added, removed and changed.
    """
    was: Mapping[str, str] = contract["schema"]
    now = schema_of(contract["signals"], catalog)
    if list(now) == list(contract["signals"]) and now == was:
        return
    added = [signal.slug for signal in catalog if signal.slug not in contract["catalog"]]
    removed = [slug for slug in contract["signals"] if slug not in now]
    changed = [f"{s} ({was.get(s)}, now {now[s]})" for s in now if now[s] != was.get(s)]
    told = {"removed": removed, "changed": changed, "added": added}
    parts = [f"{word} {', '.join(slugs)}" for word, slugs in told.items() if slugs]
    message = f"the model was trained on other signals: {'; '.join(parts)}"
    raise DataRejected("feature.schema_mismatch", message, CURE)


def refuse_other_types(slugs: Sequence[str], frame: pd.DataFrame) -> None:
    """Refuse rows that lack a signal of the model, or hold something else than numbers in one.

    Raises
    ------
    DataRejected
        ``feature.schema_mismatch``.

    Examples
    --------
    >>> refuse_other_types(["seats"], pd.DataFrame({"seats": [5.0]}))
    >>> refuse_other_types(["seats", "days"], pd.DataFrame({"seats": ["many"]}))
    Traceback (most recent call last):
    ...
    features.faults.DataRejected: signals not in the snapshot: days; of another type: seats (str): feature.schema_mismatch: run `perennial train` again
    """
    absent = [slug for slug in slugs if slug not in frame.columns]
    types = {slug: frame[slug].dtype for slug in slugs if slug in frame.columns}
    odd = [f"{slug} ({dtype})" for slug, dtype in types.items() if not _number(dtype)]
    told = {"signals not in the snapshot": absent, "of another type": odd}
    parts = [f"{word}: {', '.join(slugs)}" for word, slugs in told.items() if slugs]
    if parts:
        raise DataRejected("feature.schema_mismatch", "; ".join(parts), CURE)


def _said(signal: Signal) -> str:
    window = "" if signal.window_days is None else f" {signal.window_days} days"
    return f"{DTYPE} {signal.unit}{window}"


def _number(dtype: Any) -> bool:
    return bool(is_numeric_dtype(dtype) and not is_bool_dtype(dtype))
