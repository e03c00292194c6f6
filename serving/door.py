"""Door: the socket that the server listens on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from features.faults import Busy, NotPermitted, UsageFault

__all__ = ["listening"]


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Take a port, and give it back at the end.

    Raises
    ------
    Busy
        ``port.busy`` if somebody else listens there (exit code 75).
    NotPermitted
        ``port.refused`` for a port that needs more rights (exit code 77).
    UsageFault
        ``usage`` for an address or a port that this machine does not have.

    Examples
    --------
    >>> with listening("127.0.0.1", 0) as door:
    ...     with listening("127.0.0.1", door.getsockname()[1]):
    ...         pass
    Traceback (most recent call last):
    ...
    features.faults.Busy: 127.0.0.1:...: port.busy: name another with --port
    """
    place = f"{host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, port))
            door.listen(2048)
        except OverflowError as refused:
            raise UsageFault("usage", place, "name a port from 1 to 65535") from refused
        except PermissionError as refused:
            raise NotPermitted("port.refused", place, "name another with --port") from refused
        except OSError as refused:
            if refused.errno != errno.EADDRINUSE:
                raise UsageFault(
                    "usage", f"{place}: {refused.strerror}", "use 127.0.0.1"
                ) from refused
            raise Busy("port.busy", place, "name another with --port") from refused
        yield door
