"""E-mail, by apprise: nothing of its configuration, plug-ins or storage is used beside the message."""

from __future__ import annotations

import math
from urllib.parse import quote, unquote, urlsplit

from serving.alerts.outcome import Outcome
from serving.alerts.settings import Sink
from serving.alerts.wording import Message

__all__ = ["PORTS", "address", "mail"]

PORTS = {"smtp": 587, "smtps": 465}
_MODES = {"smtp": "starttls", "smtps": "ssl"}


def address(url: str, sink: Sink, *, plaintext: bool, seconds: float) -> str:
    """Give apprise's address of a sink: every part quoted, certificates verified.

    Parameters
    ----------
    url : str
        ``smtp://user:password@host:587`` or ``smtps://…``.
    sink : Sink
    plaintext : bool
        Whether the server is one's own, and ``?security=none`` may do without encryption.
    seconds : float

    Examples
    --------
    >>> sink = Sink(name="m", kind="email", url="env:SMTP", to=("a@x.io",), sender="p@x.io")
    >>> address("smtp://bot:s%2Fcret@mail.x.io", sink, plaintext=False, seconds=10)
    'mailto://bot:s%2Fcret@mail.x.io:587/?smtp=mail.x.io&mode=starttls&from=p%40x.io&to=a%40x.io&verify=yes&cto=10&format=text&retry=0'
    """
    parts = urlsplit(url)
    open_text = plaintext and parts.query == "security=none"
    mode = "insecure" if open_text else _MODES[parts.scheme]
    user = f"{quote(unquote(parts.username), safe='')}" if parts.username else ""
    word = f":{quote(unquote(parts.password), safe='')}" if parts.password else ""
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    asked = {
        "smtp": host,
        "mode": mode,
        "from": sink.sender or "",
        "to": ",".join(sink.to),
        "verify": "yes",
        "cto": str(max(math.floor(seconds), 1)),
        "format": "text",
        "retry": "0",
    }
    query = "&".join(f"{name}={quote(value, safe='.')}" for name, value in asked.items())
    port = parts.port or PORTS[parts.scheme]
    return f"mailto://{user}{word}{'@' if user else ''}{shown}:{port}/?{query}"


def mail(url: str, told: Message, delivery_id: str, seconds: float) -> Outcome:
    """Send one message to the server of an address of apprise's."""
    from apprise import Apprise, AppriseAsset, NotifyFormat  # heavy: 1 s

    asset = AppriseAsset(
        plugin_paths=[],
        http_redirects=False,
        secure_logging=True,
        service_timeout=seconds,
        app_id="Perennial",
    )
    server = Apprise(asset=asset)
    if not server.add(f"{url}&%2BX-Perennial-Delivery={quote(delivery_id)}"):
        return Outcome("never", "the address of the mail server is not understood")
    body = "\n".join([*told.lines, *([told.link] if told.link else [])])
    done = server.notify(body=body, title=told.title, body_format=NotifyFormat.TEXT)
    return Outcome("sent", "SMTP") if done else Outcome("again", "the mail server did not take it")
