"""How the digest spells its figures, and what it says at a glance and at the foot."""

from __future__ import annotations

from collections.abc import Callable

from serving.dashboard.figures import day, money, percent
from serving.digest.content import Digest
from serving.digest.lines import Listing

__all__ = ["DEFINITIONS", "LEVEL_WORDS", "chance", "exact", "glance", "many", "points", "since"]

MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"

LEVEL_WORDS = {
    "hard": "may move its cell at once",
    "red": "speaks of leaving",
    "act": "asks for action",
    "attention": "worth knowing",
}
"""What the level of a trigger means."""

DEFINITIONS: tuple[tuple[str, str], ...] = (
    ("MRR", "Monthly recurring revenue that an account pays at the opening of the run's day."),
    (
        "Cell",
        "Retention health, then expansion readiness: High, Medium or Low each. HL is High "
        "retention, Low expansion. Published with hysteresis, so that it does not flap.",
    ),
    (
        "Chance to expand, to leave",
        "Chance of paying at least 2 % more, or nothing, at the end of the months named.",
    ),
    (
        "Expected expansion MRR",
        "Mean of the MRR that an account adds by then: its chance to expand times the usual size.",
    ),
    (
        "Value a year",
        "Expected yearly worth of acting on a place of the list, less the cost of the play. It "
        "orders the list; it is not a promise.",
    ),
    (
        "NRR, GRR",
        "MRR at the end of the period of the accounts that pay now, over their MRR now; GRR "
        "counts no expansion. New customers are in neither.",
    ),
    ("80 % interval", "One chance in ten to end below it, one in ten above."),
    (
        "Reasons",
        "Signals that go with the chance, strongest first. They are associated with it; they are "
        "not its causes.",
    ),
    ("Data coverage", "Share of the observed signals that are known of an account."),
)


def exact(amount: float | None, decimals: int = 0, *, sign: bool = False) -> str:
    """Write an amount with so many decimals, its sign before it.

    Examples
    --------
    >>> exact(-1250.0), exact(3.5, 2, sign=True), exact(0.0, sign=True), exact(None)
    ('−1,250', '+3.50', '0', '–')
    """
    if amount is None:
        return "–"
    text = f"{abs(amount):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    return f"{MINUS}{text}" if amount < 0 else f"+{text}" if sign else text


def points(share: float | None) -> str:
    """Write a difference of shares in points, signed.

    Examples
    --------
    >>> points(-0.0021), points(0.0), points(None)
    ('−0.2', '0.0', '–')
    """
    return "–" if share is None else exact(round(100 * share, 1), 1, sign=True)


def chance(share: float | None) -> str:
    """Write a probability without more precision than it has.

    Examples
    --------
    >>> chance(0.004), chance(0.118), chance(0.997), chance(None)
    ('<\\xa01\\xa0%', '12\\xa0%', '>\\xa099\\xa0%', '–')
    """
    if share is not None and 0.995 < share < 1.0:
        return f">{SPACE}99{SPACE}%"
    return percent(share, 0)


def many(count: int, one: str, more: str | None = None) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> many(1, "account"), many(1200, "account"), many(0, "place")
    ('1 account', '1,200 accounts', 'no places')
    """
    noun = one if count == 1 else more or f"{one}s"
    return f"{count:,} {noun}" if count else f"no {noun}"


def since(digest: Digest) -> str:
    """Name the period that the digest tells of."""
    if digest.since is None:
        return "first run: nothing to compare with"
    return f"{day(digest.since)} to {day(digest.as_of)}"


def glance(digest: Digest, safe: Callable[[str], str] = str) -> tuple[str, ...]:
    """Say the week in at most five sentences; ``safe`` escapes what is not of the digest's own."""
    told = [
        _paid(digest, safe),
        _moved(digest),
        _came(digest),
        _forecast(digest),
        _listed(digest, safe),
    ]
    return tuple(one for one in told if one)


def _paid(d: Digest, safe: Callable[[str], str]) -> str:
    unit = f"{safe(d.currency)} " if d.currency else ""
    paid = f"{many(d.accounts, 'account')} pay{'s' if d.accounts == 1 else ''} "
    paid = f"{paid}{unit}{money(d.mrr)} a month"
    if d.since is None:
        return f"{paid}."
    change = d.mrr - d.mrr_before
    told = "the same as" if change == 0 else f"{unit}{money(abs(change))} {_more(change)} than"
    return f"{paid}, {told} on {day(d.since)} ({many(d.accounts_before, 'account')})."


def _moved(d: Digest) -> str:
    if d.since is None:
        return "This is the first run: there are no moves, no new triggers and no forecast before."
    if not d.moved:
        return f"Nobody moved: all {d.known:,} accounts known before are in the cell they were in."
    by = {group.title: group for group in d.moves}
    told = [_group(by[title], words) for title, words in _MOVED.items() if title in by]
    return f"{many(d.moved, 'account')} of {d.known:,} moved: {', '.join(told)}."


_MOVED = {
    "Retention fell": "lost retention health",
    "Retention rose": "gained retention health",
    "Readier to expand": "became readier to expand",
    "Less ready to expand": "became less ready",
}


def _group(group: Listing, words: str) -> str:
    return f"{group.accounts:,} {words} (MRR {money(group.mrr)})"


def _came(d: Digest) -> str:
    if d.since is None or not (d.gone.accounts or d.new.accounts):
        return ""
    left = f"{many(d.gone.accounts, 'account')} left (MRR {money(d.gone.mrr)})"
    came = f"{many(d.new.accounts, 'account')} came (MRR {money(d.new.mrr)})"
    left, came = (
        (left if d.gone.accounts else "Nobody left"),
        (came if d.new.accounts else "nobody came"),
    )
    return f"{left}, {came}."


def _forecast(d: Digest) -> str:
    found = [one for one in d.forecast.horizons if one.months == d.forecast.months]
    nrr = found[0].nrr if found else None
    if nrr is None:
        return ""
    ends = f"{percent(nrr.p10)} to {percent(nrr.p90)}"
    told = f"Forecast NRR over {d.forecast.months} months is {percent(nrr.mean)} (80 % interval {ends})"
    if nrr.change is None:
        return f"{told}."
    change = round(100 * nrr.change, 1)
    if change == 0:
        return f"{told}, as at the last run."
    return f"{told}, {abs(change):.1f} points {'higher' if change > 0 else 'lower'} than at the last run."


def _listed(d: Digest, safe: Callable[[str], str]) -> str:
    lines = sum(one.places for one in d.desks)
    if not lines:
        return "The outreach list is empty: no play is worth its cost."
    value = sum(one.value for one in d.desks)
    desks = f" at {many(len(d.desks), 'desk')}" if len(d.desks) > 1 else ""
    unit = f"{safe(d.currency)} " if d.currency else ""
    worth = f"worth {unit}{money(value)} a year if acted on"
    return f"{many(lines, 'place')} on the outreach list{desks}, {worth}."


def _more(change: float) -> str:
    return "more" if change > 0 else "less"
