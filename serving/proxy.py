"""The proxy that people sign in at before they come here: the section ``[serve.trusted_proxy]``."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Literal

from pydantic import Field, field_validator
from starlette.datastructures import Headers

from features.configuration import Section
from serving.roles import Who

__all__ = ["TrustedProxy"]

Role = Literal["cs", "finance", "batch", "admin"]


class TrustedProxy(Section):
    """Section ``[serve.trusted_proxy]``: a proxy whose word counts on who somebody is.

    It must set the header itself on every request, and drop the one that it was sent; a header that
    comes twice names nobody.

    Attributes
    ----------
    address : str
        The address that the proxy connects from; the header of any other is not looked at.
    header : str
        The header that names who is signed in, e.g. ``X-Forwarded-User``.
    role : "cs", "finance", "batch" or "admin" or None
        The role of everybody whom ``people`` does not name; without it they are strangers.
    people : mapping of str to role
        Roles by name.
    csm_header : str or None
        The header that names the CSM whose accounts a cs may see; where it is empty they are
        strangers. Without this setting they see all.

    Examples
    --------
    >>> proxy = TrustedProxy(address="10.0.0.2", header="X-Forwarded-User", people={"ada": "cs"})
    >>> ada = Headers({"x-forwarded-user": "ada"})
    >>> proxy.who("10.0.0.2", ada).role
    'cs'
    >>> print(proxy.who("10.0.0.2", Headers({"x-forwarded-user": "eve"})))
    None
    >>> print(proxy.who("10.0.0.3", ada))
    None
    """

    address: str
    header: str = Field(min_length=1, max_length=100)
    role: Role | None = None
    people: dict[str, Role] = Field(default_factory=dict)
    csm_header: str | None = Field(default=None, min_length=1, max_length=100)

    @field_validator("address")
    @classmethod
    def _one_address(cls, value: str) -> str:
        return str(ipaddress.ip_address(value))

    def who(self, peer: str, headers: Headers) -> Who | None:
        """Give who the proxy says is signed in; None for nobody, and for any other peer."""
        name = _told(headers, self.header)
        role = self.people.get(name, self.role)
        if peer != self.address or not name or role is None:
            return None
        if self.csm_header is None or role != "cs":
            return Who.of(role, None, name, _mark(name))
        csm = _told(headers, self.csm_header)
        return Who.of(role, csm, name, _mark(name)) if csm else None

    def client(self, peer: str, headers: Headers) -> str:
        """Give the address of who asks: the last one that the proxy tells of.

        Examples
        --------
        >>> proxy = TrustedProxy(address="10.0.0.2", header="X-Forwarded-User")
        >>> told = Headers({"x-forwarded-for": "1.2.3.4, 5.6.7.8"})
        >>> proxy.client("10.0.0.2", told)
        '5.6.7.8'
        >>> proxy.client("10.0.0.3", told)
        '10.0.0.3'
        """
        told = ",".join(headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
        return told if peer == self.address and told else peer


def _mark(name: str) -> str:
    """Mark who was signed in, for counts and logs: these hold no names."""
    return f"proxy-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _told(headers: Headers, name: str) -> str:
    """Give what a header says, read as UTF-8 where it is; nothing where two of them came.

    A proxy that adds its header to the one that it was sent would else let anybody be anybody.
    """
    given = headers.getlist(name)
    sent = given[0].strip() if len(given) == 1 else ""
    try:
        return sent.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return sent
