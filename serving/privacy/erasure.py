"""Erasure: one account taken out of everything that Perennial keeps, told step by step.

The story of ``erase``: set the tombstone, so that nothing brings the account back from here on; put
an id that leads nowhere under its amounts in closed ledgers; write snapshots and what was set aside
anew; take it out of the store, and seal the runs that held it again; write exports anew; write the
store's file anew; look whether anything is left; and only then give the certificate. Killed at any
moment, the same call goes on: every step is done again where it was not done.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from features.closing import anonymised
from features.current import mapping_digest
from features.durable import replace as written
from features.erasing import names_of, set_aside_without, snapshots_without
from features.faults import DataRejected, InputMissing
from features.locking import held
from features.renamed import renamed
from features.shelf import SHELF, emptied
from serving import tables
from serving.audit import append
from serving.audit import renamed as audit_renamed
from serving.database import reading, writing
from serving.kept import StoreSettings
from serving.lease import alone
from serving.pepper import Pepper, made_pepper
from serving.privacy.files import exports_without, outlook_without
from serving.privacy.looking import accounts_in, remains
from serving.privacy.marks import begun, closed, kept, marks, progress, unnamed
from serving.privacy.rows import Taken, names_in, seen_in, taken
from serving.privacy.scouring import scoured
from serving.privacy.who import Who
from serving.settings import Settings
from serving.store import Store
from serving.tombstones import erased_of, noted, seal_of
from serving.tombstones import written as sealed

__all__ = ["CERTIFICATES", "certificates", "erase", "erased_again", "remembered", "replayed"]

CERTIFICATES = "erasures"
"""Folder of certificates under the home."""
BY = "command line"
_WAIT_SECONDS = 60.0
NOTHING: dict[str, Any] = {"places": {}, "digests": {}, "unsealed": []}
"""What the certificate says of an account that was erased before its store was restored."""


def _nothing(_step: str) -> None:
    """Pass a step."""


def erase(
    settings: Settings,
    account_id: str,
    now: datetime,
    step: Callable[[str], None] = _nothing,
) -> dict[str, Any]:
    """Erase an account, or go on where an erasure of it was cut off.

    Parameters
    ----------
    settings : Settings
    account_id : str
    now : datetime
    step : callable
        Told of every step before it is done.

    Returns
    -------
    dict
        The certificate. It names the account by its seal alone.

    Raises
    ------
    InputMissing
        ``account.unknown`` if nothing that is kept knows the account, and no tombstone does
        (exit code 66).
    Busy
        ``busy`` while an ingest or a publication is at work, ``erase.reader`` (exit code 75).
    DataRejected
        ``erase.remains`` if something is left of it; ``audit.broken``; ``snapshot.corrupt`` for a
        file that cannot be read (exit code 65).
    """
    account_id = account_id.strip().encode("utf-8", "backslashreplace").decode()
    secret = made_pepper(settings.home, settings.serve.pepper)
    store = Store.open(settings.home, settings.store)
    seal = seal_of(secret, account_id)
    with reading(store.engine) as connection:
        mark, seen = marks(connection).get(seal), seen_in(connection)
    if account_id not in seen | accounts_in(store.home):
        if mark is None:
            cure = "give an account_id as the table accounts has it"
            raise InputMissing("account.unknown", f"{account_id}: nothing is kept of it", cure)
        if mark.done_at:
            return dict(mark.certificate)
    return _Erasure(settings, store, secret, account_id, now, step).done()


def erased_again(
    settings: Settings, now: datetime, step: Callable[[str], None] = _nothing
) -> list[dict[str, Any]]:
    """Erase again what a restore brought back or another machine erased, and finish what was cut off.

    Every account that is kept is held beside the tombstones of the store and of the home's file.

    Returns
    -------
    list of dict
        The certificates of what was erased; empty where nothing had come back.
    """
    store = Store.open(settings.home, settings.store)
    with reading(store.engine) as connection:
        found = marks(connection)
        accounts = seen_in(connection)
    stored = {seal: row.pepper for seal, row in found.items()}
    noted(settings.home, stored)
    if not stored and not sealed(settings.home):
        return []
    secret = made_pepper(settings.home, settings.serve.pepper)
    erased = erased_of(settings.home, settings.serve.pepper)
    _learn(store, secret, erased.seals - stored.keys(), now)
    settings = replace(settings, workspace=replace(settings.workspace, erased=erased))
    cut = {seal: (row.certificate or {}) for seal, row in found.items() if not row.done_at}
    begun_of = {one["who"]["account_id"] for one in cut.values() if "who" in one}
    back = erased.among(sorted(accounts | accounts_in(settings.home) | begun_of))
    ends = [seal for seal, one in cut.items() if "places" in one and "who" not in one]
    return [
        *(_Erasure(settings, store, secret, one, now, step).done() for one in back),
        *(_certified(settings, store, seal, now) for seal in ends),
    ]


def remembered(settings: Settings) -> None:
    """Note in the home's file what a database in a server knows, before a backup fills it anew."""
    if settings.store.url is None:
        return
    settings.home.mkdir(parents=True, exist_ok=True)
    with reading(Store.open(settings.home, settings.store).engine) as connection:
        noted(settings.home, {seal: row.pepper for seal, row in marks(connection).items()})


