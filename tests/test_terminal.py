"""What a person reads: one object or tables, no figure where there is none, no progress in pipes."""

from __future__ import annotations

import json
from datetime import date

import pytest

from serving import terminal

WINDOW = {
    "from": "2024-05-31",
    "to": "2025-05-31",
    "cut": {},
    "accounts": 4,
    "opening_mrr": 1234.5,
    "nrr": 1.031,
    "grr": 0.95,
    "logo_churn": 0.25,
}


def shown(capsys: pytest.CaptureFixture[str], window: dict) -> str:
    body = {"as_of": "2025-06-01", "currency": "EUR", "windows": [window], "warnings": []}
    terminal.metrics(body)
    return capsys.readouterr().out


def test_ratios_in_per_cent_and_money_in_the_books_currency(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = shown(capsys, WINDOW)
    assert "Retention, EUR, as of 2025-06-01" in said
    for figure in ("103.1 %", "95.0 %", "25.0 %", "1,234", "whole book"):
        assert figure in said


def test_a_window_without_figures_shows_dashes_and_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = WINDOW | dict.fromkeys(("accounts", "opening_mrr", "nrr", "grr", "logo_churn"))
    said = shown(capsys, empty | {"reason": "no account has paid yet"})
    assert "note: no account has paid yet" in said
    assert "None" not in said


def test_what_the_book_cannot_answer_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    body = {
        "status": "checked",
        "snapshot": None,
        "tables": {},
        "coverage": {"as_of": "2025-06-01", "limits": ["no line has ended"]},
        "warnings": ["columns not taken: zzz"],
    }
    terminal.ingested(body)
    said = capsys.readouterr().out
    assert "as of 2025-06-01" in said
    assert "note: no line has ended\nnote: columns not taken: zzz" in said


def test_names_are_text_and_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    window = WINDOW | {"cut": {"name": "[bold]شركة 🚀[/bold] [/oops]"}}
    assert "[bold]" in shown(capsys, window)


def test_in_a_pipe_no_progress_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (True, False):
        with terminal.steps(quiet) as step:
            step("train: snapshots 1 of 3")
    assert capsys.readouterr() == ("", "")


def test_json_is_one_line_and_nothing_else(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    terminal.answer({"a": "ü", "b": None}, True, lambda _: pytest.fail("shown"))
    out, err = capfdbinary.readouterr()
    assert (json.loads(out), out.count(b"\n"), err) == ({"a": "ü", "b": None}, 1, b"")


def test_an_empty_list_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.outreach([], date(2025, 6, 2))
    assert "nobody is worth more than a play costs" in capsys.readouterr().out
