"""Pages of the job: what ran, what is held, weeks filled in."""

from __future__ import annotations

from serving.terminal.paper import Body, percent, show, tabulated, tell, write

__all__ = ["approved", "backfilled", "ran"]


def backfilled(body: Body) -> None:
    """Show the weeks of a backfill and what came of each."""
    for week in body["weeks"]:
        write(
            f"{week['as_of']}  {week['state']}" + (f"  {week['run_id']}" if week["run_id"] else "")
        )
    counts = ", ".join(f"{many} {state}" for state, many in body["states"].items())
    write(f"backfill {body['backfill']}: {counts}" + (" (dry run)" if body["dry_run"] else ""))
    for run in body["held"]:
        tell(f"held: `perennial approve {run}` lets it through")


def approved(body: Body) -> None:
    """Show that a run was let through."""
    serves = "it serves now" if body["current"] else "a run of a newer date serves"
    at = body["approved_at"][:16]
    write(f"run {body['run_id']}: approved by {body['approved_by']}, {at}: {serves}")


def ran(body: Body) -> None:
    """Show the runs, newest first."""
    heads = ("run", "status", "accounts", "moved", "model", "published", "notes")
    table = tabulated("Runs, newest first", *heads)
    for run in body["runs"]:
        moves = run["moves"] or {}
        share = moves["moved"] / moves["known"] if moves.get("known") else None
        serves = run["run_id"] == body["current"]
        table.add_row(
            run["run_id"],
            "serves" if serves else run["status"],
            f"{run['accounts']:,}",
            percent(share),
            run["model_version"],
            run["published_at"][:16],
            "\n".join(_notes(run)),
        )
    show(table)
    if missed := body["missed_weeks"]:
        tell(f"weeks without a run: {', '.join(missed)}")


def _notes(run: Body) -> list[str]:
    """Say why a run is held, by whom it was let through, and what it changed."""
    told = [*run["held_because"], *(run["cause"] or ())]
    if run["approved_at"]:
        told.append(f"approved by {run['approved_by']}, {run['approved_at'][:16]}")
    if restates := run["restates"]:
        told.append(f"{restates['cells_changed']} cells other than in r{restates['revision']}")
    return told
