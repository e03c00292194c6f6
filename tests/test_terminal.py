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
COHORTS = {
    "by": "acquisition_quarter",
    "definition": "…",
    "months_since": [0, 1, 2, 3],
    "cohorts": [
        {
            "cohort": "2024-Q4",
            "complete": True,
            "accounts": 30,
            "opening_mrr": 900.0,
            "nrr": [1.0, 0.9, 0.8, None],
            "grr": [1.0, 0.9, 0.8, None],
            "logos": [1.0, 0.9, 0.9, None],
        },
        {
            "cohort": "2025-Q1",
            "complete": False,
            "accounts": 4,
            "opening_mrr": 90.0,
            "nrr": [1.0, 1.21, None, None],
            "grr": [1.0, 1.0, None, None],
            "logos": [1.0, 1.0, None, None],
        },
    ],
}
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
    for figure in ("103.1 %", "95.0 %", "25.0 %", "1,235", "whole book"):
        assert figure in said


def test_a_window_without_figures_shows_dashes_and_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = WINDOW | NOTHING | {"cohort": dict.fromkeys(WINDOW["cohort"])}
    said = shown(capsys, empty | {"reason": "no account has paid yet"})
    assert "note: no account has paid yet" in said
    assert "None" not in said
    assert "over their MRR then" not in said  # no ratio is explained where there is none


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


def test_a_part_of_the_list_that_is_empty_blames_no_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal.outreach([], date(2025, 6, 2), narrowed=True)
    said = capsys.readouterr().out
    assert "no such account on the list" in said
    assert "costs" not in said


