"""The door in short: open to this machine until the first key, closed from then on."""

from serving import keyring
from serving.admission import KNOWN_SECONDS
from tests.keyed import BY, api, bearer, clock, home, made, published, store

__all__ = ["api", "clock", "home", "published", "store"]


def test_no_key_leaves_the_server_open_to_this_machine_and_the_first_one_closes_it(
    store, api, clock
):
    assert api.get("/v1/matrix").status_code == 200
    assert api.get("/v1/matrix", headers={"x-forwarded-for": "1.2.3.4"}).status_code == 401
    key = made(store)
    clock.on(seconds=KNOWN_SECONDS)
    assert api.get("/v1/matrix").status_code == 401
    assert api.get("/v1/matrix", headers=bearer(key)).status_code == 200
    keyring.revoke(store.engine, key.key.key_id, now=clock.now, by=BY)
    clock.on(seconds=KNOWN_SECONDS)
    assert api.get("/v1/matrix").status_code == 401
    assert [api.get(path).status_code for path in ("/livez", "/readyz", "/metrics")] == [200] * 3
