"""Monthly: the past replayed at every month's start, not at every third."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from features.asof import lead_day, months_between
from training.backtest import (
    FIRST_ORIGIN_MONTHS,
    JUDGED_HORIZON,
    ROWS_PER_REPLAY,
    Backtest,
    Replay,
    _periods,
    _replay,
    _served,
    calibrated,
    sealed_of,
)
from training.calls import Calls, calls
from training.evaluate import Judged, judge, may_serve
from training.fit import fit_health
from training.history import History
from training.labels import REPORTING_LAG_DAYS

__all__ = ["monthly_origins", "replayed"]

Progress = Callable[[str, int, int], None]


def monthly_origins(history: History) -> list[date]:
    """List every month's start whose three months have closed, in order."""
    dates, lag = history.dates, timedelta(days=REPORTING_LAG_DAYS)
    closed = [d for d in dates if lead_day(d, JUDGED_HORIZON) + lag < history.known_until]
    return [day for day in closed if months_between(dates[0], day) >= FIRST_ORIGIN_MONTHS]


def replayed(
    history: History, days: Sequence[date], seed: int, progress: Progress | None = None
) -> Backtest:
    """Replay the origins that are named, as ``training.backtest`` does its own."""
    replays: list[Replay] = []
    sealed = sealed_of(days)
    for at, origin in enumerate(days):
        if progress:
            progress("past months", at, len(days))
        model = fit_health(history, origin, {}, seed, ROWS_PER_REPLAY)
        model = calibrated(model, replays, history, origin, sealed)
        replays.append(_replay(history, origin, model))
    said = calls(history, Backtest(tuple(replays), {}, ()), seed)
    pooled = {name: _judged(one) for name, one in said.items()}
    late = {name: one.origin >= len(days) - len(sealed) for name, one in pooled.items()}
    chosen = {name: judge(one.take(~late[name]), seed) for name, one in pooled.items()}
    serves = {name: "score" if may_serve(one) else "calendar" for name, one in chosen.items()}
    return Backtest(
        replays=tuple(replays),
        probabilities={name: judge(one, seed) for name, one in pooled.items()},
        periods=tuple(_periods(replays, history, lambda one: _served(one, serves, history))),
        serves=serves,
        sealed=sealed,
        chosen_on=chosen,
        sealed_on={name: judge(one.take(late[name]), seed) for name, one in pooled.items()},
    )


def _judged(one: Calls) -> Judged:
    return Judged(
        p=one.score,
        calendar=one.calendar,
        rules=one.rules,
        y=one.y,
        account=one.account,
        at_risk=one.at_risk,
        mrr=one.mrr,
        origin=one.origin,
    )
