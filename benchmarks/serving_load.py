"""How a server of 5,000 accounts answers under load, and under four times what it can bear.

A book is simulated, a model is trained on a small book beside it, and the run is published by the
weekly job's own commands. `perennial serve` then serves it in a process of its own, and a second
process asks at its own pace (``serving_load_client``): every time runs from the moment at which a
request was due. Asked are an account's JSON, a stored forecast, and fifty accounts scored now; an
echo by bare FastAPI, on the same machine in the same run, is asked as often as the accounts are.

How much the server can bear is found by asking for accounts faster and faster. Then four times of
that is asked for: goodput is the share of what it can bear that it still answers, and what it
refuses must be refused at once, while ``/livez`` answers a third process, as a probe is one.

Usage: ``python -m benchmarks.serving_load [--accounts N] [--seconds N] [--book DIRECTORY]`` (``make
bench-serving``). With ``--book`` an ingested, trained and scored workspace is served as it is, and
nothing is kept. The outcome is printed and kept in ``benchmarks/results/serving_load.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks.outcome import circumstances, keep

__all__ = ["main", "missed"]

Stream = tuple[float, list[str]]
"""Requests a second, and what is sent in turn."""

LIBRARIES = ("fastapi", "orjson", "sqlalchemy", "starlette", "uvicorn", "uvloop")
ROOT = Path(__file__).resolve().parents[1]
RATES = {"account": 500.0, "forecast": 100.0, "score": 2.0, "echo": 500.0}
LIMITS = {
    "account p99_ms": 20.0,
    "forecast p99_ms": 50.0,
    "score p99_ms": 250.0,
    "refused p99_ms": 50.0,
    "livez p99_ms": 100.0,
    "help_s": 0.3,
    "ready_s": 3.0,
}
GOODPUT = 0.8
STEPS = (600, 900, 1200, 1600, 2000, 2500, 3000, 4000)
PAYING = 0.8  # of the accounts that the simulator makes, so many pay at the end
UNITS = {
    "by_status": "answers of each HTTP status, from the moment a request was due to its last byte",
    "p99_ms": "99th percentile, milliseconds",
    "bearable_per_second": "the highest rate of which 99 % was answered, half of it within 50 ms",
    "goodput": "answers a second at four times that rate, as a share of it",
    "help_s": "wall seconds of `perennial --help`, the middle of five",
    "ready_s": "wall seconds from starting `perennial serve` to the first 200 of /readyz, the middle of three",
}
ECHO = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/echo/{name}")
async def echo(name: str) -> dict[str, str]:
    return {"name": name}
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--book", type=Path)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        book = asked.book or _made(Path(folder), asked.accounts)
        told = _started(book) | _measured(book, asked.seconds)
    outcome = circumstances("serving_load", LIBRARIES) | {
        "seconds": asked.seconds,
        "rates": RATES,
        "limits": LIMITS | {"goodput": GOODPUT},
        "measured": told,
        "missed": missed(told),
        "units": UNITS,
    }
    json.dump(outcome, sys.stdout, indent=1)
    print()
    if asked.book is None and asked.accounts == parser.get_default("accounts"):
        keep("serving_load", outcome)
    return int(bool(outcome["missed"]))


def missed(told: Mapping[str, Any]) -> list[str]:
    """Name the limits that were missed.

    Parameters
    ----------
    told : mapping
        ``help_s``, ``ready_s``, ``account``, ``forecast``, ``score`` and ``overload``.
    """
    found = {name: told[name] for name in ("help_s", "ready_s")}
    found |= {
        f"{name} p99_ms": _p99(told[name], "200") for name in ("account", "forecast", "score")
    }
    over = told["overload"]
    found["refused p99_ms"] = _p99(over["account"], "503")
    found["livez p99_ms"] = _p99(over["livez"], "200")
    names = [name for name, limit in LIMITS.items() if found[name] > limit]
    lost = [f"{name} not all answered" for name in RATES if _lost(told[name])]
    return names + lost + (["goodput"] if over["goodput"] < GOODPUT else [])


def _p99(told: Mapping[str, Any], status: str) -> float:
    return float(told["by_status"].get(status, {}).get("p99_ms", 0.0))


def _lost(told: Mapping[str, Any]) -> int:
    """Count the requests that did not get their 200."""
    return int(told["asked"] - told["by_status"].get("200", {}).get("answers", 0))


def _perennial(place: Path, *words: str) -> None:
    command = [sys.executable, "-m", "serving.cli", *words, "--json"]
    subprocess.run(command, cwd=place, env=_paths(), check=True, stdout=subprocess.DEVNULL)


def _paths() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def _made(folder: Path, accounts: int) -> Path:
    """Make the book, and publish its run with a model that was trained on a small one."""
    sizes = {"small": 300, "book": round(accounts / PAYING)}
    for name, size in sizes.items():
        _perennial(folder, "simulate", name, "--accounts", str(size), "--months", "18")
    _perennial(folder / "small", "train")
    shutil.copytree(folder / "small" / "mlruns", folder / "book" / "mlruns")
    _perennial(folder / "book", "score")
    return folder / "book"


def _started(book: Path) -> dict[str, float]:
    """Measure how long the command line and the server take to begin."""
    helps, readies = [], []
    for _ in range(5):
        begun = time.perf_counter()
        command = [sys.executable, "-m", "serving.cli", "--help"]
        subprocess.run(command, env=_paths(), check=True, stdout=subprocess.DEVNULL)
        helps.append(time.perf_counter() - begun)
    for _ in range(3):
        begun = time.perf_counter()
        with _served(book):
            readies.append(time.perf_counter() - begun)
    return {"help_s": round(sorted(helps)[2], 3), "ready_s": round(sorted(readies)[1], 3)}


def _measured(book: Path, seconds: float) -> dict[str, Any]:
    told: dict[str, Any] = {}
    with _served(book) as port, _process([sys.executable, "-c", ECHO], "/echo/x") as echo:
        names = _names(port)
        asked = _asked(names)
        _scored_once(port, names)
        told["accounts"] = len(names)
        told |= _client(echo, {"echo": (RATES["echo"], asked["echo"])}, seconds)
        for name in ("account", "forecast", "score"):
            told |= _client(port, {name: (RATES[name], asked[name])}, seconds)
        told["bearable_per_second"] = bearable = _bearable(port, asked["account"])
        load = {"account": (4.0 * bearable, asked["account"])}
        over = _client(port, load, seconds, {"livez": (5.0, [_get("/livez")])})
        good = over["account"]["by_status"].get("200", {}).get("per_second", 0.0)
        told["overload"] = over | {"goodput": round(good / bearable, 3)}
    return told


def _asked(names: Sequence[str]) -> dict[str, list[str]]:
    """Write the requests of each kind."""
    picked = random.Random(7)
    fifty = [picked.sample(list(names), min(50, len(names))) for _ in range(40)]
    return {
        "account": [_get(f"/v1/accounts/{name}") for name in picked.choices(list(names), k=5000)],
        "forecast": [_get(f"/v1/forecast?horizon={horizon}") for horizon in (1, 3, 12)],
        "score": [_post("/v1/score", {"account_ids": some}) for some in fifty],
        "echo": [_get(f"/echo/{name}") for name in names[:100]],
    }


def _bearable(port: int, requests: list[str]) -> float:
    """Ask faster and faster, until some are not answered in time."""
    held = 0.0
    for rate in STEPS:
        found = _client(port, {"account": (float(rate), requests)}, 3.0)["account"]
        good = found["by_status"].get("200", {"answers": 0, "p50_ms": 1e9})
        if good["answers"] < 0.99 * found["asked"] or good["p50_ms"] > 50.0:
            break
        held = float(rate)
    return held or float(STEPS[0])


def _client(
    port: int,
    streams: Mapping[str, Stream],
    seconds: float,
    probes: Mapping[str, Stream] | None = None,
) -> dict[str, Any]:
    """Let another process ask, and one more for what is asked beside; give what they measured."""
    asked = [(streams, 400)] + ([] if probes is None else [(probes, 2)])
    told: dict[str, Any] = {}
    with ExitStack() as running:
        asking = [running.enter_context(_asking()) for _ in asked]
        for one, each in zip(asking, asked, strict=True):
            assert one.stdin is not None
            with one.stdin as way:
                json.dump(_work(port, *each, seconds), way)
        for one in asking:
            assert one.stdout is not None
            told |= json.load(one.stdout)
    return told


def _asking() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.serving_load_client"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=_paths(), stdin=pipe, stdout=pipe, text=True)


def _work(
    port: int, streams: Mapping[str, Stream], connections: int, seconds: float
) -> dict[str, Any]:
    return {
        "port": port,
        "seconds": seconds,
        "connections": connections,
        "streams": [
            {"name": name, "rate": rate, "requests": requests}
            for name, (rate, requests) in streams.items()
        ],
    }


def _get(path: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def _post(path: str, body: Any) -> str:
    text = json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n{text}"


def _ask(port: int, method: str, path: str, body: Any = None) -> Any:
    wire = HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {} if body is None else {"Content-Type": "application/json"}
    wire.request(method, path, None if body is None else json.dumps(body), headers)
    reply = wire.getresponse()
    content = reply.read()
    if reply.status != 200:
        raise SystemExit(f"{method} {path}: {reply.status} {content[:300]!r}")
    return json.loads(content)


def _names(port: int) -> list[str]:
    """Page through the accounts of the run."""
    names, page = [], _ask(port, "GET", "/v1/accounts?limit=1000")
    while True:
        names += [row["account_id"] for row in page["items"]]
        if page["next_cursor"] is None:
            return names
        page = _ask(port, "GET", f"/v1/accounts?limit=1000&cursor={page['next_cursor']}")


def _scored_once(port: int, names: Sequence[str]) -> None:
    """Wait until the server has measured the snapshot that it scores from."""
    _ask(port, "POST", "/v1/score", {"account_ids": list(names[:1])})


@contextmanager
def _served(book: Path) -> Iterator[int]:
    """Serve a book by the command itself, and wait until it is ready."""
    with _process(
        [sys.executable, "-m", "serving.cli", "serve", "--port"], "/readyz", book
    ) as port:
        yield port


@contextmanager
def _process(command: Sequence[str], path: str, place: Path | None = None) -> Iterator[int]:
    """Start a server on a free port, wait until a path answers, and end it at last."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
    words = [*command, str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, cwd=place, env=_paths(), stdout=quiet, stderr=quiet) as child:
        try:
            while not _answers(port, path):
                if child.poll() is not None:
                    raise SystemExit(f"{' '.join(words)}: ended with {child.returncode}")
                time.sleep(0.01)
            yield port
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(30)


def _answers(port: int, path: str) -> bool:
    wire = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        wire.request("GET", path)
        return wire.getresponse().status == 200
    except OSError:
        return False
    finally:
        wire.close()


if __name__ == "__main__":
    raise SystemExit(main())
