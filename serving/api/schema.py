"""Schemas of bodies that are read by hand: whole, since nothing else names their parts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

__all__ = ["whole"]


def whole(model: type[BaseModel]) -> dict[str, Any]:
    """Give a model's JSON schema with the schemas that it names in their places."""
    schema = model.model_json_schema()
    found: dict[str, Any] = _whole(schema, schema.get("$defs", {}))
    return found


def _whole(value: Any, named: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_whole(one, named) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _whole(named[value["$ref"].rpartition("/")[2]], named)
    return {name: _whole(one, named) for name, one in value.items() if name != "$defs"}
