"""The command of the registry: which models there are, which one serves, and who serves next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from features.faults import UsageFault
from serving.chosen import Choice, choose
from serving.cli.opening import now, registry
from serving.cli.options import BookDir, Home, Json
from serving.model_log import write_down

if TYPE_CHECKING:
    from models.registry import Registry, Version
    from serving.settings import Settings

__all__ = ["models"]

Action = Annotated[
    Literal["list", "show", "promote", "rollback", "register"],
    typer.Argument(
        help="list; show VERSION; promote VERSION; rollback to the champion before; "
        "register what a training left while MLflow did not answer."
    ),
]
Number = Annotated[int | None, typer.Argument(min=1, help="A version's number, from the list.")]
_NUMBERED = ("show", "promote")


def models(
    action: Action = "list",
    version: Number = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """The registry: list the models, show one, let another serve, or go back.

    Servers that run turn to another model at once; the next scoring takes it too.
    """
    from serving import terminal  # heavy: rich, urllib
    from serving.model_notes import note_models
    from serving.settings import load

    if (version is None) == (action in _NUMBERED):
        cure = "perennial models [list | show V | promote V | rollback | register]"
        lacking = "lacks a version" if version is None else "takes no version"
        raise UsageFault("usage", f"models {action} {lacking}", cure)
    settings = load(book, home)
    known = registry(settings)
    if action == "show":
        terminal.answer(_shown(known, known.version(version or 0)), json, terminal.model)
        return
    if action != "list":
        changed = _changed(settings, known, action, version)
        note_models(known, settings.home)
        terminal.answer(changed, json, terminal.model_change)
        return
    terminal.answer(_listed(known), json, terminal.models)


def _listed(known: Registry) -> dict[str, Any]:
    from models.waiting import waiting  # heavy: pandas

    serving = known.champion()
    number = None if serving is None else serving.number
    items = [_item(one, number) for one in known.versions()]
    left = [one.folder.name for one in waiting(known.root)]
    return {"champion": number, "models": items, "waiting": left}


def _item(one: Version, champion: int | None) -> dict[str, Any]:
    return {
        "version": one.number,
        "champion": one.number == champion,
        "digest": one.digest,
        "run_id": one.run_id,
        "params": dict(one.params),
        "tags": dict(one.tags),
        "metrics": dict(one.metrics),
    }


def _shown(known: Registry, one: Version) -> dict[str, Any]:
    """Tell of a version what its verified bundle says; a damaged one is refused (exit code 65)."""
    from models.bundle import open_bundle  # heavy: lightgbm
    from models.carried import read_bundle

    carried = read_bundle(open_bundle(known.fetch(one), one.digest))
    champion = known.champion()
    targets = {
        name: {"rung": target.rung, "distinct_events": target.events, "serves": target.serves}
        for name, target in carried.model.targets.items()
    }
    return _item(one, champion.number if champion else None) | {
        "verified": True,
        "trained_through": carried.trained_through.isoformat(),
        "signals": list(carried.model.signals),
        "targets": targets,
        "probabilities": dict(carried.probabilities),
        "factor": dict(carried.factor),
    }


def _serve_at_once(settings: Settings, known: Registry, serving: Version) -> None:
    """Let the servers that run turn to a version at their next question."""
    from models.keeper import keep  # heavy: lightgbm

    folder = settings.home / "bundles"
    keep(known, serving, folder)
    choose(folder, Choice(serving.number, serving.digest, now()))


def _changed(
    settings: Settings, known: Registry, action: str, version: int | None
) -> dict[str, Any]:
    """Promote, roll back or register; what was done is written down beside the state."""
    before = known.champion()
    former = None if before is None else before.number
    if action == "register":
        registered = [one.number for one in known.register_waiting()]
        told = {"action": action, "registered": registered, "champion": former}
        if registered:
            write_down(settings.home, now(), told)
        return told
    if action == "rollback":
        serving = known.rollback()
    else:
        serving = known.version(version or 0)
        if serving.number != former:
            known.promote(serving, expected=former)
    told = {"action": action, "champion": serving.number, "former": former}
    told |= {"changed": serving.number != former, "digest": serving.digest}
    if told["changed"]:
        write_down(settings.home, now(), told)
        _serve_at_once(settings, known, serving)
    return told | {"gate": serving.tags.get("gate")}
