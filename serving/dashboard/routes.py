"""The addresses of all pages, put together."""

from __future__ import annotations

from fastapi import APIRouter

from serving.dashboard import book, files

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for _page in (book, files):
    router.include_router(_page.router)
