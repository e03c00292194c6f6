"""What a person reads: one object or tables, no figure where there is none, no progress in pipes."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from serving import terminal

COHORT = dict.fromkeys(("expansion_mrr", "contraction_mrr", "churned_mrr"), 10.0)
WINDOW = {
    "from": "2024-05-31",
    "to": "2025-05-31",
    "cut": {},
    "accounts": 4,
    "opening_mrr": 1234.5,
    "new_mrr": 300.0,
    "reactivation_mrr": 0.0,
    "expansion_mrr": 60.25,
    "contraction_mrr": 25.0,
    "churned_mrr": 100.0,
    "fx_mrr": 0.0,
    "closing_mrr": 1469.75,
    "nrr": 1.031,
    "grr": 0.95,
    "organic_nrr": 1.02,
    "logo_churn": 0.25,
    "levers": {"seat": 35.25, "tier": 0.0},
    "cohort": {"opening_mrr": 1234.5, "closing_mrr": 1272.8, **COHORT},
}
NOTHING = dict.fromkeys(
    key for key in WINDOW if key not in ("from", "to", "cut", "levers", "cohort")
)
BODY = {
    "as_of": "2025-06-01",
    "currency": "EUR",
    "definition": {"preset": "default", "not_applied": {"ramp": "not applied: no data"}},
    "warnings": [],
}


def shown(capsys: pytest.CaptureFixture[str], *windows: dict, **more: Any) -> str:
    terminal.metrics(BODY | {"windows": list(windows)} | more)
    return capsys.readouterr().out


def test_ratios_in_per_cent_and_money_in_the_books_currency(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = shown(capsys, WINDOW)
    assert "Retention from 2024-05-31 to 2025-05-31, MRR in EUR, as of 2025-06-01" in said
    for figure in ("103.1 %", "95.0 %", "25.0 %", "1,234", "whole book"):
        assert figure in said


def test_a_window_without_figures_shows_dashes_and_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = WINDOW | NOTHING | {"cohort": dict.fromkeys(WINDOW["cohort"])}
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
    cut = WINDOW | {"cut": {"name": "[bold]شركة 🚀[/bold] [/oops]"}}
    assert "[bold]" in shown(capsys, WINDOW, cut)


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
