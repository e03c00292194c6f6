"""The commands of privacy: an account is erased, and what is past its time is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import UsageFault
from serving.cli.opening import now
from serving.cli.options import BookDir, Home, Json

if TYPE_CHECKING:
    from serving.settings import Settings

__all__ = ["erase", "purge", "purged"]


def erase(
    account: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="Its id, as the table accounts has it.")
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Erase what came back with a backup; finish what was cut off."
        ),
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List the erasures, those that were cut off too.")
    ] = False,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Erase an account from all that is kept; it is dropped when it comes again.

    The amounts of closed months stay, under an id that leads nowhere. See docs/privacy.md.
    """
    from serving import terminal  # heavy: rich
    from serving.settings import load

    if [account is not None, again, listed].count(True) != 1:
        raise UsageFault("usage", "erase", "perennial erase ACCOUNT | --again | --list")
    settings = load(book, home)
    with terminal.steps(json) as step:
        told = _told(settings, account, again, step)
    terminal.answer(told, json, terminal.erased)


def _told(settings: Settings, account: str | None, again: bool, step: Any) -> dict[str, Any]:
    from serving.privacy.erasure import certificates, erased_again  # heavy: sqlalchemy
    from serving.privacy.erasure import erase as erased

    if account is not None:
        return {"erased": [erased(settings, account, now(), step)]}
    if again:
        return {"erased": erased_again(settings, now(), step)}
    return {"erasures": certificates(settings)}


def purge(
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Remove what is past its time: rows that were set aside, and old snapshots.

    `perennial score` does it too, each time. Section `[retention]` says after how many days.
    """
    from serving import terminal  # heavy: rich
    from serving.settings import load

    settings = load(book, home)
    terminal.answer(purged(settings), json, terminal.purged)


def purged(settings: Settings) -> dict[str, Any]:
    """Remove what is past its time, and tell what it was.

    Raises
    ------
    Busy
        ``busy`` if an ingest is at work (exit code 75).
    """
    from serving.retention import purge as removed
    from serving.store import Store  # heavy: sqlalchemy

    needed: set[str] = set()
    if settings.store.url is not None or (settings.home / "perennial.db").is_file():
        current = Store.open(settings.home, settings.store).current()
        needed = {current.snapshot_id} if current else set()
    return removed(settings.home, settings.retention, now(), needed)
