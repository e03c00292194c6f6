"""A wire to PostgreSQL that is cut at the commit: before the server hears of it, or after."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["Wire", "cut_wire"]

NAME = ".s.PGSQL.5432"


class Wire:
    """What passes through is copied; ``cut`` says at which commit to end it, and how.

    Attributes
    ----------
    cut : str
        ``""``: never; ``"before"``: the server never hears the commit; ``"after"``: it does, and
        its answer is lost.
    cuts : int
        How often it was cut.
    """

    def __init__(self) -> None:
        self.cut = ""
        self.cuts = 0

    def carry(self, client: socket.socket, there: str) -> None:
        """Carry one connection until it ends."""
        server = socket.socket(socket.AF_UNIX)
        server.connect(there)
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        with suppress(OSError):
            while data := client.recv(65536):
                if self.cut and b"COMMIT" in data:
                    self._end(client, server, data)
                    return
                server.sendall(data)
        _close(server, client)

    def _end(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        how, self.cut = self.cut, ""
        self.cuts += 1
        if how == "after":
            client.shutdown(socket.SHUT_RDWR)  # nothing of the answer arrives
            server.sendall(data)
        _close(client)
        _close(server)


@contextmanager
def cut_wire(there: Path, here: Path) -> Iterator[Wire]:
    """Listen in a folder for what is meant for the server of another."""
    wire, door = Wire(), socket.socket(socket.AF_UNIX)
    here.mkdir(exist_ok=True)
    door.bind(str(here / NAME))
    door.listen()

    def welcome() -> None:
        with suppress(OSError):
            while True:
                client, _ = door.accept()
                threading.Thread(
                    target=wire.carry, args=(client, str(there / NAME)), daemon=True
                ).start()

    threading.Thread(target=welcome, daemon=True).start()
    yield wire
    door.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _close(source, sink)


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_WR)
        end.close()
