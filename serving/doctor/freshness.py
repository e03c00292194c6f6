"""What the doctor sees of time: how old the run, the feeds and the last backup are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path

from features.publication import read_manifest
from serving.backfill import EVERY, missed_weeks
from serving.backups.taking import last_backup
from serving.doctor.finding import Finding, fine, wants
from serving.doctor.patient import Patient

__all__ = ["backup", "feeds", "publish", "weeks"]

DAY_SECONDS = 86_400
SHOWN = 5


def publish(patient: Patient) -> Iterator[Finding]:
    """Tell how old the run is that serves."""
    if patient.store is None:
        return
    run, limit = patient.run, patient.settings.operation.publish_days
    if run is None:
        yield wants("publish", "nothing is published yet", "run `perennial score`", badly=True)
        return
    age = _days(patient.now, datetime.combine(run.as_of, time(), UTC))
    found = f"{run.run_id}: as of {run.as_of}, {age:.1f} days old"
    if age > limit:
        cure = "see why the weekly job did not publish: its exit code and log"
        yield wants("publish", f"{found}, beyond {limit:g}", cure, badly=True)
    else:
        yield fine("publish", found)


def weeks(patient: Patient) -> Iterator[Finding]:
    """Tell the weeks between the first and the last run that have none."""
    if patient.store is None:
        return
    missed = missed_weeks(run.as_of for run in patient.store.runs(EVERY))
    if missed:
        told = ", ".join(map(str, missed[-SHOWN:]))
        more = f" and {len(missed) - SHOWN} before" if len(missed) > SHOWN else ""
        cure = "`perennial score --backfill FROM:TO` scores them with what was known then"
        yield wants("weeks", f"without a run, Monday: {told}{more}", cure)
    elif patient.run is not None:
        yield fine("weeks", "every week since the first run has one")


def feeds(patient: Patient) -> Iterator[Finding]:
    """Tell which tables of the latest snapshot end long before its as-of date."""
    manifest = read_manifest(patient.home)
    if manifest is None:
        yield wants("feeds", "no snapshot yet", "run `perennial ingest`")
        return
    as_of, limit = date.fromisoformat(manifest["book"]["as_of"]), patient.settings.operation
    ends = {
        name: date.fromisoformat(entry["last"])
        for name, entry in sorted(manifest["tables"].items())
        if entry.get("last")
    }
    old = [name for name, last in ends.items() if (as_of - last).days > limit.feed_days]
    for name in old:
        found = f"{name}: its newest row is of {ends[name]}, the book is as of {as_of}"
        yield wants("feeds", found, "see that this export still comes")
    if not old:
        told = ", ".join(f"{name} to {last}" for name, last in ends.items())
        yield fine("feeds", told or "this book has no feed, only tables")


def backup(patient: Patient) -> Iterator[Finding]:
    """Tell when the last backup was taken, and whether it is still where it was put."""
    if not patient.home.is_dir():
        return
    cure, limit = "`perennial backup FOLDER`", patient.settings.operation.backup_days
    last = last_backup(patient.home)
    if last is None:
        yield wants("backup", "none was taken yet", cure)
        return
    age = _days(patient.now, datetime.fromisoformat(str(last["made_at"])))
    found = f"{age:.1f} days ago, in {last['folder']}"
    if age > limit:
        yield wants("backup", f"{found}: beyond {limit:g} days", cure)
    elif not Path(str(last["folder"])).is_dir():
        yield wants("backup", f"{found}: not there from here", "see where it went")
    else:
        yield fine("backup", found)


def _days(now: datetime, then: datetime) -> float:
    return (now - then).total_seconds() / DAY_SECONDS
