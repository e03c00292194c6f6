"""`perennial init`: known systems composed, a folder recognised, nothing guessed in silence."""

from __future__ import annotations

import shutil
import tomllib
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

import pytest

from features.composing import compose
from features.mapping import read_workspace
from features.proposing import Proposal, propose
from features.systems import system, system_names
from tests.command_line import perennial

SAMPLES = Path(__file__).resolve().parent / "samples"
NOW = datetime(2025, 7, 1, tzinfo=UTC)

pytestmark = pytest.mark.ci


@pytest.mark.parametrize("name", system_names())
def test_a_mapping_is_a_whole_file_with_a_line_that_says_what_it_reads(
    name: str, tmp_path: Path
) -> None:
    made = compose([system(name)])
    (tmp_path / "perennial.toml").write_text(made.text)
    settings = read_workspace(tmp_path / "perennial.toml")
    assert settings.tables == system(name).tables
    assert set(made.tables.values()) == {name}
    assert len(system(name).about) > 20
    assert all(each.source for each in settings.tables.values())


def test_of_two_systems_for_one_table_the_first_stands(tmp_path: Path) -> None:
    systems = [system(name) for name in ("stripe", "spreadsheet", "recurly")]
    for order in permutations(systems):
        made = compose(list(order), "exports")
        (tmp_path / "perennial.toml").write_text(made.text)
        settings = read_workspace(tmp_path / "perennial.toml")
        assert made.tables["accounts"] == order[0].name
        assert set(settings.tables) == set(made.tables)
        assert len({"subscriptions", "mrr_by_month"} & set(made.tables)) == 1
        assert settings.book_dir == tmp_path / "exports"


def test_init_writes_once_and_keeps_the_old_one(tmp_path: Path) -> None:
    first = perennial(tmp_path, "init", "--from", "stripe", "--json")
    assert first.code == 0, first.err
    assert first.body["tables"]["payments"] == {
        "file": "stripe/invoices*.csv",
        "ground": "--from stripe",
    }
    again = perennial(tmp_path, "init", "--from", "recurly", "--json")
    assert (again.code, again.body["error"]["code"]) == (73, "init.exists")
    old = (tmp_path / "perennial.toml").read_text()
    assert perennial(tmp_path, "init", "--from", "recurly", "--force").code == 0
    assert (tmp_path / "perennial.toml.old").read_text() == old


def test_init_refuses_what_is_not_there(tmp_path: Path) -> None:
    unknown = perennial(tmp_path, "init", "--from", "strip", "--json")
    assert (unknown.code, unknown.body["error"]["cure"]) == (2, 'did you mean "stripe"?')
    gone = perennial(tmp_path, "init", "--book", "nowhere", "--json")
    assert (gone.code, gone.body["error"]["code"]) == (66, "feed.missing")
    assert list(tmp_path.iterdir()) == []


def test_init_alone_lists_the_systems(tmp_path: Path) -> None:
    assert perennial(tmp_path, "init").code == 0
    text = (tmp_path / "perennial.toml").read_text()
    assert all(f"#   {name} " in text for name in system_names())
    assert tomllib.loads(text) == {"book": {"path": "."}}


def proposed(folder: Path, **files: str) -> Proposal:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    made = propose(folder, NOW)
    (folder / "perennial.toml").write_text(made.text, encoding="utf-8")
    settings = read_workspace(folder / "perennial.toml")
    assert set(settings.tables) == set(made.tables)
    return made


def test_known_exports_are_recognised_by_their_columns(tmp_path: Path) -> None:
    for name in ("stripe", "recurly"):
        shutil.copytree(SAMPLES / name, tmp_path / name)
    stripe = propose(tmp_path / "stripe", NOW)
    assert set(stripe.tables) == {"accounts", "subscriptions", "payments"}
    assert all(each["ground"].startswith("a known export") for each in stripe.tables.values())
    assert any("stands at today's price" in each for each in stripe.open)
    assert propose(tmp_path / "recurly", NOW).tables["accounts"]["file"].startswith("subscriptions")
    both = propose(tmp_path, NOW)
    assert "stripe/subscriptions.csv gives" in both.unplaced["recurly/subscriptions_history.csv"]


