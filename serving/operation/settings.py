"""How the server runs: the section ``[serve]``."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from features.configuration import Section
from serving.kept import VARIABLE
from serving.proxy import TrustedProxy

__all__ = ["ServeSettings"]


class ServeSettings(Section):
    """Section ``[serve]``: limits and patience of the server, and what it logs.

    Attributes
    ----------
    at_once : int
        So many requests are worked at together; one more is answered 503 at once.
    heavy_at_once : int
        So many of them may be computed (a POST or a PUT) at the same time.
    connections : int
        So many connections are kept open; one more is answered 503 and closed.
    per_second : float
        So many requests a second of one key, on average; 0 for no limit. Without keys there is none.
    burst : int
        So many requests of one key may come at once before the average counts.
    receive_seconds : float
        A request must have arrived whole within this time, and an answer must be taken in it.
    query_seconds : float
        How long the store may work at one question before it is given up (503).
    drain_seconds : float
        How long a server that is asked to end says so (``/readyz`` is 503) before it takes no
        more requests.
    stop_seconds : float
        How long it may take in all to end; what is not answered then is cut off.
    log : "json" or "text"
        Lines on standard error: one JSON object each, or words for a person.
    log_level : "debug", "info", "warning" or "error"
        From which level on a line is written. Requests are told at ``info``.
    hosts : list of str
        Names that the server answers to beside this machine's own, e.g. ``perennial.example.com``;
        a request to any other is refused. With one of them a key is always needed.
    pepper : str or None
        ``env:NAME``, the environment variable that holds the secret which seals keys; without it
        the file ``pepper.key`` under the home does, made with the first key.
    session_hours : float
        How long a browser stays signed in.
    trusted_proxy : table or None
        Section ``[serve.trusted_proxy]``: a proxy that people sign in at.

    Examples
    --------
    >>> ServeSettings().at_once
    64
    """

    at_once: int = Field(default=64, ge=1)
    heavy_at_once: int = Field(default=8, ge=1)
    connections: int = Field(default=1000, ge=1)
    per_second: float = Field(default=200.0, ge=0)
    burst: int = Field(default=400, ge=1)
    receive_seconds: float = Field(default=10.0, gt=0)
    query_seconds: float = Field(default=1.5, gt=0)
    drain_seconds: float = Field(default=1.0, ge=0)
    stop_seconds: float = Field(default=10.0, gt=0)
    log: Literal["json", "text"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    hosts: tuple[str, ...] = ()
    pepper: str | None = None
    session_hours: float = Field(default=12.0, gt=0, le=720)
    trusted_proxy: TrustedProxy | None = None

    @field_validator("hosts")
    @classmethod
    def _names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [one for one in hosts if not re.fullmatch(r"[A-Za-z0-9.:-]{1,253}", one)]
        if wrong:
            raise ValueError("a host is a name or an address, without a port or a wildcard")
        return tuple(one.lower() for one in hosts)

    @field_validator("pepper")
    @classmethod
    def _named(cls, pepper: str | None) -> str | None:
        if pepper is not None and not VARIABLE.fullmatch(pepper):
            raise ValueError('a pepper is "env:NAME": the environment variable that holds it')
        return pepper