def replayed(
    settings: Settings, ready: Path, now: datetime, step: Callable[[str], None] = _nothing
) -> list[dict[str, Any]]:
    """Erase again, in a state that is restored, who was erased since: before it is moved in."""
    there = replace(settings, home=ready, store=StoreSettings())
    return erased_again(there, now, step)


def certificates(settings: Settings) -> list[dict[str, Any]]:
    """List the erasures, the oldest first: those that were begun and not finished too."""
    with reading(Store.open(settings.home, settings.store).engine) as connection:
        return [
            {
                "tombstone": row.seal,
                "begun_at": row.begun_at,
                "done_at": row.done_at,
                "certificate": (row.certificate or {}).get("certificate"),
            }
            for row in marks(connection).values()
        ]


def _learn(store: Store, secret: Pepper, seals: Iterable[str], now: datetime) -> None:
    """Set tombstones in the store that only the home's file knows: an older store was restored."""
    with writing(store.engine) as connection:
        for seal in sorted(seals):
            begun(connection, seal, secret, now)
            closed(connection, seal, now, {"certificate": seal[:16], **NOTHING})


@dataclass
class _Erasure:
    """One erasure on its way."""

    settings: Settings
    store: Store
    secret: Pepper
    account_id: str
    now: datetime
    step: Callable[[str], None]
    places: dict[str, Any] = field(default_factory=dict)

    @property
    def seal(self) -> str:
        return seal_of(self.secret, self.account_id)

    @property
    def home(self) -> Path:
        return self.store.home

    def done(self) -> dict[str, Any]:
        """Do every step that is not done yet, and give the certificate."""
        self.step("tombstone")
        who, alias = self._tombstone()
        self.step("closed ledgers")
        self.places["closed"] = anonymised(self.home, self.account_id, alias)
        self.step("snapshots")
        self._snapshots(who)
        self.step("store")
        self._store(who, alias)
        self.step("exports")
        self.places["exports"] = exports_without(self.store, who)
        self.step("proof")
        self._look(who)
        self.step("free pages")
        return _certified(self.settings, self.store, self.seal, self.now)

    def _tombstone(self) -> tuple[Who, str]:
        """Set it in the store and in the file, and note the names, before anything is taken away."""
        names = set(names_of(self.home, self.account_id))
        with writing(self.store.engine) as connection:
            alias = begun(connection, self.seal, self.secret, self.now)
            before = progress(connection, self.seal).get("who", {}).get("names", ())
            called = {*before, *names_in(connection, self.account_id, names)}
            who = {"account_id": self.account_id, "names": sorted(called)}
            kept(connection, self.seal, {"who": who})
        noted(self.home, {self.seal: self.secret.mark})
        return Who(self.account_id, tuple(sorted(called))), alias

    def _snapshots(self, who: Who) -> None:
        """Take it out of the snapshots, then of what was set aside and kept of databases.

        An ingest that was at work is waited for: what it left behind goes too.
        """
        erased = erased_of(self.home, self.settings.serve.pepper)
        mapping = mapping_digest(replace(self.settings.workspace, erased=erased))
        self.places["snapshots"] = snapshots_without(self.home, erased, mapping)
        with held(self.home / "ingest.lock", _WAIT_SECONDS):
            self.places["quarantine"] = set_aside_without(self.home, erased, who.words)
            self.places["sources"] = emptied(self.home / SHELF)

    def _store(self, who: Who, alias: str) -> None:
        """Take it out of the store, in one transaction, while nobody publishes."""
        outlook = partial(_outlook, self.home, who)
        with alone(self.store.engine, self.home, self.settings.store) as lease:
            with writing(self.store.engine) as connection:
                lease.leave(connection)
                told = taken(connection, who, self.now, outlook)
                before, after = audit_renamed(connection, self.account_id, alias)
                _follow(connection, renamed(self.home))
                self._keep(connection, told, {"before": before, "after": after})
            lease.token = 0

    def _keep(self, connection: sa.Connection, told: Taken, audit: dict[str, str]) -> None:
        """Keep with the tombstone what became of digests; a second go adds to the first."""
        found = progress(connection, self.seal)
        first = found.get("digests", {"runs": {}, "audit": audit})
        runs = told.runs | {
            run: {"before": one["before"], "after": told.runs.get(run, one)["after"]}
            for run, one in first["runs"].items()
        }
        moved = audit["before"] != audit["after"]
        rows = Counter(found.get("store", {})) + Counter(told.rows | told.changed)
        unsealed = sorted({*found.get("unsealed", ()), *told.unsealed})
        digests = {"runs": runs, "audit": audit if moved else first["audit"]}
        kept(
            connection,
            self.seal,
            {"digests": digests, "unsealed": unsealed, "store": dict(rows)},
        )

    def _look(self, who: Who) -> None:
        folders = (self.home, self.settings.workspace.directory / "mlruns")
        with reading(self.store.engine) as connection:
            left = remains(connection, tuple(each for each in folders if each.is_dir()), who)
        if left:
            found = f"{len(left)} places still speak of the account: {', '.join(left[:3])}"
            raise DataRejected("erase.remains", found, "run it again, or take it out there by hand")
        with writing(self.store.engine) as connection:
            kept(connection, self.seal, {"places": self.places})
            unnamed(connection, self.seal)


