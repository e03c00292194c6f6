"""Server: uvicorn's, which says that it ends before it does, and ends in a limited time."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from starlette.types import ASGIApp

from serving.operation.connection import Connection
from serving.operation.duty import Duty

__all__ = ["Server", "configured", "serve_on"]

_CUT_SECONDS = 1.0

THREADS = 12
"""So many answers are worked out beside the event loop: more than may be computed at once
(``heavy_at_once``), so that who asks whether the server is ready never waits behind them."""


DOORS = 16
"""The loop takes one new connection of each listening socket in a round. So that a probe is let in
while hundreds come, it listens so many times at the same address."""


class Server(uvicorn.Server):
    """Serves until it is asked to end; SIGTERM is announced by ``/readyz`` first.

    Parameters
    ----------
    config : uvicorn.Config
    duty : Duty
        Its ``draining`` is set on the first signal.
    first : callable, optional
        Work to begin with, in a thread beside the first requests.
    """

    def __init__(
        self, config: uvicorn.Config, duty: Duty, first: Callable[[], object] | None = None
    ) -> None:
        super().__init__(config)
        self.duty = duty
        self.first = first
        self.beginning: threading.Thread | None = None
        self.leaves_at: float | None = None
        self.last_resort: threading.Timer | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end: SIGTERM after a pause, Ctrl-C or a second signal at once."""
        first = not self.duty.draining
        self.duty.draining = True
        if first:
            self.last_resort = threading.Timer(self.duty.settings.stop_seconds, os._exit, (0,))
            self.last_resort.daemon = True
            self.last_resort.start()
        if first and sig == signal.SIGTERM:
            self._captured_signals.append(sig)
            self.leaves_at = time.monotonic() + self.duty.settings.drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then begin with what is to be done first."""
        current_default_thread_limiter().total_tokens = THREADS
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it again keeps everybody waiting
        await super().startup(sockets)
        if self.first is not None:
            self.beginning = threading.Thread(target=self.first, daemon=True)
            self.beginning.start()

    async def on_tick(self, counter: int) -> bool:
        """Look whether it is time to take no more requests."""
        if self.leaves_at is not None and time.monotonic() >= self.leaves_at:
            self.should_exit = True
        return await super().on_tick(counter)


def serve_on(
    door: socket.socket, app: ASGIApp, duty: Duty, first: Callable[[], object] | None = None
) -> None:
    """Serve an application on a socket until a signal ends it.

    Requests that are worked at are answered if they end within ``stop_seconds``; the rest is cut
    off, a thread that does not come back too.

    Parameters
    ----------
    door : socket
        It listens already.
    app : ASGI application
    duty : Duty
    first : callable, optional
        Work to begin with, in a thread beside the first requests.
    """
    server = Server(configured(app, duty), duty, first)
    try:
        server.run(sockets=[door, *(door.dup() for _ in range(DOORS - 1))])
    finally:
        if duty.draining and server.beginning is not None and server.beginning.is_alive():
            os._exit(0)  # it may be in the middle of a query, which does not outlive its process
        if server.last_resort is not None and not _stuck():
            server.last_resort.cancel()


def configured(app: ASGIApp, duty: Duty) -> uvicorn.Config:
    """Give what uvicorn is to be told: our own connections, and no limit but ours."""
    chosen = duty.settings
    grace = chosen.stop_seconds - chosen.drain_seconds - _CUT_SECONDS
    return uvicorn.Config(
        app,
        http=partial(Connection, duty),  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, int(grace)),
    )


def _stuck() -> bool:
    """Whether a thread still works that nobody waits for."""
    own = threading.main_thread()
    return any(one is not own and not one.daemon for one in threading.enumerate())
