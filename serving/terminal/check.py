"""Pages of a check-up: what a book can answer, how fresh it is, what its breaches cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from features.catalog import CATALOG
from serving.terminal.book import ingested
from serving.terminal.paper import Body, figures, money, percent, show, tabulated, tell

__all__ = ["checked", "each_signal"]


def checked(body: Body) -> None:
    """Show what an ingest would give, then what a data doctor says of it."""
    coverage = body["coverage"]
    ingested(body)
    _costliest(coverage.get("costliest", ()), coverage.get("currency"))
    _fresh(coverage.get("freshness", ()), coverage.get("as_of"))
    _answers(coverage.get("answers", ()))


def each_signal(coverage: Body) -> None:
    """Show every signal, with the paying accounts that have it."""
    told = coverage.get("signals") or {}
    for name, family in groupby(CATALOG, key=lambda signal: signal.family):
        every = [signal for signal in family if signal.slug in told]
        if not every:
            continue
        table = figures(name.capitalize(), "signal", "missing means", "accounts", "share", texts=2)
        table.columns[0].no_wrap = True
        for signal in every:
            one = told[signal.slug]
            share = percent(one["share"])
            table.add_row(signal.slug, one["missing"], f"{one['accounts']:,}", share)
        show(table)


def _costliest(costs: Sequence[Body], currency: str | None) -> None:
    """Show the breaches that cost most, each with its first place and its cure."""
    if not costs:
        return
    title = (
        "The most costly breaches (MRR: what lines set aside say; of other tables, their accounts')"
    )
    heads = ("breach", "first at, and cure", "rows", "paying\naccounts", f"MRR\n{currency}")
    table = figures(title, *heads, texts=2)
    table.columns[0].overflow = table.columns[1].overflow = "fold"
    for one in costs:
        accounts = "–" if one["accounts"] is None else f"{one['accounts']:,}"
        what = f"{one['table']}\n{one['code']}"
        table.add_row(what, _first(one), f"{one['rows']:,}", accounts, money(one["mrr"]))
    show(table)


def _first(cost: Body) -> str:
    if cost["file"] is None:
        return str(cost["cure"])
    row = "" if cost["row"] is None else f":{cost['row']}"
    column = f" {cost['column']}" if cost["column"] else ""
    return f"{cost['file']}{row}{column}: found {cost['found']}\n{cost['cure']}"


def _fresh(tables: Sequence[Body], day: str | None) -> None:
    """Show how far the dated tables reach."""
    if not tables:
        return
    heads = ("table", "state", "last day told", f"days before\n{day}", "days before\ntoday")
    table = figures("How fresh the tables are", *heads, texts=2)
    for one in tables:
        state = "behind: its signals are missing" if one["behind"] else "up to date"
        ages = ("–" if one[key] is None else f"{one[key]:,}" for key in ("age_days", "days_ago"))
        table.add_row(one["table"], state, one["last"] or "–", *ages)
    show(table)


def _answers(answers: Sequence[Body]) -> None:
    """Show what the book can answer, and why not the rest."""
    if not answers:
        return
    full = [one["asks"] for one in answers if one["answer"] == "yes"]
    rest = sorted((one for one in answers if one["answer"] != "yes"), key=_worst)
    tell(f"This book can answer {len(full)} of {len(answers)} questions: {'; '.join(full) or '–'}.")
    if not rest:
        return
    table = tabulated("What it cannot answer, or only in part", "question", "", "why", "cure")
    table.columns[1].no_wrap = True
    for one in rest:
        table.add_row(one["asks"], one["answer"], "; ".join(one["why"]), "; ".join(one["cures"]))
    show(table)


def _worst(answer: Body) -> bool:
    return bool(answer["answer"] != "no")
