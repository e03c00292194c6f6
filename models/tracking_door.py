"""The door of an MLflow server: whether it asks who is there, and is young enough to be trusted.

Whoever may write to the registry names the model that serves. Asked in a few plain requests before
MLflow's client is; a server that does not answer is told of by whoever needs it.
"""

from __future__ import annotations

import base64
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

from packaging.version import InvalidVersion, Version

from features.faults import ConfigurationRefused

__all__ = ["refuse_open_tracking"]

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
VERSION = "/version"
DEFAULTS = (("admin", "password1234"), ("admin", "password"), ("admin", "admin"))
"""Names and passwords that an MLflow server had when nobody chose any."""
_SECONDS = 5.0
_OK = 200
_LONGEST = 200

Credentials = tuple[str, str] | None
Ask = Callable[[str, Credentials], tuple[int, str] | None]


def ask(address: str, credentials: Credentials) -> tuple[int, str] | None:
    """Give status and the first words of what an address answers; None where nobody does."""
    request = urllib.request.Request(address)
    if credentials is not None:
        told = base64.b64encode(":".join(credentials).encode()).decode("ascii")
        request.add_header("Authorization", f"Basic {told}")
    try:
        with _opener().open(request, timeout=_SECONDS) as answer:
            return int(answer.status), answer.read(_LONGEST).decode("utf-8", "replace").strip()
    except urllib.error.HTTPError as refused:
        return int(refused.code), ""
    except (OSError, ValueError):
        return None


def refuse_open_tracking(uri: str | None, floor: str, asked: Ask = ask) -> None:
    """Refuse an MLflow server that lets anybody in, has a well-known password, or is too old.

    Parameters
    ----------
    uri : str or None
        ``[mlflow] tracking_uri``. A database is no server: it asks for its own user.
    floor : str
        The lowest version that may be.
    asked : callable
        Gives an answer; another in tests.

    Raises
    ------
    ConfigurationRefused
        ``registry.open``, ``registry.default_password``, ``registry.old`` (exit code 78).

    Examples
    --------
    >>> refuse_open_tracking(None, "3.17.2")
    >>> refuse_open_tracking("http://mlflow:5000", "3.17.2", lambda address, who: (200, "{}"))
    Traceback (most recent call last):
    ...
    features.faults.ConfigurationRefused: http:mlflow: lets in who says no name: registry.open: start it with --app-name basic-auth, or put a proxy that asks before it
    """
    parts = urllib.parse.urlsplit(uri or "")
    if parts.scheme not in ("http", "https"):
        return
    host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    place = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
    shown, own = f"{parts.scheme}:{parts.hostname}", _own(parts)
    if _let_in(asked(place + SEARCH, None)):
        cure = "start it with --app-name basic-auth, or put a proxy that asks before it"
        raise ConfigurationRefused("registry.open", f"{shown}: lets in who says no name", cure)
    if own in DEFAULTS or any(_let_in(asked(place + SEARCH, one)) for one in DEFAULTS):
        cure = "change the password of its user admin"
        raise ConfigurationRefused(
            "registry.default_password", f"{shown}: has a well-known password", cure
        )
    _refuse_old(shown, asked(place + VERSION, own), floor)


def _refuse_old(shown: str, answer: tuple[int, str] | None, floor: str) -> None:
    if answer is None:
        return
    found = answer[1] if answer[0] == _OK else ""
    try:
        old = Version(found) < Version(floor)
    except InvalidVersion:
        found, old = "a version that it does not tell", True
    if old:
        cure = f"upgrade the server to MLflow {floor} or later"
        raise ConfigurationRefused("registry.old", f"{shown}: {found}", cure)


def _own(parts: urllib.parse.SplitResult) -> Credentials:
    """Give the name and password that MLflow's client will use."""
    if parts.username:
        unquoted = urllib.parse.unquote
        return unquoted(parts.username), unquoted(parts.password or "")
    name = os.environ.get("MLFLOW_TRACKING_USERNAME")
    return (name, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if name else None


def _let_in(answer: tuple[int, str] | None) -> bool:
    return answer is not None and answer[0] == _OK


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: a page to sign in at is no way in."""

    def redirect_request(self, *_: object) -> None:
        """Give no request to go on with."""


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Stays)
