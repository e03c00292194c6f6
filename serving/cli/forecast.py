"""The command `forecast`: what MRR the accounts that pay today will pay, and how sure that is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.faults import InputMissing, UsageFault
from serving.cli.opening import opened, published
from serving.cli.options import BookDir, Home, Json
from serving.cli.pictures import drawable

if TYPE_CHECKING:
    from serving.settings import Settings
    from serving.store import Store

__all__ = ["forecast"]

FORMATS = ("table", "json", "csv")
MOST = 10.0

Horizon = Annotated[int, typer.Option("--horizon", help="1, 3 or 12 months.")]
By = Annotated[
    list[str] | None, typer.Option("--by", help="Cut by a column of accounts; repeatable.")
]
Assumed = Annotated[
    Path | None,
    typer.Option("--scenario", help="The same under the assumptions of FILE.json or FILE.toml."),
]
Reach = Annotated[
    float | None,
    typer.Option("--reach", help="What it takes to reach this NRR, e.g. 1.10 for 110 %."),
]
Plan = Annotated[
    Path | None,
    typer.Option("--new-logo-plan", help="Lay planned new MRR by month (CSV, TOML) on top."),
]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", help="Draw the months ahead and the bridge as FILE.svg or FILE.png."),
]
Actual = Annotated[
    bool,
    typer.Option("--against-actual", help="Kept forecasts whose period closed, beside what was."),
]
Format = Annotated[
    str, typer.Option("--format", help="table, json or csv (one row per cut and figure).")
]


def forecast(
    horizon: Horizon = 3,
    by: By = None,
    scenario: Assumed = None,
    reach: Reach = None,
    new_logo_plan: Plan = None,
    against_actual: Actual = False,
    plot: Plot = None,
    as_format: Format = "table",
    book: BookDir = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """NRR, GRR and their flows in a month, a quarter or a year, with intervals."""
    from serving import terminal  # heavy: rich
    from serving.settings import load

    if horizon not in (1, 3, 12):
        raise UsageFault("usage", f"--horizon {horizon}", "1, 3 or 12 months")
    if json and as_format == "csv":
        raise UsageFault("usage", "--format csv beside --json", "give one of the two")
    shape = "json" if json else as_format
    asked = {
        "--scenario": scenario,
        "--reach": reach,
        "--new-logo-plan": new_logo_plan,
        "--against-actual": against_actual or None,
    }
    _refuse(shape, plot, [name for name, value in asked.items() if value is not None], by or [])
    if reach is not None and not 0.0 < reach <= MOST:
        raise UsageFault(
            "usage", f"--reach {reach}", "a ratio above 0, at most 10, e.g. 1.10 for 110 %"
        )
    drawable(plot)
    settings = load(book, home)
    store, run = published(settings)
    if against_actual:
        _against(settings, store, shape)
        return
    currency = _currency(store)
    if scenario is not None:
        told = _scenario(store, run.run_id, scenario, horizon, by or [], reach)
    else:
        told = _told(settings, store, horizon, by or [])
        told |= _reached(store, run.run_id, horizon, reach)
    told |= _planned(told, new_logo_plan)
    _draw(store, told, plot, currency)  # first: whoever reads may stop reading
    if shape == "csv":
        from serving.forecast_csv import forecast_csv

        sys.stdout.buffer.write(forecast_csv(told, currency))
        sys.stdout.flush()
        return
    page = terminal.scenario if scenario is not None else terminal.answered
    terminal.answer(told, shape == "json", lambda body: page(body, currency))


def _refuse(shape: str, plot: Path | None, asked: list[str], by: list[str]) -> None:
    """Refuse what does not go together, before anything is computed."""
    if shape not in FORMATS:
        raise UsageFault("usage", f"--format {shape}", ", ".join(FORMATS))
    if shape == "csv" and asked:
        raise UsageFault("usage", f"{asked[0]} as CSV", "use --format table or json")
    if plot is not None and {"--scenario", "--against-actual"} & set(asked):
        raise UsageFault("usage", f"--plot with {asked[0]}", "draw the forecast alone")
    if "--against-actual" in asked and (len(asked) > 1 or by):
        cure = "ask for --against-actual alone: it tells every horizon"
        raise UsageFault("usage", "--against-actual beside other questions", cure)
    if "--scenario" in asked and len(by) > 1:
        raise UsageFault("usage", "--scenario with several --by", "use one --by")


def _told(settings: Settings, store: Store, horizon: int, by: list[str]) -> dict[str, Any]:
    """Give the published forecast, cut anew where that is asked for."""
    if by:
        from serving.live import forecast_by  # heavy: duckdb, lightgbm

        return forecast_by(settings, horizon, *by)
    return dict(store.forecast(horizon) or {})


def _scenario(
    store: Store, run: str, file: Path, horizon: int, by: list[str], target: float | None
) -> dict[str, Any]:
    from models.scenario import read_scenario  # heavy: pandas
    from serving.scenarios import Scenarios

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as refused:
        cure = "name a file of JSON or TOML, see docs/scenarios.md"
        raise InputMissing("scenario.missing", f"{file}: cannot be read", cure) from refused
    read = read_scenario(text, "toml" if file.suffix.lower() == ".toml" else "json")
    cut = by[0] if by else None
    return Scenarios(store).answer(run, read, horizon, by=cut, target=target)


def _reached(store: Store, run: str, horizon: int, target: float | None) -> dict[str, Any]:
    """Say what an NRR would take; nothing where none was asked for."""
    if target is None:
        return {}
    from models.scenario import Scenario  # heavy: pandas
    from serving.scenarios import Scenarios

    answer = Scenarios(store).answer(run, Scenario(), horizon, target=target)
    return {"reach": answer["reach"]}


def _planned(told: dict[str, Any], file: Path | None) -> dict[str, Any]:
    """Lay a plan of new logos on top of a forecast, or on top of a scenario."""
    if file is None:
        return {}
    from models.plan import read_plan, with_plan

    return {"new_logo_plan": with_plan(told.get("scenario", told), read_plan(file))}


def _currency(store: Store) -> str:
    rows = store.scores(limit=1).rows
    return str(rows[0]["currency"] or "") if rows else ""


def _draw(store: Store, told: dict[str, Any], plot: Path | None, currency: str) -> None:
    if plot is None:
        return
    from models.outcomes import HORIZONS
    from serving import terminal  # heavy: rich, matplotlib
    from serving.drawings_fan import draw_forecast

    beside = {h: (store.forecast(h) or {}).get("baselines", {}) for h in HORIZONS}
    past = {h: simple.get("same as last year") for h, simple in beside.items()}
    draw_forecast(told, plot, currency, past)
    terminal.say(f"perennial: drawn: {plot}")


def _against(settings: Settings, store: Store, shape: str) -> None:
    """Lay every kept forecast whose period has closed beside what happened."""
    from serving import terminal  # heavy: rich, duckdb
    from serving.settled import against_actual

    with terminal.steps(shape == "json") as step:
        body = against_actual(settings, opened(settings, step), store)
    terminal.answer(body, shape == "json", terminal.against_actual)
