"""Who is erased: an account's id and names, told apart from everything else that is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from serving.privacy.vocabulary import telling

__all__ = ["Who"]

GONE = object()
INSTEAD = "an erased account"
LISTS = ("accounts", "account_ids")
"""How the names of fields end that list ids."""


@dataclass(frozen=True)
class Who:
    """An account that is erased.

    Attributes
    ----------
    account_id : str
    names : tuple of str
        What it was called, as far as no other account bears the name too.

    Examples
    --------
    >>> who = Who("acct-1", ("Vanished Ltd",))
    >>> who.left([{"account_id": "acct-1"}, {"account_id": "b", "text": "as Vanished Ltd did"}])
    [{'account_id': 'b', 'text': 'as an erased account did'}]
    >>> who.left({"acct-1": 3, "held": ["acct-1", "acct-12"]})
    {'held': ['acct-12']}
    >>> Who("17").left({"accounts": 17, "largest_accounts": ["17", "18"], "months": ["17"]})
    {'accounts': 17, 'largest_accounts': ['18'], 'months': ['17']}
    """

    account_id: str
    names: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Its id and its names, those that mean it wherever they stand."""
        return tuple(sorted(self._telling))

    def said_in(self, text: str) -> bool:
        """Whether a text speaks of it.

        Examples
        --------
        >>> Who("acct-1").said_in("see acct-1."), Who("acct-1").said_in("see acct-12.")
        (True, False)
        """
        return self._sought is not None and self._sought.search(text) is not None

    def unsaid(self, text: str) -> str:
        """Give a text that no longer speaks of it."""
        return text if self._sought is None else self._sought.sub(INSTEAD, text)

    def left(self, body: Any) -> Any:
        """Give what is left of a JSON body; an empty object where all of it was the account's."""
        found = self._left(body)
        return {} if found is GONE else found

    @cached_property
    def _telling(self) -> set[str]:
        return telling((self.account_id, *self.names))

    @cached_property
    def _sought(self) -> re.Pattern[str] | None:
        words = "|".join(re.escape(word) for word in sorted(self.words, key=len, reverse=True))
        return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])") if words else None

    def _left(self, body: Any) -> Any:
        if isinstance(body, dict):
            if body.get("account_id") == self.account_id:
                return GONE
            kept = {
                name: self._under(name, one) for name, one in body.items() if not self._is(name)
            }
            return {name: one for name, one in kept.items() if one is not GONE}
        if isinstance(body, list):
            return [one for one in map(self._left, body) if one is not GONE]
        if isinstance(body, str):
            return GONE if self._is(body) else self.unsaid(body)
        return body

    def _under(self, name: str, body: Any) -> Any:
        """Give what is left of a field; in a list of ids each is compared whole, whatever it is."""
        if name.endswith(LISTS) and isinstance(body, list):
            body = [one for one in body if one != self.account_id]
        return self._left(body)

    def _is(self, text: str) -> bool:
        return text == self.account_id and text in self._telling
