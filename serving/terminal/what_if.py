"""Pages of what if: a scenario beside the forecast, a target's price, a plan of new logos."""

from __future__ import annotations

from typing import Any

from serving.definition import rules_line
from serving.terminal.amounts import Amounts, amounts
from serving.terminal.forecast import FIGURES, forecast, naming
from serving.terminal.paper import Body, figures, interval, percent, show, tell

__all__ = ["answered", "plan", "reached", "scenario"]

_GOALS = (
    ("mean", "on average"),
    ("p50", "with a chance of 50 %"),
    ("p80", "with a chance of 80 %"),
)


def answered(body: Body, currency: str) -> None:
    """Show a forecast, and under it what else was asked: a target's price, a plan."""
    forecast(body, currency)
    if body["nrr"] is not None:
        _beside(body, _amounts(body, currency))


def scenario(body: Body, currency: str) -> None:
    """Show the published forecast, the scenario, and the difference, figure by figure."""
    before, after = body["baseline"], body["scenario"]
    if before["nrr"] is None or after["nrr"] is None:
        tell(f"{naming(before)}: no forecast: {before.get('reason') or 'nobody pays'}")
        return
    spelled = _amounts(after, currency)
    title = f"Scenario, {naming(before)}: means, 80 % intervals in brackets"
    table = figures(title, "figure, unit", "published", "scenario", "difference")
    for key, name, _ in FIGURES:
        told = [_spelled(key, one[key], spelled) for one in (before, after)]
        table.add_row(_named(key, name, spelled), *told, _apart(key, body, spelled))
    show(table)
    for place, change in enumerate(body["changes"], start=1):
        capped = f", {change['capped']:,} of them capped" if change["capped"] else ""
        tell(
            f"change {place}: {change['accounts']:,} accounts, opening MRR "
            f"{spelled.spell(change['opening_mrr'])} {spelled.unit}; "
            f"it reached {change['reached']:,}{capped}"
        )
    if all(before[key] == after[key] for key, *_ in FIGURES):
        tell("nothing is assumed that changes anything: the scenario is the published forecast")
    tell("a difference of intervals is not given: it is no interval of the difference")
    reasons = "; ".join(after["confidence_reasons"])
    tell(f"confidence: {after['confidence']}{': ' + reasons if reasons else ''}")
    tell(f"intervals: {after['interval_note']} (n_eff {after['n_eff']:.1f})")
    tell(f"of the accounts that pay at the opening, new ones apart; rules: {rules_line(after['definition'])}")  # fmt: skip
    _beside(body, spelled)


def _amounts(body: Body, currency: str) -> Amounts:
    return amounts(currency, (body["opening_mrr"], body["closing_mrr"]["p95"]))


def _beside(body: Body, spelled: Amounts) -> None:
    if body.get("reach"):
        reached(body["reach"], spelled)
    if body.get("new_logo_plan"):
        plan(body["new_logo_plan"], spelled)


def reached(body: Body, spelled: Amounts) -> None:
    """Show what expansion, or what churn, an NRR would take."""
    if body["expansion"] is None:
        tell(f"NRR of {percent(body['target'])}: {body['reason']}")
        return
    months = "1 month" if body["horizon_months"] == 1 else f"{body['horizon_months']} months"
    title = f"What an NRR of {percent(body['target'])} in {months} would take, means"
    more = f"expansion MRR,\n{spelled.unit}"
    less = f"or churned MRR,\n{spelled.unit}"
    table = figures(title, "reached", more, "times the\nmodelled", less, "less churn\nby")
    for key, name in _GOALS:
        up, down = body["expansion"][key], body["churn"][key]
        times = "–" if up["multiple"] is None else f"{up['multiple']:.2f}"
        up_mrr, down_mrr = spelled.spell(up["expansion_mrr"]), spelled.spell(down["churned_mrr"])
        table.add_row(name, up_mrr, times, down_mrr, percent(down["reduction"]))
    show(table)
    chance = percent(body["p_target"])
    tell(f"as forecast: NRR {percent(body['nrr_mean'])} on average; chance of the target {chance}")
    for lever, word in (("expansion", "expansion"), ("churn", "less churn")):
        reasons = dict.fromkeys(body[lever][key]["reason"] for key, _ in _GOALS)
        for reason in filter(None, reasons):
            tell(f"–, {word}: {reason}")
    tell("one lever at a time, the other as forecast; what is booked stays")


def plan(rows: list[Body], spelled: Amounts) -> None:
    """Show what the whole book closes at by month, planned new MRR on top of the cohort."""
    title = f"Closing MRR of the whole book by month, {spelled.unit}: forecast cohort + planned new"
    table = figures(title, "to", "cohort", "80 % interval", "planned new", "book", "80 % interval")
    for row in rows:
        cohort, whole = row["cohort_closing_mrr"], row["closing_mrr"]
        table.add_row(
            row["period_end"],
            spelled.spell(cohort["mean"]),
            _between(cohort, spelled),
            spelled.spell(row["new_logo_mrr"], signed=True),
            spelled.spell(whole["mean"]),
            _between(whole, spelled),
        )
    show(table)
    tell("the plan is as given: no risk of its own, and never part of NRR")


def _named(key: str, name: str, spelled: Amounts) -> str:
    if key == "logos_lost":
        return name
    return f"{name}, {'%' if key in ('nrr', 'grr') else spelled.unit}"


def _spelled(key: str, figure: Body, spelled: Amounts) -> str:
    if key in ("nrr", "grr"):
        return f"{percent(figure['mean'])} ({interval(figure).removesuffix(' %')})"
    if key == "logos_lost":
        return f"{figure['mean']:,.1f} ({figure['p10']:,.0f}–{figure['p90']:,.0f})"
    return f"{spelled.spell(figure['mean'])} ({_between(figure, spelled)})"


def _between(figure: Body, spelled: Amounts) -> str:
    return f"{spelled.spell(figure['p10'])}–{spelled.spell(figure['p90'])}"


def _apart(key: str, body: Body, spelled: Amounts) -> str:
    """Spell the difference of two means; of ratios in points."""
    apart: Any = body["difference"][key]
    if apart is None:
        return "–"
    mean = apart["mean"]
    if key in ("nrr", "grr"):
        return f"{_sign(100 * mean, 2)} points"
    return _sign(mean, 1) if key == "logos_lost" else spelled.spell(mean, signed=True)


def _sign(value: float, places: int) -> str:
    if not round(value, places):
        return "0"
    return f"{'+' if value > 0 else '−'}{abs(value):,.{places}f}"