def test_columns_are_placed_by_name_and_by_what_they_hold(tmp_path: Path) -> None:
    made = proposed(
        tmp_path,
        Customers="Customer No;Company;Tier Size;Since\n1;Ada;smb;x\n2;Bee;smb;y\n3;Cee;mid;z\n4;D;mid;q\n",
        contracts="Customer ID,Start Date,End Date,MRR,Memo\n1,31.01.2024,,100,a\n2,05.02.2024,,9,b\n",
        events="account,when,event\n1,2025-01-03T10:00:00Z,open\n",
    )
    assert set(made.tables) == {"accounts", "subscriptions", "usage"}
    assert 'delimiter = ";"' in made.text
    assert 'columns.account_id = "Customer No"   # its name; 4 of 4 values read' in made.text
    assert 'formats.starts_on = "%d.%m.%Y"   # the only way in which it reads' in made.text
    assert 'columns.occurred_at = "when"   # the only column that reads as a day' in made.text
    assert 'extra = ["Tier Size"]' in made.text
    assert '# not taken: "Memo"' in made.text


def test_a_file_that_is_called_after_a_table_is_that_table(tmp_path: Path) -> None:
    made = proposed(
        tmp_path,
        events="account_id,occurred_at,kind,feature\na,2025-01-03T10:00:00Z,gate_hit,x\n",
        feature_catalog="feature,tier\nx,core\n",
        usage="account_id,occurred_at,feature\na,2025-01-03T10:00:00Z,x\n",
    )
    assert {table: each["file"] for table, each in made.tables.items()} == {
        "events": "events.csv",
        "feature_catalog": "feature_catalog.csv",
        "usage": "usage.csv",
    }
    assert "grain" not in made.text
    sums = "account_id,occurred_at,feature,count\na,2025-01-06,x,9\n"
    assert "# OPEN: every time is a day" in proposed(tmp_path, usage=sums).text


def test_a_file_called_as_a_table_goes_before_one_that_comes_earlier(tmp_path: Path) -> None:
    lines = "account_id,starts_on,mrr\na,2024-01-01,1\n"
    made = proposed(tmp_path, contracts=lines, subscriptions=lines, customers="account\na\n")
    assert made.tables["subscriptions"]["file"] == "subscriptions.csv"
    assert made.unplaced == {
        "contracts.csv": "subscriptions: subscriptions.csv gives subscriptions already"
    }


def test_what_is_ambiguous_is_left_open(tmp_path: Path) -> None:
    made = proposed(
        tmp_path,
        subscriptions="account_id,Start,Start Date,mrr\na,2024-01-01,2024-01-02,many\n",
        customers="Account ID,created\na,01/02/2024\n",
        list="a,b\n1,2\n",
    )
    assert set(made.tables) == {"accounts"}
    assert made.unplaced["subscriptions.csv"] == (
        'as subscriptions it lacks starts_on, mrr; not placed: "Start", "Start Date", "mrr"; '
        "for its name it is read all the same: rename it"
    )
    assert any('"Start" or "Start Date"?' in each for each in made.open)
    assert any("mrr" in each and "0 of 1 values read" in each for each in made.open)
    assert "# OPEN: signed_on reads in 4 ways; keep one:" not in made.text.splitlines()[0]
    assert '# formats.signed_on = "%d/%m/%Y"' in made.text
    assert made.unplaced["list.csv"].startswith("its name speaks for no table")


def test_a_sheet_of_months_is_read_with_its_sums_left_out(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "spreadsheet" / "mrr.csv", tmp_path / "Revenue 2025.csv")
    made = proposed(tmp_path)
    assert made.tables["mrr_by_month"]["ground"] == '3 columns read as months, "%b %Y"'
    assert "not in ('', 'total')" in made.text
    assert 'columns.segment = "Segment"   # its name' in made.text
    assert perennial(tmp_path, "check", "--json").body["tables"]["mrr_by_month"]["accepted"] == 5


def test_a_sheet_of_which_a_month_does_not_read_is_no_table(tmp_path: Path) -> None:
    """A month that does not read would else be one in which nobody paid."""
    names = ["Jan", "Feb", "Maa", "Apr", "Tou", "Jun"]
    header = ",".join(["Kunde", *(f"{name}-24" for name in names)])
    made = proposed(tmp_path, mrr=f"{header}\nAda{',9' * 6}\n")
    assert made.tables == {}
    assert "2024-03, 2024-05" in made.unplaced["mrr.csv"]


