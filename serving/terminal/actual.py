"""The page of forecast against actual: a running table by horizon, and what it adds up to."""

from __future__ import annotations

from serving.definition import rules_line
from serving.terminal.forecast import PERIODS
from serving.terminal.paper import Body, figures, interval, percent, show, tell

__all__ = ["against_actual"]

_PARTS = ("churn", "contraction", "expansion", "timing", "definition")


def against_actual(body: Body) -> None:
    """Show every settled forecast of every horizon, the earliest first."""
    for horizon, one in body["horizons"].items():
        if one["forecasts"]:
            _table(horizon, one)
            _summary(one)
        for row in one["untold"]:
            tell(f"{row['as_of']}, {PERIODS[horizon]}: not told: {row['reason']}")
        _waiting(horizon, one)
    tell(
        "error = forecast less actual, in points of NRR, the sum of its parts; + where the forecast "
        "was too high: more churn, more contraction or less expansion than forecast; timing: "
        "decisions due in the period that came in the "
        f"{body['reporting_lag_days']} days after it; definition: other rules, or another past, "
        "are known now; in: the interval that held the actual NRR under the forecast's own rules"
    )
    tell(f"actual as `perennial metrics` says it; rules: {rules_line(body['definition'])}")


def _table(horizon: str, one: Body) -> None:
    title = f"NRR forecast against actual, {PERIODS[horizon]} ({horizon} mo), points of NRR"
    heads = ("as of", "fore-\ncast", "80 %\ninterval", "actual", "in", "error")
    short = ("churn", "con-\ntract.", "expan-\nsion", "tim-\ning", "defi-\nnition")
    table = figures(title, *heads, *short, texts=0)
    table.collapse_padding = True
    for row in one["forecasts"]:
        table.add_row(
            row["as_of"] + ("*" if row["in_hindsight"] else ""),
            percent(row["nrr"]["mean"]).removesuffix(" %"),
            interval(row["nrr"]).removesuffix(" %"),
            percent(row["actual_nrr"]).removesuffix(" %"),
            "80" if row["inside_80"] else "90" if row["inside_90"] else "out",
            _points(row["error_points"]),
            *(_points(row["split_points"][part]) for part in _PARTS),
        )
    show(table)
    if any(row["in_hindsight"] for row in one["forecasts"]):
        tell("* published after its period had ended: a model of today may have seen what came")
    closed = [row for row in one["forecasts"] if row["as_closed_nrr"] is not None]
    for row in closed:
        told = f"as closed {percent(row['as_closed_nrr'])}, now {percent(row['actual_nrr'])}"
        tell(f"{row['period_end']}: {told}")


def _summary(one: Body) -> None:
    """Say coverage, bias and error, and on how much they rest."""
    found = one["summary"]
    for level in ("80", "90"):
        held = percent(found[f"coverage_{level}"])
        tell(f"{level} % intervals held {held} ({_edges(found[f'coverage_{level}_interval'])})")
    count = found["forecasts"]
    told = "1 forecast" if count == 1 else f"{count} forecasts"
    tell(
        f"{told} (n_eff {found['n_eff']:.1f}), under the rules of each: bias "
        f"{_points(found['bias_points'])} points, mean absolute error "
        f"{found['mean_absolute_error_points']:.2f} points"
    )


def _edges(edges: list[float]) -> str:
    return f"{100 * edges[0]:.0f}–{100 * edges[1]:.0f} % with 95 % confidence"


def _waiting(horizon: str, one: Body) -> None:
    count = one["open"]["forecasts"]
    if count:
        many = "1 forecast waits" if count == 1 else f"{count} forecasts wait"
        first = one["open"]["first_told_on"]
        tell(f"{PERIODS[horizon]}: {many} for the period to close, the first until {first}")


def _points(value: float) -> str:
    if not round(value, 2):
        return "0.00"
    return f"{'+' if value > 0 else '−'}{abs(value):.2f}"
