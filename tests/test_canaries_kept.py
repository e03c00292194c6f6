"""Secrets and people, looked for where they must not be: logs, metrics, errors, reports, backups."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from features.ingest import ingest
from serving import keyring
from serving.app import create_app
from serving.backups.taking import take
from serving.operation.log import log_of
from serving.operation.settings import ServeSettings
from serving.pepper import FILE, made_pepper
from serving.settings import load
from serving.store import Store
from tests.example_publication import NOW, example

pytestmark = pytest.mark.ci

PERSON, MAIL = "Wilhelmina Quasar", "w.quasar@person.example"
ACCOUNTS = "account_id,name\na01,Acme Rail\n"
LINES = "account_id,starts_on,mrr\na01,2025-01-01,100\n"
CONTACTS = f"account_id,contact_id,role,left_on\na01,{MAIL},champion,someday\na01,c2,{MAIL},\n"


@pytest.mark.fault("U14")
def test_no_secret_and_no_person_is_told_outside_its_own_place(tmp_path: Path) -> None:
    folder = tmp_path / "book"
    folder.mkdir()
    for name, text in (("accounts", ACCOUNTS), ("subscriptions", LINES), ("contacts", CONTACTS)):
        (folder / f"{name}.csv").write_text(text)
    settings = load(here=folder)
    report = ingest(settings.workspace, settings.home, NOW)
    store = Store.open(settings.home)
    store.publish(example(), now=NOW)
    pepper = made_pepper(settings.home)
    key = keyring.make(store.engine, pepper, "admin", now=NOW, by="a test").text
    out = StringIO()
    app = create_app(settings.home, now=lambda: NOW, log=log_of(ServeSettings(), lambda: NOW, out))
    asked = TestClient(app, "http://127.0.0.1", raise_server_exceptions=False)
    header = {"authorization": f"Bearer {key}"}
    for path in ("/v1/accounts/a02", f"/v1/accounts/{PERSON}", f"/v1/accounts?csm={MAIL}"):
        asked.get(path, headers=header)
    metrics = asked.get("/metrics", headers=header).text
    backup = take(store.engine, settings.home, None, tmp_path / "backups", NOW).folder
    said = json.dumps(report.to_json()) + out.getvalue() + metrics
    errors = [path.read_text() for path in settings.home.rglob("errors.jsonl")]
    told = said + "".join(errors)
    secrets = (key.rpartition("_")[2], pepper.secret.hex(), pepper.secret.decode("latin-1"))
    assert errors
    assert '"event":"request"' in out.getvalue()
    assert not [one for one in (*secrets, PERSON, MAIL, "Birch & Co") if one in told]
    kept = _said(settings.home) + _said(backup)
    assert not [one for one in secrets if one in kept]
    assert not (backup / "home" / FILE).exists()


def _said(folder: Path) -> str:
    """Give all that files say but the pepper itself, Parquet read out."""
    said = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        if path.name != FILE:
            said.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".parquet":
            said.append(str(pq.read_table(path).to_pylist()))
    return "\n".join(said)