def test_a_month_at_either_end_that_does_not_read_is_asked_about(tmp_path: Path) -> None:
    header = "Kunde,Tammi 24,Feb 24,Mar 24,Apr 24,Total 24"
    made = proposed(tmp_path, mrr=f"{header}\nAda,9,9,9,9,36\n")
    assert made.tables["mrr_by_month"]["ground"].startswith("3 columns")
    assert [each for each in made.open if "no month" in each] == [
        'mrr.csv: "Tammi 24": read as no month, so left out; '
        "if it is one, call it as the others are"
    ]


def test_a_german_sheet_as_excel_saves_it_is_read_whole(tmp_path: Path) -> None:
    """Months in German, a decimal comma, semicolons, cp1252: the file of a German Excel."""
    names = ["Dez 23", "Jan 24", "Feb 24", "Mär 24", "Apr 24", "Mai 24"]
    rows = f"Kunde;{';'.join(names)}\nMüller;{';'.join(['1.234,50'] * 6)}\nGesamt{';9' * 6}\n"
    (tmp_path / "MRR.csv").write_bytes(rows.encode("cp1252"))
    made = proposed(tmp_path)
    assert made.tables["mrr_by_month"]["ground"] == '6 columns read as months, "%b %y"'
    assert 'encoding = "cp1252"' in made.text
    body = perennial(tmp_path, "metrics", "--window", "month", "--json").body
    assert body["windows"][0]["closing_mrr"] == 1234.5
    assert body["windows"][0]["to"] == "2024-05-31"


def test_a_title_above_the_header_is_told(tmp_path: Path) -> None:
    text = '"MRR, as of today"\n\nCustomer,Jan 24,Feb 24,Mar 24\nAda,1,2,3\n'
    assert (
        proposed(tmp_path, mrr=text)
        .unplaced["mrr.csv"]
        .startswith("its header is line 3: feed.title: delete what stands above it")
    )


def test_several_currencies_and_names_of_tests_are_asked_about(tmp_path: Path) -> None:
    lines = "customer,start,mrr,currency\nTEST do not use,2024-01-01,9,usd\nAda,2024-01-01,9,{}\n"
    made = proposed(tmp_path, subscriptions=lines.format("eur"))
    assert any("amounts in EUR and USD: a file fx_rates.csv" in each for each in made.open)
    assert any('1 name in "customer" holds a word as test' in each for each in made.open)
    assert "do not use" not in "".join(made.open)
    one = proposed(tmp_path, subscriptions=lines.format("eur").replace("usd", "eur"))
    assert 'currency = "EUR"' in one.text.split("[revenue]")[0]


def test_an_event_log_of_segment_as_a_file_is_usage(tmp_path: Path) -> None:
    made = proposed(
        tmp_path,
        accounts="account_id\na\n",
        subscriptions="account_id,starts_on,mrr\na,2024-01-01,9\n",
        tracks=(
            "id,received_at,context_group_id,event,event_text,timestamp,user_id\n"
            "1,2025-01-03 10:00:01,a,report_made,Report Made,2025-01-03 10:00:00,u\n"
            "2,2025-01-03 10:00:02,,report_made,Report Made,2025-01-03 10:00:01,u\n"
        ),
    )
    assert made.tables["usage"]["file"] == "tracks.csv"
    usage = perennial(tmp_path, "check", "--json").body["tables"]["usage"]
    assert (usage["accepted"], usage["quarantined"], usage["filtered"]) == (1, 0, 1)


def test_of_two_ways_to_read_a_header_the_one_with_more_months_holds(tmp_path: Path) -> None:
    firsts = ",".join(f"01/{month:02}/2024" for month in range(1, 13))
    made = proposed(tmp_path, mrr=f"Customer,{firsts}\nAda{',9' * 12}\n")
    assert 'months = "%d/%m/%Y"' in made.text
    assert made.open == ["mrr.csv: a sheet does not say why MRR moved: each move is called a price"]


