"""Pages of signals: one account in words, a book in figures, and for how many each is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from features.catalog import CATALOG
from features.signal import Signal
from serving.terminal.paper import Body, figures, percent, show, tabulated, tell, write

__all__ = ["known", "signals"]

_ALL = 1.0


def signals(body: Body) -> None:
    """Show the signals of one account in words; of several, how each is spread."""
    head = f"{body['accounts']:,} paying account{'s' * (body['accounts'] != 1)}"
    write(f"{len(CATALOG)} signals of {head}, known before {body['as_of']}")
    if body.get("out"):
        write(f"written: {body['out']}")
    elif body["accounts"] == 1:
        _one(body["rows"][0])
    else:
        _several(body["summary"])


def known(coverage: Body) -> None:
    """Show for how many accounts the signals of each family are known, and what is absent."""
    told, accounts = coverage.get("signals"), coverage.get("accounts")
    if told:
        heads = ("family", "signals", "known\nfor all", "for some", "for none", "mean\nshare")
        many = "paying account" + "s" * (accounts != 1)
        table = figures(f"Signals of {accounts:,} {many}", *heads)
        for name, family in groupby(CATALOG, key=lambda signal: signal.family):
            shares = [told[signal.slug]["share"] for signal in family]
            full, none = shares.count(_ALL), shares.count(0.0)
            counts = (len(shares), full, len(shares) - full - none, none)
            mean = percent(sum(shares) / len(shares))
            table.add_row(name, *(f"{count:,}" for count in counts), mean)
        show(table)
    _absent([gain for gain in coverage.get("gains", ()) if "with" in gain])
    for gain in coverage.get("gains", ()):
        if "with" not in gain:
            tell(f"note: {gain['said']}")


def _absent(gains: Sequence[Body]) -> None:
    """Show what each absent table would bring."""
    if not gains:
        return
    needy = any(gain["with"] for gain in gains)
    heads = ("absent table", "signals", *("some need",) * needy, "triggers that look at them")
    table = tabulated("What further tables would bring (--json names every signal)", *heads)
    table.columns[1].justify = "right"
    for column in table.columns[:-1]:
        column.no_wrap = True
    for gain in gains:
        also = ["\n".join(gain["with"])] * needy
        triggers = ", ".join(gain["triggers"]) or "–"
        table.add_row(gain["table"], f"{len(gain['signals']):,}", *also, triggers)
    show(table)


def _one(row: Mapping[str, float | None]) -> None:
    """Show what is known of an account, family by family, then what is not, and why."""
    for name, family in groupby(CATALOG, key=lambda signal: signal.family):
        every = list(family)
        there = [signal for signal in every if row[signal.slug] is not None]
        title = f"{name.capitalize()}: {len(there)} of {len(every)} known"
        table = tabulated(title, f"{name}_…", "in words", "unit", "days")
        table.columns[0].no_wrap = table.columns[3].no_wrap = True
        table.columns[3].justify = "right"
        for signal in there:
            window = "" if signal.window_days is None else f"{signal.window_days}"
            said = signal.say(row[signal.slug] or 0.0)
            table.add_row(_short(signal), said, signal.unit, window)
        if there:
            show(table)
        else:
            write(title)
        _unknown([signal for signal in every if row[signal.slug] is None])


def _unknown(missing: Sequence[Signal]) -> None:
    """Say once for all signals that lack for the same reason."""
    for why in dict.fromkeys(signal.missing for signal in missing):
        names = ", ".join(_short(signal) for signal in missing if signal.missing == why)
        tell(f"not known: {names}: {why}")


def _several(summary: Body) -> None:
    """Show how the values of each signal are spread over the accounts."""
    for name, family in groupby(CATALOG, key=lambda signal: signal.family):
        every = list(family)
        there = [signal for signal in every if summary[signal.slug]["accounts"]]
        title = f"{name.capitalize()}: {len(there)} of {len(every)} known"
        table = figures(title, f"{name}_…", "unit", "known for", "low", "median", "high", texts=2)
        table.columns[0].no_wrap = True
        for signal in there:
            one = summary[signal.slug]
            spread = (_figure(one[key]) for key in ("p10", "median", "p90"))
            table.add_row(_short(signal), signal.unit, percent(one["share"]), *spread)
        if there:
            show(table)
        else:
            write(title)
        _unknown([signal for signal in every if signal not in there])
    tell("low and high: one account in ten lies below, one in ten above, among the known")


def _short(signal: Signal) -> str:
    """Name a signal under the head of its family."""
    return signal.slug.removeprefix(f"{signal.family}_")


def _figure(value: float | None) -> str:
    """Spell a value with three digits that count, or whole from a hundred on.

    Examples
    --------
    >>> _figure(1234.5), _figure(0.25), _figure(3.0), _figure(None)
    ('1,234', '0.25', '3', '–')
    >>> _figure(-0.0886)
    '−0.0886'
    """
    if value is None:
        return "–"
    told = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return told.replace("-", "\N{MINUS SIGN}")
