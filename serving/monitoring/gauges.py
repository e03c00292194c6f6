"""Gauges of monitoring: what `/metrics` tells of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily

from serving.monitoring.reading import SUMMED, watch
from serving.store import Store

__all__ = ["gauges"]

KINDS = ("freshness", "missing", "drift", "counts", "ranking")


def gauges(store: Store) -> Iterator[GaugeMetricFamily]:
    """Give the families; nothing where no run was published.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> list(gauges(Store.open(Path(tempfile.mkdtemp()))))
    []
    """
    seen = watch(store)
    if seen is None:
        return
    many = Counter(one.kind for one in seen.findings)
    yield _by("findings", "What asks for a review.", "kind", {kind: many[kind] for kind in KINDS})
    summed = GaugeMetricFamily(
        "perennial_monitoring_sum",
        "Cumulative sum of what came more or less often than foretold; beyond 5 it is a finding.",
        labels=["event", "side"],
    )
    for event, steps in seen.sums.items():
        for side in ("above", "below"):
            if steps:
                summed.add_metric([event, side], getattr(steps[-1], side))
    yield summed
    if seen.own:
        drifted, missing = seen.own["drifted"], len(seen.own["missing"])
        yield _one("drifted_signals", "Signals that are spread otherwise than usual.", drifted)
        yield _one("missing_signals", "Signals that more accounts lack than did.", missing)
    told = [one["horizons"][SUMMED] for one in seen.months if SUMMED in one["horizons"]]
    if told:
        rows = told[-1]["events"].items()
        words = "events of the newest month that was counted, one month ahead."
        for what in ("expected", "observed"):
            values = {event: row[what] for event, row in rows}
            yield _by(f"{what}_events", f"{what.title()} {words}", "event", values)


def _one(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"perennial_monitoring_{name}", words, value=float(value))


def _by(name: str, words: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"perennial_monitoring_{name}", words, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family
