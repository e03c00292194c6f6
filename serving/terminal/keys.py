"""Pages of the keys: the list, a key that was made, one that was changed or ended."""

from __future__ import annotations

from serving.terminal.paper import Body, show, tabulated, tell, write

__all__ = ["audited", "key_changed", "key_made", "keys"]


def keys(body: Body) -> None:
    """Show the keys, in the order in which they were made."""
    if not body["keys"]:
        write("no key yet: a server listens on this machine only, and lets everybody in")
        tell("make the first: perennial keys create --role admin")
        return
    heads = ("id", "name", "role", "accounts of", "state", "made", "until")
    table = tabulated("Keys", *heads)
    for key in body["keys"]:
        ends = [at for at in (key["expires_at"], key["ended_at"]) if at]
        table.add_row(
            key["id"],
            key["name"],
            "token: admin" if key["once"] else key["role"],
            key["csm"] or "everybody",
            key["state"],
            key["made_at"][:16],
            min(ends)[:16] if ends else "–",
        )
    show(table)
    for key in body["keys"]:
        if key["state"] == "rotate":
            tell(f"{key['id']} was seen in an address: perennial keys rotate {key['id']}")


def audited(body: Body) -> None:
    """Show the latest entries of the audit, the newest first."""
    table = tabulated("Who did what, newest first", "entry", "at", "who", "did", "to")
    for one in body["entries"]:
        table.add_row(str(one["entry"]), one["at"][:16], one["who"], one["did"], one["subject"])
    show(table)


def key_made(body: Body) -> None:
    """Show a key, this once."""
    if body["once"]:
        write("a token, to be exchanged at /login for an admin's key within 15 minutes, once:")
    else:
        limit = f", the accounts of {body['csm']} alone" if body["csm"] else ""
        write(f"key {body['id']} ({body['name']}): {body['role']}{limit}")
    write(body["key"])
    tell("it is shown this once: keep it where you keep passwords")


def key_changed(body: Body) -> None:
    """Show what a key is now."""
    limit = f", the accounts of {body['csm']} alone" if body["csm"] else ""
    write(f"key {body['id']} ({body['name']}): {body['state']}, {body['role']}{limit}")
