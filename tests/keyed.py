"""A published book behind keys: its home, its store, a clock that is moved by hand, a client.

A test module imports the fixtures that it needs: ``api, clock, home, published, store``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from serving import keyring
from serving.app import create_app
from serving.keyring import MadeKey
from serving.operation.duty import Duty
from serving.operation.settings import ServeSettings
from serving.pepper import made_pepper
from serving.store import Store
from tests.example_publication import NOW, example

HERE = "http://127.0.0.1"
BY = "a test"


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def on(self, **far: float) -> None:
        """Move it on."""
        self.now += timedelta(**far)


@pytest.fixture
def clock() -> Clock:
    """Give a clock that stands at the publication."""
    return Clock()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish the example once."""
    home = tmp_path_factory.mktemp("published")
    Store.open(home).publish(example(), now=NOW)
    with sqlite3.connect(home / "perennial.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return home


@pytest.fixture
def home(published: Path, tmp_path: Path) -> Path:
    """Give a home of one's own with the example."""
    (tmp_path / "perennial.db").write_bytes((published / "perennial.db").read_bytes())
    return tmp_path


@pytest.fixture
def store(home: Path) -> Store:
    """Give its store."""
    return Store.open(home)


@pytest.fixture
def api(home: Path, clock: Clock) -> TestClient:
    """Give a client of its server."""
    return client(home, clock)


def client(
    home: Path, clock: Clock, settings: ServeSettings | None = None, **further: Any
) -> TestClient:
    """Give a client of a server whose patience goes by the clock too."""
    app = create_app(home, _scored, now=clock, duty=Duty(settings) if settings else None)
    app.state.admission.ticks = lambda: clock.now.timestamp()
    further = {"raise_server_exceptions": False, "follow_redirects": False} | further
    return TestClient(app, base_url=HERE, **further)


def made(store: Store, role: str = "admin", **further: Any) -> MadeKey:
    """Make a key."""
    return keyring.make(store.engine, made_pepper(store.home), role, now=NOW, by=BY, **further)


def bearer(key: MadeKey | str) -> dict[str, str]:
    """Give the header of a key."""
    return {"authorization": f"Bearer {key if isinstance(key, str) else key.text}"}


def _scored(names: Iterable[str]) -> list[dict[str, Any]]:
    return [{"account_id": name, "p_churn": 0.1} for name in names]