@pytest.mark.parametrize(
    ("january", "form"), [("01/2024", "%m/%Y"), ("2024/01", "%Y/%m"), ("Jan-24", "%b-%y")]
)
def test_a_month_without_a_day_is_read_by_its_format(
    january: str, form: str, tmp_path: Path
) -> None:
    rows = f"account_id,month,mrr\n00012,{january},1234.50\n"
    made = proposed(tmp_path, mrr=rows, accounts="account_id\n00012\n")
    assert f'formats.month = "{form}"' in made.text
    assert perennial(tmp_path, "check", "--json").body["tables"]["mrr_by_month"]["accepted"] == 1


def test_rows_of_sums_are_no_customers(tmp_path: Path) -> None:
    rows = "\n".join(f"{name},1,1,1" for name in ("Ada", "Gesamt", "Total MRR", "Total Energies"))
    made = proposed(tmp_path, mrr=f"Customer,2025-01,2025-02,2025-03\n{rows}\n")
    assert any('sums belong under where: "Total Energies"' in each for each in made.open)
    assert perennial(tmp_path, "check", "--json").body["tables"]["mrr_by_month"]["accepted"] == 6


def test_amounts_of_the_other_kind_are_left_open_with_their_cure(tmp_path: Path) -> None:
    lines = "Id;Account;Start;MRR\nS1;007;2023-02-01;{}\nS2;008;2023-04-03;2.500\n"
    thousands = proposed(tmp_path, subscriptions=lines.format("1.234"))
    assert any("1.234 may be thousands or fractions; set aside" in each for each in thousands.open)
    undecided = perennial(tmp_path, "check", "--json").body["tables"]["subscriptions"]
    assert (undecided["accepted"], undecided["quarantined"]) == (0, 2)
    cure = r'''computed.mrr = "replace(replace(\"MRR\", '.', ''), ',', '.')"'''
    comma = proposed(tmp_path, subscriptions=lines.format("1.234,50"))
    assert any(each.endswith(cure) for each in comma.open)
    kept = [line for line in thousands.text.splitlines() if not line.startswith("computed.mrr")]
    cured = "\n".join(kept).replace(f"# {cure}   # thousands", cure)
    (tmp_path / "perennial.toml").write_text(cured)
    (tmp_path / "subscriptions.csv").write_text(lines.format("1.234,50"))
    body = perennial(tmp_path, "check", "--json").body
    assert body["tables"]["subscriptions"]["accepted"] == 2


def test_a_column_of_the_contracts_name_that_does_not_read_sets_no_row_aside(
    tmp_path: Path,
) -> None:
    rows = "Account,Employees,Since\n1,1.200,1/2/2023\n2,2.000,3/4/2023\n"
    made = proposed(tmp_path, accounts=rows.replace("Since", "Customer since"))
    assert 'ignore = ["Employees"]' in made.text
    assert [each.split()[1] for each in made.open] == ["signed_on", "employees"]


def test_no_file_of_accounts_is_the_customers_of_the_lines(tmp_path: Path) -> None:
    made = proposed(tmp_path, contracts="Customer;Start;MRR\nAda;2024-01-01;100\n")
    assert (
        made.tables["accounts"]["ground"] == "no file of accounts: the customers of contracts.csv"
    )
    answer = perennial(tmp_path, "check", "--json")
    assert answer.body["tables"]["subscriptions"]["accepted"] == 1, answer.err


def test_odd_files_are_told_and_not_read(tmp_path: Path) -> None:
    odd = {
        "empty.csv": b"",
        "usage.csv": b"account,account\na,b\n",
        "tickets.csv": b"id,account\n1," + b"x" * 200_000 + b"\n",
        "plans.csv.gz": b"no gzip",
        "limits.parquet": b"PAR1no",
        "customers\n[serve].csv": b"id\n1\n",
        "deals.csv": b"\xff\xfe\x00\x01\n\x00",
        "accounts.csv": "account_id,Größe 😀 \x7f\\,x\na,k,1\nb,g,1\nc,k,1\nd,g,1\n".encode(),
    }
    for name, held in odd.items():
        (tmp_path / name).write_bytes(held)
    made = proposed(tmp_path)
    assert set(made.tables) == {"accounts"}
    assert len(made.unplaced) == len(odd) - 1


def test_every_system_is_on_its_page() -> None:
    docs = Path(__file__).resolve().parents[1] / "docs"
    page = (docs / "systems.md").read_text(encoding="utf-8")
    for name in system_names():
        each = system(name)
        assert f"| `{name}` | {each.about} | {', '.join(each.tables)} |" in page
