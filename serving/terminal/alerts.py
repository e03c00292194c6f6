"""Pages of the outbox: what was sent, what waits, what is dead."""

from __future__ import annotations

from serving.terminal.paper import Body, show, tabulated, tell, write

__all__ = ["alerts", "crm_export"]


def alerts(body: Body) -> None:
    """Show what was done, then each message in one line."""
    heads = ("message", "sink", "about", "state", "tries", "due", "said")
    if body["deliveries"]:
        table = tabulated("Alerts", *heads)
        for one in body["deliveries"]:
            about = one["account_id"] or one["kind"]
            due = one["due_at"][:16] if one["state"] == "waiting" else ""
            said = one["said"] or ""
            table.add_row(
                one["delivery_id"][:8],
                one["sink"],
                about,
                one["state"],
                str(one["tries"]),
                due,
                said,
            )
        show(table)
    counts = body["outbox"]
    told = ", ".join(f"{number:,} {state}" for state, number in counts.items() if number)
    if told or not body["deliveries"]:
        write(told or "the outbox is empty: no run had news to tell")
    if counts.get("dead"):
        tell(f"{counts['dead']} given up: mend the sink, then `perennial alerts retry`")


def crm_export(body: Body) -> None:
    """Say what was written for a CRM."""
    write(f"{body['accounts']:,} accounts for {body['for']}: {body['path']}")
    if body["left_out"]:
        names = ", ".join(body["left_out"][:5])
        tell(f"{len(body['left_out'])} left out, their id reads as a formula: {names}")
