"""Sending: one message of the outbox to the sink that it is for."""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from features.faults import ConfigurationRefused
from serving.alerts.addresses import Refused, Resolve, Unresolved, permitted, resolved
from serving.alerts.line import FAILURES, Answer, post
from serving.alerts.mail import PORTS, address, mail
from serving.alerts.outcome import Outcome, judged
from serving.alerts.settings import AlertSettings, Sink
from serving.alerts.wording import Message, message, plain, slack
from serving.delivery import Delivery

__all__ = ["Post"]

Records = Callable[[Sequence[str]], Sequence[Mapping[str, Any]]]
AGENT = "perennial-alerts"


def _none(_accounts: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    return ()


@dataclass(frozen=True)
class Post:
    """What a sending needs beside the message.

    Attributes
    ----------
    settings : AlertSettings
    workspace : Path
        Where the paths of file sinks begin.
    records : callable
        Accounts to their rows in the run that serves, for a CRM.
    environment : mapping
        Where the secrets are.
    trust : SSLContext, optional
        Whose certificates are trusted; the system's authorities unless given.
    resolve : callable, optional
        Gives the addresses of a host; the system's resolver unless given.
    """

    settings: AlertSettings
    workspace: Path
    records: Records = _none
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    trust: ssl.SSLContext | None = None
    resolve: Resolve | None = None

    def send(self, delivery: Delivery, now: datetime) -> Outcome:
        """Send a message once and say what came of it; no secret is in what is said."""
        sink = self.settings.sink(delivery.sink)
        if sink is None:
            return Outcome("never", "perennial.toml has no such sink any more")
        try:
            return self._sent(sink, delivery, now)
        except ConfigurationRefused as refused:
            return Outcome("never", f"{refused.code}: {refused.message}")
        except Refused as refused:
            return Outcome("never", f"alerts.address: {refused}")
        except Unresolved as refused:
            return Outcome("again", str(refused))
        except FAILURES as failed:
            return Outcome("again", _words(failed))

    def _sent(self, sink: Sink, delivery: Delivery, now: datetime) -> Outcome:
        if delivery.kind == "records" or sink.kind == "crm":
            return self._pushed(sink, delivery, now)
        told = message(delivery.kind, delivery.body, self.settings)
        if sink.kind == "file":
            return self._added(sink, delivery, told, now)
        if sink.kind == "email":
            return self._mailed(sink, delivery, told)
        body = slack(told) if sink.kind == "slack" else self._json(delivery, told)
        answer = self._posted(sink, delivery, body)
        return judged(answer.status, answer.headers, now)

    def _pushed(self, sink: Sink, delivery: Delivery, now: datetime) -> Outcome:
        """Push records; what the receiver did not take is tried again by its external id."""
        asked = list(delivery.body.get("records", ()))
        rows = [dict(row) for row in self.records(asked)] if asked else []
        body = {"id": delivery.delivery_id, "external_id": "account_id", "records": rows}
        answer = self._posted(sink, delivery, body)
        outcome = judged(answer.status, answer.headers, now)
        if outcome.state != "sent":
            return outcome
        sent = [str(row["account_id"]) for row in rows]
        failed = _refused(answer, sent)
        if not failed:
            return outcome
        said = f"{outcome.said}: {len(failed)} of {len(sent)} records were not taken"
        return Outcome("again", said, failed=tuple(failed))

    def _posted(self, sink: Sink, delivery: Delivery, body: Mapping[str, Any]) -> Answer:
        url, headers = self._url(sink), _headers(delivery)
        if sink.token is not None:
            token = self.environment.get(sink.token.removeprefix("env:"), "")
            if not token.isascii() or not token.isprintable() or not token:
                raise _unset(sink, sink.token)
            headers["Authorization"] = f"Bearer {token}"
        return post(
            url,
            orjson.dumps(body),
            headers,
            allow=self.settings.allow,
            seconds=self.settings.seconds,
            trust=self.trust,
            resolve=self.resolve,
        )

    def _mailed(self, sink: Sink, delivery: Delivery, told: Message) -> Outcome:
        url, allow = self._url(sink), self.settings.allow
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        found = resolved(host, port, allow, self.settings.seconds, self.resolve)
        own = _own(host, found, allow)
        where = address(url, sink, plaintext=own, seconds=self.settings.seconds)
        return mail(where, told, delivery.delivery_id, self.settings.seconds)

    def _added(self, sink: Sink, delivery: Delivery, told: Message, now: datetime) -> Outcome:
        path = self.workspace / (sink.path or "")
        line = {"sent_at": now.isoformat(), **self._json(delivery, told)}
        text = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            written = os.write(file, text)
            if written < len(text):  # a full disk: half a line is no line
                os.ftruncate(file, os.fstat(file).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)
        finally:
            os.close(file)
        return Outcome("sent", "written")

    def _json(self, delivery: Delivery, told: Message) -> dict[str, Any]:
        """Give the form of a webhook: the text, and the facts that it was written of."""
        items = delivery.body.get("items", [])
        shown = items[: self.settings.digest_lines]
        return {
            "id": delivery.delivery_id,
            "run_id": delivery.run_id,
            "kind": delivery.kind,
            "as_of": delivery.body.get("as_of"),
            "title": told.title,
            "text": told.text,
            "link": told.link,
            "tags": [plain(tag) for tag in delivery.body.get("tags", ())],
            "accounts": len(items),
            "items": shown,
        }

    def _url(self, sink: Sink) -> str:
        url = sink.secret(self.environment)
        if url is None:
            raise _unset(sink, sink.url or "")
        return sink.checked(url, self.settings.allow)


def _unset(sink: Sink, variable: str) -> ConfigurationRefused:
    found = f"[[alerts.sinks]] {sink.name}: {variable} is not set, or cannot be sent"
    return ConfigurationRefused("alerts.secret", found, "set the environment variable")


def _headers(delivery: Delivery) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "Idempotency-Key": delivery.delivery_id,
        "X-Perennial-Delivery": delivery.delivery_id,
    }


def _own(host: str, found: Sequence[str], allow: Sequence[str]) -> bool:
    """Say whether a mail server is one's own: only then plain text can be asked for."""
    try:
        for one in (host, *found):
            permitted(one)
    except Refused:
        return True  # not public: it came this far because it is allowed
    return host.lower() in {one.lower() for one in allow}


def _refused(answer: Answer, sent: Sequence[str]) -> list[str]:
    """Give the records that the receiver did not take; one that it does not name counts as such.

    A receiver that answers without results has taken them all; one whose answer is cut off may
    have taken none.
    """
    if not answer.whole:
        return list(sent)
    if not answer.body.strip():
        return []
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return []
    results = told.get("results") if isinstance(told, dict) else None
    if not isinstance(results, list):
        return []
    taken = {str(one.get("account_id")) for one in results if isinstance(one, dict) and _ok(one)}
    return [account for account in sent if account not in taken]


def _ok(result: Mapping[str, Any]) -> bool:
    return result.get("ok", result.get("success")) is True


def _words(failed: BaseException) -> str:
    """Say what failed without quoting it: a library's message may hold an address."""
    if isinstance(failed, ssl.SSLCertVerificationError):
        return "the certificate is not to be trusted"
    if isinstance(failed, TimeoutError):
        return "no answer in time"
    return f"it failed on the way ({type(failed).__name__})"
