"""The addresses of all pages, put together."""

from __future__ import annotations

from fastapi import APIRouter

from serving.dashboard import (
    account,
    accounts,
    book,
    expansion,
    files,
    forecast,
    login,
    matrix,
    model,
    outreach,
)

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for _page in (book, matrix, outreach, accounts, account, forecast, expansion, model, files, login):
    router.include_router(_page.router)
