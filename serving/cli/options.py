"""The options that several commands take, each declared once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["Accounts", "AsOf", "BookDir", "Engine", "Home", "Json", "Months", "Port", "Seed"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Home = Annotated[Path | None, typer.Option("--home", help="Folder of state (default: .perennial).")]
BookDir = Annotated[
    Path | None, typer.Option("--book", help="Folder of tables (default: as perennial.toml says).")
]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="See the book as known before this date."),
]
Engine = Annotated[
    Literal["duckdb", "polars", "spark"],
    typer.Option("--engine", help="What sums usage, events and tickets; the result is the same."),
]
Seed = Annotated[int, typer.Option("--seed", help="Same seed, same result.")]
Accounts = Annotated[int, typer.Option("--accounts", help="Accounts that are ever customers.")]
Months = Annotated[int, typer.Option("--months", help="Length of the book in months.")]
Port = Annotated[int, typer.Option("--port", help="Port of the dashboard.")]
