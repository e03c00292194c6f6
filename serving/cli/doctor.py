"""The command that looks at a workspace and says what wants a person."""

from __future__ import annotations

import typer

from features.faults import ConfigurationRefused
from serving.cli.opening import now
from serving.cli.options import BookDir, Home, Json

__all__ = ["doctor"]

ILL = 1


def doctor(book: BookDir = None, home: Home = None, json: Json = False) -> None:
    """Look at configuration, tables, store, model, freshness, locks, disk, versions and backups.

    Nothing is changed and nobody is asked abroad. Exit code 1 where something fails, so that a
    scheduler that mails what fails tells a person.
    """
    from serving import terminal  # heavy below: rich, sqlalchemy
    from serving.doctor.checks import examined, told
    from serving.doctor.finding import failed
    from serving.doctor.patient import Patient
    from serving.settings import load

    try:
        findings = examined(Patient(load(book, home), now()))
    except ConfigurationRefused as refused:
        findings = [failed("configuration", refused)]
    body = told(findings)
    terminal.answer(body, json, terminal.examined)
    if not body["well"]:
        raise typer.Exit(ILL)
