"""Section ``[alerts]``: who is told, of what, and how often."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from features.configuration import Section
from features.faults import ConfigurationRefused
from serving.alerts.addresses import Refused, permitted

__all__ = ["AlertSettings", "Kind", "Sink"]

Kind = Literal["slack", "webhook", "crm", "email", "file"]
Level = Literal["hard", "red", "attention", "act"]

_VARIABLE = re.compile(r"env:([A-Za-z_]\w*)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ADDRESS = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")
_SCHEMES = {"email": ("smtp", "smtps")}
_WEB = ("https", "http")


class Sink(Section):
    """One table ``[[alerts.sinks]]``: a place that is told.

    Attributes
    ----------
    name : str
        How lists and messages call it: letters, digits, dot, hyphen, underscore.
    kind : str
        ``slack`` (also Mattermost and others that take Slack's form), ``webhook`` (JSON),
        ``crm`` (JSON records to upsert, answered one by one), ``email``, or ``file`` (JSON lines).
    url : str or None
        ``env:NAME``, the environment variable that holds the URL. An address never stands in this
        file: who knows a webhook's may write to it. E-mail: ``smtp://user:password@host:587``
        (STARTTLS) or ``smtps://…:465``.
    token : str or None
        Webhook and CRM: ``env:NAME``, the environment variable of a token that is sent with it
        (``Authorization: Bearer …``).
    to : tuple of str
        E-mail: who receives it.
    sender : str or None
        E-mail: from whom it comes.
    path : str or None
        File: where, from the workspace; lines are added at its end.
    csms : tuple of str
        Only accounts of these CSMs; empty: all accounts.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str
    kind: Kind
    url: str | None = None
    token: str | None = None
    to: tuple[str, ...] = ()
    sender: str | None = None
    path: str | None = None
    csms: tuple[str, ...] = ()

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("a name is made of letters, digits, dot, hyphen and underscore")
        return name

    @field_validator("url", "token")
    @classmethod
    def _hidden(cls, url: str | None) -> str | None:
        if url is not None and not _VARIABLE.fullmatch(url):
            raise ValueError('it is a secret: write "env:NAME"')
        return url

    @model_validator(mode="after")
    def _whole(self) -> Sink:
        if (self.kind == "file") != (self.path is not None):
            raise ValueError("a sink of kind file has a path, and no other has")
        if (self.kind == "file") != (self.url is None):
            raise ValueError('every sink but a file has url = "env:NAME"')
        if (self.kind == "email") != bool(self.to and self.sender):
            raise ValueError("a sink of kind email has to and sender, and no other has")
        if not all(_ADDRESS.fullmatch(one) for one in (*self.to, *filter(None, [self.sender]))):
            raise ValueError("to and sender hold e-mail addresses and nothing else")
        return self

    def secret(self, environment: Mapping[str, str] = os.environ) -> str | None:
        """Read the URL from its environment variable; None where it is not set."""
        return environment.get(self.url.removeprefix("env:")) or None if self.url else None

    def checked(self, url: str, allow: tuple[str, ...]) -> str:
        """Give the URL back if it may be written to, as far as that can be seen without asking.

        Raises
        ------
        ConfigurationRefused
            ``alerts.address`` (exit code 78); the URL itself is never shown.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            parts, host = urlsplit(""), ""
        said = f"[[alerts.sinks]] {self.name}: what {self.url} holds"
        schemes = _SCHEMES.get(self.kind, _WEB)
        if parts.scheme not in schemes or not host or re.search(r"[^\x21-\x7e]", url):
            found = f"{said} is not a URL"
            raise ConfigurationRefused("alerts.address", found, f"{schemes[0]}://host/…")
        try:
            permitted(host, allow)
        except Refused as refused:
            found = f"{said} leads where it may not: {refused}"
            cure = "name a public host, or list yours in [alerts] allow"
            raise ConfigurationRefused("alerts.address", found, cure) from refused
        if parts.scheme in _WEB and parts.username is not None:
            found = f"{said} has a user or a password before its host"
            raise ConfigurationRefused("alerts.address", found, 'write token = "env:NAME"')
        if parts.scheme == "http" and not _listed(host, allow):
            found = f"{said} is not encrypted"
            raise ConfigurationRefused("alerts.address", found, "https, or list it in allow")
        return url


class AlertSettings(Section):
    """Section ``[alerts]``.

    Attributes
    ----------
    sinks : tuple of Sink
        ``[[alerts.sinks]]``: where messages go; without one nothing is queued.
    allow : tuple of str
        Hosts and networks of your own that a sink may lead to (``"relay.example.internal"``,
        ``"10.1.0.0/16"``). All others must be public.
    triggers : tuple of str
        Levels of triggers that are told when they appear: ``hard``, ``red``, ``act``,
        ``attention``.
    moves : bool
        Whether moves between cells are told.
    min_mrr : float
        Accounts below this MRR are told of for hard events alone.
    quiet_days : int
        Days between two messages about one account; what happens meanwhile waits until then.
    dwell_runs : int
        Runs that are looked back on: a cell or a trigger that only comes back from that short a
        while ago is not told again.
    digest_above : int
        Accounts in one run above which a sink gets one digest instead of a message for each.
    digest_share : float
        Share of accounts that changed cell from which every sink gets one digest, tagged.
    digest_moves : int
        Fewest moves for which that share counts: a small book has large shares.
    digest_lines : int
        Accounts that a digest names.
    fresh_days : int
        A run for a date further back than this is a backfill, and nobody is told.
    link_base : str or None
        Address of your dashboard, for the link under each message: ``https://…``.
    max_chars : int
        Longest message; a longer one is cut, says so, and has the link.
    tries : int
        Sendings of one message before it is a dead letter.
    give_up_hours : float
        Hours after the first try when it is a dead letter whatever the number.
    seconds : float
        Longest time that one sending takes in all.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    sinks: tuple[Sink, ...] = ()
    allow: tuple[str, ...] = ()
    triggers: tuple[Level, ...] = ("hard", "red", "act")
    moves: bool = True
    min_mrr: float = Field(default=0.0, ge=0)
    quiet_days: int = Field(default=7, ge=0)
    dwell_runs: int = Field(default=2, ge=1)
    digest_above: int = Field(default=20, ge=0)
    digest_share: float = Field(default=0.25, gt=0, le=1)
    digest_moves: int = Field(default=10, ge=1)
    digest_lines: int = Field(default=20, ge=1)
    fresh_days: int = Field(default=35, ge=0)
    link_base: str | None = None
    max_chars: int = Field(default=3000, ge=200)
    tries: int = Field(default=8, ge=1)
    give_up_hours: float = Field(default=24.0, gt=0)
    seconds: float = Field(default=10.0, gt=0, le=60)

    @field_validator("link_base")
    @classmethod
    def _web(cls, base: str | None) -> str | None:
        if base is not None and not re.fullmatch(r"https?://[^\s<>|\"'\\]+", base):
            raise ValueError("an address of the web: https://…")
        return base.rstrip("/") if base else base

    @field_validator("allow")
    @classmethod
    def _hosts(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        for one in allow:
            if "/" in one:
                ipaddress.ip_network(one, strict=False)
            elif not re.fullmatch(r"[A-Za-z0-9_.:-]+", one):
                raise ValueError("hosts and networks only, without port or path")
        return allow

    @model_validator(mode="after")
    def _apart(self) -> AlertSettings:
        names = [sink.name for sink in self.sinks]
        if len(set(names)) != len(names):
            raise ValueError("two sinks have one name")
        return self

    def sink(self, name: str) -> Sink | None:
        """Give a sink by its name."""
        return next((sink for sink in self.sinks if sink.name == name), None)

    def refuse_private(self, environment: Mapping[str, str] = os.environ) -> None:
        """Refuse every address that is known here and leads where it may not (exit code 78).

        Raises
        ------
        ConfigurationRefused
            ``alerts.address``.
        """
        for sink in self.sinks:
            url = sink.secret(environment)
            if url is not None:
                sink.checked(url, self.allow)


def _listed(host: str, allow: tuple[str, ...]) -> bool:
    """Say whether a host is one's own: http is for those alone."""
    try:
        permitted(host)
    except Refused:
        return True  # not public: it came this far because it is allowed
    return host.lower() in {one.lower() for one in allow}
