"""The API's description of itself: FastAPI's, with examples told whole."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from serving.api.access import scopes_of
from serving.api.examples import EXAMPLES

__all__ = ["Described"]

_KEY = {"type": "http", "scheme": "bearer", "description": "A key: `perennial keys create`."}


class Described(FastAPI):
    """An app whose OpenAPI keeps the nulls of examples, which FastAPI leaves out, and names scopes.

    Examples
    --------
    >>> Described(title="Perennial").openapi()["info"]["title"]
    'Perennial'
    """

    def openapi(self) -> dict[str, Any]:
        """Give the OpenAPI description."""
        told = super().openapi()
        scopes = scopes_of(self)
        for path, methods in told.get("paths", {}).items():
            for method, one in methods.items():
                _restored(one)
                _kept_to(one, scopes.get((path, method)))
        told.setdefault("components", {})["securitySchemes"] = {"key": _KEY}
        return told


def _restored(operation: dict[str, Any]) -> None:
    example = EXAMPLES.get(operation.get("operationId", ""))
    if example is None:
        return
    answer = operation["responses"]["200"]["content"]["application/json"]
    answer["example"] = example.answer
    if example.body is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = dict(example.body)


def _kept_to(operation: dict[str, Any], scope: str | None) -> None:
    """Say that an operation needs a key, and of which scope."""
    if scope is not None:
        operation["security"] = [{"key": []}]
        operation["x-scope"] = scope
