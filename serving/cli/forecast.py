"""The command `forecast`: what MRR the accounts that pay today will pay, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import UsageFault
from serving.cli.opening import published
from serving.cli.options import BookDir, Home, Json

if TYPE_CHECKING:
    from serving.settings import Settings

__all__ = ["forecast"]


def forecast(
    horizon: Annotated[int, typer.Option("--horizon", help="1, 3 or 12 months.")] = 3,
    by: Annotated[str | None, typer.Option("--by", help="Cut by a column of accounts.")] = None,
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """NRR, GRR and their flows at the published run's horizon, with intervals."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    if horizon not in (1, 3, 12):
        raise UsageFault("usage", f"--horizon {horizon}", "1, 3 or 12 months")
    settings = load(book, home)
    store, _ = published(settings)
    told = store.forecast(horizon) or {}
    if by is not None:
        told = _cut(settings, horizon, by)
    terminal.answer(told, json, lambda body: terminal.forecasts({str(horizon): body}))


def _cut(settings: Settings, horizon: int, by: str) -> dict[str, Any]:
    from serving.live import forecast_by  # heavy: duckdb, lightgbm

    return forecast_by(settings, horizon, by)
