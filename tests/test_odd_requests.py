"""Odd requests that once broke something, or could: each has its answer."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from serving.store import Store
from tests.keyed import Clock, api, bearer, clock, home, made, published, store

__all__ = ["Clock", "api", "clock", "home", "published", "store"]


@pytest.mark.parametrize("part", ["bytes=0-9", "bytes=99999999-", "bytes=-1", "lines=1"])
def test_a_file_is_given_whole_whatever_part_is_asked_for(api: TestClient, part: str) -> None:
    whole = api.get("/static/perennial.css")
    reply = api.get("/static/perennial.css", headers={"range": part})
    assert (reply.status_code, reply.content) == (200, whole.content)


def test_a_page_says_what_is_wrong_with_a_header(store: Store, api: TestClient) -> None:
    headers = bearer(made(store, "finance")) | {"accept": "text/html"}
    reply = api.post("/accounts/a01/call", data={"retention": "Low"}, headers=headers)
    assert reply.status_code == 403
    assert "needs the scope" in reply.text
    assert "authorization" in reply.text


@pytest.mark.parametrize("path", ["/", "/v1/matrix", "/livez", "/static/perennial.css"])
def test_a_head_is_answered_as_a_get_without_its_body(api: TestClient, path: str) -> None:
    told, asked = api.get(path), api.head(path)
    assert (asked.status_code, asked.content) == (told.status_code, b"")
    assert asked.headers["content-type"] == told.headers["content-type"]
    assert api.head("/v1/score").status_code == 405
