"""What a person reads on the terminal: tables with units, periods and definitions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

__all__ = [
    "account",
    "answer",
    "emit",
    "forecasts",
    "ingested",
    "matrix",
    "metrics",
    "outreach",
    "say",
    "scored",
    "simulated",
    "steps",
    "training",
]

Body = Mapping[str, Any]
WIDTH = 110
SHOWN_ERRORS = 10
HEALTH = (("H", "High"), ("M", "Medium"), ("L", "Low"))
PERIODS = {"1": "next month", "3": "next quarter", "12": "next year"}


def emit(body: Body) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.buffer.write(orjson.dumps(body, default=str) + b"\n")
    sys.stdout.flush()


def say(line: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write(f"{line}\n")


def answer(body: Body, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print a result as JSON, or show it to a person."""
    if as_json:
        emit(body)
    else:
        show(body)


@contextmanager
def steps(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what is being done: a spinner on a terminal, nothing in a pipe or beside JSON."""
    console = Console(stderr=True, width=WIDTH)
    if quiet or not console.is_terminal:
        yield lambda _: None
    else:
        with console.status("starting") as status:
            yield lambda what: status.update(what)


def simulated(body: Body) -> None:
    """Show what a simulation wrote."""
    table = _table(f"Simulated book in {body['directory']}", "table", "rows")
    for name, rows in body["tables"].items():
        table.add_row(name, f"{rows:,}")
    _show(table)


def ingested(body: Body) -> None:
    """Show what check or ingest found, table by table, then the first breaches."""
    heads = ("table", "rows in", "accepted", "quarantined", "duplicates", "unmatched")
    title = f"Book: {body['status']}, snapshot {body['snapshot'] or 'none'}"
    day = body["coverage"].get("as_of")
    table = _table(f"{title}, as of {day}" if day else title, *heads)
    keys = ("rows_in", "accepted", "quarantined", "duplicates", "unmatched")
    for name, one in body["tables"].items():
        table.add_row(name, *(f"{one[key]:,}" for key in keys))
    _show(table)
    for name, one in body["tables"].items():
        for error in one["errors"][:SHOWN_ERRORS]:
            _write(_breach(error))
        hidden = len(one["errors"]) - SHOWN_ERRORS
        if hidden > 0:
            _write(f"… and {hidden:,} more in {name} (--json lists up to 1,000)")
    _statements(body)


def _breach(error: Body) -> str:
    place = f"{error['file']}:{error['row']}" if error["row"] is not None else error["file"]
    column = f' column "{error["column"]}"' if error["column"] else ""
    return f"{place}:{column} {error['code']}: found {error['found']}: {error['cure']}"


def _statements(body: Body) -> None:
    told = body["coverage"].get("limits", [])
    for line in [*told, *body["warnings"]]:
        _write(f"note: {line}")


def metrics(body: Body) -> None:
    """Show retention windows: ratios in per cent, money in the book's currency."""
    heads = ("from", "to", "cut", "accounts", "opening MRR", "NRR", "GRR", "logo churn")
    table = _table(f"Retention, {body.get('currency', '')}, as of {body['as_of']}", *heads)
    for window in body["windows"]:
        cut = ", ".join(f"{k} = {v}" for k, v in window["cut"].items()) or "whole book"
        ratios = (_percent(window[name]) for name in ("nrr", "grr", "logo_churn"))
        opening = _money(window["opening_mrr"])
        accounts = "–" if window["accounts"] is None else f"{window['accounts']:,}"
        table.add_row(window["from"], window["to"], cut, accounts, opening, *ratios)
    _show(table)
    for reason in sorted({window.get("reason") or "" for window in body["windows"]} - {""}):
        _write(f"note: {reason}")
    _write("NRR = MRR at `to` of the accounts paying at `from`, over their MRR at `from`;")
    _write("GRR the same with no account above its opening; logo churn the share of them gone.")
    for caution in body["warnings"]:
        _write(f"warning: {caution['message']}")


def training(body: Body) -> None:
    """Show a training: what serves, its skill over the calendar, and the gate."""
    promoted = "serves now" if body["promoted"] else "registered, not promoted"
    heads = ("event, 3 months", "rung", "serves", "events", "AUC at risk", "calendar's", "skill")
    title = f"Model version {body['version']}: {promoted} (backtest on past quarters)"
    table = _table(title, *heads)
    for name, one in body["metrics"].items():
        table.add_row(
            name,
            one["rung"],
            one["serves"],
            f"{one['distinct_events']:,}",
            _number(one.get("auc_at_risk")),
            _number(one.get("auc_calendar_at_risk")),
            _percent(one.get("skill")),
        )
    _show(table)
    _write("skill = 1 - log-loss / the calendar's log-loss, among accounts that could leave")
    for check in body["gate"]:
        if not check["passed"]:
            _write(f"gate: {check['check']} = {check['value']}, must be {check['limit']}")


def scored(body: Body) -> None:
    """Show what a scoring published."""
    state = "published" if body["published"] else "published already: nothing to do"
    _write(f"run {body['run_id']}: {state}, {body['accounts']:,} accounts as of {body['as_of']}")
    _write("cells: " + "  ".join(f"{cell} {count}" for cell, count in body["cells"].items()))
    forecasts(body["forecast"])
    _write(f"scores: {body['scores_path']}")


def matrix(body: Body) -> None:
    """Show the nine cells: accounts, MRR, and what each asks for."""
    heads = ("Retention \\ Expansion", *(f"{word} readiness" for _, word in HEALTH))
    table = _table("Health matrix: accounts and MRR per cell", *heads)
    for first, word in HEALTH:
        cells = [body["cells"][first + second] for second, _ in HEALTH]
        table.add_row(
            f"{word} health",
            *(f"{c['accounts']:,} · {_money(c['mrr'])}\n{c['action']}" for c in cells),
            end_section=True,
        )
    _show(table)


def outreach(rows: Sequence[Body], as_of: date) -> None:
    """Show the list: whom, which play, worth what, and why."""
    heads = ("#", "account", "cell", "play", "MRR", "worth a year", "why")
    table = _table(f"Outreach, week of {as_of}: expected value, best first", *heads)
    for row in rows:
        table.add_row(
            str(row["rank"]),
            f"{row['name'] or row['account_id']}\n{row['csm']}",
            row["cell"],
            row["play"],
            _money(row["mrr"]),
            _money(row["expected_value"]),
            "\n".join(_why(row)),
            end_section=True,
        )
    if not rows:
        _write(f"Outreach, week of {as_of}: nobody is worth more than a play costs ([outreach])")
        return
    _show(table)


def _why(row: Body) -> Iterable[str]:
    """Give the reasons and triggers of a row, in words."""
    for reason in row["reasons"] or ():
        if reason["signal"] not in ("other", "calendar", "leaves_first") and reason["effect"]:
            yield f"{reason['phrase']} ({100 * reason['effect']:+.1f} points)"
    for trigger in (row["triggers"] or ())[:2]:
        yield f"{trigger['evidence']}"
    if row["guard"]:
        yield f"guard: {row['guard']}"


def forecasts(bodies: Mapping[str, Body]) -> None:
    """Show NRR and GRR by horizon, with 80 % intervals, beside simpler rules."""
    heads = (
        "period",
        "to",
        "NRR",
        "80 % interval",
        "calendar says",
        "last year",
        "GRR",
        "interval",
    )
    table = _table("Forecast of the paying accounts' MRR", *heads)
    notes = []
    for horizon, one in bodies.items():
        if one["nrr"] is None:
            notes.append(f"{PERIODS[horizon]}: {one.get('reason', 'no forecast')}")
            continue
        simple = one.get("baselines", {})
        table.add_row(
            f"{PERIODS[horizon]} ({horizon} mo)",
            one["period_end"],
            _percent(one["nrr"]["mean"]),
            _interval(one["nrr"]),
            _percent(simple.get("calendar")),
            _percent(simple.get("same as last year")),
            _percent(one["grr"]["mean"]),
            _interval(one["grr"]),
        )
        if one["confidence"] == "thin":
            notes.append(f"{PERIODS[horizon]}: thin: {'; '.join(one['confidence_reasons'])}")
    _show(table)
    _write("NRR = closing / opening MRR of the accounts paying at the as-of date, new ones apart")
    for note in notes:
        _write(note)
    for one in bodies.values():
        if len(one.get("by_cut", [])) and len(bodies) == 1:
            _cuts(one)


def _cuts(body: Body) -> None:
    table = _table("By cut", "cut", "accounts", "opening MRR", "NRR", "80 % interval")
    for cut in body["by_cut"]:
        name = ", ".join(f"{k} = {v}" for k, v in cut["cut"].items())
        if cut["nrr"] is not None:
            told = (_percent(cut["nrr"]["mean"]), _interval(cut["nrr"]))
            accounts = f"{cut['cohort_accounts']:,}"
            table.add_row(name, accounts, _money(cut["opening_mrr"]), *told)
    _show(table)


def account(body: Body) -> None:
    """Show why an account stands where it stands."""
    _write(f"{body['name'] or body['account_id']} ({body['account_id']}), as of {body['as_of']}")
    _write(f"cell {body['cell']}: {body['action']}")
    previous = body["previous_cell"]
    _write(f"before: {previous}" if previous else "before: not scored")
    for line in body["moved_because"] or ():
        _write(f"  moved: {line}")
    for title, key, total in (
        ("chance of renewing", "reasons_retention", "p_renew"),
        ("chance of expanding in 3 months", "reasons_expansion", "p_expand"),
    ):
        table = _table(f"{title}: {_percent(body[total])}", "points", "associated with")
        for reason in body[key]:
            table.add_row(f"{100 * reason['effect']:+.1f}", reason["phrase"])
        _show(table)
    for trigger in body["triggers"] or ():
        _write(f"trigger {trigger['trigger']} ({trigger['level']}): {trigger['evidence']}")
    if body["guard"]:
        _write(f"guard: {body['guard']}")


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _show(table: Table) -> None:
    Console(width=WIDTH, highlight=False, markup=False, emoji=False).print(table)


def _write(line: str) -> None:
    plain = Console(width=WIDTH, highlight=False, markup=False, emoji=False, soft_wrap=True)
    plain.print(line)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(figure: Body) -> str:
    return f"{100 * figure['p10']:.1f}–{100 * figure['p90']:.1f} %"


def _money(value: float | None) -> str:
    return "–" if value is None else f"{float(value):,.0f}"
