"""Measures: what a serving process counts of its own work, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["METHODS", "UNMATCHED", "Measures"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Measures:
    """Counters of one serving process, in a registry of their own.

    Attributes
    ----------
    registry : CollectorRegistry
        What ``/metrics`` tells.
    in_flight : Gauge
        Requests being worked at.
    rejects, unhandled, replays : Counter
        Requests refused before they were worked at, by reason; exceptions that nobody foresaw;
        answers given again for an Idempotency-Key.

    Examples
    --------
    >>> measures = Measures()
    >>> measures.answered("/v1/matrix", "GET", 200, 0.003)
    >>> measures.answered(None, "BREW", 404, 0.001)
    >>> one = {"route": "unmatched", "method": "other", "status": "404"}
    >>> measures.registry.get_sample_value("perennial_http_requests_total", one)
    1.0
    """

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self._requests = Counter(
            "perennial_http_requests",
            "Answers, by the route's template, method and status.",
            ("route", "method", "status"),
            registry=own,
        )
        self._seconds = Histogram(
            "perennial_http_request_seconds",
            "Seconds from a request's headers to the last byte of its answer.",
            ("route", "method"),
            registry=own,
            buckets=SECONDS,
        )
        self.in_flight = Gauge(
            "perennial_http_in_flight", "Requests being worked at.", registry=own
        )
        self.rejects = Counter(
            "perennial_http_rejects",
            "Requests refused before they were worked at, by reason.",
            ("reason",),
            registry=own,
        )
        self.unhandled = Counter(
            "perennial_unhandled_exceptions",
            "Exceptions that nobody foresaw, each answered 500: a bug to report.",
            registry=own,
        )
        self.replays = Counter(
            "perennial_idempotent_replays",
            "Answers given again for an Idempotency-Key.",
            registry=own,
        )

    def answered(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """Count one answer; an address that no route has counts as ``unmatched``.

        Parameters
        ----------
        route : str or None
            The route's template, never the path: it would name accounts.
        method : str
        status : int
        seconds : float
        """
        name = route or UNMATCHED
        known = method if method in METHODS else "other"
        self._requests.labels(name, known, str(status)).inc()
        self._seconds.labels(name, known).observe(seconds)
