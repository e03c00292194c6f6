"""The command of keys: who may ask the server is made, listed, rotated and ended here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from features.faults import UsageFault
from serving.cli.opening import now
from serving.cli.options import BookDir, Home, Json

if TYPE_CHECKING:
    from serving.keyring import MadeKey
    from serving.keys import Key
    from serving.settings import Settings
    from serving.store import Store

__all__ = ["keys"]

Action = Annotated[
    Literal["list", "create", "rotate", "change", "revoke", "bootstrap", "audit"],
    typer.Argument(
        help="list; create; rotate KEY; change KEY to another role; revoke KEY; "
        "bootstrap: a token that is exchanged once, at the sign-in page, for an admin's key; "
        "audit: who did what lately."
    ),
]
KeyId = Annotated[str | None, typer.Argument(metavar="KEY", help="A key's id, from the list.")]
Role = Annotated[
    Literal["cs", "finance", "batch", "admin"] | None,
    typer.Option("--role", help="What it may do; see docs/keys.md."),
]
_ON_ONE = ("rotate", "change", "revoke")
_BY = "command line"


def keys(
    action: Action = "list",
    key: KeyId = None,
    role: Role = None,
    csm: Annotated[
        str | None, typer.Option("--csm", help="With the role cs: this CSM's accounts alone.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Whose it is, or what for; the audit names it.")
    ] = None,
    expires: Annotated[
        int | None, typer.Option("--expires", min=1, help="Days until it ends by itself.")
    ] = None,
    overlap: Annotated[
        float, typer.Option("--overlap", min=0, help="rotate: hours that the old key still works.")
    ] = 24.0,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Keys of the API and the dashboard. A key is shown once, when it is made; only its seal is kept.

    From the first key on, nobody is let in without one. A revoked key opens nothing within 5 seconds.
    """
    from serving import terminal  # heavy: rich
    from serving.settings import load

    _refuse_odd(action, key, role)
    settings = load(book, home)
    store = _store(settings)
    if action == "list":
        terminal.answer(_listed(store), json, terminal.keys)
    elif action == "audit":
        terminal.answer(_audited(store), json, terminal.audited)
    elif action in ("change", "revoke"):
        changed = _changed(store, action, str(key), role, csm)
        terminal.answer(_told(changed, now()), json, terminal.key_changed)
    else:
        until = now() + timedelta(days=expires) if expires else None
        made = _made(settings, store, action, key, (role, csm, name), until, overlap)
        told = _told(made.key, now()) | {"key": made.text}
        terminal.answer(told, json, terminal.key_made)


def _refuse_odd(action: str, key: str | None, role: str | None) -> None:
    """Refuse a key where none is meant, and the other way round."""
    cure = (
        "perennial keys [list | create | rotate KEY | change KEY | revoke KEY | bootstrap | audit]"
    )
    if (key is None) == (action in _ON_ONE):
        lacking = "lacks a key's id" if key is None else "takes no key's id"
        raise UsageFault("usage", f"keys {action} {lacking}", cure)
    if (role is None) == (action in ("create", "change")):
        lacking = "lacks --role" if role is None else "takes no --role"
        raise UsageFault("usage", f"keys {action} {lacking}", "--role cs|finance|batch|admin")


def _store(settings: Settings) -> Store:
    from serving.store import Store  # heavy: sqlalchemy

    return Store.open(settings.home, settings.store)


def _listed(store: Store) -> dict[str, Any]:
    from serving.keys import listed  # heavy: sqlalchemy

    moment = now()
    return {"keys": [_told(one, moment) for one in listed(store.engine)]}


def _audited(store: Store) -> dict[str, Any]:
    from serving.audit import entries  # heavy: sqlalchemy

    return {"entries": entries(store.engine)}


def _changed(store: Store, action: str, key: str, role: str | None, csm: str | None) -> Key:
    from serving import keyring  # heavy: sqlalchemy

    if action == "revoke":
        return keyring.revoke(store.engine, key, now=now(), by=_BY)
    return keyring.change(store.engine, key, str(role), csm, now=now(), by=_BY)


def _made(
    settings: Settings,
    store: Store,
    action: str,
    key: str | None,
    what: tuple[str | None, str | None, str | None],
    until: datetime | None,
    overlap: float,
) -> MadeKey:
    from serving import keyring  # heavy: sqlalchemy
    from serving.pepper import made_pepper

    pepper, moment = made_pepper(settings.home, settings.serve.pepper), now()
    if action == "bootstrap":
        return keyring.bootstrap(store.engine, pepper, now=moment, by=_BY)
    if action == "rotate":
        lasts = timedelta(hours=overlap)
        return keyring.rotate(
            store.engine, pepper, str(key), now=moment, by=_BY, overlap=lasts, expires_at=until
        )
    role, csm, name = what
    return keyring.make(
        store.engine, pepper, str(role), now=moment, by=_BY, name=name, csm=csm, expires_at=until
    )


def _told(key: Key, moment: datetime) -> dict[str, Any]:
    """Tell of a key all but its secret."""
    return {
        "id": key.key_id,
        "name": key.name,
        "role": key.role,
        "csm": key.csm,
        "state": key.state(moment),
        "once": key.kind == "once",
        "made_at": key.made_at,
        "expires_at": key.expires_at,
        "ended_at": key.ended_at,
        "flagged_at": key.flagged_at,
    }
