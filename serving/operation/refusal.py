"""Refusal: a whole HTTP answer that is given before any request is worked at."""

from __future__ import annotations

import json
import os
from http import HTTPStatus

from serving.problems import Problem
from serving.protection import SAFE_HEADERS

__all__ = ["Refusal"]

_ID = "0" * 32


class Refusal(Exception):
    """A problem as bytes on the wire, made once and given many times with another id.

    Parameters
    ----------
    problem : Problem
        What is said.
    reason : str
        What it is counted as.

    Examples
    --------
    >>> slow = Refusal(Problem(408, "too_slow", "send a request within 10 s"), "slow")
    >>> slow.answer().partition(b" ")[2][:19]
    b'408 Request Timeout'
    """

    def __init__(self, problem: Problem, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self._body = json.dumps(problem.body(_ID))
        self._kept = self._written(problem)
        self._closing = self._kept.replace(b"X-Request-Id", b"Connection: close\r\nX-Request-Id")

    def answer(self, *, close: bool = True, head: bool = False) -> bytes:
        """Give the answer, under an id of its own; to HEAD its headers alone."""
        number = os.urandom(16).hex().encode()
        whole = (self._closing if close else self._kept).replace(_ID.encode(), number)
        return whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head else whole

    def _written(self, problem: Problem) -> bytes:
        headers = SAFE_HEADERS | problem.headers
        lines = [
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
            "Content-Type: application/problem+json",
            f"Content-Length: {len(self._body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
            f"X-Request-Id: {_ID}",
        ]
        return "\r\n".join([*lines, "", self._body]).encode("ascii")
