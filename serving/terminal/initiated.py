"""What `perennial init` has written, as the terminal tells of it."""

from __future__ import annotations

from typing import Any

from serving.terminal.paper import write

__all__ = ["initiated"]

REVENUE = {"subscriptions", "mrr_by_month"}


def initiated(body: dict[str, Any]) -> None:
    """Tell which tables are read from where, what is open, and what comes next."""
    write(f"{body['path']} written")
    for table, told in body["tables"].items():
        write(f"  {table}: {told['file']} ({told['ground']})")
    if body["open"]:
        write("open, for you to decide (marked OPEN in the file):")
        for each in body["open"]:
            write(f"  {each}")
    if body["unplaced"]:
        write("not read:")
        for name, why in body["unplaced"].items():
            write(f"  {name}: {why}")
    if body["unplaced"] and not REVENUE & set(body["tables"]):
        write(
            "next: no revenue is read yet: mend the above, then `perennial init` again with --force"
        )
        return
    write("next: read the file, then `perennial check`")
