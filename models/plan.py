"""A plan for new logos, and what the whole book closes at with it.

The forecast follows the accounts that pay today; new ones are nobody's forecast but sales' plan.
A plan says what new MRR each month is to bring. It is laid on top of the cohort's closing, month by
month, and is never mixed into NRR. Planned accounts neither leave nor grow within the twelve months.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from io import StringIO
from pathlib import Path
from typing import Any

from features.asof import month_end
from features.faults import DataRejected, InputMissing, UsageFault

__all__ = ["read_plan", "with_plan"]

COLUMNS = ("month", "new_mrr")
CURE = 'give one row a month: month as 2025-07, new_mrr as an amount, e.g. "2025-07,12000"'


def read_plan(path: Path) -> dict[str, Decimal]:
    """Read a plan: CSV with the columns ``month, new_mrr``, or TOML with ``"2025-07" = 12000``.

    Returns
    -------
    dict of str to Decimal
        Month (as 2025-07) to new MRR in units of the book's currency.

    Raises
    ------
    InputMissing
        ``plan.missing`` where there is no such file.
    DataRejected
        ``plan.unreadable`` for a file that is no such table; ``plan.row`` for a month or an amount
        that cannot be, or a month given twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as refused:
        raise InputMissing("plan.missing", f"{path}: {refused.strerror}", CURE) from refused
    except UnicodeDecodeError as refused:
        raise DataRejected("plan.unreadable", f"{path}: not UTF-8 text", CURE) from refused
    pairs = _toml(text, path) if path.suffix == ".toml" else _csv(text, path)
    plan: dict[str, Decimal] = {}
    for where, month, amount in pairs:
        if month in plan:
            raise DataRejected("plan.row", f"{path}, {where}: {month} is given twice", CURE)
        plan[_month(month, path, where)] = _amount(amount, path, where)
    if not plan:
        raise DataRejected("plan.unreadable", f"{path}: no month in it", CURE)
    return plan


def with_plan(forecast: Mapping[str, Any], plan: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    """Give the book's closing MRR by month: the cohort's, and the plan on top of it.

    Parameters
    ----------
    forecast : mapping
        CONTRACT section 4.
    plan : mapping of str to Decimal
        As `read_plan` gives it. A month counts from the first period that ends on its last day or
        later; that of a running month is what is still to come.

    Returns
    -------
    list of dict
        ``month``, ``period_end``, ``cohort_closing_mrr`` and ``closing_mrr`` (mean, p10, p50,
        p90), ``new_logo_mrr`` (planned up to then).

    Raises
    ------
    UsageFault
        ``plan.month`` for a month outside the forecast's twelve.

    Examples
    --------
    >>> path = [{"month": 1, "period_end": "2025-07-31", "nrr": {"mean": 0.9, "p50": 1.0}}]
    >>> said = {"as_of": "2025-07-01", "opening_mrr": 100.0, "monthly_path": path}
    >>> with_plan(said, {"2025-07": Decimal(5)})[0]["closing_mrr"]
    {'mean': 95.0, 'p50': 105.0}
    """
    path = forecast["monthly_path"]
    _within(plan, date.fromisoformat(forecast["as_of"]), path)
    told = []
    for step in path:
        end = date.fromisoformat(step["period_end"])
        new = float(sum(mrr for month, mrr in plan.items() if _last(month) <= end))
        cohort = _closing(step["nrr"], float(forecast["opening_mrr"]), 0.0)
        whole = _closing(step["nrr"], float(forecast["opening_mrr"]), new)
        told.append(
            {
                "month": step["month"],
                "period_end": step["period_end"],
                "cohort_closing_mrr": cohort,
                "new_logo_mrr": new,
                "closing_mrr": whole,
            }
        )
    return told


def _closing(nrr: Mapping[str, float] | None, opening: float, new: float) -> dict[str, float]:
    """Add the plan to what the cohort closes at; a cohort without MRR closes at nothing."""
    ratios = nrr or dict.fromkeys(("mean", "p10", "p50", "p90"), 0.0)
    return {name: ratio * opening + new for name, ratio in ratios.items()}


def _within(plan: Mapping[str, Decimal], as_of: date, path: Iterable[Mapping[str, Any]]) -> None:
    """Refuse months that no period of the forecast has room for."""
    last = max(date.fromisoformat(step["period_end"]) for step in path)
    for month in sorted(plan):
        if not as_of <= _last(month) <= last:
            raise UsageFault(
                "plan.month",
                f"{month} is outside the forecast, {as_of} to {last}",
                "leave it out: what is past is in the book, what is later is not forecast",
            )


def _last(month: str) -> date:
    return month_end(date.fromisoformat(f"{month}-01"))


def _csv(text: str, path: Path) -> Iterable[tuple[str, str, str]]:
    try:
        head, *rows = list(csv.reader(StringIO(text), skipinitialspace=True)) or [[]]
    except csv.Error as refused:
        raise DataRejected("plan.unreadable", f"{path}: {refused}", CURE) from refused
    names = [name.strip() for name in head]
    if sorted(names) != sorted(COLUMNS):
        found = ", ".join(names) or "nothing"
        raise DataRejected("plan.unreadable", f"{path}: columns {found}", CURE)
    for line, row in enumerate(rows, start=2):
        if row and len(row) != len(names):
            raise DataRejected("plan.row", f"{path}, line {line}: {len(row)} values", CURE)
        if row:
            values = dict(zip(names, row, strict=True))
            yield f"line {line}", values["month"].strip(), values["new_mrr"].strip()


def _toml(text: str, path: Path) -> Iterable[tuple[str, str, str]]:
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as refused:
        raise DataRejected("plan.unreadable", f"{path}: {refused}", CURE) from refused
    for month, amount in table.items():
        yield f"key {month}", month, str(amount)


def _month(text: str, path: Path, where: str) -> str:
    try:
        day = date.fromisoformat(f"{text}-01")
    except ValueError as refused:
        raise DataRejected("plan.row", f'{path}, {where}: month "{text}"', CURE) from refused
    return day.isoformat()[:7]


def _amount(text: str, path: Path, where: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as refused:
        raise DataRejected("plan.row", f'{path}, {where}: new_mrr "{text}"', CURE) from refused
    if not amount.is_finite() or amount < 0 or amount > 10**12:
        raise DataRejected("plan.row", f"{path}, {where}: new_mrr {text}", CURE)
    return amount
