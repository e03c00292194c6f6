"""Keys, sessions and the audit in a real PostgreSQL, with several who write at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from features.faults import DataRejected
from models.contacts import Call
from serving import audit, keyring
from serving.app import create_app
from serving.history import record_call
from serving.kept import StoreSettings
from serving.keys import listed
from serving.store import Store
from tests import own_postgres
from tests.example_publication import NOW
from tests.keyed import BY, made

pytestmark = [
    pytest.mark.ci,
    pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL here"),
]
MANY = 40


@pytest.mark.fault("U10")
def test_the_chain_holds_however_many_write_and_a_key_is_a_key_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_postgres.server() as url, own_postgres.own_schema(url) as text:
        monkeypatch.setenv("PERENNIAL_STORE_URL", text)
        kept = StoreSettings(url="env:PERENNIAL_STORE_URL")
        store = Store.open(tmp_path, kept)
        key = made(store)
        with ThreadPoolExecutor(8) as several:
            asked = [
                several.submit(record_call, store.engine, f"a{n}", Call("High"), NOW, f"k{n}")
                for n in range(MANY)
            ]
            assert [one.result() for one in asked] == [None] * MANY
        assert audit.verify_chain(store.engine).entries == MANY + 1
        admission = create_app(tmp_path, kept=kept, now=lambda: NOW).state.admission
        assert admission.by_key(key.text, "10.0.0.1") == key.key
        token = admission.sign_in(key.key)
        assert admission.by_session(token) == key.key.who
        admission.exposed(key.text)
        assert listed(store.engine)[0].state(NOW) == "rotate"
        keyring.revoke(store.engine, key.key.key_id, now=NOW, by=BY)
        assert admission.by_session(token) is None
        assert audit.verify_chain(store.engine).entries == MANY + 4
        with store.engine.begin() as connection:
            connection.execute(sa.text("update audit set who = 'eve' where entry = 7"))
        with pytest.raises(DataRejected, match="entry 7 is not"):
            audit.verify_chain(store.engine)
        store.engine.dispose()
        admission.engine.dispose()
