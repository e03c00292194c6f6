"""Downloads: what a page shows, as a CSV file with a name that every browser reads alike.

Such a file is opened in a spreadsheet by a person: it begins with UTF-8's mark, without which Excel
reads `Müller` as `MÃ¼ller`. Files that programs read (exports, ``--format csv``) have none.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from itertools import chain
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse

from serving.problems import Problem

__all__ = ["LARGEST", "attached", "disposition", "refuse_above", "streamed"]

LARGEST = 1_000_000
"""Rows of one file at most: what a spreadsheet can open."""
_KIND = "text/csv; charset=utf-8"


def disposition(name: str) -> str:
    """Write the header that names a file, by RFC 6266: plain letters for old readers, then all.

    Examples
    --------
    >>> disposition("outreach-Ana.csv")
    'attachment; filename="outreach-Ana.csv"'
    >>> disposition('a"b\\r\\nSet-Cookie: x=é.csv')
    'attachment; filename="a_b_Set-Cookie_x_.csv"; filename*=UTF-8\\'\\'a_b_Set-Cookie_x%3D%C3%A9.csv'
    """
    clean = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in name)
    clean = re.sub(r'[\s"\\/:*?<>|]+', "_", clean.strip())[:120]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", clean)
    told = f'attachment; filename="{plain}"'
    return told if plain == clean else f"{told}; filename*=UTF-8''{quote(clean, safe='')}"


def refuse_above(rows: int) -> None:
    """Refuse a file of more than a million rows.

    Raises
    ------
    Problem
        413 ``export_too_large``.
    """
    if rows > LARGEST:
        detail = f"{rows:,} rows, and a file holds {LARGEST:,}: filter by cell, csm or segment"
        raise Problem(413, "export_too_large", detail)


def attached(content: bytes, name: str) -> Response:
    """Answer with a file that is at hand."""
    headers = {"Content-Disposition": disposition(name)}
    return Response(codecs.BOM_UTF8 + content, media_type=_KIND, headers=headers)


def streamed(parts: Iterator[bytes], name: str) -> StreamingResponse:
    """Answer with a file that is written while it is sent."""
    headers = {"Content-Disposition": disposition(name)}
    return StreamingResponse(chain([codecs.BOM_UTF8], parts), media_type=_KIND, headers=headers)
