"""The workers of a bulk scoring: processes of this machine, or those of a Spark session."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from features.engines import OnSpark
from features.faults import DependencyDown
from serving.bulk.part import judged_on_spark
from serving.bulk.plan import SCORES, part_name

__all__ = ["left", "on_processes", "on_spark", "rows_of"]

Step = Callable[[str], None]
AGAIN = "run `perennial bulk` again: the parts that are done stay"


def left(folder: Path, parts: int) -> list[int]:
    """List the parts that have no scores yet."""
    return [
        number for number in range(parts) if not (folder / SCORES / part_name(number)).is_file()
    ]


def on_processes(folder: Path, parts: list[int], workers: int, step: Step) -> None:
    """Judge parts in so many processes of this machine, each at one part at a time.

    Raises
    ------
    DependencyDown
        ``bulk.worker`` if one ends before its parts are done (exit code 69).
    """
    many = max(1, min(workers, len(parts)))
    shares = [parts[first::many] for first in range(many)]
    command = [sys.executable, "-m", "serving.bulk.part", str(folder)]
    running = [
        subprocess.Popen([*command, *map(str, share)], stdout=subprocess.DEVNULL)
        for share in shares
        if share
    ]
    try:
        for child in running:
            while child.poll() is None:
                _told(folder, parts, step)
                _wait(child)
    finally:
        for child in running:
            child.terminate()
            child.wait()
    codes = [child.returncode for child in running]
    if any(codes):
        said = f"a worker ended with exit code {next(code for code in codes if code)}"
        raise DependencyDown("bulk.worker", said, AGAIN)


def on_spark(folder: Path, parts: list[int], step: Step) -> None:
    """Judge parts on the workers of the Spark session, one task a part.

    Raises
    ------
    DependencyDown
        ``bulk.worker`` if Spark gives up on a part (exit code 69).
    """
    session = OnSpark().session
    step(f"judge: {len(parts)} parts on {session.sparkContext.master}")
    numbers = session.createDataFrame([(number,) for number in parts], "part int")
    tasks = numbers.repartitionByRange(len(parts), "part")
    judge: Any = partial(judged_on_spark, str(folder))
    try:
        tasks.mapInArrow(judge, "part int, accounts long").toArrow()
    except Exception as failed:  # Spark's own kinds differ between its classic and connect clients
        said = next((line for line in str(failed).splitlines()[::-1] if "Error" in line), "")
        shown = said.strip() or type(failed).__name__
        raise DependencyDown("bulk.worker", f"Spark: {shown}", AGAIN) from failed


def rows_of(folder: Path, parts: int) -> int:
    """Count the accounts of all parts, by what their files say of themselves."""
    names = (folder / SCORES / part_name(number) for number in range(parts))
    return sum(int(pq.read_metadata(name).num_rows) for name in names)


def _told(folder: Path, parts: list[int], step: Step) -> None:
    done = sum((folder / SCORES / part_name(number)).is_file() for number in parts)
    step(f"judge: {done} of {len(parts)} parts")


def _wait(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(0.2)
    except subprocess.TimeoutExpired:
        return
