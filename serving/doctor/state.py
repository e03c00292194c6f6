"""What the doctor sees of the state: configuration, tables, the store, the model, the audit."""

from __future__ import annotations

from collections.abc import Iterator

from features.faults import DataRejected
from serving import outbox
from serving.audit import verify_chain
from serving.chosen import chosen_since
from serving.database import HEAD, label, reading
from serving.doctor.finding import Finding, failed, fine, wants
from serving.doctor.patient import Patient

__all__ = ["alerts", "configuration", "model", "schema", "store"]

SCORE = "run `perennial score`"
UPGRADE = "go on with the upgrade, or stay: both work with these tables"


def configuration(patient: Patient) -> Iterator[Finding]:
    """Tell which workspace is looked at, in which profile."""
    settings = patient.settings
    found = f"{settings.workspace.directory}, state in {settings.home}"
    yield fine("configuration", f"{found}, profile {settings.operation.profile}")


def schema(patient: Patient) -> Iterator[Finding]:
    """Tell the revision of the store's tables, and this Perennial's."""
    found = patient.revision
    if found == HEAD:
        yield fine("schema", f"revision {HEAD}")
    elif found is None:
        yield wants("schema", "no store yet", SCORE)
    elif found < HEAD:
        cure = "take a backup; the next command that opens the store brings it up"
        yield wants("schema", f"revision {found}, this Perennial's is {HEAD}", cure)
    elif patient.works:
        yield wants(
            "schema", f"revision {found}, of a newer Perennial that lets this one work", UPGRADE
        )
    else:
        cure = "install the Perennial that wrote it"
        yield wants("schema", f"revision {found}, this one knows {HEAD}", cure, badly=True)


def store(patient: Patient) -> Iterator[Finding]:
    """Tell what is in the store, whether a run is held, and whether the audit's chain holds."""
    if patient.store is None:
        return
    runs = patient.store.runs(1_000_000, held=True)
    chain = verify_chain(patient.store.engine)
    told = f"{len(runs)} runs, {chain.entries} entries of the audit, whose chain holds"
    yield fine("store", f"{label(patient.store.engine)}: {told}")
    newest = runs[0] if runs else None
    if newest is not None and newest.held:
        cure = f"look at it, then mend the data or `perennial approve {newest.run_id}`"
        yield wants("store", f"the newest run is held: {newest.run_id}", cure, badly=True)


def model(patient: Patient) -> Iterator[Finding]:
    """Tell which model serves, its kept copy digested again."""
    from models.bundle import read_contract  # heavy: numerical libraries

    run = patient.run
    if run is None:
        return
    folder = patient.home / "bundles"
    choice = chosen_since(folder, run)
    number, digest = run.model_version, run.model_digest
    if choice is not None:
        number, digest = str(choice.version), choice.digest
    try:
        read_contract(folder / digest, digest)
    except DataRejected as refused:
        yield failed("model", refused)
        return
    chosen = "" if choice is None else f", chosen {choice.at:%Y-%m-%d}"
    yield fine("model", f"version {number} ({digest[:12]}){chosen}, its files agree")


def alerts(patient: Patient) -> Iterator[Finding]:
    """Tell of alerts that were given up."""
    if patient.store is None:
        return
    with reading(patient.store.engine) as connection:
        dead = outbox.counts(connection).get("dead", 0)
    if dead:
        cure = "mend the sink, then `perennial alerts retry`"
        yield wants("alerts", f"{dead} given up", cure, badly=True)
    else:
        yield fine("alerts", "none was given up")
