"""Browser sessions: how they begin, what they open, when they end, and who may not use them."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from serving import keyring
from serving.api.access import COOKIE
from serving.dashboard.sign_in import safe_next
from serving.operation.settings import ServeSettings
from serving.store import Store
from tests.keyed import BY, Clock, api, client, clock, home, made, published, store

__all__ = ["api", "clock", "home", "published", "store"]

pytestmark = pytest.mark.ci
PAGE = {"accept": "text/html,*/*"}


def signed_in(api: TestClient, key: keyring.MadeKey, **form: str) -> str:
    """Paste a key; give the session's token."""
    reply = api.post("/login", data={"key": key.text} | form)
    assert reply.status_code == 303, reply.text
    return str(api.cookies[COOKIE])


def test_a_page_asks_for_a_key_once_and_goes_on_to_where_it_was(api: TestClient, store: Store):
    assert api.get("/login").headers["location"] == "/"
    key = made(store, "cs", name="Ada's")
    api.app.state.admission.closed = True
    asked = api.get("/?a=1&b=x%20y", headers=PAGE)
    assert asked.status_code == 303
    assert asked.headers["location"] == "/login?next=/%3Fa%3D1%26b%3Dx%2520y"
    page = api.get(asked.headers["location"])
    assert page.status_code == 200
    assert 'value="/?a=1&amp;b=x%20y"' in page.text
    reply = api.post("/login", data={"key": key.text, "next": "/?a=1"})
    assert (reply.status_code, reply.headers["location"]) == (303, "/?a=1")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert key.text not in cookie
    assert api.get("/", headers=PAGE).status_code == 200
    assert api.get("/v1/runs").status_code == 200
    api.cookies.clear()
    assert api.get("/v1/runs", headers=PAGE).status_code == 401


def test_over_https_the_cookie_is_for_https_alone(home, store: Store, clock: Clock):
    key = made(store)
    safe = client(home, clock)
    safe.base_url = "https://127.0.0.1"
    assert "Secure" in safe.post("/login", data={"key": key.text}).headers["set-cookie"]
    proxy = {"trusted_proxy": {"address": "10.0.0.2", "header": "X-User"}}
    for chosen in (proxy, {"hosts": ["127.0.0.1"]}):  # any proxy that ends TLS says so
        behind = client(home, clock, ServeSettings.model_validate(chosen), client=("10.0.0.2", 1))
        for told, secure in (("https", True), ("http", False)):
            sent = {"x-forwarded-proto": told}
            reply = behind.post("/login", data={"key": key.text}, headers=sent)
            assert ("Secure" in reply.headers["set-cookie"]) is secure


@pytest.mark.fault("D10")
def test_a_session_ends_at_once_with_sign_out_another_role_a_revoked_key_or_its_hours(
    home, store: Store, clock: Clock
):
    ends = {
        "sign out": lambda api, key: api.post("/logout"),
        "role": lambda api, key: keyring.change(
            store.engine, key.key.key_id, "finance", None, now=clock.now, by=BY
        ),
        "revoked": lambda api, key: keyring.revoke(
            store.engine, key.key.key_id, now=clock.now, by=BY
        ),
        "hours": lambda api, key: clock.on(hours=12),
    }
    for name, end in ends.items():
        key = made(store, "cs", name=name)
        api = client(home, clock)
        token = signed_in(api, key)
        assert api.get("/v1/runs").status_code == 200
        end(api, key)
        stolen = {"cookie": f"{COOKIE}={token}"}
        api.cookies.clear()
        assert api.get("/v1/runs", headers=stolen).status_code == 401, name
        page = api.get("/", headers=PAGE | stolen)
        assert (page.status_code, page.headers["location"]) == (303, "/login?next=/"), name


def test_a_session_is_the_key_s_own_and_ends_with_it(api: TestClient, store: Store, clock: Clock):
    key = made(store, "finance", expires_at=clock.now + timedelta(hours=1))
    signed_in(api, key)
    assert api.get("/v1/runs").status_code == 200
    assert api.post("/v1/score", json={"account_ids": ["a01"]}).status_code == 403
    clock.on(hours=1)
    assert api.get("/v1/runs").status_code == 401


def test_a_wrong_key_is_told_on_the_page_and_guesses_wait(api: TestClient, store: Store):
    made(store)
    wrong = [api.post("/login", data={"key": "per_guess"}, headers=PAGE) for _ in range(11)]
    assert [one.status_code for one in wrong] == [401] * 10 + [429]
    assert "This key is not good" in wrong[0].text
    assert "per_guess" not in wrong[0].text
    assert COOKIE not in api.cookies


EVIL = [
    "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)",
    "/\t/evil.example", "\\\\evil.example", "/%0d%0aSet-Cookie:a=b\r\nx", "evil", "///evil.example",
    "/login?next=/", "/\u2028/evil", " //evil.example",
]  # fmt: skip


@pytest.mark.fault("D09")
def test_the_page_goes_on_to_nobody_else(api: TestClient, store: Store):
    key = made(store)
    api.app.state.admission.closed = True
    for evil in EVIL:
        assert safe_next(evil) == "/"
        assert 'name="next" value="/"' in api.get(f"/login?next={quote(evil)}").text
        reply = api.post("/login", data={"key": key.text, "next": evil})
        assert reply.headers["location"] == "/", evil


ORIGINS: list[tuple[dict[str, str], int]] = [
    ({"sec-fetch-site": "cross-site"}, 403),
    ({"sec-fetch-site": "same-site"}, 403),
    ({"origin": "https://evil.example"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": "http://127.0.0.1:9999"}, 403),
    ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1"}, 403),
    ({"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1"}, 200),
    ({"sec-fetch-site": "same-origin", "origin": "null"}, 200),
    ({"origin": "http://127.0.0.1"}, 200),
    ({"sec-fetch-site": "none"}, 200),
    ({}, 200),
]


@pytest.mark.fault("D02")
@pytest.mark.parametrize("keyed", [False, True])
def test_another_site_s_page_changes_nothing(api: TestClient, store: Store, keyed: bool):
    if keyed:
        signed_in(api, made(store))
    for headers, status in ORIGINS:
        reply = api.post("/v1/score", json={"account_ids": ["a01"]}, headers=headers)
        assert reply.status_code == status, headers
        if status == 403:
            assert reply.json()["code"] == "cross_site"
            assert api.post("/logout", headers=headers).status_code == 403
        assert api.get("/v1/runs", headers=headers).status_code == 200


def test_a_link_of_another_site_is_followed_with_the_session(api: TestClient, store: Store):
    made(store)
    api.app.state.admission.closed = True
    reply = api.get('/?x="><b>', headers=PAGE | {"sec-fetch-site": "cross-site"})
    assert reply.status_code == 200
    assert 'http-equiv="refresh"' in reply.text
    assert "<b>" not in reply.text
