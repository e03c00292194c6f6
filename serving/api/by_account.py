"""Routes that carry an account's id in their address, whatever letters the id is made of.

An id may hold slashes and any Unicode. It is read from the address as it was sent: a slash that is
written as ``%2F`` belongs to the id, and what follows the id (``/history``, ``/detail``, ``/call``)
must be sent as it is. So ``a%2Fhistory`` is the account "a/history", and ``a/history`` is the
history of "a".
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Path
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

__all__ = ["PARTS", "ByAccount", "Id", "address_of"]

Id = Annotated[str, Path(description="The account's id, percent-encoded: a slash in it as `%2F`.")]
"""The account of an address."""

PARTS = ("history", "detail", "call")
"""What may follow the id of an account; a slash before it belongs to the address."""
_ID = "account_id"
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class ByAccount(APIRoute):
    """A route whose ``{account_id:path}`` is matched as it was sent, and decoded once."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the address as it was sent."""
        if scope["type"] == "http" and scope.get("raw_path"):
            sent = scope["raw_path"].partition(b"?")[0].decode("latin-1")
            scope = dict(scope) | {"path": sent}
        match, child = super().matches(scope)
        found: dict[str, Any] = child.get("path_params", {}) if match != Match.NONE else {}
        if _ID in found:
            if self.path.endswith("{account_id:path}") and _is_part(found[_ID]):
                return Match.NONE, {}
            child["path_params"] = found | {_ID: unquote(found[_ID])}
        return match, child


def _is_part(sent: str) -> bool:
    return "/" in sent and sent.rpartition("/")[2] in PARTS


def address_of(account_id: str) -> str:
    """Write an id so that it stands in an address as one piece.

    Examples
    --------
    >>> address_of("a/history"), address_of("ü 1")
    ('a%2Fhistory', '%C3%BC%201')
    """
    letters = account_id.encode("utf-8", "replace")
    return "".join(chr(one) if one in _UNRESERVED else f"%{one:02X}" for one in letters)
