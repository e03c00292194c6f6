"""Erasures and purges, as the terminal tells of them."""

from __future__ import annotations

from typing import Any

from serving.terminal.paper import write

__all__ = ["erased", "purged"]


def erased(body: dict[str, Any]) -> None:
    """Tell of erasures: certificates, or the list of all."""
    for one in body.get("erasures", ()):
        state = (
            f"done {one['done_at']}" if one["done_at"] else "cut off: run `perennial erase --again`"
        )
        write(f"{one['tombstone'][:16]}  begun {one['begun_at']}  {state}")
    for one in body.get("erased", ()):
        _certificate(one)
    if not any(body.values()):
        write("no account was erased")


def _certificate(body: dict[str, Any]) -> None:
    places = body.get("places", {})
    rows = sum(places.get("store", {}).values())
    write(f"erased; certificate {body['certificate']}")
    write(f"  rows of the store: {rows}; runs sealed again: {len(body['digests'].get('runs', ()))}")
    write(
        f"  snapshots written anew: {len(places.get('snapshots', ()))}; files of runs: {places.get('exports', 0)}"
    )
    write(f"  closed months that keep its amounts without it: {len(places.get('closed', ()))}")
    for run in body["unsealed"]:
        write(f"  run {run} did not agree with its digest before, and does not now")


def purged(body: dict[str, Any]) -> None:
    """Tell what was removed."""
    for name in ("quarantine", "snapshots"):
        write(f"{name}: {len(body[name])} removed")
