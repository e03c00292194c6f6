"""Champions: the version that serves, and those that served before it, as MLflow keeps them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from models.tracking import NAME

if TYPE_CHECKING:
    from models.tracking import MlflowClient, ModelVersion

__all__ = ["ALIAS", "champion_number", "crown", "former_champions", "search"]

ALIAS = "champion"
_FORMER = "perennial.former_champions"
_MOST = 100


def search(client: MlflowClient, also: str = "") -> list[ModelVersion]:
    """List versions, page by page."""
    found: list[ModelVersion] = []
    token = None
    while token is None or token:
        page = client.search_model_versions(f"name = '{NAME}'{also}", page_token=token)
        found, token = [*found, *page], page.token or ""
    return found


def champion_number(client: MlflowClient) -> int | None:
    """Give the number of the version that serves."""
    number = client.get_registered_model(NAME).aliases.get(ALIAS)
    return None if number is None else int(number)


def former_champions(client: MlflowClient) -> list[int]:
    """List the champions before this one that still exist, the latest last."""
    model = client.get_registered_model(NAME)
    listed = json.loads(model.tags.get(_FORMER, "[]"))
    there = {int(one.version) for one in search(client)} - {champion_number(client)}
    return [number for number in listed if number in there]


def crown(client: MlflowClient, number: int, former: list[int]) -> None:
    """Let a version serve, and keep who served before it."""
    # The list first: were we stopped between the two, the champion would be in it and be skipped.
    client.set_registered_model_tag(NAME, _FORMER, json.dumps(former[-_MOST:]))
    client.set_registered_model_alias(NAME, ALIAS, str(number))
