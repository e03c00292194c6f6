"""Segment, PostHog, Amplitude and Mixpanel: events under the shipped mappings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.mapped_books import (
    ADA,
    BEE,
    SAMPLES,
    MappedBook,
    commands,
    laid_out,
    mapped,
    warehouse,
)

pytestmark = pytest.mark.ci
USE = ("account_id", "occurred_at", "feature", "user_id")
ZONE = 'timezone = "America/New_York"'


def at(text: str) -> datetime:
    """Give an instant of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def converted(folder: Path, system: str) -> MappedBook:
    """Do what the page says: lay the export out, run its command, ingest."""
    laid_out(folder, system)
    (command,) = (each for each in commands("systems-events.md") if f"{system}/" in each)
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", command], cwd=folder, env=environment, check=True)
    return mapped(folder, system, book=ZONE)


def test_segment_calls_of_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENT_URL", warehouse(tmp_path, "segment"))
    book = mapped(tmp_path, "segment")
    assert book.counts["usage"] == (2, 1)
    assert book.told("usage", *USE) == [
        (ADA, at("2025-03-01T10:00:00.123"), "report_exported", "kim@ada.example"),
        (BEE, at("2025-03-02T23:59:58"), "project_created", None),
    ]


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_posthog_parquet_is_utc_whether_its_type_says_so(tmp_path: Path, zone: str | None) -> None:
    lines = (SAMPLES / "posthog" / "events.jsonl").read_text().splitlines()
    rows = pa.Table.from_pylist([json.loads(line) for line in lines])
    instants = pa.array([datetime.fromisoformat(text.as_py()) for text in rows["timestamp"]])
    instants = instants.cast(pa.timestamp("us", tz=zone))
    rows = rows.set_column(rows.column_names.index("timestamp"), "timestamp", instants)
    (tmp_path / "posthog").mkdir()
    pq.write_table(rows, tmp_path / "posthog" / "events.parquet")
    book = mapped(tmp_path, "posthog", book=ZONE)
    assert book.counts["usage"] == (2, 2)
    assert book.told("usage", *USE) == [
        (ADA, at("2025-03-01T10:00:00.123456"), "report exported", "kim@ada.example"),
        (BEE, at("2025-03-02T23:59:59.999999"), "project created", "lou@bee.example"),
    ]


def test_amplitude_events_by_the_command_of_the_page(tmp_path: Path) -> None:
    book = converted(tmp_path, "amplitude")
    assert book.counts["usage"] == (2, 2)
    assert book.told("usage", *USE) == [
        (ADA, at("2025-03-01T10:00:00.123"), "report exported", "kim@ada.example"),
        (BEE, at("2025-03-01T10:30:00"), "project created", "lou@bee.example"),
    ]


def test_mixpanel_events_by_the_command_of_the_page_count_once(tmp_path: Path) -> None:
    book = converted(tmp_path, "mixpanel")
    assert book.counts["usage"] == (2, 2)
    assert sorted(set(book.told("usage", *USE))) == [
        (ADA, at("2025-03-01T10:00:00"), "report exported", "kim@ada.example"),
        (BEE, at("2025-03-02T23:59:59"), "project created", "lou@bee.example"),
    ]
