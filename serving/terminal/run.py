"""Pages of the model and its run: training, matrix, one account."""

from __future__ import annotations

from serving.terminal.forecast import forecasts
from serving.terminal.paper import (
    Body,
    effect,
    money,
    number,
    percent,
    show,
    tabulated,
    tell,
    write,
)

__all__ = ["account", "matrix", "scored", "training"]

HEALTH = (("H", "High"), ("M", "Medium"), ("L", "Low"))


def training(body: Body) -> None:
    """Show a training: what serves, its skill over the calendar, and the gate."""
    promoted = "serves now" if body["promoted"] else "registered, not promoted"
    heads = ("event, 3 months", "rung", "serves", "events", "AUC at risk", "calendar's", "skill")
    title = f"Model version {body['version']}: {promoted} (backtest on past quarters)"
    table = tabulated(title, *heads)
    for name, one in body["metrics"].items():
        table.add_row(
            name,
            one["rung"],
            one["serves"],
            f"{one['distinct_events']:,}",
            number(one.get("auc_at_risk")),
            number(one.get("auc_calendar_at_risk")),
            percent(one.get("skill")),
        )
    show(table)
    write("skill = 1 - log-loss / the calendar's log-loss, among accounts that could leave")
    if body["metrics"].get("expand", {}).get("distinct_events") == 0:
        tell(
            "expand: a rise in price is no event, and where lines carry no seats, product or plan "
            "every rise is one: `perennial check` says whether this book's do"
        )
    dropped = body.get("signals", {}).get("dropped", [])
    if dropped:
        tell(
            f"{len(dropped)} signals say nothing in this book, and were left out (--json lists them)"
        )
    held = [check for check in body["gate"] if not check["passed"]]
    passed = len(body["gate"]) - len(held)
    write(f"gate: {passed} of {len(body['gate'])} checks passed (--json lists them)")
    for check in held:
        code = f"{check['code']}: " if check.get("code") else ""
        value = number(check["value"]) if isinstance(check["value"], float) else check["value"]
        tell(f"gate: {code}{check['check']} = {value}, must be {check['limit']}")
    if not body["promoted"]:
        tell("so what served before goes on serving: on the first day the calendar's rates")


def scored(body: Body) -> None:
    """Show what a scoring published."""
    state = "published" if body["published"] else "published already: nothing to do"
    state = "held, nobody is served by it" if body["held"] else state
    write(f"run {body['run_id']}: {state}, {body['accounts']:,} accounts as of {body['as_of']}")
    write("cells: " + "  ".join(f"{cell} {count}" for cell, count in body["cells"].items()))
    forecasts(body["forecast"])
    write(f"scores: {body['scores_path']}")
    for warning in body.get("warnings", ()):
        tell(f"unusual: {warning}")
    for why in body["held"]:
        tell(f"held: {why}")
    if body["held"]:
        tell(
            f"look at it, then `perennial approve {body['run_id']}`, or mend the data and score again"
        )
    if restates := body.get("restates"):
        cells = restates["cells_changed"]
        write(f"revision {body['revision']}: {cells} accounts stand in another cell than before")


def matrix(body: Body) -> None:
    """Show the nine cells: accounts, MRR, and what each asks for."""
    heads = ("Retention \\ Expansion", *(f"{word} readiness" for _, word in HEALTH))
    table = tabulated("Health matrix: accounts and MRR per cell", *heads)
    for first, word in HEALTH:
        cells = [body["cells"][first + second] for second, _ in HEALTH]
        table.add_row(
            f"{word} health",
            *(f"{c['accounts']:,} · {money(c['mrr'])}\n{c['action']}" for c in cells),
            end_section=True,
        )
    show(table)


def account(body: Body) -> None:
    """Show why an account stands where it stands."""
    write(f"{body['name'] or body['account_id']} ({body['account_id']}), as of {body['as_of']}")
    write(f"cell {body['cell']}: {body['action']}")
    previous = body["previous_cell"]
    write(f"before: {previous}" if previous else "before: not scored")
    for line in body["moved_because"] or ():
        write(f"  moved: {line}")
    for title, key, total in (
        ("chance of renewing", "reasons_retention", "p_renew"),
        ("chance of expanding in 3 months", "reasons_expansion", "p_expand"),
    ):
        table = tabulated(f"{title}: {percent(body[total])}", "points", "associated with")
        for reason in body[key]:
            told = effect(reason["effect"])
            if told != "0.0":
                table.add_row(told, reason["phrase"])
        show(table)
    for trigger in body["triggers"] or ():
        write(f"trigger {trigger['trigger']} ({trigger['level']}): {trigger['evidence']}")
    if body.get("status_reason"):
        write(f"note: {body['status_reason']}")
    if body["guard"]:
        write(f"guard: {body['guard']}")
    if body.get("csm_call"):
        write(f"the CSM says: {body['csm_call']}")
