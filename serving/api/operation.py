"""What the process measures of itself, and of what it serves, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from features.faults import Fault
from serving import outbox, tables
from serving.api.access import everybody
from serving.api.state import Serving, State
from serving.database import reading
from serving.monitoring.gauges import gauges
from serving.operation.duty import Duty
from serving.problems import PROBLEM_RESPONSES
from serving.store import Run

__all__ = ["Served", "router"]

router = APIRouter(tags=["health"], responses=PROBLEM_RESPONSES)
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Prometheus text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


class Served(Collector):
    """What is served just now: asked of the store at each reading.

    Parameters
    ----------
    serving : Serving
    now : datetime or None
        To tell the run's age by; without it no age is told.
    """

    def __init__(self, serving: Serving, now: datetime | None) -> None:
        self.serving, self.now = serving, now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the families; a store that does not answer is one of them."""
        try:
            told = list(self._told())
        except Fault:
            told = []
        up = GaugeMetricFamily("perennial_store_up", "Whether the store answers: 1 or 0.")
        up.add_metric([], float(bool(told)))
        yield up
        yield from told

    def _told(self) -> Iterator[GaugeMetricFamily]:
        store = self.serving.store
        run = store.current()
        with reading(store.engine) as connection:
            dead = outbox.counts(connection).get("dead", 0)
            d = tables.documents.c
            mine = sa.and_(d.run_id == (run.run_id if run else None), d.kind == "forecast")
            horizons = connection.scalars(sa.select(d.key).where(mine).order_by(d.key)).all()
        yield _plain("alerts_dead_lettered", "Alerts that were given up: retry them.", dead)
        kept = GaugeMetricFamily(
            "perennial_forecast_documents", "Forecasts of the run that serves.", labels=["horizon"]
        )
        for horizon in horizons:
            kept.add_metric([horizon], 1)
        yield kept
        newest = store.runs(1, held=True)
        waits = bool(newest) and newest[0].held
        yield _plain("run_held", "Whether a gate holds the newest run: 1 or 0.", waits)
        if run is not None:
            yield from self._of(run)
            yield from gauges(store)
        yield self._model()

    def _of(self, run: Run) -> Iterator[GaugeMetricFamily]:
        since = datetime.combine(run.as_of, time(), UTC)
        date = "Date of the run that serves, as seconds since 1970."
        yield _plain("published_as_of_timestamp_seconds", date, since.timestamp())
        at = datetime.fromisoformat(run.published_at).timestamp()
        moment = "When the run that serves was published, as seconds since 1970."
        yield _plain("published_timestamp_seconds", moment, at)
        yield _plain("published_accounts", "Accounts of the run that serves.", run.accounts)
        if self.now is not None:
            age = (self.now - since).total_seconds()
            yield _plain("published_as_of_age_seconds", "Age of the run that serves.", age)

    def _model(self) -> GaugeMetricFamily:
        told = GaugeMetricFamily(
            "perennial_model_info",
            "The model that serves; status is ready or degraded.",
            labels=["version", "digest", "status"],
        )
        model = self.serving.model()
        if model is not None:
            told.add_metric([model.version, model.digest, model.status], 1)
        return told


def _plain(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"perennial_{name}", words, value=float(value))


@router.get("/metrics", dependencies=[everybody], responses=_TEXT, response_class=Response)
def metrics(request: Request, state: State) -> Response:
    """Give counters, histograms and gauges in Prometheus's text format."""
    duty: Duty = request.app.state.duty
    clock = request.app.state.now
    families = Served(state, clock() if clock else None)
    text = generate_latest(duty.measures.registry) + generate_latest(families)
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
