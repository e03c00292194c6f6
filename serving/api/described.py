"""The API's description of itself: FastAPI's, with examples told whole."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from serving.api.examples import EXAMPLES

__all__ = ["Described"]


class Described(FastAPI):
    """An app whose OpenAPI keeps the nulls of examples, which FastAPI leaves out.

    Examples
    --------
    >>> Described(title="Perennial").openapi()["info"]["title"]
    'Perennial'
    """

    def openapi(self) -> dict[str, Any]:
        """Give the OpenAPI description."""
        told = super().openapi()
        for methods in told.get("paths", {}).values():
            for one in methods.values():
                _restored(one)
        return told


def _restored(operation: dict[str, Any]) -> None:
    example = EXAMPLES.get(operation.get("operationId", ""))
    if example is None:
        return
    answer = operation["responses"]["200"]["content"]["application/json"]
    answer["example"] = example.answer
    if example.body is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = dict(example.body)
