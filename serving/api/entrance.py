"""The entrance: what is asked of every request, whoever sent it: its host, and where it is from."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import datetime, timedelta

from fastapi import Request

from serving.admission import Admission, AdmissionSettings
from serving.operation.settings import ServeSettings
from serving.problems import Problem
from serving.protection import host_of, is_foreign, is_loopback
from serving.store import Store

__all__ = ["admission_of", "from_here", "trusted_host"]


def admission_of(
    store: Store, chosen: ServeSettings, now: Callable[[], datetime] | None
) -> Admission:
    """Give the admission that settings ask for: closed as soon as others may ask."""
    closed = bool(chosen.hosts) or chosen.trusted_proxy is not None
    lasts = timedelta(hours=chosen.session_hours)
    settings = AdmissionSettings(chosen.pepper, closed, lasts)
    return Admission(store.engine, store.home, now, settings)


async def trusted_host(request: Request) -> None:
    """Refuse a request that names a host which is not ours: a page elsewhere sent it.

    Once a key is needed an address will do as well: only names can be made to point here.
    """
    host = host_of(request.headers.get("host", ""))
    if is_loopback(host) or host in request.app.state.duty.settings.hosts:
        return
    if request.app.state.admission.closed and _is_address(host):
        return
    at = {"header": "host", "code": "untrusted_host", "message": "use 127.0.0.1 or localhost"}
    detail = "this server does not answer to this name: [serve] hosts in perennial.toml lists more"
    raise Problem(400, "untrusted_host", detail, [at])


async def from_here(request: Request) -> None:
    """Refuse what the page of another site sent, if it is more than a question."""
    hosts = request.app.state.duty.settings.hosts
    if is_foreign(request.method, request.headers, hosts):
        raise Problem(403, "cross_site", "another site's page sent this: open it here instead")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
