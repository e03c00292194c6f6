"""Any request: whatever is sent, the API answers as its description says, and never breaks.

Schemathesis makes requests from the OpenAPI document: at the edges of every parameter and body
(good and bad), and at random. Each is asked by several who ask: an open server, a key of every
role, and none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as drawn
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.app import create_app
from serving.keyring import MadeKey
from serving.operation.duty import Duty
from serving.operation.settings import ServeSettings
from tests.canary_book import CANARIES, against_actual, published, scored
from tests.example_publication import NOW
from tests.keyed import HERE, bearer, made

pytestmark = pytest.mark.ci

LEAST = 3000
AT_RANDOM = 60
REFUSED = {400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 429, 503}
"""Every status that is no success; of those above 499 only "not ready"."""
UNREADY = {"no_published_run", "model_not_loaded", "no_clock"}
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "errors"}
PLACES = {"pointer", "parameter", "header", "code", "message"}
CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]
Who = tuple[FastAPI, dict[str, str]]


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Who]:
    """Give everybody who asks: a client, and the headers of a key."""
    free, kept = (tmp_path_factory.mktemp(name) for name in ("open", "keyed"))
    published(free)
    store = published(kept)
    keys: dict[str, MadeKey] = {
        "limited": made(store, "cs", csm="Ada"),
        **{role: made(store, role) for role in ("admin", "cs", "finance", "batch")},
    }
    opened, keyed = _app(free), _app(kept)
    named = {name: (keyed, bearer(key)) for name, key in keys.items()}
    return {"open": (opened, {}), **named, "nobody": (keyed, {})}


def _app(home: Path) -> FastAPI:
    chosen = Duty(ServeSettings(per_second=0))  # the same few keys ask thousands of times
    return create_app(home, scored, against_actual=against_actual, now=lambda: NOW, duty=chosen)


@pytest.fixture(scope="module")
def schema(callers: dict[str, Who]) -> schemathesis.BaseSchema:
    """Read the OpenAPI document as it is served."""
    told = callers["open"][0].openapi()
    return schemathesis.openapi.from_dict(told, config=SchemathesisConfig(seed=7))


def test_whatever_is_sent_is_answered_as_described(
    schema: schemathesis.BaseSchema, callers: dict[str, Who]
) -> None:
    seen: Counter[str] = Counter()
    at_the_edges(schema, callers, seen)
    at_random(schema, callers, seen)
    assert seen["asked"] >= LEAST
    assert all(seen[f"status {status}"] for status in (200, 401, 403, 404, 405, 422)), seen


def at_the_edges(
    schema: schemathesis.BaseSchema, callers: dict[str, Who], seen: Counter[str]
) -> None:
    """Ask for every edge, good and bad, of every parameter: as admin, and as one of the others."""
    others = cycle(name for name in callers if name != "admin")
    for operation in _operations(schema):
        for case in schema.iter_coverage_cases(
            operation,
            generation_modes=list(GenerationMode),
            generation_config=schema.config.generation,
        ):
            for who in ("admin", next(others)):
                _ask(case, callers[who], seen)


def at_random(schema: schemathesis.BaseSchema, callers: dict[str, Who], seen: Counter[str]) -> None:
    """Ask good requests at random, of accounts that there are and that there are not."""
    askers, accounts = cycle(callers), cycle(one.account_id for one in CANARIES.values())
    for operation in _operations(schema):
        about = {"account_id": next(accounts)} if "account_id" in operation.label else None
        for fixed in (None, about) if about else (None,):
            drawn_case = operation.as_strategy(
                generation_mode=GenerationMode.POSITIVE, path_parameters=fixed
            )

            @drawn(
                max_examples=AT_RANDOM,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=drawn_case)
            def ask(case: schemathesis.Case) -> None:
                _ask(case, callers[next(askers)], seen)

            ask()


def _operations(schema: schemathesis.BaseSchema) -> Iterator[Any]:
    for found in schema.get_all_operations():
        yield found.ok()


def _ask(case: schemathesis.Case, who: Who, seen: Counter[str]) -> None:
    """Send one case, and hold the answer against the document and the rules of problems."""
    app, headers = who
    reply = case.call(base_url=HERE, app=app, headers=headers)
    seen.update(["asked", f"status {reply.status_code}"])
    case.validate_response(reply, checks=CHECKS)
    if reply.status_code != 200:
        _is_problem(reply)


def _is_problem(reply: schemathesis.Response) -> None:
    """Hold an answer that is no success against RFC 9457, and against what we promise of it."""
    told, number = reply.json(), reply.headers["x-request-id"][0]
    where = (reply.request.method, reply.request.url, reply.request.body, told)
    assert reply.headers["content-type"] == ["application/problem+json"], where
    assert told["status"] == reply.status_code, where
    assert reply.status_code in REFUSED, where
    assert reply.status_code != 503 or told["code"] in UNREADY, where
    assert set(told) - {"retry_after"} == MEMBERS, where
    assert told["type"] == f"urn:perennial:problem:{told['code']}", where
    assert told["instance"] == f"urn:perennial:request:{number}", where
    assert all(isinstance(told[name], str) for name in ("title", "detail", "code")), where
    assert all(set(one) <= PLACES for one in told["errors"]), where
    assert b"Traceback" not in reply.content, where
