"""Built pages, looked at as a browser would: every link leads somewhere, nothing comes from elsewhere.

A link that a reader may follow to another site is theirs to follow; it is not fetched and not checked
here (there is no network). What a page loads by itself must lie beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Page", "amiss", "read"]

_FETCHED = re.compile(
    r"url\(\s*['\"]?((?:https?:)?//[^'\")]+)|@import\s+['\"]((?:https?:)?//[^'\"]+)"
)
_LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
_SAID = {"canonical", "license", "author"}  # kinds of <link> that no browser loads


@dataclass
class Page(HTMLParser):
    """What one page links to, loads, and can be pointed at.

    Attributes
    ----------
    links : list of str
        Where its anchors lead.
    loads : list of str
        What a browser fetches for it.
    ids : set of str
        Its places.
    """

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if found.get(_LOADS.get(tag, ""), "") and found.get("rel") not in _SAID:
            self.loads.append(found[_LOADS[tag]])


def read(text: str) -> Page:
    """Read a page.

    Examples
    --------
    >>> page = read('<h1 id="top">x</h1><a href="b.html#end">y</a><script src="s.js"></script>')
    >>> page.links, page.loads, page.ids
    (['b.html#end'], ['s.js'], {'top'})
    """
    page = Page()
    page.feed(text)
    return page


def amiss(folder: Path) -> list[str]:
    """Tell every link that leads nowhere, and everything that is loaded from another host."""
    pages = {
        path: read(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))
    }
    told = []
    for path, page in pages.items():
        name = path.relative_to(folder)
        told += [f"{name}: fetches {one}" for one in page.loads if _foreign(one)]
        there = [*page.links, *page.loads]
        told += [f"{name}: nothing at {one}" for one in there if not _leads(one, path, pages)]
    for style in sorted(folder.rglob("*.css")):
        found = _FETCHED.findall(style.read_text(encoding="utf-8"))
        told += [
            f"{style.relative_to(folder)}: fetches {first or second}" for first, second in found
        ]
    return told


def _foreign(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def _leads(address: str, path: Path, pages: dict[Path, Page]) -> bool:
    """Say whether a link of a page leads somewhere; one to another site may."""
    if _foreign(address) or address.startswith("data:"):
        return True
    parts = urlsplit(address)
    there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not there.exists():
        return False
    return not parts.fragment or there not in pages or unquote(parts.fragment) in pages[there].ids
