"""Pages of the forecast: every figure of a horizon with its unit, period and definition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from rich.table import Table

from features.asof import opening_day
from serving.definition import rules_line
from serving.terminal.amounts import Amounts, amounts
from serving.terminal.paper import (
    Body,
    figures,
    interval,
    percent,
    show,
    tabulated,
    tell,
    width,
    write,
)

__all__ = ["FIGURES", "PERIODS", "forecast", "forecasts", "naming"]

PERIODS = {"1": "next month", "3": "next quarter", "12": "next year"}

FIGURES = (
    ("nrr", "NRR", "closing / opening MRR of those accounts"),
    ("grr", "GRR", "the same, no account above what it paid"),
    ("expansion_mrr", "expansion MRR", "what accounts pay more at the closing"),
    ("contraction_mrr", "contraction MRR", "what accounts that still pay pay less"),
    ("churned_mrr", "churned MRR", "what accounts paid that pay nothing then"),
    ("closing_mrr", "closing MRR", "opening + expansion − contraction − churned"),
    ("logos_lost", "accounts lost", "accounts that pay nothing at the closing"),
)
"""Key of a figure, its name, and what it is."""

_BOOKED = (
    ("notice_mrr", "notice given", "notice_accounts"),
    ("signed_increase_mrr", "signed: more", "signed_accounts"),
    ("signed_decrease_mrr", "signed: less", ""),
    ("uplift_mrr", "agreed price", "uplift_accounts"),
)
_MODELLED = (
    ("uplift_mrr", "agreed price at renewal"),
    ("expansion_mrr", "expansion"),
    ("contraction_mrr", "contraction"),
    ("churned_mrr", "churned"),
)
_FLOWS = ("expansion_mrr", "contraction_mrr", "churned_mrr")
ROOMY = 100
"""Columns from which a cut has its gains and losses too."""

_ENDINGS = {"month": "month", "quarter": "fiscal quarter", "fiscal_year": "fiscal year"}


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
    table = tabulated("Forecast of the paying accounts' MRR", *heads)
    notes = []
    for horizon, one in bodies.items():
        if one["nrr"] is None:
            notes.append(f"{PERIODS[horizon]}: {one.get('reason', 'no forecast')}")
            continue
        simple = one.get("baselines", {})
        table.add_row(
            f"{PERIODS[horizon]} ({horizon} mo)",
            one["period_end"],
            percent(one["nrr"]["mean"]),
            interval(one["nrr"]),
            percent(simple.get("calendar")),
            percent(simple.get("same as last year")),
            percent(one["grr"]["mean"]),
            interval(one["grr"]),
        )
        if one.get("combined"):
            notes.append(f"{PERIODS[horizon]}: combined with {_partners(one['combined'])}")
        if one["confidence"] == "thin":
            notes.append(f"{PERIODS[horizon]}: thin: {'; '.join(one['confidence_reasons'])}")
    show(table)
    write("NRR = closing / opening MRR of the accounts paying at the as-of date, new ones apart")
    for note in notes:
        write(note)


def forecast(body: Body, currency: str = "") -> None:
    """Show one horizon: its figures, its bridge, its cuts, and how far it can be trusted.

    Parameters
    ----------
    body : mapping
        CONTRACT section 4; what it does not carry is not shown.
    currency : str
        The book's currency.
    """
    if body["nrr"] is None:
        tell(f"{naming(body)}: no forecast: {body.get('reason', 'nobody pays')}")
        return
    spelled = amounts(currency, (body["opening_mrr"], body["closing_mrr"]["p95"]))
    _figures(body, spelled)
    _bridge(body, spelled)
    _cuts(body, spelled)
    _endings(body)
    _levers(body, spelled)
    _trust(body, spelled)


def naming(body: Body) -> str:
    """Name the period of a forecast: which, from when to when.

    Examples
    --------
    >>> naming({"horizon_months": 3, "as_of": "2025-07-01", "period_end": "2025-09-30"})
    'next quarter (3 months from 2025-06-30 to 2025-09-30)'
    """
    months = body["horizon_months"]
    span = "1 month" if months == 1 else f"{months} months"
    period = PERIODS.get(str(months), "the period")
    opened = opening_day(date.fromisoformat(body["as_of"]))
    return f"{period} ({span} from {opened} to {body['period_end']})"


def _figures(body: Body, spelled: Amounts) -> None:
    """Show the seven figures, each with its mean, its 80 % interval and its meaning."""
    accounts = f"{body['cohort_accounts']:,} paying accounts"
    opening = f"opening MRR {spelled.spell(body['opening_mrr'])} {spelled.unit}"
    title = f"Forecast, {naming(body)}: {accounts}, {opening}"
    table = figures(title, "figure, unit", "mean", "80 % interval", "what it is")
    _prose(table)
    for key, name, meaning in FIGURES:
        one = body[key]
        told = f"{name}, {_unit(key, spelled)}" if key != "logos_lost" else name
        table.add_row(told, _one(key, one, spelled), _range(key, one, spelled), meaning)
    show(table)


def _prose(table: Table) -> None:
    """Let the last column of a table hold words, which may be folded."""
    table.columns[-1].justify, table.columns[-1].no_wrap = "left", False


def _unit(key: str, spelled: Amounts) -> str:
    return "%" if key in ("nrr", "grr") else spelled.unit


def _one(key: str, figure: Body, spelled: Amounts) -> str:
    mean = figure["mean"]
    if key in ("nrr", "grr"):
        return percent(mean)
    return f"{mean:,.1f}" if key == "logos_lost" else spelled.spell(mean)


def _range(key: str, figure: Body, spelled: Amounts) -> str:
    if key in ("nrr", "grr"):
        return interval(figure)
    if key == "logos_lost":
        return f"{figure['p10']:,.0f}–{figure['p90']:,.0f}"
    return _between(figure, spelled)


def _between(figure: Body, spelled: Amounts) -> str:
    return f"{spelled.spell(figure['p10'])}–{spelled.spell(figure['p90'])}"


def _bridge(body: Body, spelled: Amounts) -> None:
    """Show the walk from opening over what is booked and what is modelled to closing."""
    bridge = body.get("bridge")
    if not bridge:
        return
    title = f"From opening to closing MRR, means, {spelled.unit}"
    table = figures(title, "step", "MRR", "what it rests on")
    _prose(table)
    table.add_row("opening", spelled.spell(bridge["opening_mrr"]), f"paid before {body['as_of']}")
    booked, modelled = bridge["booked"], bridge["modelled"]
    for key, name, count in _BOOKED:
        if booked.get(key) or booked.get(count):
            who = f"booked, {_accounts(booked[count])}" if count in booked else "booked"
            table.add_row(name, spelled.spell(booked[key], signed=True), who)
    table.add_row("after what is booked", spelled.spell(bridge["after_booked_mrr"]), "")
    for key, name in _MODELLED:
        if modelled.get(key) or key in _FLOWS:
            table.add_row(name, spelled.spell(modelled[key], signed=True), "modelled, expected")
    closing = f"expected on {body['period_end']}"
    table.add_row("closing", spelled.spell(bridge["closing_mrr"]), closing)
    show(table)


def _accounts(count: int) -> str:
    return "1 account" if count == 1 else f"{count:,} accounts"


def _cuts(body: Body, spelled: Amounts) -> None:
    """Show the values of each cut; in their means they add up to the whole."""
    cuts = body.get("by_cut", ())
    for column in dict.fromkeys(", ".join(cut["cut"]) for cut in cuts):
        title = f"By {column}: money in {spelled.unit}, means that add up to the whole"
        heads = ["accounts", "opening", "NRR", "80 %\ninterval", "GRR", "more", "less", "closing"]
        shown = [place for place, head in enumerate(heads) if head not in _spared()]
        table = figures(title, column, *(heads[place] for place in shown))
        for cut in cuts:
            if ", ".join(cut["cut"]) == column:
                told = _cut(cut, spelled)
                table.add_row(
                    ", ".join(map(str, cut["cut"].values())), *(told[place] for place in shown)
                )
        show(table)


def _spared() -> tuple[str, ...]:
    """Name the columns that a narrow page has no room for; ``--json`` has them all."""
    return () if width() >= ROOMY else ("more", "less")


def _cut(cut: Body, spelled: Amounts) -> list[str]:
    """Spell one value of a cut; dashes where it has no MRR."""
    told = [f"{cut['cohort_accounts']:,}", spelled.spell(cut["opening_mrr"])]
    if cut["nrr"] is None:
        return [*told, *["–"] * 6]
    lost = cut["contraction_mrr"]["mean"] + cut["churned_mrr"]["mean"]
    return [
        *told,
        percent(cut["nrr"]["mean"]),
        _short(cut["nrr"]),
        percent(cut["grr"]["mean"]),
        spelled.spell(cut["expansion_mrr"]["mean"], signed=True),
        spelled.spell(-lost, signed=True),
        spelled.spell(cut["closing_mrr"]["mean"]),
    ]


def _short(figure: Body) -> str:
    """Spell an 80 % interval without its sign, where its column says that it is per cent."""
    return interval(figure).removesuffix(" %")


def _endings(body: Body) -> None:
    """Show the trailing-twelve-month figures as they will stand."""
    endings: Mapping[str, Any] = body.get("ttm_at") or {}
    if not endings:
        return
    title = "Trailing 12 months: what accounts that paid 12 months before pay, over what they paid"
    target = body.get("nrr_target")
    heads = ["end of", "on", "NRR", "80 %\ninterval", "GRR", "80 %\ninterval"]
    heads += ["months\nforecast"]
    heads += [f"chance of\n≥ {percent(target)}"] if target is not None else []
    table = figures(title, *heads)
    for name, one in endings.items():
        told = [_ENDINGS.get(name, name), one["date"]]
        if one["nrr"] is None:
            tell(f"trailing 12 months at {one['date']}: {one.get('reason') or 'not known'}")
            continue
        told += [percent(one["nrr"]["mean"]), _maybe(one["nrr"])]
        told += [percent(one["grr"]["mean"]), _maybe(one["grr"]), str(one["months_forecast"])]
        table.add_row(*told, *([percent(one["p_target"])] if target is not None else []))
    if table.row_count:
        show(table)


def _maybe(figure: Body) -> str:
    """Spell an interval; an actual figure has none."""
    return _short(figure) if "p10" in figure else "actual"


def _levers(body: Body, spelled: Amounts) -> None:
    """Show by which lever the expansion is expected."""
    levers: Mapping[str, float] = body.get("expansion_by_lever") or {}
    if not levers:
        return
    total = body["expansion_mrr"]["mean"]
    told = [
        f"{name} {spelled.spell(amount)} ({100 * amount / total:.0f} %)"
        for name, amount in levers.items()
        if total > 0
    ]
    tell(f"expansion MRR by lever, means, {spelled.unit}: {' · '.join(told)}")


def _trust(body: Body, spelled: Amounts) -> None:
    """Say what stands beside the forecast, and how far it can be trusted."""
    if body.get("p_target") is not None:
        target = percent(body["nrr_target"])
        tell(f"chance that NRR reaches the target of {target}: {percent(body['p_target'])}")
    plan = body.get("expansion_plan")
    if plan is not None:
        told = f"{spelled.spell(plan)} {spelled.unit}"
        tell(f"expansion planned: {told}; forecast: {spelled.spell(body['expansion_mrr']['mean'])}")
    simple = {name: value for name, value in body.get("baselines", {}).items() if value is not None}
    if simple:
        told = ", ".join(f"{name} {percent(value)}" for name, value in simple.items())
        tell(f"NRR by simpler rules: {told}")
    weighed = body.get("combined")
    if weighed:
        alone = f"{percent(weighed['nrr']['forecast'])} alone"
        tell(
            f"NRR combined with {_partners(weighed)} by inverse past error; {alone}, "
            f"{weighed['shift_points']:+.1f} points"
        )
    largest = body.get("concentration") or {}
    if largest.get("largest_share") is not None:
        count = len(largest["largest_accounts"])
        without = percent(largest["nrr_without_largest"])
        tell(
            f"the {count} largest accounts hold {percent(largest['largest_share'])} of opening MRR; "
            f"NRR without them {without}"
        )
    reasons = "; ".join(body.get("confidence_reasons", ()))
    tell(f"confidence: {body['confidence']}{': ' + reasons if reasons else ''}")
    tell(f"intervals: {body['interval_note']} (n_eff {body['n_eff']:.1f})")
    _record(body.get("backtest") or {})
    tell(f"of the accounts that pay at the opening, new ones apart; rules: {rules_line(body['definition'])}")  # fmt: skip


def _partners(weighed: Body) -> str:
    """Name the rules that a forecast is combined with, each with its weight."""
    others = {name: one for name, one in weighed["weights"].items() if name != "forecast"}
    return ", ".join(f"{name} ({percent(one)})" for name, one in others.items())


def _record(past: Body) -> None:
    """Say how past forecasts of the same horizon did, beside the best of the simpler rules."""
    if past.get("coverage_80") is None:
        return
    periods = past["periods"]
    held = round(past["coverage_80"] * len(periods))
    errors = {k: v for k, v in past["mean_absolute_error_points"].items() if v is not None}
    told = f"on {len(periods)} past periods: 80 % interval held in {held}"
    if "forecast" in errors:
        told += f"; NRR off by {errors.pop('forecast'):.1f} points in the mean"
    if errors:
        best = min(errors, key=lambda name: errors[name])
        told += f", the best simpler rule by {errors[best]:.1f} ({best})"
    tell(told)
