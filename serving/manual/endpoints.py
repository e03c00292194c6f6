"""The page of the HTTP API, written from its OpenAPI description."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from serving.api.examples import EXAMPLES, Example
from serving.app import create_app

__all__ = ["endpoints"]

HEAD = """# HTTP API

Written by `make docs` from the server's own OpenAPI (`/openapi.json` when it runs); a test fails
when it is stale. `perennial serve` listens on 127.0.0.1:8321, on this machine only.

- Answers are JSON; every error is `application/problem+json` (RFC 9457) with a `code`, what was
  wrong where, and an `instance` to quote. Null is "not known", never zero.
- A key is sent as `Authorization: Bearer per_…` ([keys](keys.md)); what it may do is its role's. A
  key that is limited to one CSM sees that CSM's accounts alone, wherever it asks.
- Unknown parameters and unknown keys of a body are refused (422); dates are days, `2025-07-01`.
- Everything comes from the published run; only `POST /v1/score` and a scenario compute something.
  `?run=` asks for another run by its id, a held or superseded one too; `?as_of=` for the run that
  stands for a date (404 names the nearest).
- Answers carry a strong `ETag`: sent again as `If-None-Match` it gives 304, and as `If-Match` with
  a call it gives 412 where the account is not any more what you saw.
- An account's id may hold any letters: write it percent-encoded, a slash as `%2F`. So
  `/v1/accounts/a%2Fhistory` is the account "a/history", and `/v1/accounts/a/history` the history
  of "a". The ids "." and ".." cannot stand in an address.
"""
TITLES = {
    "accounts": "Accounts",
    "book": "The book",
    "forecast": "Forecast",
    "score": "Scoring now",
    "models": "Models",
    "health": "Health",
}


def endpoints() -> str:
    """Write the page.

    Examples
    --------
    >>> print(endpoints().splitlines()[0])
    # HTTP API
    """
    with tempfile.TemporaryDirectory() as home:
        told = create_app(Path(home)).openapi()
    schemas = told.get("components", {}).get("schemas", {})
    groups: dict[str, list[str]] = {}
    for path, methods in told["paths"].items():
        for method, one in methods.items():
            written = _endpoint(method, path, one, schemas)
            groups.setdefault(one.get("tags", ["health"])[0], []).append(written)
    order = [*TITLES, *(tag for tag in groups if tag not in TITLES)]
    parts = [
        part
        for tag in order
        if tag in groups
        for part in (f"## {TITLES.get(tag, tag.capitalize())}\n", *groups[tag])
    ]
    return "\n".join([HEAD, *parts])


def _endpoint(method: str, path: str, one: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    lines = [f"### `{method.upper()} {path}`", "", one["description"].strip(), ""]
    rows = [_parameter(p) for p in one.get("parameters", ())] + _body(one, schemas)
    if rows:
        head = ["| parameter | in | takes | default | |", "|---|---|---|---|---|"]
        lines += [*head, *rows, ""]
    return "\n".join([*lines, *_examples(method, path, one)])


def _examples(method: str, path: str, one: Mapping[str, Any]) -> list[str]:
    """Show the example of a request and of its answer."""
    lines = []
    body = _example(one.get("requestBody", {}))
    asked = EXAMPLES.get(one.get("operationId", ""), Example({}))
    if asked.query or body is not None:
        at = path.replace("{account_id}", asked.path or "a01")
        query = "?" + urlencode(asked.query) if asked.query else ""
        sent = ["", _json(body)] if body is not None else []
        lines += ["```http", f"{method.upper()} {at}{query}", *sent, "```", ""]
    answer = _example(one.get("responses", {}).get("200", {}))
    if answer is not None:
        lines += ["```text", _json(answer), "```", ""]
    return lines


def _example(told: Mapping[str, Any]) -> Any:
    return told.get("content", {}).get("application/json", {}).get("example")


def _json(value: Any) -> str:
    """Write an example; a long one with each part of it on a line of its own, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= _WIDE or not isinstance(value, dict):
        return text
    lines = [f"  {json.dumps(key)}: {_cut(item)}" for key, item in value.items()]
    return "{\n" + ",\n".join(lines) + "\n}"


_WIDE, _LINE = 90, 220


def _cut(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= _LINE:
        return text
    if isinstance(value, list):
        return f"[{_cut(value[0])}]"
    kept = ""
    for key, item in value.items() if isinstance(value, dict) else ():
        one = f"{json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}, "
        if len(kept) + len(one) > _LINE:
            break
        kept += one
    return "{" + kept + "…}"


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    about = parameter.get("description") or schema.get("description", "")
    return _row(parameter["name"], parameter["in"], schema, about)


def _body(one: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[str]:
    """Give one row per field of the body, where the endpoint takes one."""
    content = one.get("requestBody", {}).get("content", {})
    rows = []
    for kind in content.values():
        schema = kind["schema"]
        schema = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
        fields = schema.get("properties", {}).items()
        rows += [_row(name, "body", field, field.get("description", "")) for name, field in fields]
    return rows


def _row(name: str, place: str, schema: Mapping[str, Any], about: str) -> str:
    default = f"`{schema['default']}`" if schema.get("default") is not None else ""
    said = " ".join(about.split())
    return f"| `{name}` | {place} | {_takes(schema)} | {default} | {said} |"


def _takes(schema: Mapping[str, Any]) -> str:
    """Say in words what a value may be."""
    if "anyOf" in schema:
        kinds = [_takes(kind) for kind in schema["anyOf"] if kind.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in schema:
        ups = [str(value) for value in schema["enum"] if not str(value).startswith("-")]
        both = "; each with - before it too" if len(ups) < len(schema["enum"]) else ""
        return ", ".join(f"`{value}`" for value in ups) + both
    words = [schema.get("format") or schema.get("type", "any")]
    if schema.get("type") == "array":
        words = [f"list of {_takes(schema.get('items', {}))}"]
    if "minimum" in schema and "maximum" in schema:
        words.append(f"{schema['minimum']} to {schema['maximum']}")
    return " ".join(words)
