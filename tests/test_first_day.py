"""What a first book meets: what is not known is said so, and never shown as nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.terminal.run import training
from tests.command_line import perennial

pytestmark = pytest.mark.ci

LINES = "account_id,starts_on,ends_on,mrr\na,2024-01-01,,100\nb,2024-01-01,2025-03-01,50\n"
DEALS = (
    "account_id,opened_on,stage,closed_on,won,qualified_on{0}\n"
    "a,2025-01-05,won,2025-02-01,true,2025-01-05{1}\n"
    "b,2025-01-05,lost,2025-02-01,false,2025-01-05{1}\n"
    "a,2025-05-05,talks,,,2025-05-05{2}\n"
)


def book(folder: Path, deals: str) -> Path:
    (folder / "accounts.csv").write_text("account_id\na\nb\n")
    (folder / "subscriptions.csv").write_text(LINES)
    (folder / "opportunities.csv").write_text(deals)
    (folder / "perennial.toml").write_text('[book]\nas_of = "2025-07-01"\n')
    return folder


def test_deals_without_an_amount_are_not_worth_nothing(tmp_path: Path) -> None:
    shown = perennial(book(tmp_path, DEALS.format("", "", "")), "metrics", "--window", "quarter")
    assert shown.code == 0, shown.err
    told = " ".join(shown.out.split())
    assert told.count("what they are worth is not known: map amount_mrr of opportunities") == 2
    assert "of their MRR 0" not in told


def test_deals_of_which_some_have_an_amount_say_how_many_have_none(tmp_path: Path) -> None:
    deals = DEALS.format(",amount_mrr", ",10", ",") + "a,2025-05-06,talks,,,2025-05-06,20\n"
    shown = perennial(book(tmp_path, deals), "metrics", "--window", "quarter")
    assert "1 of them without an amount: their MRR is not in it" in " ".join(shown.out.split())


def test_an_init_that_finds_no_revenue_says_so_and_what_is_next(tmp_path: Path) -> None:
    (tmp_path / "Contract.csv").write_text(
        "Id,AccountId,StartDate,EndDate,ContractTerm\nc,a,2024-01-01,2024-12-31,12\n"
    )
    shown = perennial(tmp_path, "init", "--book", ".")
    told = " ".join(shown.out.split())
    assert "a CRM's contract has no price of its own: docs/systems-crm.md" in told
    assert "no revenue is read yet: mend the above" in told
    assert "`perennial check`" not in told


def test_a_training_that_is_not_promoted_says_what_serves_and_why_nothing_expands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = {"rung": "prior-driven", "serves": "calendar", "distinct_events": 0}
    check = {"check": "NRR error", "value": 1.38245856, "limit": "at most 1", "passed": False}
    training({"promoted": False, "version": 2, "metrics": {"expand": event}, "gate": [check]})
    told = " ".join(capsys.readouterr().out.split())
    assert "NRR error = 1.382, must be at most 1" in told
    assert "goes on serving: on the first day the calendar's rates" in told
    assert "where lines carry no seats, product or plan every rise is one" in told
