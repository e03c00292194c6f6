"""Whole book: figures that cannot be cut to one CSM's accounts are refused to a key limited to them."""

from __future__ import annotations

from typing import Any

from fastapi import Depends

from serving.api.access import Caller, Who
from serving.problems import Problem

__all__ = ["refuse_limited", "whole_book"]


def refuse_limited(who: Who) -> None:
    """Refuse whoever sees one CSM's accounts alone.

    Raises
    ------
    Problem
        403 ``scope``.

    Examples
    --------
    >>> refuse_limited(Who("finance", None, False, "cfo"))
    >>> refuse_limited(Who("cs", "Ada", True, "ada"))
    Traceback (most recent call last):
    ...
    serving.problems.Problem: scope
    """
    if who.csm is not None:
        at = {"parameter": "scope", "code": "scope", "message": "read, of every account"}
        detail = (
            "the forecast and its scenarios are of the whole book, and this key is limited to the "
            "accounts of one CSM; ask with a key that is not"
        )
        raise Problem(403, "scope", detail, [at])


async def _whole(who: Caller) -> None:
    refuse_limited(who)


whole_book: Any = Depends(_whole)
"""The dependency of a route that tells of the whole book."""
