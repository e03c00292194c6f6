"""The addresses of all pages, put together."""

from __future__ import annotations

from fastapi import APIRouter

from serving.dashboard import account, book, files, forecast, login

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for _page in (book, account, forecast, files, login):
    router.include_router(_page.router)
