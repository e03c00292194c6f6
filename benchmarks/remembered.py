"""Jobs that are done once and remembered, each in a process of its own, two at a time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Runs", "sources_of"]

ROOT = Path(__file__).resolve().parents[1]
HANDS = 2
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
Job = dict[str, Any]


def sources_of(*patterns: str) -> tuple[Path, ...]:
    """List the project's files of some patterns, in order: the code that a memory stands on.

    Examples
    --------
    >>> [path.name for path in sources_of("benchmarks/remember*.py")]
    ['remembered.py']
    """
    return tuple(path for pattern in patterns for path in sorted(ROOT.glob(pattern)))


@dataclass(frozen=True)
class Runs:
    """Jobs that are done once and remembered, as long as the code stays the same.

    Attributes
    ----------
    folder : Path
        Where the memory lies.
    worker : str
        The module that does a job: it is given one as JSON and prints what it found as its last
        line.
    sources : tuple of Path
        The code that decides what is found.
    named : tuple of str
        The keys of a job by which the progress names it.
    """

    folder: Path
    worker: str
    sources: tuple[Path, ...]
    named: tuple[str, ...]

    def done(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Any]]:
        """Do jobs, and give each with what it found, telling how far it is."""
        begun, memory = time.monotonic(), self.memory
        known = _remembered(memory)
        with ThreadPoolExecutor(HANDS) as pool:
            waiting = {pool.submit(self._one, job, known, memory): job for job in jobs}
            for at, one in enumerate(as_completed(waiting), 1):
                job, found = waiting[one], one.result()
                spent = time.monotonic() - begun
                named = " ".join(f"{job[key]}" for key in self.named)
                print(f"{at:4d}/{len(jobs)} {spent:6.0f} s  {named}", file=sys.stderr, flush=True)
                yield job, found

    @property
    def memory(self) -> Path:
        """The file of what is done, one line a job; named by the code that did it."""
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in self.sources)).hexdigest()
        return self.folder / f"runs-{digest[:12]}.jsonl"

    def _one(self, job: Job, known: Mapping[str, Any], memory: Path) -> Any:
        if (before := known.get(json.dumps(job, sort_keys=True))) is not None:
            return before
        command = [sys.executable, "-m", self.worker, json.dumps(job)]
        output = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | THREADS
        ).stdout
        found = json.loads(output.splitlines()[-1])
        with memory.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"job": job, "found": found}) + "\n")
        return found


def _remembered(memory: Path) -> dict[str, Any]:
    if not memory.exists():
        return {}
    lines = map(json.loads, memory.read_text(encoding="utf-8").splitlines())
    return {json.dumps(line["job"], sort_keys=True): line["found"] for line in lines}
