"""Pages of what keeps a workspace safe: backups, what was verified, and the doctor's findings."""

from __future__ import annotations

from serving.terminal.paper import Body, show, tabulated, tell, write

__all__ = ["backed_up", "backup_verified", "compacted", "examined", "restored", "verified"]


def backed_up(body: Body) -> None:
    """Say where a backup is, what is in it, and what is not."""
    write(f"{body['backup']}: {_sized(body)}, {_stored(body)}; its files and runs agree")
    if body["pepper"]:
        write(f"the pepper: {body['pepper']}; keep it elsewhere than the backup")
    for one in body["removed"]:
        write(f"removed: {one}")
    for name, why in body["left_out"].items():
        tell(f"not in it: {name} ({why})")


def restored(body: Body) -> None:
    """Say what was put back, and where what was there is now."""
    write(f"{body['home']}: the state of {body['made_at'][:19]}, {_stored(body)}")
    write(f"{body['verified']} runs agree with the ledger, and every file with its digest")
    if body["erased_again"]:
        write(f"{body['erased_again']} accounts were erased since it was taken, and are again")
    for one in body["aside"]:
        write(f"what was there before: {one}; remove it when you are content")
    tell("start the servers again: one that ran meanwhile still reads what was there before")


def backup_verified(body: Body) -> None:
    """Say that a backup is whole."""
    write(f"{body['backup']}: {_sized(body)} agree, taken {body['made_at'][:19]}")
    write(f"{body['verified']} runs agree with the ledger; the seal is {body['seal']}")


def compacted(body: Body) -> None:
    """Say which runs were packed, and what room that gave back."""
    write(f"{len(body['packed'])} runs packed, {body['waiting']} still to be packed")
    if body["freed"] is not None:
        write(f"{body['freed'] / 1e6:,.1f} MB given back to the disk")


def verified(body: Body) -> None:
    """Say what agrees with its digest."""
    write(f"{body['verified']} runs agree with the ledger")
    audit = body["audit"]
    last = f"; its last link is {audit['link']}" if audit["entries"] else ""
    write(f"the audit holds: {audit['entries']} entries{last}")
    kinds = {
        "snapshots": "snapshots",
        "models": "kept models",
        "closed": "closed periods",
        "outlooks": "outlooks",
    }
    told = [f"{_number(body[kind])} {words}" for kind, words in kinds.items() if kind in body]
    write(f"{', '.join(told)} agree with their digests")


def examined(body: Body) -> None:
    """Show the doctor's findings, and the cure of each that is not well."""
    table = tabulated("Doctor", "what", "state", "found")
    for one in body["findings"]:
        table.add_row(one["check"], one["state"], one["found"])
    show(table)
    for cure in dict.fromkeys(
        f"{one['check']}: {one['cure']}" for one in body["findings"] if one["cure"]
    ):
        tell(cure)


def _sized(body: Body) -> str:
    return f"{body['files']:,} files, {body['bytes'] / 1e6:,.1f} MB"


def _stored(body: Body) -> str:
    store = body["store"]
    return f"{store['runs']} runs, {store['accounts']:,} scores, {store['keys']} keys"


def _number(told: int | list[str]) -> int:
    return told if isinstance(told, int) else len(told)
