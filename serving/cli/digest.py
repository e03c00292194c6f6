"""The weekly digest, again: of the run that serves or of another, whole or for one desk."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from features.faults import InputMissing, UsageFault
from serving.cli.options import BookDir, Home, Json

__all__ = ["digest"]

ENDINGS = {".html": "html", ".htm": "html", ".md": "md"}


def digest(
    run: Annotated[
        str | None, typer.Option("--run", help="Another run than the one that serves.")
    ] = None,
    csm: Annotated[str | None, typer.Option("--csm", help="One CSM's accounts alone.")] = None,
    as_format: Annotated[
        Literal["html", "md"] | None,
        typer.Option("--format", help="html or md (default: by the ending of --out, else md)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it to this file instead of the terminal.")
    ] = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """The week in one page: moves and why, new triggers, whom to call, the forecast's change."""
    from serving import terminal  # heavy below: sqlalchemy, jinja
    from serving.cli.opening import published
    from serving.digest import digest_of, page, read, text
    from serving.settings import load

    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UsageFault("digest.unwritable", f"--out {out}: no such folder", "make it first")
    store, current = published(load(book, home))
    asked = current if run is None else store.run(run)
    if asked is None:
        cure = f"the run that serves is {current.run_id}"
        raise InputMissing("run.unknown", f"{run}: no such run", cure)
    told = digest_of(read(store, asked, csm))
    if csm is not None and not (told.accounts or told.accounts_before):
        terminal.say(f'perennial: run {asked.run_id} has no account of a CSM called "{csm}"')
    if out is not None:
        kind = as_format or ENDINGS.get(out.suffix.lower(), "md")
        _written(out, page(told) if kind == "html" else text(told))
        terminal.say(f"perennial: digest of {asked.run_id} written to {out}")
    if json:
        terminal.emit(asdict(told))
    elif out is None:
        shown = page(told) if as_format == "html" else text(told)
        sys.stdout.buffer.write(shown.encode("utf-8"))


def _written(out: Path, told: str) -> None:
    from features.durable import replace
    from features.faults import CannotWrite

    try:
        replace(out, told.encode("utf-8"))
    except OSError as refused:
        cure = "free space, or mend its permissions"
        raise CannotWrite("cannot_write", f"{out}: {refused.strerror}", cure) from refused
