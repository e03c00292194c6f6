"""The way back: from a page to the one that somebody came from, on this site and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from serving.dashboard.pages import NAV

__all__ = ["Back", "way_back"]

LONGEST = 512
_HERE = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
_NAMES = {address: name for name, address in NAV}


@dataclass(frozen=True)
class Back:
    """Where a link back leads, and how it is called."""

    address: str
    name: str


def way_back(asked: str | None) -> Back:
    """Give the way back to a page of the navigation; the list of accounts where none is named.

    Examples
    --------
    >>> way_back("/accounts?cell=HM")
    Back(address='/accounts?cell=HM', name='Accounts in HM')
    >>> way_back("//elsewhere.example/accounts"), way_back("/\\\\elsewhere")
    (Back(address='/accounts', name='Accounts'), Back(address='/accounts', name='Accounts'))
    >>> way_back("/outreach?csm=Ana")
    Back(address='/outreach?csm=Ana', name='Outreach of Ana')
    """
    if asked is None or len(asked) > LONGEST or not _HERE.fullmatch(asked):
        return Back("/accounts", "Accounts")
    parts = urlsplit(asked)
    if parts.scheme or parts.netloc or parts.path not in _NAMES:
        return Back("/accounts", "Accounts")
    told = parse_qs(parts.query)
    name = _NAMES[parts.path]
    for key, joint in (("cell", " in "), ("csm", " of ")):
        if key in told:
            name += f"{joint}{told[key][0][:60]}"
    return Back(asked, name)
