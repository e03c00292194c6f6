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


SUBSCRIPTION = (
    "id", "Customer ID", "Customer Name", "Plan", "Product", "Quantity", "Currency", "Interval",
    "Amount", "Status", "Start Date (UTC)", "Trial End (UTC)", "Current Period End (UTC)",
    "Canceled At (UTC)", "Cancel At Period End", "Ended At (UTC)",
)  # fmt: skip


def exported(number: int, customer: str, price: str, start: str, **more: str) -> str:
    """Write a line as Stripe's dashboard does; what is not said is empty."""
    currency, interval, amount = price.split(" ", 2)
    said = {
        "id": f"sub_{number}", "Customer ID": f"cus_{customer}", "Customer Name": customer,
        "Plan": "price_1", "Product": "Team", "Quantity": "1", "Currency": currency,
        "Interval": interval, "Amount": f'"{amount}"', "Start Date (UTC)": f"{start} 10:20",
        "Status": "canceled" if "ended" in more else "active", "Cancel At Period End": "false",
        "Ended At (UTC)": more.get("ended", ""), "Canceled At (UTC)": more.get("ended", ""),
        "Trial End (UTC)": more.get("trial", ""),
    }  # fmt: skip
    return ",".join(said.get(name, "") for name in SUBSCRIPTION)


def figures(folder: Path) -> tuple[float, float]:
    """Give MRR at the end of June 2025 and NRR since June 2024, as metrics tells them."""
    made = perennial(folder, "init", "--book", ".")
    assert made.code == 0, made.err
    path = folder / "perennial.toml"
    path.write_text(path.read_text().replace("# as_of = 2025-01-01", "as_of = 2025-07-01"))
    window = perennial(folder, "metrics", "--window", "ttm", "--json").body["windows"][0]
    assert window["to"] == "2025-06-30"
    return window["closing_mrr"], window["nrr"]


def test_a_stripe_export_of_two_currencies_gives_mrr_to_the_cent(tmp_path: Path) -> None:
    """At a euro of 1.10: 100 + 110 + 50 + 40 a year before; 100 + 110 + 80 of them, and 30.90 new."""
    lines = [
        exported(1, "ada", "usd month 100.00", "2024-01-10"),
        exported(2, "bee", "eur year 1,200.00", "2024-03-01"),
        exported(3, "cee", "usd month 50.00", "2024-02-01", ended="2025-03-15 10:20"),
        exported(4, "cee", "usd month 80.00", "2025-03-15"),
        exported(5, "dee", "usd month 30.90", "2025-05-01", trial="2025-05-15 10:20"),
        exported(6, "eve", "usd month 9.00", "2025-05-01", trial="2025-05-15", ended="2025-05-09"),
        exported(7, "fee", "usd month 40.00", "2024-02-01", ended="2025-04-20 10:20"),
    ]
    text = "\n".join([",".join(SUBSCRIPTION), *lines]) + "\n"
    (tmp_path / "subscriptions.csv").write_text(text)
    rates = "currency,date,rate\nEUR,2024-01-01,1.08\nEUR,2025-01-01,1.10\n"
    (tmp_path / "fx_rates.csv").write_text(rates)
    mrr, nrr = figures(tmp_path)
    assert mrr == 320.90
    assert nrr == pytest.approx(290 / 300, abs=1e-9)


def test_contracts_of_salesforce_give_mrr_to_the_cent(tmp_path: Path) -> None:
    """1,000.25 and 500 a month before; 1,100 of the first after it renewed, the second left."""
    (tmp_path / "Account.csv").write_text(
        "Id,IsDeleted,Name,Type,ParentId,BillingCountry,Industry,NumberOfEmployees,AccountSource,OwnerId\n"
        "001a,false,Ada,Customer,,,,,,005\n001b,false,Bee,Customer,,,,,,005\n"
    )
    (tmp_path / "Contract.csv").write_text(
        "Id,AccountId,Amount,TotalOpportunityQuantity,CloseDate,IsWon,IsDeleted,"
        "Contract.StartDate,Contract.EndDate,Contract.ContractTerm,Contract.Status\n"
        "1,001a,12003.00,10,2024-01-20,true,false,2024-02-01,2025-01-31,12,Activated\n"
        "2,001a,13200.00,11,2025-01-20,true,false,2025-02-01,2026-01-31,12,Activated\n"
        "3,001b,6000.00,,2024-05-10,true,false,2024-05-15,2025-05-14,12,Activated\n"
        "4,001b,6000.00,,2025-05-10,false,false,2025-05-15,2026-05-14,12,Draft\n"
    )
    mrr, nrr = figures(tmp_path)
    assert mrr == 1100.0
    assert nrr == pytest.approx(1100 / 1500.25, abs=1e-9)


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
