"""How fast a server answers a stored forecast and a scenario, beside a bare echo in the same run.

A book of 5,000 accounts with a long tail (a few large ones hold much of MRR, so that part of every
answer is simulated) is published with its outlook. The real application is served by uvicorn on
the loopback, and asked over one kept connection, in turns: a stored forecast, a scenario that
changes nothing, one that changes the smallest segment's churn and every renewal's price at each
horizon, and an echo served beside it by bare FastAPI.

Usage: ``python -m benchmarks.forecast_latency [--accounts N] [--times N]`` (``make
bench-scenarios``). The outcome is printed and kept in ``benchmarks/results/forecast_latency.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI

from benchmarks.outcome import circumstances, keep
from models.basis import Basis
from models.outcomes import HORIZONS, Outlook
from models.spread import shared_scale
from serving.app import create_app
from serving.outlooks import packed
from serving.publication import Publication
from serving.schemas import OUTREACH_COLUMNS, SCORE_COLUMNS
from serving.store import Store

__all__ = ["book_of", "main"]

AS_OF = date(2025, 7, 1)
LIBRARIES = ("fastapi", "numpy", "pandas", "scipy", "uvicorn")
LIMITS = {"stored forecast": 50.0, "scenario": 300.0}
"""Milliseconds, at the 99th percentile."""

CHANGES = [
    {"where": {"segment": "smb"}, "churn": {"multiply": 0.8}},
    {"all": True, "price_at_renewal": {"rise": 0.05, "churn_multiply": 1.1}},
]
UNITS = {
    "p50_ms": "median milliseconds from sending the request to the last byte of the answer",
    "p99_ms": "99th percentile of the same",
    "bytes": "size of the answer",
    "first_ms": "the first scenario of a process: it loads the libraries and opens the outlook",
}


def book_of(accounts: int, seed: int = 7) -> Outlook:
    """Make the outlook of a book with a long tail: log-normal MRR, four segments by size.

    Parameters
    ----------
    accounts : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    mrr = np.sort(np.exp(rng.normal(6.0, 1.2, accounts)))
    shares = np.searchsorted([0.6, 0.9, 0.98], np.arange(accounts) / accounts, side="right")
    lead = rng.integers(1, 13, accounts)
    table = pd.DataFrame(
        {
            "account_id": [f"a{n:06d}" for n in range(accounts)],
            "mrr_micros": (mrr * 1e6).astype(np.int64),
            "segment": np.array(["smb", "mid", "enterprise", "strategic"])[shares],
            "csm": [f"csm {n}" for n in rng.integers(1, 21, accounts)],
            "acv_segment": "smb",
            "as_of": pd.Timestamp(AS_OF),
            "term_months": 12.0,
            "tenure_days": 500.0,
            "decision": "term",
            "next_renewal_on": [date(2025 + (5 + k) // 12, (5 + k) % 12 + 1, 28) for k in lead],
        }
    )
    months = np.arange(1, 13)[None, :]
    decided = (months >= lead[:, None]) * rng.beta(2.0, 12.0, (accounts, 1))
    churn = np.maximum.accumulate(decided + 0.001 * months, axis=1)
    notice = (rng.random((accounts, 1)) < 0.01) & (months >= lead[:, None])
    signed = np.full((accounts, 12), np.nan)
    early = rng.random(accounts) < 0.02
    signed[early] = np.where(months >= 2, mrr[early, None] * 1.05e6, np.nan)
    churn = np.where(np.isfinite(signed), 0.0, np.where(notice, 1.0, churn))
    expand = (1 - churn) * rng.beta(2.0, 10.0, (accounts, 1)) * months / 12
    contract = (1 - churn - expand) * rng.beta(2.0, 30.0, (accounts, 1)) * months / 12
    up, down = [0.2, 0.05, 0.016], [0.25, 0.09, 0.04]
    laws = (np.tile(law, (accounts, 12, 1)) for law in (up, down))
    up_moments, down_moments = laws
    return Outlook(table, churn, contract, expand, up_moments, down_moments, notice, signed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 where a limit is missed or a null scenario is not zero."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=5_000)
    parser.add_argument("--times", type=int, default=100)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as home:
        size = _published(Path(home), asked.accounts)
        with _served(create_app(Path(home))) as app, _served(_echo()) as echo:
            told = _measured(app, echo, asked.times)
    missed = [name for name, limit in LIMITS.items() if told[name]["p99_ms"] >= limit]
    outcome = circumstances("forecast_latency", LIBRARIES) | {
        "accounts": asked.accounts,
        "outlook_bytes": size,
        "times": asked.times,
        "limits_ms": LIMITS,
        "measured": told,
        "missed": missed,
        "units": UNITS,
    }
    json.dump(outcome, sys.stdout, indent=1)
    print()
    keep("forecast_latency", outcome)
    return int(bool(missed))


def _published(home: Path, accounts: int) -> int:
    """Publish the book's forecasts and its outlook; give the outlook's size."""
    outlook = book_of(accounts)
    taus = tuple(shared_scale(outlook, month, 2.0) for month in range(1, 13))
    basis = Basis(AS_OF, taus, {str(h): 4.0 for h in HORIZONS}, {"basis": "mrr"}, ("segment",))
    kept = packed(outlook)
    publication = Publication(
        as_of=AS_OF,
        snapshot_id="s1",
        model_version="1",
        model_digest="m1",
        scores=pd.DataFrame(columns=list(SCORE_COLUMNS)),
        outreach=pd.DataFrame(columns=list(OUTREACH_COLUMNS)),
        matrix={"cells": {}},
        forecast={str(h): basis.told(outlook, h) for h in HORIZONS},
        settings_digest="c1",
        outlook=kept,
        basis=basis.to_json(),
    )
    Store.open(home).publish(publication, now=datetime(2025, 7, 1, tzinfo=UTC))
    return len(kept)


def _echo() -> FastAPI:
    app = FastAPI()

    @app.post("/echo")
    def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    return app


@contextmanager
def _served(app: FastAPI) -> Iterator[HTTPConnection]:
    """Serve an application on the loopback, and give a connection to it."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    connection = HTTPConnection("127.0.0.1", port)
    try:
        yield connection
    finally:
        connection.close()
        server.should_exit = True
        thread.join()


def _measured(app: HTTPConnection, echo: HTTPConnection, times: int) -> dict[str, dict[str, float]]:
    """Ask in turns, so that whatever else the machine does meets all alike."""
    first, _ = _ask(app, "POST", "/v1/forecast/scenario", {"changes": CHANGES})
    seconds: dict[str, list[float]] = {}
    sizes = {}
    for turn in range(times):
        horizon = HORIZONS[turn % len(HORIZONS)]
        asked = {
            "echo": (echo, "POST", "/echo", {"changes": CHANGES}),
            "stored forecast": (app, "GET", f"/v1/forecast?horizon={horizon}", None),
            "null scenario": (app, "POST", "/v1/forecast/scenario", {"horizon": horizon}),
            "scenario": (
                app,
                "POST",
                "/v1/forecast/scenario",
                {"horizon": horizon, "changes": CHANGES},
            ),
        }
        for name, one in asked.items():
            spent, content = _ask(*one)
            seconds.setdefault(name, []).append(spent)
            sizes[name] = len(content)
            if name == "null scenario":
                told = json.loads(content)
                if told["baseline"] != told["scenario"]:
                    raise SystemExit("a scenario that changes nothing is not the forecast")
    return {
        name: {
            "p50_ms": round(1e3 * float(np.quantile(spent, 0.5)), 2),
            "p99_ms": round(1e3 * float(np.quantile(spent, 0.99)), 2),
            "bytes": sizes[name],
        }
        for name, spent in seconds.items()
    } | {"first scenario": {"first_ms": round(1e3 * first, 1)}}


def _ask(connection: HTTPConnection, method: str, path: str, body: Any) -> tuple[float, bytes]:
    headers = {} if body is None else {"content-type": "application/json"}
    content = None if body is None else json.dumps(body)
    begun = time.perf_counter()
    connection.request(method, path, content, headers)
    reply = connection.getresponse()
    answer = reply.read()
    spent = time.perf_counter() - begun
    if reply.status != 200:
        raise SystemExit(f"{method} {path}: {reply.status} {answer[:300]!r}")
    return spent, answer


if __name__ == "__main__":
    raise SystemExit(main())
