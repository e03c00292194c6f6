"""Commands that keep the state of a workspace safe: take a backup, and put one back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import InputMissing, UsageFault
from serving.cli.opening import now
from serving.cli.options import BookDir, Home, Json

if TYPE_CHECKING:
    from serving.backups.manifest import Manifest
    from serving.settings import Settings

__all__ = ["backup", "restore"]

Pepper = Annotated[
    Path | None,
    typer.Option("--pepper", help="The file of the pepper, kept apart from the backup."),
]


def backup(
    into: Annotated[Path, typer.Argument(help="The folder in which backups are kept.")],
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Then remove all but so many, the oldest.")
    ] = None,
    pepper: Pepper = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Copy the state into a new folder under INTO, while jobs and servers go on; then verify it.

    The store, models, snapshots, closed periods and what was published as files; not the book, and
    not the pepper unless a file of its own is named.
    """
    from serving import terminal  # heavy below: rich, sqlalchemy
    from serving.backups.restoring import verify_backup
    from serving.backups.taking import keep_pepper, pruned, take
    from serving.settings import load
    from serving.store import Store

    settings = load(book, home)
    _refuse_inside(settings.home, into, pepper)
    if not settings.home.is_dir():
        raise InputMissing("run.none", f"{settings.home}: no state yet", "run `perennial score`")
    with terminal.steps(json) as step:
        engine = Store.open(settings.home, settings.store).engine
        made = take(engine, settings.home, _mlruns(settings), into, now(), step)
        step("verify it")
        _, runs = verify_backup(made.folder)
    told = _told(made.folder, made.manifest) | {
        "verified": len(runs),
        "pepper": str(pepper) if pepper and keep_pepper(settings.home, pepper) else None,
        "removed": [str(one) for one in pruned(into, keep)] if keep else [],
    }
    terminal.answer(told, json, terminal.backed_up)


def restore(
    folder: Annotated[Path, typer.Argument(help="A backup: the folder that `backup` made.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move aside what is there; without, it is refused.")
    ] = False,
    pepper: Pepper = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Put the state back from a backup: checked, made ready aside, verified there, then moved in.

    Stop the servers before, and start them after. Who was erased since it was taken is erased again.
    """
    from serving import terminal  # heavy below: rich, sqlalchemy
    from serving.backups.restoring import restore as put_back
    from serving.privacy.erasure import remembered, replayed
    from serving.settings import load

    settings = load(book, home)
    with terminal.steps(json) as step:
        remembered(settings)
        again: list[Any] = []
        done = put_back(
            folder,
            settings.home,
            _mlruns(settings),
            settings.store,
            now(),
            over=replace,
            pepper=pepper,
            replay=lambda ready: again.extend(replayed(settings, ready, now(), step)),
            step=step,
        )
    told = _told(folder, done.manifest) | {
        "home": str(settings.home),
        "verified": len(done.runs),
        "aside": [str(one) for one in done.aside],
        "erased_again": len(again),
    }
    terminal.answer(told, json, terminal.restored)


def _told(folder: Path, manifest: Manifest) -> dict[str, Any]:
    return {
        "backup": str(folder),
        "made_at": manifest.made_at,
        "seal": manifest.seal,
        "files": len(manifest.files),
        "bytes": manifest.bytes,
        "store": dict(manifest.store),
        "left_out": dict(manifest.left_out),
    }


def _mlruns(settings: Settings) -> Path | None:
    """Give the folder of the registry; None where MLflow runs elsewhere."""
    return None if settings.mlflow.tracking_uri else settings.workspace.directory / "mlruns"


def _refuse_inside(home: Path, into: Path, pepper: Path | None) -> None:
    """Refuse a backup within what it is a backup of, and a pepper within the backups."""
    if into.absolute().is_relative_to(home.absolute()):
        raise UsageFault("usage", f"{into}: inside {home}", "name a folder elsewhere")
    if pepper is not None and pepper.absolute().is_relative_to(into.absolute()):
        raise UsageFault("usage", f"--pepper {pepper}: inside {into}", "keep it apart")
