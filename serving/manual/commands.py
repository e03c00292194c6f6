"""The page of commands, written from the command line itself."""

from __future__ import annotations

from typing import Any

import typer

from serving.cli import app

__all__ = ["commands"]

HEAD = """# Commands

Written by `make docs` from the command line itself; a test fails when it is stale. The workspace is
the folder of `perennial.toml`, or the current one; its state lies in `.perennial/`, its models in
`mlruns/`. `--json` prints exactly one object on standard output and nothing else there; what is
being done is said on standard error. Commands that need a snapshot ingest first when the book has
changed since the last one, and say so. What a refusal says, code by code: [codes.md](codes.md).

## Exit codes

| code | meaning |
|---|---|
| 0 | done, or there was nothing to do (the result says which) |
| 2 | the command was called in a way that it does not know |
| 65 | data refused, or a gate held |
| 66 | an input is missing |
| 69 | something that it depends on does not answer |
| 70 | a bug |
| 73 | cannot write: the disk is full |
| 75 | somebody else is at work, or a feed is not complete: try again later |
| 77 | not permitted |
| 78 | the configuration is refused: the line says which key, and the nearest known one |
"""


def commands() -> str:
    """Write the page.

    Examples
    --------
    >>> print(commands().splitlines()[0])
    # Commands
    """
    group: Any = typer.main.get_command(app)
    return "\n".join([HEAD, *(_command(name, one) for name, one in group.commands.items())])


def _command(name: str, command: Any) -> str:
    arguments = [one for one in command.params if not one.opts[0].startswith("-")]
    usage = " ".join(["perennial", name, *(one.name.upper() for one in arguments)])
    rows = [_row(one) for one in command.params]
    table = ["| option | default | meaning |", "|---|---|---|", *rows]
    return "\n".join([f"## `{usage}`", "", command.help, "", *table, ""])


def _row(option: Any) -> str:
    called = option.opts[0] if option.opts[0].startswith("-") else option.name.upper()
    default = "" if option.default is None or option.default is False else f"`{option.default}`"
    return f"| `{called}` | {default} | {option.help} |"
