"""Coverage is measured once per book: kept beside it, and told only of the very same."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from features.book import Book, BookFacts
from features.report import IngestReport
from features.rules import Rules
from serving import coverage

BOOK = Book.of({}, BookFacts(as_of=date(2025, 7, 1)))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book's home; what is told is how often anything was measured."""
    asked: list[Rules] = []

    def measured(book: Book, rules: Rules) -> dict[str, Any]:
        asked.append(rules)
        return {"accounts": len(asked)}

    monkeypatch.setattr(coverage, "_measured", measured)
    (tmp_path / "snapshots" / "in-memory").mkdir(parents=True)
    return tmp_path


def told(book: Book, home: Path | None, rules: Rules | None = None) -> dict[str, Any]:
    report = IngestReport("published", None, {}, coverage={"as_of": "today"})
    found = coverage.covered(report, book, rules or Rules(), home)
    assert not found.refusals
    return dict(found.coverage)


def test_measured_once_and_told_again(home: Path) -> None:
    assert [told(BOOK, home) for _ in range(2)] == [{"as_of": "today", "accounts": 1}] * 2
    assert told(BOOK, None)["accounts"] == 2


def test_another_day_rule_or_column_is_measured_anew(home: Path) -> None:
    later = replace(BOOK, facts=BookFacts(as_of=date(2025, 8, 1)))
    wider = replace(later, provided={"plans": frozenset({"plan"})})
    rule = Rules(late_renewal_days=0)
    asked = [(BOOK, Rules()), (later, Rules()), (later, rule), (wider, rule), (wider, rule)]
    assert [told(book, home, rules)["accounts"] for book, rules in asked] == [1, 2, 3, 4, 4]


@pytest.mark.parametrize("left", [b"", b"[]", b'{"terms": "of others"}', b"\xff", b'{"terms":'])
def test_what_cannot_be_read_is_measured_anew(home: Path, left: bytes) -> None:
    file = home / "snapshots" / "in-memory" / coverage.KEPT
    file.write_bytes(left)
    assert told(BOOK, home)["accounts"] == 1
    assert json.loads(file.read_bytes())["told"] == {"accounts": 1}


def test_a_home_that_cannot_be_written_to_is_no_fault(home: Path) -> None:
    assert [told(BOOK, home / "nowhere")["accounts"] for _ in range(2)] == [1, 2]
