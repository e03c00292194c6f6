"""What is kept for one key is no other's: its share of requests, its answers, its repeats."""

import pytest

from serving.operation.settings import ServeSettings
from tests.keyed import api, bearer, client, clock, home, made, published, store

__all__ = ["api", "clock", "home", "published", "store"]

pytestmark = pytest.mark.ci


def test_a_key_that_asks_too_much_waits_and_no_other_does(home, store, clock):
    one, other = made(store, name="one"), made(store, name="other")
    settings = ServeSettings(per_second=0.001, burst=3)
    server = client(home, clock, settings)
    told = [server.get("/v1/runs", headers=bearer(one)) for _ in range(4)]
    assert [reply.status_code for reply in told] == [200, 200, 200, 429]
    body = told[-1].json()
    assert (body["code"], told[-1].headers["content-type"]) == ("rate_limited", "application/problem+json")  # fmt: skip
    assert int(told[-1].headers["retry-after"]) == body["retry_after"] >= 1
    assert server.get("/v1/runs", headers=bearer(other)).status_code == 200
    assert server.get("/livez").status_code == 200
    assert 'perennial_http_rejects_total{reason="rate"} 1.0' in server.get("/metrics").text


@pytest.mark.fault("U03")
def test_an_answer_kept_for_one_is_not_given_to_who_may_not_see_it(home, store, clock):
    """Accounts a01 and a05 are Ada's; Ben's key never sees them, however often they were read."""
    whole, bens = made(store, name="whole"), made(store, "cs", name="ben", csm="Ben")
    batch = made(store, "batch", name="batch")
    server = client(home, clock)
    for _ in range(2):
        assert server.get("/v1/accounts/a01", headers=bearer(whole)).status_code == 200
        assert server.get("/v1/accounts/a01", headers=bearer(bens)).status_code == 404
        assert server.get("/v1/accounts/a01", headers=bearer(batch)).status_code == 403
        assert server.get("/v1/accounts/a01").status_code == 401
        listed = server.get("/v1/accounts", headers=bearer(bens)).json()["items"]
        assert {row["csm"] for row in listed} == {"Ben"}
        assert server.get("/v1/accounts", headers=bearer(whole)).json()["total"] == 12


@pytest.mark.fault("S13")
def test_a_repeat_is_of_the_key_that_asked(home, store, clock):
    one, other = made(store, name="one"), made(store, name="other")
    server = client(home, clock)
    again = {"idempotency-key": "k"}
    asked = {"account_ids": ["a01"]}
    for key, replayed in ((one, None), (one, "true"), (other, None)):
        reply = server.post("/v1/score", json=asked, headers=bearer(key) | again)
        assert (reply.status_code, reply.headers.get("idempotency-replayed")) == (200, replayed)
    stranger = server.post("/v1/score", json=asked, headers=again)
    assert stranger.status_code == 401
