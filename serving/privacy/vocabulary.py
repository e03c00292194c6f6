"""The vocabulary: words of Perennial's own texts, by which no account can be told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["telling"]

SHORTEST = 4
"""Characters of a word that is looked for within sentences; shorter ones mean anything."""
FLOORS = ("features", "models", "serving")
_LETTER = re.compile(r"[^\W\d_]")


def telling(words: Iterable[str]) -> set[str]:
    """Give those of some ids and names that mean one account wherever they stand.

    Others are too short, are numbers, or are words that Perennial's own pages use.

    Examples
    --------
    >>> sorted(telling(["acct-7", "abc", "20250701", "High", "Expansion", "Vanished Ltd"]))
    ['Vanished Ltd', 'acct-7']
    """
    rare = {word for word in words if len(word) >= SHORTEST and _LETTER.search(word)}
    if not rare:
        return rare
    own = "\n".join(path.read_text(encoding="utf-8") for path in _texts())
    return {word for word in rare if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", own)}


def _texts() -> list[Path]:
    """List the files of the program in which texts stand; not this one, nor its neighbours."""
    root = Path(__file__).parents[2]
    found = [path for floor in FLOORS for path in sorted((root / floor).rglob("*"))]
    here = Path(__file__).parent
    return [path for path in found if path.suffix in (".py", ".html") and path.parent != here]