def _certified(settings: Settings, store: Store, seal: str, now: datetime) -> dict[str, Any]:
    """Write the store anew, and then the certificate: in the store, in the audit, and as a file."""
    scoured(store.engine, settings.store.wait_seconds)
    with writing(store.engine) as connection:
        found = progress(connection, seal)
        certificate = {
            "certificate": seal[:16],
            "tombstone": seal,
            "erased_at": now.isoformat(),
            "places": found["places"] | {"store": found["store"]},
            "digests": found["digests"] | {"snapshots": renamed(store.home)},
            "unsealed": found["unsealed"],
        }
        closed(connection, seal, now, certificate)
        append(connection, now, BY, "account.erased", seal[:16])
    folder = store.home / CERTIFICATES
    folder.mkdir(mode=0o700, exist_ok=True)
    text = json.dumps(certificate, indent=1, sort_keys=True)
    written(folder / f"{now:%Y%m%dT%H%M%S}-{seal[:16]}.json", f"{text}\n".encode())
    return certificate


def _outlook(home: Path, who: Who, run: str, digest: str) -> str | None:
    return outlook_without(home, run, digest, who.account_id)


def _follow(connection: sa.Connection, moved: dict[str, str]) -> None:
    """Let runs stand on the snapshots that their own became."""
    r = tables.runs.c
    for old, new in sorted(moved.items()):
        standing = tables.runs.update().where(r.snapshot_id == old)
        connection.execute(standing.values(snapshot_id=new))
