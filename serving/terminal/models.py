"""Pages of the registry: every version, one version, and what a change did."""

from __future__ import annotations

from serving.terminal.paper import Body, number, percent, show, tabulated, tell, write

__all__ = ["model", "model_change", "models"]


def models(body: Body) -> None:
    """Show every version, oldest first, and which one serves."""
    table = tabulated("Models", "version", "serves", "kind", "trained as of", "gate", "digest")
    for one in body["models"]:
        tags = one["tags"]
        table.add_row(
            str(one["version"]),
            "serves" if one["champion"] else "",
            tags.get("kind", ""),
            one["params"].get("as_of", ""),
            tags.get("gate", ""),
            one["digest"][:12],
        )
    if body["models"]:
        show(table)
    else:
        write("no model yet: run `perennial train`")
    if body["waiting"]:
        tell(f"{len(body['waiting'])} not registered yet: run `perennial models register`")


def model(body: Body) -> None:
    """Show one version: what it learned from, and how it did on past quarters."""
    state = "serves" if body["champion"] else "does not serve"
    write(f"Model version {body['version']} ({body['digest'][:12]}), verified: {state}")
    used = f"{len(body['signals'])} signals"
    write(f"trained through {body['trained_through']} on {used}; MLflow run {body['run_id']}")
    heads = ("event, 3 months", "rung", "serves", "events", "AUC at risk", "skill", "slope")
    table = tabulated("Backtest on past quarters", *heads)
    for name, target in body["targets"].items():
        judged = body["probabilities"].get(name, {})
        table.add_row(
            name,
            target["rung"],
            target["serves"],
            f"{target['distinct_events']:,}",
            number(judged.get("auc_at_risk")),
            percent(judged.get("skill")),
            number(judged.get("slope")),
        )
    show(table)
    gate = body["tags"].get("gate")
    if gate:
        tell(f"gate: {gate}")


def model_change(body: Body) -> None:
    """Show what a promotion, a rollback or a registration did."""
    if body["action"] == "register":
        numbers = ", ".join(map(str, body["registered"]))
        write(f"registered: version {numbers}" if numbers else "nothing waits to be registered")
        return
    if not body["changed"]:
        write(f"version {body['champion']} serves already: nothing to do")
        return
    former = "" if body["former"] is None else f" instead of version {body['former']}"
    write(f"version {body['champion']} serves now{former}; publish with it: `perennial score`")
    if body["gate"] not in (None, "passed"):
        tell(f"its gate did not pass: {body['gate']}")
