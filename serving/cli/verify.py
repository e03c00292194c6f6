"""The command that holds what is kept beside the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import UsageFault
from serving.cli.opening import published
from serving.cli.options import BookDir, Home, Json

if TYPE_CHECKING:
    from serving.store import Store

__all__ = ["verify"]


def verify(
    run: Annotated[str | None, typer.Argument(help="A run; everything unless named.")] = None,
    backup: Annotated[
        Path | None, typer.Option("--backup", help="Verify this backup instead.")
    ] = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Hold everything that is kept beside its digest: runs row by row, the audit's chain, files.

    Without RUN also snapshots, kept models, closed periods and outlooks. What does not agree is
    named (exit code 65).
    """
    from serving import terminal  # heavy: rich
    from serving.settings import load

    if backup is not None:
        if run is not None:
            raise UsageFault("usage", "verify RUN --backup", "name one of them")
        terminal.answer(_of_backup(backup), json, terminal.backup_verified)
        return
    store, _ = published(load(book, home))
    terminal.answer(_verified(store, run), json, terminal.verified)


def _verified(store: Store, run: str | None) -> dict[str, Any]:
    from serving import soundness  # heavy: sqlalchemy, pyarrow
    from serving.audit import verify_chain

    runs = store.verify(run)
    told = {
        "runs": runs,
        "verified": len(runs),
        "audit": verify_chain(store.engine)._asdict(),
        "outlooks": soundness.outlooks(store, runs),
    }
    if run is None:
        told |= {
            "snapshots": soundness.snapshots(store.home),
            "models": soundness.kept_models(store.home),
            "closed": soundness.closed(store.home),
        }
    return told


def _of_backup(folder: Path) -> dict[str, Any]:
    from serving.backups.restoring import verify_backup  # heavy: sqlalchemy

    manifest, runs = verify_backup(folder)
    return {
        "backup": str(folder),
        "made_at": manifest.made_at,
        "seal": manifest.seal,
        "files": len(manifest.files),
        "bytes": manifest.bytes,
        "runs": runs,
        "verified": len(runs),
    }
