"""The page of the HTTP API, written from its OpenAPI description."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.app import create_app

__all__ = ["endpoints"]

HEAD = """# HTTP API

Written by `make docs` from the server's own OpenAPI (`/openapi.json` when it runs); a test fails
when it is stale. `perennial serve` listens on 127.0.0.1:8321, on this machine only. Answers are
JSON; every error is `application/problem+json` (RFC 9457) with a `code`, what was wrong where, and
an `instance` to quote. Unknown query parameters are refused (422). Everything comes from the
published run; nothing is computed on a GET.
"""


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
    parts = [
        _endpoint(method, path, one, schemas)
        for path, methods in told["paths"].items()
        for method, one in methods.items()
    ]
    return "\n".join([HEAD, *parts])


def _endpoint(method: str, path: str, one: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    lines = [f"## `{method.upper()} {path}`", "", one["description"].strip(), ""]
    rows = [_parameter(p) for p in one.get("parameters", ())] + _body(one, schemas)
    if rows:
        lines += ["| parameter | in | takes | default |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _parameter(parameter: Mapping[str, Any]) -> str:
    return _row(parameter["name"], parameter["in"], parameter["schema"])


def _body(one: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[str]:
    """Give one row per field of the body, where the endpoint takes one."""
    content = one.get("requestBody", {}).get("content", {})
    rows = []
    for kind in content.values():
        schema = kind["schema"]
        schema = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
        rows += [_row(name, "body", field) for name, field in schema.get("properties", {}).items()]
    return rows


def _row(name: str, place: str, schema: Mapping[str, Any]) -> str:
    default = f"`{schema['default']}`" if schema.get("default") is not None else ""
    return f"| `{name}` | {place} | {_takes(schema)} | {default} |"


def _takes(schema: Mapping[str, Any]) -> str:
    """Say in words what a value may be."""
    if "anyOf" in schema:
        kinds = [_takes(kind) for kind in schema["anyOf"] if kind.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    words = [schema.get("format") or schema.get("type", "any")]
    if schema.get("type") == "array":
        words = [f"list of {_takes(schema.get('items', {}))}"]
    if "minimum" in schema and "maximum" in schema:
        words.append(f"{schema['minimum']} to {schema['maximum']}")
    return " ".join(words)
