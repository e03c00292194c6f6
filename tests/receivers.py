"""Receivers of the tests' own: a web server that answers as it is told, and a mail server."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

__all__ = ["Mailbox", "Web", "mail_server", "web_server"]


@dataclass
class Web:
    """What a web server was sent, and what it answers: the last answer again and again."""

    port: int = 0
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    sent: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    behaviour: str = ""
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/s3cret"

    def next(self) -> tuple[int, dict[str, str], bytes]:
        if not self.answers:
            return 200, {}, b"ok"
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def web_server(web: Web, context: ssl.SSLContext | None = None) -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            web.sent.append(({k.lower(): v for k, v in self.headers.items()}, orjson.loads(body)))
            if web.behaviour == "drip":
                while not web.gone.wait(0.02):
                    self.wfile.write(b"H")
                return
            status, headers, answer = web.next()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if web.behaviour == "flood":
                self.end_headers()
                while not web.gone.is_set():
                    self.wfile.write(b"x" * 65_536)
                return
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if web.behaviour == "late":
                web.gone.wait(0.05)
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            return

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            return

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.gone.set()
        server.shutdown()
        server.server_close()


@dataclass
class Mailbox:
    """What a mail server was sent; ``refuse`` is what it answers to a recipient."""

    port: int = 0
    letters: list[str] = field(default_factory=list)
    to: list[str] = field(default_factory=list)
    refuse: bytes = b""


@contextmanager
def mail_server(box: Mailbox) -> Iterator[Mailbox]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            for line in self.rfile:
                word = line.strip().upper()
                if word.startswith(b"DATA"):
                    self.wfile.write(b"354 go on\r\n")
                    box.letters.append(self.letter())
                    self.wfile.write(b"250 ok\r\n")
                elif word.startswith(b"RCPT"):
                    box.to.append(line.decode().strip())
                    self.wfile.write(box.refuse or b"250 ok\r\n")
                elif word.startswith(b"QUIT"):
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")

        def letter(self) -> str:
            lines = []
            for line in self.rfile:
                if line == b".\r\n":
                    break
                lines.append(line.decode())
            return "".join(lines)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    box.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
