"""The changelog: a section for each version, newest first, dated once it is released.

A released section says what tables it has (``Tables: r0007.``), so that whoever upgrades knows
whether there is a way back without a backup (docs/deployment.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["UNRELEASED", "Section", "sections", "unready"]

UNRELEASED = "unreleased"
_HEAD = re.compile(r"## (\d+\.\d+\.\d+) – (unreleased|\d{4}-\d\d-\d\d)")


@dataclass(frozen=True)
class Section:
    """One version's section.

    Attributes
    ----------
    version : str
        Three numbers.
    date : str
        The day of its release, or ``"unreleased"``.
    text : str
        What is new in it.
    """

    version: str
    date: str
    text: str

    @property
    def order(self) -> tuple[int, ...]:
        """The version as numbers, to compare by."""
        return tuple(map(int, self.version.split(".")))


def sections(text: str) -> list[Section]:
    """Read a changelog, newest section first.

    Raises
    ------
    ValueError
        For a heading that is no version with a date, or versions that do not descend.

    Examples
    --------
    >>> [(one.version, one.date) for one in sections("## 0.2.0 – unreleased\\n## 0.1.0 – 2026-01-05\\n")]
    [('0.2.0', 'unreleased'), ('0.1.0', '2026-01-05')]
    >>> sections("## 0.2 (January)")
    Traceback (most recent call last):
    ...
    ValueError: no version with a date: ## 0.2 (January)
    """
    _, *parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    found = [_section(part) for part in parts]
    for newer, older in pairwise(found):
        if newer.order <= older.order:
            raise ValueError(f"{newer.version} stands above {older.version}")
        if older.date == UNRELEASED or newer.date < older.date:
            raise ValueError(f"{older.version} – {older.date} stands below {newer.date}")
    return found


def _section(part: str) -> Section:
    head, _, text = part.partition("\n")
    read = _HEAD.fullmatch(head)
    if read is None:
        raise ValueError(f"no version with a date: {head}")
    return Section(read[1], read[2], text.strip())


def unready(text: str, version: str, tables: str) -> list[str]:
    """Say why a version cannot be released under this changelog; nothing where it can.

    Parameters
    ----------
    text : str
        The changelog.
    version : str
        The version of ``pyproject.toml``.
    tables : str
        The newest revision of the store's tables, e.g. ``"r0007"``.

    Examples
    --------
    >>> unready("## 0.1.0 – 2026-01-05\\nTables: r0007.\\n", "0.1.0", "r0007")
    []
    >>> unready("## 0.1.0 – unreleased\\nMuch.\\n", "0.2.0", "r0007")
    ['the newest section is 0.1.0, the version 0.2.0', '0.1.0 has no date', '0.1.0 does not say "Tables: r0007."']
    """
    newest = sections(text)[0]
    told = []
    if newest.version != version:
        told.append(f"the newest section is {newest.version}, the version {version}")
    if newest.date == UNRELEASED:
        told.append(f"{newest.version} has no date")
    if f"Tables: {tables}." not in newest.text:
        told.append(f'{newest.version} does not say "Tables: {tables}."')
    return told
