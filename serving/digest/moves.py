"""Who moved since the last run, grouped by kind, and why; who came, and who left."""

from __future__ import annotations

from serving.digest.lines import Line, Listing, Row, largest, line, listing, sentences
from serving.digest.reading import Week

__all__ = ["arrivals", "departures", "known", "moves", "moved_rows"]

ORDER = "LMH"
WHY = 4
READIER = 2
KINDS = (
    ("Retention fell", "Retention health is lower than at the last run."),
    ("Retention rose", "Retention health is higher than at the last run."),
    ("Readier to expand", "Retention is as it was; expansion readiness is higher."),
    ("Less ready to expand", "Retention is as it was; expansion readiness is lower."),
)


def moved_rows(week: Week) -> list[Row]:
    """List the accounts whose cell is another than at the last run.

    An account that no run before this one knew has no previous cell, and did not move.
    """
    rows = week.rows.values() if week.before is not None else ()
    return [row for row in rows if row["previous_cell"] not in (None, row["cell"])]


def known(week: Week) -> int:
    """Count the accounts that can have moved: they had a cell at the last run."""
    return sum(row["previous_cell"] is not None for row in week.rows.values())


def moves(week: Week) -> tuple[Listing, ...]:
    """Group the moves by kind, the gravest kind first, in each the largest accounts first."""
    kinds: list[list[Row]] = [[] for _ in KINDS]
    for row in moved_rows(week):
        kinds[_kind(row)].append(row)
    told = zip(KINDS, kinds, strict=True)
    return tuple(
        listing(title, what, largest(rows), _moved) for (title, what), rows in told if rows
    )


def arrivals(week: Week) -> Listing:
    """List the accounts that pay now and did not at the last run."""
    new = [row for name, row in week.rows.items() if name not in week.past]
    what = "They pay now and did not at the last run"
    told = f"{what}." if week.csm is None else f"{what}, or were taken over."
    return listing("New", told, largest(new if week.before is not None else []), _came)


def departures(week: Week) -> Listing:
    """List the accounts that paid at the last run and do not now, as they stood then."""
    gone = [row for name, row in week.past.items() if name not in week.rows]
    what = "They paid at the last run and pay nothing now"
    told = f"{what}." if week.csm is None else f"{what}, or were handed over."
    return listing("Gone", told, largest(gone), _left)


def _moved(row: Row) -> Line:
    """Say why; what holds an expansion talk back only where the account became readier for one."""
    shown = row if _kind(row) == READIER else row | {"guard": None}
    return line(shown, sentences(row["moved_because"])[:WHY], was=row["previous_cell"])


def _came(row: Row) -> Line:
    return line(row | {"guard": None})


def _left(row: Row) -> Line:
    return line(row | {"guard": None}, _said(row), share=row["p_churn"])


def _said(row: Row) -> tuple[str, ...]:
    """Say what the last run said of an account that left."""
    months = row["horizon_months"]
    chance = "less than 1" if row["p_churn"] < 0.005 else f"{100 * row['p_churn']:.0f}"
    return (f"chance of leaving in {months} months, as said at the last run: {chance} %",)


def _kind(row: Row) -> int:
    """Give the kind of a move: by retention where it moved, else by expansion."""
    before, now = row["previous_cell"], row["cell"]
    axis = 0 if before[0] != now[0] else 1
    rose = ORDER.index(now[axis]) > ORDER.index(before[axis])
    return 2 * axis + (rose if axis == 0 else not rose)
