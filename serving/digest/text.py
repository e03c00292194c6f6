"""The digest as Markdown: every text of the book escaped, so that no name becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

from serving.dashboard.figures import day, money, percent
from serving.digest.content import Digest
from serving.digest.desks import Desk
from serving.digest.firing import NewTrigger
from serving.digest.forecast import Figure
from serving.digest.lines import Line, Listing
from serving.digest.words import (
    DEFINITIONS,
    LEVEL_WORDS,
    chance,
    exact,
    glance,
    many,
    points,
    since,
)

__all__ = ["safe", "text"]

_MARKS = re.compile(r"([\\`*_{}\[\]|~$])")
_OPENING = re.compile(r"^(\d*)([#+\-.)=>])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;\u200b"}
_LINKS = (("://", "&#58;//"), ("www.", "www&#46;"), ("WWW.", "WWW&#46;"))


def safe(words: str) -> str:
    """Escape a text so that Markdown shows it as it is: no link, no mention, no HTML, no table cell.

    Examples
    --------
    >>> print(safe("[a](http://b) <i> |"), safe("1. one"), safe("3.5 - 1"))
    \\[a\\](http&#58;//b) &lt;i&gt; \\| 1\\. one 3\\.5 - 1
    """
    told = "".join(_ENTITIES.get(each, each) for each in _MARKS.sub(r"\\\1", words))
    for link, harmless in _LINKS:
        told = told.replace(link, harmless)
    return _OPENING.sub(r"\1\\\2", told)


def text(digest: Digest) -> str:
    """Write the digest as Markdown."""
    told = "\n".join(_pages(digest))
    return re.sub(r"\n{3,}", "\n\n", told).rstrip("\n").replace("\N{NO-BREAK SPACE}", " ") + "\n"


def _pages(d: Digest) -> Iterator[str]:
    of = f" of {safe(d.csm)}" if d.csm is not None else ""
    yield f"# The week to {day(d.as_of)}{of}\n"
    yield f"{since(d)} · amounts in {safe(d.currency) or 'no currency'} per month unless it says a year"
    yield f"· model version {safe(d.model_version)} · run `{d.run_id}`\n"
    yield from _held(d)
    yield "## At a glance\n"
    yield from (f"- {said}" for said in glance(d, safe))
    if d.warnings:
        yield "\n## Mind this first\n"
        yield from (f"- {safe(said)}" for said in d.warnings)
    yield from _moves(d)
    yield from _triggers(d)
    yield from _desks(d)
    yield from _pulse(d)
    for group in (d.long_since_expansion, d.growth):
        yield f"\n## {group.title}\n\n{group.what}\n"
        yield from _listed(group) if group.accounts else ["No such account."]
    yield from _forecast(d)
    yield from _stands(d)
    yield "\n## Definitions\n"
    yield from (f"- **{term}**: {meaning}" for term, meaning in DEFINITIONS)


def _held(d: Digest) -> Iterator[str]:
    if not (d.held or d.held_because):
        return
    yield "## This run is held\n" if d.held else "## This run was held, then approved\n"
    yield from (f"- {safe(reason)}" for reason in d.held_because or ("no reason was kept",))
    if d.held:
        yield (
            "\nIt serves nobody: lists, dashboard and alerts still stand on the run before it. What "
            f"follows is what it would say. `perennial approve {d.run_id}` publishes it.\n"
        )


def _moves(d: Digest) -> Iterator[str]:
    yield "\n## Moves\n\nAccounts whose cell is another than at the last run, the largest first.\n"
    if not d.moves:
        yield "Nothing to compare with yet." if d.first else "Nobody moved."
    for group in (*d.moves, d.gone, d.new):
        if group.accounts:
            yield f"\n### {group.title}\n\n{group.what}\n"
            yield from _listed(group)


def _listed(group: Listing) -> Iterator[str]:
    yield f"{many(group.accounts, 'account')}, MRR {money(group.mrr)}\n"
    for one in group.lines:
        yield f"- {_who(one)}: {_cells(one)}, MRR {money(one.mrr)}"
        yield from _says(one)
    if group.more:
        yield f"- and {group.more:,} more (MRR {money(group.more_mrr)}), in scores.csv of this run"


def _triggers(d: Digest) -> Iterator[str]:
    yield (
        "\n## New triggers\n\nRules that fire now and did not at the last run, or fired at a weaker "
        "level; accounts of both runs only.\n"
    )
    if not d.triggers:
        yield "Nothing to compare with yet." if d.first else "No trigger is new."
        return
    for one in d.triggers:
        yield from _trigger(one)
    yield "\nLevels: " + "; ".join(f"{name} {said}" for name, said in LEVEL_WORDS.items()) + "."


def _trigger(one: NewTrigger) -> Iterator[str]:
    told = one.listing
    yield (
        f"- **{safe(told.title)}** ({one.level}): new on {many(told.accounts, 'account')}, MRR "
        f"{money(told.mrr)}; fires on {one.firing:,}, cleared on {one.cleared:,}"
    )
    for each in told.lines:
        said = "".join(f"; {safe(words)}" for words in each.says)
        yield f"  - {_who(each)} ({each.cell}, MRR {money(each.mrr)}){said}"
    if told.more:
        yield f"  - and {told.more:,} more (MRR {money(told.more_mrr)})"


def _desks(d: Digest) -> Iterator[str]:
    yield (
        "\n## Outreach\n\nThe first places of each CSM's list by the yearly value of acting, less "
        "its cost. Priority, not proven lift.\n"
    )
    if not d.desks:
        yield "No place: no play is worth its cost this week."
    for desk in d.desks:
        yield from _desk(desk)


def _desk(desk: Desk) -> Iterator[str]:
    yield (
        f"\n### {safe(desk.title)}\n\n{many(desk.places, 'place')} worth {money(desk.value)} a year; "
        f"of {many(desk.accounts, 'account')}, MRR {money(desk.mrr)}\n"
    )
    for at, one in enumerate(desk.lines, start=1):
        expansion = one.kind == "expansion"
        by = f" by {safe(one.lever)}" if one.lever else ""
        renews = f", renewal {day(one.next_renewal_on)}" if one.next_renewal_on else ""
        again = f"; {safe(one.note)}" if one.note else "; listed last time too" if one.again else ""
        yield (
            f"{at}. {_who(one)}: **{safe(one.play or '')}**{by} ({_cells(one)}); "
            f"{'expands' if expansion else 'leaves'} {chance(one.share)}, MRR {money(one.mrr)}, "
            f"worth {money(one.amount)} a year{renews}{again}"
        )
        yield from _says(one, "    ")
    if desk.more:
        yield f"\nand {many(desk.more, 'more place')}: `perennial outreach` lists them"


def _pulse(d: Digest) -> Iterator[str]:
    p = d.pulse
    yield (
        f"\n## Expansion pulse\n\nThe ten best opportunities by expected expansion MRR within "
        f"{p.months} months that nothing holds back.\n"
    )
    if p.by_lever:
        told = ", ".join(f"{safe(lever)} {money(amount)}" for lever, amount in p.by_lever.items())
        yield f"Expected of the whole book, by lever: {told}.\n"
    for at, one in enumerate(p.best.lines, start=1):
        yield (
            f"{at}. {_who(one)}: {safe(one.lever or 'no lever seen')}, expands {chance(one.share)}, "
            f"MRR {money(one.mrr)}, expected added MRR {money(one.amount)}"
        )
        yield from _says(one, "    ")
    if not p.best.lines:
        yield "Nothing is ready."
    if p.held.accounts:
        yield (
            f"\n{many(p.held.accounts, 'more account')} could add {money(p.held_amount)}; a guard "
            "holds each of them back."
        )


def _forecast(d: Digest) -> Iterator[str]:
    f = d.forecast
    yield "\n## Forecast, and why it changed\n"
    if f.horizons:
        yield "| horizon | NRR (80 % interval) | last run | GRR (80 % interval) | closing MRR |"
        yield "|---|---|---|---|---|"
    for h in f.horizons:
        past = h.nrr.before if h.nrr else None
        closing = money(h.closing_mrr.mean) if h.closing_mrr else "–"
        yield (
            f"| {many(h.months, 'month')}, to {day(h.period_end)} | {_ratio(h.nrr)} | {percent(past)}"
            f"{_points(h.nrr)} | {_ratio(h.grr)} | {closing} |"
        )
    if not f.horizons and d.csm is None:
        yield "This run carries no forecast."
    if f.change is None:
        return
    yield (
        f"\nExpected MRR of the paying accounts {f.months} months ahead, mean: "
        f"{exact(f.then, f.decimals)} at the last run, {exact(f.now, f.decimals)} now.\n"
    )
    yield "| part | MRR | what it is | most of it |"
    yield "|---|---:|---|---|"
    for part in f.told:
        most = ", ".join(
            f"{safe(one.label)} {exact(one.amount, f.decimals, sign=True)}" for one in part.largest
        )
        yield f"| {part.name} | {exact(part.mrr, f.decimals, sign=True)} | {part.what} | {most} |"
    yield f"| **Change, all parts added up** | **{exact(f.change, f.decimals, sign=True)}** | | |"


def _stands(d: Digest) -> Iterator[str]:
    c = d.coverage
    yield "\n## What this stands on\n"
    if c.mean is not None:
        yield (
            f"- Data coverage {percent(c.mean, 0)} of the observed signals, mean over accounts; "
            f"{percent(c.by_mrr, 0)} weighted by MRR; {percent(c.before, 0)} at the last run"
        )
    for count, said in (
        (c.poor, "with less than a quarter of the signals"),
        (c.unassigned, "without a CSM"),
        (c.unnamed, "without a name: shown by id"),
        (c.unscorable, "that could not be scored"),
    ):
        if count:
            yield f"- {many(count, 'account')} {said}"
    for table in c.tables:
        behind = ": behind, its signals are missing" if table["behind"] else ""
        known = "nothing known yet" if table["last"] is None else f"known to {day(table['last'])}"
        yield f"- table {table['table']}: {known}{behind}"
    if not c.tables:
        yield "- this run kept no account of its tables"


def _who(one: Line) -> str:
    name = f"**{safe(one.label)}**"
    return f"{name} ({safe(one.account_id)})" if one.name else name


def _cells(one: Line) -> str:
    return f"{one.was} → {one.cell}" if one.was else str(one.cell)


def _says(one: Line, indent: str = "  ") -> Iterator[str]:
    yield from (f"{indent}- {safe(said)}" for said in one.says)
    yield from (f"{indent}- but: {safe(said)}" for said in one.against)
    if one.guard:
        yield f"{indent}- {'held back' if one.held else 'mind'}: {safe(one.guard)}"


def _ratio(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    return f"{percent(figure.mean)} ({percent(figure.p10)} to {percent(figure.p90)})"


def _points(figure: Figure | None) -> str:
    told = figure.change if figure else None
    return "" if told is None else f", {points(told)} points"
