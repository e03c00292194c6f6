"""The words of a message: plain text that no name can turn into a command, never too long."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.alerts.settings import AlertSettings

__all__ = ["Message", "escaped", "message", "plain", "slack"]

_CALL = re.compile(r"@(?=(?:channel|here|everyone|all)\b)", re.IGNORECASE)
_JOINER = "\u200d"
_LONGEST_NAME = 120
_LONGEST_LINE = 400
_MARGIN = 80


@dataclass(frozen=True)
class Message:
    """What is written.

    Attributes
    ----------
    title : str
        One line.
    lines : tuple of str
        What follows it.
    link : str or None
        Where to read on.
    """

    title: str
    lines: tuple[str, ...]
    link: str | None = None

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        return "\n".join([self.title, *self.lines, *([self.link] if self.link else [])])


def message(kind: str, body: Mapping[str, Any], settings: AlertSettings) -> Message:
    """Write a message of what was queued.

    Examples
    --------
    >>> item = {"account_id": "a", "name": "Acme", "csm": "Ada", "mrr": 1200.0, "currency": "EUR",
    ...     "action": "Engage", "facts": [{"key": "k", "level": "red", "text": "gone quiet"}]}
    >>> body = {"as_of": "2025-07-01", "tags": [], "items": [item]}
    >>> print(message("account", body, AlertSettings()).text)
    Acme (a), 1,200 EUR a month, CSM Ada
    - gone quiet
    Engage
    """
    if kind == "test":
        return Message("Perennial: a test", ("This sink works. Nothing has happened.",))
    link = settings.link_base
    if kind == "account":
        item = body["items"][0]
        facts = [_line(fact["text"]) for fact in item["facts"]]
        action = [plain(item["action"])] if item.get("action") else []
        return _cut(Message(_about(item), (*facts, *action), link), settings, 0)
    items = body["items"]
    shown = items[: settings.digest_lines]
    lines = [_line(tag) for tag in body["tags"]] + [_line(_short(item)) for item in shown]
    head = f"Perennial, as of {body['as_of']}: news of {_count(len(items), 'account')}"
    return _cut(Message(head, tuple(lines), link), settings, len(items) - len(shown))


def plain(text: Any) -> str:
    """Take what could steer a reader's screen out of a text: control and direction characters.

    Examples
    --------
    >>> plain("A\\r\\nBcc: x\\u202e"), plain("@channel").encode()
    ('A Bcc: x', b'@\\xe2\\x81\\xa0channel')
    """
    kept = (
        c if c == _JOINER or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} else " "
        for c in str(text)
    )
    return _CALL.sub("@\u2060", " ".join("".join(kept).split()))


def escaped(text: str) -> str:
    """Escape as Slack asks: a name can then neither call a channel nor be a link.

    Examples
    --------
    >>> escaped("<!channel> R&D")
    '&lt;!channel&gt; R&amp;D'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def slack(told: Message) -> dict[str, Any]:
    """Give Slack's form: all of it plain text, the link alone on its own.

    Examples
    --------
    >>> slack(Message("<!here> Acme", ()))["blocks"][0]["text"]
    {'type': 'plain_text', 'text': '&lt;!here&gt; Acme', 'emoji': False}
    """
    text = escaped("\n".join([told.title, *told.lines]))
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}
    ]
    if told.link is None:
        return {"text": text, "blocks": blocks, "mrkdwn": False}
    shown = {"type": "mrkdwn", "text": f"<{escaped(told.link)}>"}
    blocks.append({"type": "context", "elements": [shown]})
    return {"text": f"{text}\n{escaped(told.link)}", "blocks": blocks, "mrkdwn": False}


def _cut(told: Message, settings: AlertSettings, more: int) -> Message:
    """Keep to the longest length, escaped: what does not fit is counted, and the link leads on."""
    room = settings.max_chars - _MARGIN - len(escaped(told.title)) - len(escaped(told.link or ""))
    kept: list[str] = []
    for line in told.lines:
        room -= len(escaped(line)) + 1
        if room < 0:
            break
        kept.append(line)
    left = more + len(told.lines) - len(kept)
    return Message(told.title, (*kept, *_rest(left, told.link)), told.link)


def _rest(left: int, link: str | None) -> list[str]:
    if not left:
        return []
    where = "read on" if link else "see `perennial explain` and the dashboard"
    return [f"… and {left:,} more: {where}"]


def _about(item: Mapping[str, Any]) -> str:
    name = plain(item.get("name") or item["account_id"])[:_LONGEST_NAME]
    parts = [f"{name} ({plain(item['account_id'])[:_LONGEST_NAME]})"]
    if item.get("mrr") is not None:
        parts.append(f"{item['mrr']:,.0f} {plain(item.get('currency') or '')} a month".strip())
    if item.get("csm"):
        parts.append(f"CSM {plain(item['csm'])[:_LONGEST_NAME]}")
    return ", ".join(parts)


def _short(item: Mapping[str, Any]) -> str:
    facts: Sequence[Mapping[str, str]] = item["facts"]
    return f"{_about(item)}: {'; '.join(fact['text'] for fact in facts)}"


def _line(text: str) -> str:
    said = plain(text)
    return f"- {said if len(said) <= _LONGEST_LINE else said[: _LONGEST_LINE - 1] + '…'}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
