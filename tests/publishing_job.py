"""A process of the tests that publishes, and what befalls it at named points.

It is forked from a server that has everything imported: a process a test, not an interpreter a test.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from serving.cli.refusals import Refusals
from serving.cli.stopping import stoppable
from serving.kept import StoreSettings
from serving.store import Store
from tests.example_publication import NOW, example

__all__ = ["VARIABLE", "Job", "until"]

VARIABLE = "PERENNIAL_STORE_URL"


def until(there: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


@dataclass
class Job:
    """One process that publishes.

    ``doings`` says what befalls it where: a signal by its name, or ``sleep``.
    """

    home: Path
    url: str | None
    name: str
    doings: dict[str, str] = field(default_factory=dict)
    lease: float = 60
    wait: float = 20

    def start(self) -> Job:
        """Start it; it tells where it is by empty files."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.publishing_job"])
        self.process: BaseProcess = context.Process(target=_work, args=(self,))
        self.process.start()
        return self

    def reached(self, point: str) -> None:
        """Wait until it is at a point."""
        until(lambda: self._file(point).exists())

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def ended(self) -> int | None:
        """Give its exit code; below zero the signal that ended it."""
        self.process.join(60)
        return self.process.exitcode

    @property
    def said(self) -> str:
        """What it wrote."""
        return self._file("said").read_text(encoding="utf-8")

    def _file(self, point: str) -> Path:
        return self.home / f"{self.name}.{point}"


def _work(job: Job) -> None:
    job.home.mkdir(exist_ok=True)
    sys.stdout = sys.stderr = job._file("said").open("w", encoding="utf-8", buffering=1)
    if job.url is not None:
        os.environ[VARIABLE] = job.url
    url = None if job.url is None else f"env:{VARIABLE}"
    settings = StoreSettings(url=url, lease_seconds=job.lease, wait_seconds=job.wait)

    def checkpoint(point: str) -> None:
        job._file(point).touch()
        what = job.doings.get(point)
        if what == "sleep":
            time.sleep(60)
        elif what is not None:
            os.kill(os.getpid(), getattr(signal, what))

    with Refusals(), stoppable():
        store = Store.open(job.home, settings)
        done = store.publish(example(snapshot_id=job.name), now=NOW, checkpoint=checkpoint)
        sys.stdout.write("published" if done.published else "already")