def test_an_account_is_told_with_its_csms_call_and_without_lines_that_read_as_zero(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row: dict[str, Any] = dict.fromkeys(("name", "moved_because", "previous_cell", "guard"))
    lines = [{"effect": -0.044, "phrase": "idle seats"}, {"effect": -1e-6, "phrase": "may leave"}]
    row |= {"account_id": "a", "as_of": "2025-06-02", "cell": "HL", "action": "wait"}
    row |= {"p_renew": 0.9, "p_expand": 0.1, "reasons_retention": lines, "reasons_expansion": []}
    terminal.account(row | {"triggers": [], "csm_call": "Retention Low (Ana)"})
    said = capsys.readouterr().out
    assert "−4.4" in said
    assert "may leave" not in said
    assert "the CSM says: Retention Low (Ana)" in said


def test_an_empty_outbox_says_what_is_empty_and_a_test_of_a_sink_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal.alerts({"outbox": {}, "deliveries": []})
    assert capsys.readouterr().out == "the outbox is empty: no run had news to tell\n"
    sent = {"account_id": None, "kind": "test", "state": "sent", "said": "written", "tries": 1}
    terminal.alerts(
        {"outbox": {}, "deliveries": [sent | {"delivery_id": "test-log", "sink": "log"}]}
    )
    assert "empty" not in capsys.readouterr().out


# --- the page of metrics


TIME = {
    "accounts": 30,
    "events": 12,
    "censored": 18,
    "median_days": None,
    "interval_days": [200, None],
    "quartiles_days": {"p25": 90, "p50": None, "p75": None},
}
BLOCKS = {
    "cohorts": COHORTS,
    "time_to_first_expansion": TIME
    | {
        "organic": TIME,
        "segments": [TIME | {"segment": name} for name in "abcdefghij"],
        "targets": [{"for": "plg", "days": 90, "met": False}],
        "reason": "not reached: 40.0% have expanded within 300 days",
    },
    "no_expansion_24m": {
        "months": 24,
        "paid_so_long": 40,
        "accounts": 10,
        "mrr": 500.0,
        "share_of_accounts": 0.25,
        "share_of_mrr": 0.2,
        "listed": [{"account_id": "a", "mrr": 400.0}, {"account_id": "b", "mrr": 100.0}],
    },
    "expansion_conversion_90d": {
        "days": 90,
        "qualified": 8,
        "won_in_time": 2,
        "rate": 0.25,
        "qualified_mrr": 800.0,
        "won_in_time_mrr": 100.0,
        "rate_of_mrr": 0.125,
    },
    "pipeline": {
        "stages": [{"stage": None, "deals": 3, "mrr": 300.0, "weighted_mrr": 90.0}],
        "total": {"deals": 3, "mrr": 300.0, "weighted_mrr": 90.0},
        "win_rate": {"closed": 10, "won": 4, "rate": 0.4},
    },
    "benchmarks": [
        {
            "metric": "nrr",
            "by": "arr",
            "of": "1M to 10M",
            "level": "median",
            "low": 0.95,
            "high": 1.05,
            "unit": "ratio",
            "period": "year",
            "source": "S001",
            "where": "table 2",
            "yours": yours,
        }
        for yours in (1.044, None)
    ],
}
SAID = {
    "cohorts": ("2025-Q1 *", "the quarter is not over", "first MRR"),
    "time_to_first_expansion": (
        "half of the accounts: not reached: 40.0%",
        "200 and more",
        "and 2 more segments",
        "target plg: below 90 days: missed",
    ),
    "no_expansion_24m": (
        "10 of the 40 accounts that paid so long (25.0 %), MRR 500 EUR",
        "the largest: a 400, b 100",
    ),
    "expansion_conversion_90d": ("2 of 8 deals won within 90 days", "MRR 100 of 800 EUR"),
    "pipeline": ("no stage", "4 of 10 (40.0 %)"),
    "benchmarks": (
        "arr 1M to 10M",
        "95.0 % to 105.0 %",
        "104.4 %",
        "median (S001)",
        "1 more benchmarks",
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_each_block_is_shown_where_it_is_there(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    said = " ".join(shown(capsys, WINDOW, **{name: BLOCKS[name]}).split())
    bare = " ".join(shown(capsys, WINDOW).split())
    for words in SAID[name]:
        assert words in said
        assert words not in bare


@pytest.mark.parametrize("name", ["expansion_conversion_90d", "pipeline"])
def test_a_block_without_data_says_why(capsys: pytest.CaptureFixture[str], name: str) -> None:
    none = {"rate": None, "reason": "the book has no table opportunities"}
    assert none["reason"] in shown(capsys, WINDOW, **{name: none})


def test_movements_carry_signs_and_lead_to_the_closing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kinds = {"voluntary": 60.0, "involuntary": 40.0, "pause": 0.0, "merger": 0.0}
    said = shown(capsys, WINDOW | {"churn_kinds": kinds, "in_grace_mrr": 70.0})
    for figure in ("+300", "−25", "−100", "−40", "1,470", "in grace", "lever seat, net"):
        assert figure in said
    assert "of it pause" not in said
    assert "no movement by lever: tier" in said


def test_many_millions_are_told_in_thousands_and_the_title_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = shown(capsys, WINDOW | {"opening_mrr": 2_613_874.69, "closing_mrr": 3_000_000.0})
    assert "MRR in thousands of EUR" in said
    assert "2,613.9" in said


def test_the_rules_are_one_line_of_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = {"preset": "default", "fx": "spot", "losses": "net", "not_applied": {"ramp": "no"}}
    said = shown(capsys, WINDOW, definition=chosen)
    assert "rules: preset default, but fx = spot\nrules without data in this book: ramp\n" in said


CUT = WINDOW | {"cut": {"acquisition_channel": "conference in a far country", "region": None}}
MOVED = WINDOW | NOTHING | {"cut": {"product": None}, "moved_between_lines": True, "blend": 0.9}
LINES = dict.fromkeys((k for k in WINDOW if k.endswith("_mrr")), 1e6)


@pytest.mark.parametrize("columns", [100, 80])
def test_no_line_is_wider_than_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    big = dict.fromkeys(LINES, 987654321.0)
    moved = MOVED | dict.fromkeys(LINES, -1.0)
    told = shown(
        capsys,
        WINDOW | big,
        CUT | big | {"fx_mrr": 1.0, "reactivation_mrr": 1.0},
        moved,
        series=[WINDOW],
        warnings=[{"code": "x", "message": "word " * 60}],
        **BLOCKS,
    )
    terminal.reconciled(WALK, "EUR")
    terminal.reconciled({"window": WALK["window"], "presets": BESIDE}, "EUR")
    terminal.closed(CLOSED)
    for line in (told + capsys.readouterr().out).splitlines():
        assert len(line) <= columns, line


# --- reconciliation and closed periods

END = {"accounts": 4, "opening_mrr": 1234.5, "closing_mrr": 1272.8, "nrr": 1.031, "grr": 0.95}
RULES = ("basis", "late_renewal_days + late_renewal_min_term", "losses")
WALK = {
    "window": {"from": "2024-05-31", "to": "2025-05-31"},
    "from": END | {"preset": "default"},
    "to": END | {"preset": "chartmogul-like", "nrr": 1.0285},
    "lines": [
        {
            "rule": rule,
            "from": {"late_renewal_days": 31, "late_renewal_min_term": 3},
            "to": "committed",
            "nrr_points": -0.25 * at,
            "grr_points": 0.0,
            "note": "" if at else "no effect in this window",
        }
        for at, rule in enumerate(RULES)
    ],
    "nrr_points": -0.75,
    "grr_points": 0.0,
}
NAMES = ("default", "board-ttm", "stripe-like", "chartmogul-like", "profitwell-like")
BESIDE = [END | {"preset": name, "reconciliation": WALK} for name in NAMES]


def sums(closing: int) -> dict[str, Any]:
    names = ("opening", "new", "reactivation", "expansion", "contraction", "churned", "fx")
    ratios = {"to": "2025-05-31", "nrr": 1.031, "grr": None}
    amounts = dict.fromkeys((f"{name}_micros" for name in names), 5_000_000)
    windows = dict.fromkeys(("month", "quarter", "ttm"), ratios)
    return {"accounts": 4, "closing_micros": closing, "windows": windows} | amounts


CLOSED = {
    "month": "2025-05",
    "status": "already closed",
    "currency": "EUR",
    "snapshot": {"closed": "abc", "today": "def"},
    "definition": {"preset": "default"},
    "definition_changed": [{"key": "losses", "closed": "net", "today": "movements"}],
    "as_closed": sums(70_000_000),
    "as_restated": sums(61_000_000),
    "difference": {
        "closing_micros": -9_000_000,
        "closing_mrr": -9.0,
        "accounts": [
            {
                "account_id": f"account {at}",
                "status": "changed",
                "closed_micros": None if at else 10_000_000,
                "restated_micros": None if at else 1_000_000,
                "difference_micros": 0 if at else -9_000_000,
                "months": 2,
            }
            for at in range(25)
        ],
    },
}


def test_a_walk_shows_each_rule_with_its_effect(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.reconciled(WALK, "EUR")
    said = capsys.readouterr().out
    for words in ("as default", "103.1000 %", "−0.5000", "no effect", "→", "committed"):
        assert words in said
    assert "the lines add up exactly: NRR −0.7500, GRR 0 points" in said


def test_a_walk_that_ends_early_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    lost = {"nrr_points": None, "grr_points": None, "reason": "with basis = usage: nobody paid"}
    terminal.reconciled(WALK | lost | {"lines": []}, "EUR")
    said = capsys.readouterr().out
    assert "note: the walk ends early: with basis = usage: nobody paid" in said


def test_presets_that_lack_data_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    lacking = dict.fromkeys([*END, "reconciliation"]) | {"preset": "x", "reason": "no rate"}
    terminal.reconciled({"window": WALK["window"], "presets": [*BESIDE, lacking]}, "EUR")
    said = capsys.readouterr().out
    assert "note: x: no rate" in said
    assert said.count("effect of each rule") == 2


def test_a_closed_month_beside_what_it_reads_now(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.closed(CLOSED)
    said = capsys.readouterr().out
    for words in ("as closed", "as restated", "−9", "−9.00", "and 5 more accounts"):
        assert words in said
    assert "rule changed since: losses = net, now movements" in said


def test_a_month_closed_in_another_currency_is_not_restated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reason = "closed in EUR, the book is in USD"
    terminal.closed(CLOSED | {"as_restated": None, "difference": None, "reason": reason})
    assert f"note: not restated: {reason}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("micros", "words"), [(0, "is the same now"), (-9_125_000, "is 9.13 EUR less now")]
)
def test_metrics_say_in_short_what_became_of_the_close(
    capsys: pytest.CaptureFixture[str], micros: int, words: str
) -> None:
    ratio = {"closed": 1.031, "restated": 1.03, "points": -0.1}
    block = CLOSED | {"window": {"nrr": ratio, "grr": None, "reason": "not frozen"}}
    apart = {"closing_micros": micros, "closing_mrr": micros / 1e6}
    said = shown(capsys, WINDOW, closed=block | {"difference": apart})
    assert "NRR as closed at 2025-05: 103.1 %, as restated 103.0 % (−0.1000 points)" in said
    assert words in said
    assert "which are others than this page's: losses" in said


def test_what_is_past_the_windows_end_is_no_rate_of_its(capsys: pytest.CaptureFixture[str]) -> None:
    days = (("EUR", "2024-01-01", 1.2), ("EUR", "2025-01-01", 1.1), ("JPY", "2026-01-01", 0.0064))
    rates = [{"currency": name, "day": day, "rate": rate} for name, day, rate in days]
    said = shown(capsys, WINDOW, definition={"preset": "default", "fx_rates": rates})
    assert "exchange rates to EUR: EUR 1.10 on 2025-01-01 (2 more: --json)" in said
    fixed = {"preset": "default", "fx": "fixed", "fx_rates": rates[2:]}
    assert "exchange rates to EUR: JPY 0.0064 on 2026-01-01\n" in shown(
        capsys, WINDOW, definition=fixed
    )


def test_compounding_is_two_lines_with_its_label(capsys: pytest.CaptureFixture[str]) -> None:
    from features.compounding import LABEL, compounding

    said = " ".join(shown(capsys, WINDOW, compounding=compounding(60_000 * 10**6, 1.1)).split())
    assert f"ARR (12 × closing MRR) 60,000 EUR, NRR 110.0 %; {LABEL}:" in said
    after = "ARR after 1 year 66,000 (× 1.10), 3 years 79,860 (× 1.33), 5 years 96,631 (× 1.61)"
    assert after in said


def test_of_several_cuts_each_moved_row_says_whose_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = {"moved_between_lines": True, "small_cohort": False, "accounts": None, "blend": 0.9}
    moved = [WINDOW | {"cut": {"segment": one, "product": None}} | more for one in ("smb", None)]
    said = shown(capsys, WINDOW, *moved).replace("\n", " ")
    assert "segment smb, moved between lines" in said
    assert "no segment, moved between lines" in said
    assert "segment smb by product: the NRR of the lines" in said


def test_a_cut_without_an_account_is_not_called_small(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = WINDOW | {"cut": {"segment": "smb"}, "accounts": 0, "small_cohort": True}
    assert "fewer than 20" not in shown(capsys, WINDOW, nobody)
    assert "fewer than 20" in shown(capsys, WINDOW, nobody | {"accounts": 1})


def test_a_preset_whose_ratio_is_more_than_its_amounts_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    amounts = {"accounts": 4, "opening_mrr": 100.0, "closing_mrr": 90.0, "grr": 0.9}
    both = [
        {"preset": name, "nrr": nrr, "reconciliation": None, **amounts}
        for name, nrr in (("default", 0.9), ("chartmogul-like", 0.95))
    ]
    terminal.reconciled({"presets": both, "window": WINDOW}, "EUR")
    said = capsys.readouterr().out
    assert said.count("note:") == said.count("note: chartmogul-like: its NRR has more") == 1
