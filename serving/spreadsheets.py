"""The windows of `metrics` as CSV: one row per window and cut, every column flat.

The columns of the cuts come first, then which of them cut the row. Money has two decimals,
ratios are exact fractions, and a text that a spreadsheet would run as a formula gets an
apostrophe before it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from serving.definition import rules_line
from serving.exports import safe_cell

__all__ = ["windows_csv"]

_NESTED = {"levers": "lever_{}_mrr", "churn_kinds": "churned_{}_mrr", "cohort": "cohort_{}"}


def windows_csv(body: Mapping[str, Any]) -> bytes:
    """Write the windows, then the series of earlier ones, as RFC 4180 CSV in UTF-8.

    Examples
    --------
    >>> window = {"from": "2024-12-31", "to": "2025-12-31", "cut": {}, "opening_mrr": 0.5, "nrr": 1.0}
    >>> cut = window | {"cut": {"region": "=EU"}, "nrr": None}
    >>> told = {"currency": "EUR", "definition": {"preset": "default"}, "windows": [window, cut]}
    >>> print(windows_csv(told).decode())
    region,cut by,currency,from,to,opening_mrr,nrr,rules
    ,,EUR,2024-12-31,2025-12-31,0.50,1.0,preset default
    '=EU,region,EUR,2024-12-31,2025-12-31,0.50,,preset default
    <BLANKLINE>
    """
    windows = [*body["windows"], *body.get("series", ())]
    cuts = list(dict.fromkeys(name for window in windows for name in window["cut"]))
    rows = [dict(_flat(window)) for window in windows]
    names = list(dict.fromkeys(name for row in rows for name in row))
    about = {"currency": str(body.get("currency", "")), "rules": rules_line(body["definition"])}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*map(safe_cell, cuts), "cut by", "currency", *names, "rules"])
    for window, row in zip(windows, rows, strict=True):
        cells = (row.get(name, "") for name in names)
        writer.writerow([*_cut(window, cuts), about["currency"], *cells, about["rules"]])
    return text.getvalue().encode("utf-8")


def _cut(window: Mapping[str, Any], cuts: list[str]) -> Iterator[str]:
    """Give the values of the cuts, then the names of those that cut this row."""
    values = window["cut"]
    for name in cuts:
        value = values.get(name)
        yield "" if value is None else safe_cell(str(value))
    by = " and ".join(values)
    yield safe_cell(f"moved between lines of {by}" if window.get("moved_between_lines") else by)


def _flat(window: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the figures of a window by flat names, amounts in micro-units left out."""
    for name, value in window.items():
        if name in ("cut", "moved_between_lines"):
            continue
        if name == "basis":
            for basis, part in value.items():
                yield from ((f"{basis}_{key}", _cell(key, one)) for key, one in part.items())
        elif name in _NESTED:
            flat = ((_NESTED[name].format(key), one) for key, one in value.items())
            yield from ((key, _cell(key, one)) for key, one in flat if not key.endswith("_micros"))
        else:
            yield name, _cell(name, value)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.endswith("_mrr"):
        return f"{value:.2f}"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else safe_cell(str(value))
