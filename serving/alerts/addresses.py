"""Addresses that a message may be sent to: public ones, and those that the workspace allows.

A name in a URL can hide this machine or its network in many spellings (``2130706433``,
``0x7f000001``, ``::ffff:127.0.0.1``, ``localhost.``). They are read here as the system would read
them, and what is not public is refused unless ``[alerts] allow`` names it.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Sequence

__all__ = ["Refused", "Unresolved", "literal", "permitted", "resolved"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
_TEREDO = ipaddress.ip_network("2001::/32")
_COMPATIBLE = ipaddress.ip_network("::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out for the public; what lies beside it may lead into any network."""
_DOCUMENTS = (ipaddress.ip_network("3fff::/20"), ipaddress.ip_network("192.0.0.0/24"))
"""Set apart for documents and protocols, which this Python still takes to be public."""


class Refused(Exception):
    """A host that leads to this machine, its network, or nowhere public."""


class Unresolved(Exception):
    """A name that has no address now, or that nobody answered for in time."""


def literal(host: str) -> Address | None:
    """Read a host as an address in any spelling that the system takes; None for a name.

    Examples
    --------
    >>> [str(literal(host)) for host in ("0x7f000001", "2130706433", "127.1", "[::1]", "x.org")]
    ['127.0.0.1', '127.0.0.1', '127.0.0.1', '::1', 'None']
    """
    bare = host.strip("[]").rstrip(".").partition("%")[0]
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        pass
    if not bare or bare[-1].lower() not in "0123456789abcdefx" or not bare[0].isdigit():
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(bare))
    except OSError:
        return None


def permitted(host: str, allow: Sequence[str] = ()) -> None:
    """Refuse a host that is not public by its very spelling; nothing is asked of the network.

    Parameters
    ----------
    host : str
        The host of a URL.
    allow : sequence of str
        Hosts and networks of one's own that are allowed (``[alerts] allow``).

    Raises
    ------
    Refused
        If it names this machine, its network, or an address that is not public.

    Examples
    --------
    >>> permitted("hooks.slack.com"), permitted("10.1.2.3", ["10.1.0.0/16"])
    (None, None)
    >>> permitted("localhost.")
    Traceback (most recent call last):
    ...
    serving.alerts.addresses.Refused: localhost. is this machine or its network
    """
    name = host.strip("[]").rstrip(".").lower()
    address = literal(host)
    if address is not None:
        _public(address, host, allow)
    elif not _named(name, allow) and (name.partition(".")[2] == "" or _local(name)):
        raise Refused(f"{host} is this machine or its network")


def resolved(
    host: str,
    port: int,
    allow: Sequence[str] = (),
    seconds: float = 5.0,
    resolve: Resolve | None = None,
) -> list[str]:
    """Give the addresses of a host, all of them permitted: connect to these, not to the name.

    One address that is not public refuses the whole name: it may be the one that answers next.

    Raises
    ------
    Refused
        If any of them is not public.
    Unresolved
        If there is none within ``seconds``.
    """
    permitted(host, allow)
    address = literal(host)
    found = [str(address)] if address else _asked(host, port, seconds, resolve or _system)
    if not _named(host.rstrip(".").lower(), allow):
        for one in found:
            _public(ipaddress.ip_address(one.partition("%")[0]), host, allow)
    return found


def _system(host: str, port: int) -> list[str]:
    told = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in told))


def _asked(host: str, port: int, seconds: float, resolve: Resolve) -> list[str]:
    """Ask in a thread of its own: the system's resolver knows no deadline."""
    answer: queue.Queue[list[str]] = queue.Queue()

    def ask() -> None:
        try:
            answer.put(resolve(host, port))
        except (OSError, UnicodeError):
            answer.put([])

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answer.get(timeout=seconds)
    except queue.Empty:
        found = []
    if not found:
        raise Unresolved(f"{host} has no address")
    return found


def _public(address: Address, host: str, allow: Sequence[str]) -> None:
    if any(_within(address, one) for one in allow) or _named(host.lower(), allow):
        return
    if not all(_is_public(one) for one in _meant(address)):
        raise Refused(f"{host} is not a public address")


def _is_public(one: Address) -> bool:
    """Say whether an address is given out for the public, whatever this Python's tables leave out.

    Examples
    --------
    >>> _is_public(ipaddress.ip_address("fec0::1")), _is_public(ipaddress.ip_address("2600::1"))
    (False, True)
    """
    if not one.is_global or one.is_multicast or any(one in each for each in _DOCUMENTS):
        return False
    return one.version == 4 or one in _GLOBAL_UNICAST


def _meant(address: Address) -> list[Address]:
    """Give the addresses that one leads to: an IPv4 address may hide in an IPv6 one."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64 or address in _COMPATIBLE:
        return [low] if address in _NAT64 else [address, low]
    if address in _SIX_TO_FOUR:
        return [ipaddress.IPv4Address(int(address) >> 80 & 0xFFFFFFFF)]
    if address in _TEREDO:
        return [address, ipaddress.IPv4Address(~int(address) & 0xFFFFFFFF)]
    return [address]


def _local(name: str) -> bool:
    return name.endswith((".localhost", ".local", ".internal", ".localdomain"))


def _named(name: str, allow: Sequence[str]) -> bool:
    return name.strip("[]") in {one.lower() for one in allow}


def _within(address: Address, allowed: str) -> bool:
    try:
        return address in ipaddress.ip_network(allowed, strict=False)
    except ValueError:
        return False
