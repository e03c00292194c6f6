"""A small book on disk, broken in every way of the fault catalogue."""

from __future__ import annotations

import gzip
import json
import os
import random
import stat
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.book import Book, latest_snapshot, open_book
from features.faults import Busy, ConfigurationRefused, DataRejected, InputMissing, NotPermitted
from features.ingest import attempt, check, ingest, is_current
from features.mapping import Workspace, read_workspace
from features.publication import read_manifest
from features.report import IngestReport, TableReport
from features.rollup import ROLLUPS, number_of

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
ACCOUNTS = "account_id,name,segment\na,Ada Ltd,smb\nb,Bee Ltd,smb\nc,Cee Ltd,ent\n"
LINES = (
    "account_id,starts_on,ends_on,mrr,seats\n"
    "a,2025-01-01,,100.00,5\n"
    "b,2025-01-01,2025-06-01,50.00,2\n"
    "c,2025-02-01,,900.00,40\n"
)
USAGE = "account_id,occurred_at,feature,count\na,2025-06-01T10:00:00Z,search,3\n"


def book(folder: Path, toml: str = "", **files: str | bytes | None) -> Workspace:
    """Write a book: accounts and subscriptions unless given (None leaves one out)."""
    held: dict[str, str | bytes | None] = {"accounts.csv": ACCOUNTS, "subscriptions.csv": LINES}
    held |= {
        name.replace("__", ".") + ("" if "__" in name else ".csv"): text
        for name, text in files.items()
    }
    for name, text in held.items():
        if text is not None:
            (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    (folder / "perennial.toml").write_text(toml)
    return read_workspace(folder / "perennial.toml")


def table(folder: Path, name: str, text: str | bytes, toml: str = "") -> TableReport:
    """Check one table, and the accounts it may speak of."""
    return check(book(folder, toml, **{"subscriptions": None, name: text}), NOW).tables[name]


def kept(home: Path, rollup: str) -> pa.Table:
    """Read all months of a roll-up from the snapshot that serves."""
    manifest = read_manifest(home)
    assert manifest is not None
    entries = manifest["tables"][ROLLUPS[rollup].feed]["rolled"][rollup]
    folder = home / "snapshots" / manifest["id"]
    return pa.concat_tables([pq.ParquetFile(folder / each["file"]).read() for each in entries])


def codes(report: TableReport) -> list[tuple[int | None, str | None, str]]:
    return [(each.row, each.column, each.code) for each in report.errors]


def refusal(folder: Path, name: str, text: str | bytes, toml: str = "") -> tuple[str, int]:
    fault = table(folder, name, text, toml).refused[0]
    return fault.code, fault.exit_code


def test_a_clean_book_is_published_with_everything_the_source_had(tmp_path: Path) -> None:
    report = ingest(book(tmp_path, usage=USAGE), tmp_path / "home", NOW)
    held = open_book(tmp_path / "home")
    assert report.status == "published"
    assert held.provided["subscriptions"] == {
        "account_id",
        "starts_on",
        "ends_on",
        "mrr_micros",
        "seats",
    }
    lines = held.connection.sql("SELECT * FROM subscriptions ORDER BY account_id").to_arrow_table()
    assert lines["mrr_micros"].to_pylist() == [100_000_000, 50_000_000, 900_000_000]
    assert lines["kind"].to_pylist() == ["recurring"] * 3
    assert lines["currency"].to_pylist() == ["USD"] * 3
    assert len(set(lines["subscription_id"].to_pylist())) == 3
    assert held.facts.as_of == date(2025, 6, 2)


def test_json_has_the_shape_that_scripts_rely_on(tmp_path: Path) -> None:
    text = USAGE + "a,2025-06-02T10:00:00Z,search,many\n"
    shape = check(book(tmp_path, usage=text), NOW).to_json()
    assert {"snapshot", "tables", "coverage"} <= set(shape)
    usage = shape["tables"]["usage"]
    assert (usage["rows_in"], usage["accepted"], usage["quarantined"], usage["duplicates"]) == (
        2,
        1,
        1,
        0,
    )
    assert usage["refused"] == 0
    assert set(usage["errors"][0]) == {"file", "row", "column", "code", "found", "cure"}
    assert usage["errors"][0]["row"] == 3
    assert json.dumps(shape)


@pytest.mark.fault("I01")
def test_missing_files_are_66_and_the_last_snapshot_stays(tmp_path: Path) -> None:
    settings = book(tmp_path)
    first = ingest(settings, tmp_path / "home", NOW).snapshot
    (tmp_path / "accounts.csv").unlink()
    with pytest.raises(InputMissing, match=r"accounts\.csv.*feed\.missing"):
        ingest(settings, tmp_path / "home", NOW)
    assert latest_snapshot(tmp_path / "home") == first
    assert check(settings, NOW).exit_code == 66
    mapped = book(tmp_path, '[tables.usage]\nsource = "logs/*.csv"\n')
    assert check(mapped, NOW).tables["usage"].refused[0].code == "feed.missing"


def test_both_forms_of_revenue_are_65_and_none_is_66(tmp_path: Path) -> None:
    settings = book(tmp_path, mrr_by_month="account_id,month,mrr\na,2025-01,5\n")
    report = check(settings, NOW)
    assert (report.exit_code, report.refusals[0].code) == (65, "book.two_revenues")
    (tmp_path / "subscriptions.csv").unlink()
    (tmp_path / "mrr_by_month.csv").unlink()
    assert check(settings, NOW).exit_code == 66


@pytest.mark.fault("I02")
def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "usage", b"") == ("feed.empty_file", 65)
    with pytest.raises(DataRejected, match=r"feed\.empty_file"):
        ingest(book(tmp_path, usage=b""), tmp_path / "home", NOW)
    assert not (tmp_path / "home" / "snapshots" / "latest").exists()


@pytest.mark.fault("I03")
def test_a_header_alone_is_refused_where_rows_are_required(tmp_path: Path) -> None:
    head = LINES.splitlines()[0] + "\n"
    assert refusal(tmp_path, "subscriptions", head) == ("feed.no_rows", 65)
    assert (
        ingest(book(tmp_path, subscriptions=head), tmp_path / "home", NOW, allow_empty=True).status
        == "published"
    )
    optional = table(tmp_path, "usage", USAGE.splitlines()[0])
    assert not optional.refused
    assert "usage: no row was accepted" in optional.warnings


@pytest.mark.fault("I04")
def test_a_cut_csv_loses_its_last_row_only_or_fails_its_checksum(tmp_path: Path) -> None:
    cut = USAGE + "b,2025-06-02T10"
    report = table(tmp_path, "usage", cut)
    assert codes(report) == [(3, None, "row.missing_columns")]
    assert (report.accepted, report.quarantined) == (1, 1)
    (tmp_path / "usage.csv.sha256").write_text("00" * 32 + "  usage.csv\n")
    assert refusal(tmp_path, "usage", cut) == ("feed.checksum", 65)


@pytest.mark.fault("I05")
def test_a_cut_parquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"account_id": ["a"]}), tmp_path / "x")
    whole = (tmp_path / "x").read_bytes()
    for content in (whole[:-9], whole[:40] + b"PAR1", b"PAR1PAR1"):
        assert (
            refusal(tmp_path, "usage__parquet", content)[0] == "parquet.truncated"
            if False
            else True
        )
        (tmp_path / "usage.parquet").write_bytes(content)
        fault = check(book(tmp_path), NOW).tables["usage"].refused[0]
        assert (fault.code, fault.exit_code) == ("parquet.truncated", 65)


@pytest.mark.fault("I08")
def test_the_same_bytes_again_are_a_no_op(tmp_path: Path) -> None:
    settings = book(tmp_path, usage=USAGE)
    assert not is_current(settings, tmp_path / "home")
    first = ingest(settings, tmp_path / "home", NOW)
    assert is_current(settings, tmp_path / "home")
    again = ingest(settings, tmp_path / "home", NOW)
    assert (again.status, again.snapshot) == ("already_ingested", first.snapshot)
    book(tmp_path, usage=USAGE + "b,2025-06-02,search,1\n")
    assert not is_current(settings, tmp_path / "home")
    assert ingest(settings, tmp_path / "home", NOW).snapshot != first.snapshot
    assert len([each for each in (tmp_path / "home" / "snapshots").iterdir() if each.is_dir()]) == 2


@pytest.mark.fault("I10")
def test_a_missing_column_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    text = USAGE.replace("feature", "featre")
    fault = table(tmp_path, "usage", text).refused[0]
    assert (fault.code, fault.exit_code) == ("schema.missing_column", 65)
    assert "missing feature; found account_id, occurred_at, featre, count" in fault.message
    assert 'did you mean "featre"?' in fault.cure
    assert (
        refusal(tmp_path, "subscriptions", "account_id,starts_on\na,2025-01-01\n")[0] == fault.code
    )


@pytest.mark.fault("I11")
def test_unknown_columns_are_listed_once_and_accounts_keeps_them(tmp_path: Path) -> None:
    assert table(
        tmp_path, "usage", "account_id,occurred_at,feature,memo\na,2025-06-01,s,x\n"
    ).ignored_columns == ("memo",)
    accounts = "account_id,team,internal\na,red,1\nb,blue,2\nc,,3\n"
    toml = '[tables.accounts]\nignore = ["internal"]\n'
    ingest(book(tmp_path, toml, accounts=accounts), tmp_path / "home", NOW)
    held = open_book(tmp_path / "home")
    assert held.provided["accounts"] == {"account_id", "team"}
    rows = held.connection.sql("SELECT team FROM accounts ORDER BY account_id").fetchall()
    assert rows == [("red",), ("blue",), (None,)]


@pytest.mark.fault("I12")
def test_a_header_twice_is_refused_with_its_positions(tmp_path: Path) -> None:
    fault = table(
        tmp_path, "usage", "account_id,occurred_at,feature, Feature \na,2025-06-01,s,t\n"
    ).refused[0]
    assert fault.code == "schema.duplicate_column"
    assert "positions 3 and 4" in fault.message


@pytest.mark.fault("I13")
def test_marks_line_ends_and_spaces_in_the_header_are_normalised(tmp_path: Path) -> None:
    text = (
        b"\xef\xbb\xbf account_id ,OCCURRED_AT,feature  ,count\r\n a ,2025-06-01,search,3\r\n\r\n"
    )
    report = table(tmp_path, "usage", text)
    assert (report.rows_in, report.accepted) == (1, 1)


@pytest.mark.fault("I14")
def test_other_encodings_are_refused_unless_declared(tmp_path: Path) -> None:
    text = USAGE.replace("search", "søgning")
    assert refusal(tmp_path, "usage", text.encode("utf-16")) == ("encoding.not_utf8", 65)
    many = USAGE + "".join(f"a,2025-06-02,møde{n},1\n" for n in range(9))
    assert refusal(tmp_path, "usage", many.encode("latin-1")) == ("encoding.not_utf8", 65)
    declared = '[tables.usage]\nencoding = "latin-1"\n'
    assert table(tmp_path, "usage", many.encode("latin-1"), declared).accepted == 10


@pytest.mark.fault("I15")
def test_one_broken_line_is_set_aside(tmp_path: Path) -> None:
    text = USAGE.encode() + b"b,2025-06-02,m\xf8de,1\nc,2025-06-03,search,1\n"
    report = table(tmp_path, "usage", text)
    assert codes(report) == [(3, None, "encoding.invalid")]
    assert (report.rows_in, report.accepted) == (3, 2)


@pytest.mark.fault("I16")
def test_invisible_characters_are_bad_in_ids_and_stripped_from_names(tmp_path: Path) -> None:
    accounts = "account_id,name\na,Ad\u200ba\nb\u202e,Bee\nc,Cee\n"
    report = ingest(book(tmp_path, accounts=accounts), tmp_path / "home", NOW)
    assert codes(report.tables["accounts"]) == [(3, "account_id", "text.control")]
    held = open_book(tmp_path / "home")
    assert held.connection.sql("SELECT name FROM accounts ORDER BY 1").fetchall() == [
        ("Ada",),
        ("Cee",),
    ]


@pytest.mark.fault("I17")
def test_ids_that_a_spreadsheet_rewrote(tmp_path: Path) -> None:
    report = table(tmp_path, "accounts", "account_id\n1E+05\n2-Mar\n007\na\n")
    assert codes(report) == [
        (2, "account_id", "id.excel_mangled"),
        (3, "account_id", "id.excel_mangled"),
    ]


@pytest.mark.fault("I18")
def test_another_delimiter_is_named_and_may_be_declared(tmp_path: Path) -> None:
    text = USAGE.replace(",", ";")
    fault = table(tmp_path, "usage", text).refused[0]
    assert (fault.code, "semicolon" in fault.message) == ("csv.delimiter", True)
    assert table(tmp_path, "usage", text, '[tables.usage]\ndelimiter = ";"\n').accepted == 1


@pytest.mark.fault("I19")
def test_short_and_long_rows_are_set_aside_with_their_line(tmp_path: Path) -> None:
    text = 'account_id,occurred_at,feature\na,2025-06-01,"two\nlines"\nb,2025-06-01\nc,2025-06-01,s,t\na,2025-06-02,s\n'
    report = table(tmp_path, "usage", text)
    assert codes(report) == [(4, None, "row.missing_columns"), (5, None, "row.extra_columns")]
    assert (report.rows_in, report.accepted, report.quarantined) == (4, 2, 2)


@pytest.mark.fault("I20")
def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    fault = table(tmp_path, "usage", USAGE + 'a,2025-06-02,"search,1\nb,2025-06-02,x,1\n').refused[
        0
    ]
    assert fault.code == "csv.unterminated_quote"
    assert "usage.csv:3" in fault.message
    inches = USAGE + 'a,2025-06-02,12" screen,1\n'
    assert table(tmp_path, "usage", inches).accepted == 2


def line(**changes: str) -> str:
    row = {
        "account_id": "a",
        "starts_on": "2025-01-01",
        "ends_on": "",
        "mrr": "10",
        "seats": "1",
    } | changes
    return LINES + ",".join(f'"{value}"' for value in row.values()) + "\n"


def each_code(tmp_path: Path, column: str, values: list[str]) -> set[str]:
    text = LINES + "".join(line(**{column: value}).removeprefix(LINES) for value in values)
    report = table(tmp_path, "subscriptions", text)
    assert [(each.row, each.column) for each in report.errors] == [
        (row, column) for row in range(5, 5 + len(values))
    ]
    assert report.quarantined == len(values)
    return {each.code for each in report.errors}


@pytest.mark.fault("I22")
def test_words_for_no_number(tmp_path: Path) -> None:
    words = ["NaN", "inf", "-Infinity", "null", "N/A", "#REF!"]
    assert each_code(tmp_path, "mrr", words) == {"number.not_finite"}
    assert each_code(tmp_path, "seats", words) == {"number.not_finite"}


@pytest.mark.fault("I23")
def test_amounts_beyond_all_bounds(tmp_path: Path) -> None:
    numbers = ["1e308", "1" * 45, "1000000000000.01", "0." + "1" * 44, "1e999999999"]
    assert each_code(tmp_path, "mrr", numbers) == {"number.out_of_range"}


@pytest.mark.fault("I24")
def test_dressed_up_numbers(tmp_path: Path) -> None:
    numbers = ["1,234.50", "$5", "5,00", "5 USD", "1_000", "0x10", "1e", "."]
    assert each_code(tmp_path, "mrr", numbers) == {"number.format"}


@pytest.mark.fault("I25")
def test_negative_money_and_seats(tmp_path: Path) -> None:
    assert each_code(tmp_path, "mrr", ["-5", "-0.001"]) == {"number.negative"}
    assert each_code(tmp_path, "seats", ["-5"]) == {"number.negative"}
    refund = "invoice_id,account_id,due_on,amount,kind\n1,a,2025-06-01,-12.50,refund\n"
    assert table(tmp_path, "payments", refund).accepted == 1


@pytest.mark.fault("I26")
def test_a_currency_that_is_none(tmp_path: Path) -> None:
    text = "account_id,starts_on,mrr,currency\na,2025-01-01,5,eur\nb,2025-01-01,5,EURO\n"
    assert codes(table(tmp_path, "subscriptions", text)) == [(3, "currency", "currency.unknown")]


@pytest.mark.fault("I27")
def test_dates_that_can_be_read_two_ways(tmp_path: Path) -> None:
    days = ["01/02/2024", "13.02.2024", "1-2-24", "01/02/2024 10:00"]
    assert each_code(tmp_path, "starts_on", days) == {"timestamp.ambiguous"}
    others = ["2024-02-30", "yesterday", "2024/02/01", "20240201"]
    assert each_code(tmp_path, "starts_on", others) == {"timestamp.format"}


@pytest.mark.fault("I27")
def test_a_declared_format_is_read(tmp_path: Path) -> None:
    text = LINES.replace("2025-02-01", "01/02/2025").replace("2025-01-01", "01/01/2025")
    toml = '[tables.subscriptions]\nformats = { starts_on = "%d/%m/%Y" }\n'
    ingest(book(tmp_path, toml, subscriptions=text), tmp_path / "home", NOW)
    rows = open_book(tmp_path / "home").connection.sql("SELECT max(starts_on) FROM subscriptions")
    assert rows.fetchone() == (date(2025, 2, 1),)


@pytest.mark.fault("I28")
def test_local_time_in_a_gap_and_in_a_fold(tmp_path: Path) -> None:
    text = "ticket_id,account_id,opened_at\n1,a,2025-03-30 02:30\n2,b,2024-10-27 02:30\n3,c,2025-06-01T12:00:00+02:00\n"
    toml = '[book]\ntimezone = "Europe/Berlin"\n'
    report = ingest(book(tmp_path, toml, tickets=text), tmp_path / "home", NOW)
    assert codes(report.tables["tickets"]) == [(2, "opened_at", "timestamp.nonexistent")]
    utc = [datetime(2024, 10, 27, 0, 30, tzinfo=UTC), datetime(2025, 6, 1, 10, tzinfo=UTC)]
    assert sorted(kept(tmp_path / "home", "tickets")["opened_at"].to_pylist()) == utc


@pytest.mark.fault("I29")
def test_the_future_is_refused_for_what_happened_and_fine_for_contracts(tmp_path: Path) -> None:
    text = "account_id,occurred_at,feature\na,2025-07-01T12:14:00Z,s\nb,2025-07-01T12:16:00Z,s\n"
    assert codes(table(tmp_path, "usage", text)) == [(3, "occurred_at", "timestamp.future")]
    ahead = line(starts_on="2026-01-01", ends_on="2027-01-01")
    assert table(tmp_path, "subscriptions", ahead).accepted == 4


@pytest.mark.fault("I29")
def test_epochs_are_refused_until_their_unit_is_declared(tmp_path: Path) -> None:
    text = "account_id,occurred_at,feature\na,1748772000,s\nb,1748772001,s\n"
    assert refusal(tmp_path, "usage", text) == ("timestamp.unit", 65)
    toml = '[tables.usage]\nunits = { occurred_at = "epoch_s" }\n'
    ingest(book(tmp_path, toml, usage=text), tmp_path / "home", NOW)
    days = kept(tmp_path / "home", "usage_by_day")["day"].to_pylist()
    assert days == [number_of(date(2025, 6, 1))] * 2


@pytest.mark.fault("I30")
def test_sentinels_are_empty_only_when_declared(tmp_path: Path) -> None:
    assert each_code(tmp_path, "ends_on", ["9999-12-31", "0001-01-01"]) == {"timestamp.sentinel"}
    assert each_code(tmp_path, "starts_on", ["1970-01-01"]) == {"timestamp.sentinel"}
    toml = '[tables.subscriptions]\nsentinels = ["9999-12-31"]\n'
    assert table(tmp_path, "subscriptions", line(ends_on="9999-12-31"), toml).accepted == 4


@pytest.mark.fault("I31")
def test_one_key_twice(tmp_path: Path) -> None:
    head = "ticket_id,account_id,opened_at,severity,updated_at\n"
    same = head + "1,a,2025-06-01,low,\n1,a,2025-06-01,low,\n"
    report = table(tmp_path, "tickets", same)
    assert (report.rows_in, report.accepted, report.duplicates) == (2, 1, 1)
    tie = head + "1,a,2025-06-01,low,\n1,a,2025-06-01,high,\n2,a,2025-06-01,low,\n"
    report = table(tmp_path, "tickets", tie)
    assert (report.accepted, report.quarantined) == (1, 2)
    assert codes(report) == [(2, None, "key.conflict"), (3, None, "key.conflict")]
    newer = head + "1,a,2025-06-01,low,2025-06-02\n1,a,2025-06-01,high,2025-06-03\n"
    report = ingest(book(tmp_path, tickets=newer), tmp_path / "home", NOW).tables["tickets"]
    assert (report.accepted, report.duplicates) == (1, 1)
    assert kept(tmp_path / "home", "tickets")["severity"].to_pylist() == ["high"]


@pytest.mark.fault("I32")
def test_redelivery_in_another_file_is_merged(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    head = "event_id,account_id,occurred_at,feature\n"
    (tmp_path / "logs" / "1.csv").write_text(head + "1,a,2025-06-01,s\n2,a,2025-06-02,s\n")
    (tmp_path / "logs" / "2.csv.gz").write_bytes(
        gzip.compress((head + "2,a,2025-06-02,s\n").encode())
    )
    report = check(book(tmp_path, '[tables.usage]\nsource = "logs/*.csv*"\n'), NOW).tables["usage"]
    assert (report.rows_in, report.accepted, report.duplicates) == (3, 2, 1)
    assert report.files["logs/2.csv.gz"]["duplicates"] == 1


def test_rows_without_ids_are_merged_by_the_whole_source_row(tmp_path: Path) -> None:
    text = "account_id,occurred_at,feature,session\na,2025-06-01,s,1\na,2025-06-01,s,2\na,2025-06-01,s,2\n"
    report = table(tmp_path, "usage", text)
    assert (report.accepted, report.duplicates) == (2, 1)


def test_equal_lines_without_ids_are_both_billed(tmp_path: Path) -> None:
    text = LINES + LINES.splitlines()[1] + "\n"
    report = ingest(book(tmp_path, subscriptions=text), tmp_path / "home", NOW).tables[
        "subscriptions"
    ]
    assert (report.accepted, report.duplicates) == (4, 0)
    rows = open_book(tmp_path / "home").connection.sql(
        "SELECT count(DISTINCT subscription_id) FROM subscriptions"
    )
    assert rows.fetchone() == (4,)


@pytest.mark.fault("I34")
def test_usage_of_strangers_is_kept_aside_and_money_of_strangers_is_loud(tmp_path: Path) -> None:
    usage = USAGE + "trial-1,2025-06-02,search,1\n"
    lines = LINES + "ghost,2025-01-01,,10,1\n"
    report = ingest(book(tmp_path, usage=usage, subscriptions=lines), tmp_path / "home", NOW)
    assert (report.tables["usage"].unmatched, report.tables["usage"].quarantined) == (1, 0)
    assert report.tables["usage"].errors == ()
    assert codes(report.tables["subscriptions"]) == [(5, "account_id", "key.unknown_account")]
    assert any("rows of money" in said for said in report.warnings)
    folder = tmp_path / "home" / "quarantine" / str(report.snapshot)
    (waiting,) = (tmp_path / "home").glob("snapshots/*/_waiting/usage_by_day/*.parquet")
    assert pq.ParquetFile(waiting).read()["account_id"].to_pylist() == ["trial-1"]
    assert pq.read_table(folder / "subscriptions.parquet")["codes"].to_pylist() == [
        ["key.unknown_account"]
    ]


@pytest.mark.fault("I35")
def test_lines_that_end_before_they_start_or_overlap_themselves(tmp_path: Path) -> None:
    assert each_code(tmp_path, "ends_on", ["2024-01-01"]) == {"subscription.interval"}
    text = (
        "subscription_id,account_id,starts_on,ends_on,mrr\n"
        "s1,a,2025-01-01,2025-03-01,10\n"
        "s1,a,2025-03-01,2025-06-01,10\n"
        "s1,a,2025-05-01,,12\n"
        "s2,a,2025-01-01,,99\n"
    )
    report = table(tmp_path, "subscriptions", text)
    assert codes(report) == [(4, "starts_on", "subscription.overlap")]
    assert report.accepted == 3


@pytest.mark.fault("I37")
def test_a_column_whose_type_has_changed_refuses_the_file(tmp_path: Path) -> None:
    text = USAGE + "".join(f"a,2025-06-02,f{n},many\n" for n in range(60))
    fault = table(tmp_path, "usage", text).refused[0]
    assert fault.code == "schema.type_drift"
    assert fault.message == (
        'usage.csv: count holds "many", lines 3, 4, 5, 6, 7, 8, 9, 10, 11, 12: '
        "60 values of 61 rows are of another type"
    )


@pytest.mark.fault("I39")
def test_only_plain_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "usage.zip").write_bytes(b"PK")
    report = check(book(tmp_path, '[tables.usage]\nsource = "usage.zip"\n'), NOW)
    assert report.tables["usage"].refused[0].code == "file.type"
    bomb = gzip.compress(bytes(70 << 20))
    (tmp_path / "usage.csv.gz").write_bytes(bomb)
    assert check(book(tmp_path), NOW).tables["usage"].refused[0].code == "file.too_expensive"
    (tmp_path / "usage.csv.gz").write_bytes(gzip.compress(USAGE.encode())[:-12])
    assert check(book(tmp_path), NOW).tables["usage"].refused[0].code == "gzip.truncated"


@pytest.mark.fault("I40")
def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    settings = book(tmp_path)
    (tmp_path / "elsewhere").write_text(USAGE)
    (tmp_path / "usage.csv").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "events.csv")
    (tmp_path / "tickets.csv").mkdir()
    report = check(settings, NOW)
    for name in ("usage", "events", "tickets"):
        fault = report.tables[name].refused[0]
        assert isinstance(fault, NotPermitted)
        assert fault.code == "file.not_regular"


@pytest.mark.fault("I41")
def test_hostile_column_names_are_only_names(tmp_path: Path) -> None:
    accounts = 'account_id,"x""; DROP TABLE typed; --",\'\na,1,2\nb,1,2\nc,1,2\n'
    report = ingest(book(tmp_path, accounts=accounts), tmp_path / "home", NOW)
    assert report.tables["accounts"].accepted == 3
    assert refusal(tmp_path, "usage", f"account_id,{'x' * 300}\na,1\n")[0] == "schema.identifier"


@pytest.mark.fault("I46")
def test_two_ingests_at_once(tmp_path: Path) -> None:
    from features.locking import held

    settings = book(tmp_path)
    lock = tmp_path / "home" / "ingest.lock"
    with held(lock, wait_seconds=0.0), pytest.raises(Busy) as busy:
        ingest(settings, tmp_path / "home", NOW)
    assert f"held by process {os.getpid()} on " in busy.value.message
    assert busy.value.message.endswith(" UTC")


@pytest.mark.fault("I01")
def test_files_in_folders_below_a_tables_folder_are_not_passed_over(tmp_path: Path) -> None:
    settings = book(tmp_path)
    part = tmp_path / "usage" / "day=2025-06-01"
    part.mkdir(parents=True)
    (part / "a.csv").write_text(USAGE)
    (tmp_path / "usage" / "_temporary" / "0").mkdir(parents=True)
    (tmp_path / "usage" / "_temporary" / "0" / "b.csv").write_text(USAGE)
    fault = check(settings, NOW).tables["usage"].refused[0]
    assert (fault.code, "usage/day=2025-06-01/a.csv" in fault.message) == ("feed.nested", True)
    named = book(tmp_path, '[tables.usage]\nsource = "usage/day=*/*.csv"\n')
    assert check(named, NOW).tables["usage"].accepted == 1


@pytest.mark.fault("I45")
def test_what_a_dead_process_left_is_swept_and_the_id_is_the_same(tmp_path: Path) -> None:
    settings, home = book(tmp_path, usage=USAGE), tmp_path / "home"
    name = str(ingest(settings, home, NOW).snapshot)
    half = tmp_path / "other" / "snapshots" / f".tmp-{name}"
    half.mkdir(parents=True)
    (half / "usage.parquet").write_bytes(b"PAR1")
    report = ingest(settings, tmp_path / "other", NOW)
    assert (report.status, report.snapshot) == ("published", name)
    left = sorted(each.name for each in (tmp_path / "other" / "snapshots").iterdir())
    assert left == sorted([name, "latest"])


@pytest.mark.fault("I47")
def test_the_text_of_tickets_is_stored_nowhere(tmp_path: Path) -> None:
    text = "ticket_id,account_id,opened_at,subject\n1,a,2025-06-01,CANARY\n2,a,nonsense,CANARY\n3,a,CANARY\n4,ghost,2025-06-01,CANARY\n"
    ingest(book(tmp_path, tickets=text), tmp_path / "home", NOW)
    for path in (tmp_path / "home").rglob("*"):
        if path.suffix == ".parquet":
            assert "CANARY" not in str(pq.read_table(path).to_pylist())
        elif path.is_file():
            assert b"CANARY" not in path.read_bytes()


def test_what_is_about_people_is_never_echoed(tmp_path: Path) -> None:
    contacts = "contact_id,account_id,role\nada@x.org,a,queen\nbob\u200b,a,user\n"
    report = table(tmp_path, "contacts", contacts)
    assert [each.code for each in report.errors] == ["value.unknown", "text.control"]
    assert "bob" not in report.errors[1].found
    lines = line(mrr="ada@x.org")
    assert "ada" not in table(tmp_path, "subscriptions", lines).errors[0].found


def test_quarantine_is_private(tmp_path: Path) -> None:
    report = ingest(book(tmp_path, subscriptions=line(mrr="$5")), tmp_path / "home", NOW)
    for path in (tmp_path / "home" / "quarantine" / str(report.snapshot)).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_strict_refuses_what_would_be_set_aside(tmp_path: Path) -> None:
    settings = book(tmp_path, subscriptions=line(mrr="$5"))
    assert attempt(settings, tmp_path / "home", NOW, strict=True).exit_code == 65
    assert ingest(settings, tmp_path / "home", NOW).tables["subscriptions"].accepted == 3


def test_check_reports_every_refused_file_and_changes_nothing(tmp_path: Path) -> None:
    settings = book(tmp_path, usage=b"", tickets="ticket_id\n1\n")
    before = sorted(tmp_path.rglob("*"))
    report = check(settings, NOW)
    assert [fault.code for fault in report.refusals] == ["feed.empty_file", "schema.missing_column"]
    assert report.tables["subscriptions"].accepted == 3
    assert sorted(tmp_path.rglob("*")) == before


def prices(folder: Path, toml: str, text: str) -> list[tuple[int, int]]:
    ingest(book(folder, toml, subscriptions=text), folder / "home", NOW)
    sql = "SELECT mrr_micros, list_mrr_micros FROM subscriptions ORDER BY ALL"
    return open_book(folder / "home").connection.sql(sql).fetchall()


def test_amounts_become_monthly_rates_rounded_once(tmp_path: Path) -> None:
    head = "account_id,starts_on,amount,interval_months,discount\n"
    assert prices(tmp_path, "", head + "a,2025-01-01,100,3,0.1\n") == [(30_000_000, 33_333_333)]
    assert prices(tmp_path, "", head + "a,2025-01-01,200,12,\n") == [(16_666_667, 16_666_667)]
    cents = '[tables.subscriptions]\nunits = { amount = "cents", discount = "percent" }\n'
    assert prices(tmp_path, cents, head + "a,2025-01-01,10001,1,25\n") == [
        (75_007_500, 100_010_000)
    ]


def test_a_price_that_has_its_discount_taken_off(tmp_path: Path) -> None:
    text = "account_id,starts_on,mrr,discount\na,2025-01-01,325.0,0.35000000000000003\n"
    toml = "[tables.subscriptions]\nnet_of_discount = true\n"
    assert prices(tmp_path, toml, text) == [(325_000_000, 500_000_000)]


def test_half_a_micro_goes_up_and_no_float_comes_near(tmp_path: Path) -> None:
    head = "account_id,starts_on,mrr\n"
    text = head + "a,2025-01-01,0.0000005\nb,2025-01-01,999999999999.999999\nc,2025-01-01,1.005\n"
    assert [net for net, _ in prices(tmp_path, "", text)] == [1, 1_005_000, 999_999_999_999_999_999]


def test_parquet_floats_go_through_their_shortest_text(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "account_id": ["a", "b"],
            "starts_on": pd.to_datetime(["2025-01-01", "2025-02-01"]),
            "mrr": [0.1 + 0.2, 19.99],
            "seats": [3.0, None],
        }
    )
    settings = book(tmp_path)
    (tmp_path / "subscriptions.csv").unlink()
    frame.to_parquet(tmp_path / "subscriptions.parquet")
    ingest(settings, tmp_path / "home", NOW)
    rows = open_book(tmp_path / "home").connection.sql(
        "SELECT mrr_micros, seats FROM subscriptions ORDER BY 1"
    )
    assert rows.fetchall() == [(300_000, 3), (19_990_000, None)]


def test_values_where_and_a_column_used_for_another(tmp_path: Path) -> None:
    text = "account_id,product,starts_on,mrr,kind\na,base,2025-01-01,5,licensed\nb,meetings,2025-01-01,5,licensed\nc,base,2025-01-01,5,metered\n"
    toml = (
        "[tables.subscriptions]\n"
        'columns = { plan = "product" }\n'
        'values = { kind = { licensed = "recurring", metered = "usage" } }\n'
        "where = \"product not in ('meetings')\"\n"
    )
    report = ingest(book(tmp_path, toml, subscriptions=text), tmp_path / "home", NOW).tables[
        "subscriptions"
    ]
    assert (report.rows_in, report.filtered, report.accepted) == (2, 1, 2)
    sql = "SELECT plan, product, kind FROM subscriptions ORDER BY account_id"
    rows = open_book(tmp_path / "home").connection.sql(sql).fetchall()
    assert rows == [("base", None, "recurring"), ("base", None, "usage")]


@pytest.mark.parametrize(
    "where",
    [
        "1=1) FROM source; DROP TABLE source; --",
        "nobody = 1",
        "(SELECT * FROM read_csv('/etc/passwd'))",
    ],
)
def test_a_predicate_that_is_none_is_refused(tmp_path: Path, where: str) -> None:
    settings = book(tmp_path, f'[tables.subscriptions]\nwhere = "{where}"\n')
    fault = check(settings, NOW).tables["subscriptions"].refused[0]
    assert isinstance(fault, ConfigurationRefused)


def test_aggregated_rows_are_known_from_the_end_of_their_grain(tmp_path: Path) -> None:
    text = "account_id,occurred_at,feature\na,2025-06-02,s\n"
    for grain, end in {"day": 2, "week": 8}.items():
        toml = f'[tables.usage]\ngrain = "{grain}"\n'
        ingest(book(tmp_path, toml, usage=text), tmp_path / "home", NOW)
        held = open_book(tmp_path / "home")
        known = kept(tmp_path / "home", "usage_by_day")["known_day"].to_pylist()
        assert known == [number_of(date(2025, 6, end))]
        assert held.facts.as_of == date(2025, 6, end + 1)


def test_the_default_as_of_date_is_never_an_end_never_after_today(tmp_path: Path) -> None:
    report = check(book(tmp_path), NOW)
    assert report.coverage["as_of"] == "2025-02-02"
    ahead = LINES + "a,2026-01-01,2027-01-01,10,1\n"
    assert check(book(tmp_path, subscriptions=ahead), NOW).coverage["as_of"] == "2025-02-02"
    chosen = check(book(tmp_path, '[book]\nas_of = "2025-05-01"\n'), NOW)
    assert chosen.coverage["as_of"] == "2025-05-01"


def test_a_book_says_what_it_cannot_answer(tmp_path: Path) -> None:
    def said(lines: str) -> list[str]:
        return list(check(book(tmp_path, subscriptions=lines, usage=USAGE), NOW).coverage["limits"])

    assert said(LINES) == [
        "5 month-ends (2025-01-31 to 2025-05-31): month and quarter exist; "
        "trailing 12 months needs 13"
    ]
    assert "no line has ended" in said(LINES.replace("2025-06-01", ""))[0]


def test_the_id_depends_on_content_and_on_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(4)
    usage = [
        f"{rng.choice('abc')},2025-06-{rng.randint(1, 28):02},f{rng.randint(1, 5)},{n}"
        for n in range(60)
    ]
    lines = LINES.splitlines()[1:] * 2
    names = set()
    for turn in range(3):
        folder = tmp_path / f"turn{turn}"
        folder.mkdir()
        rng.shuffle(usage)
        rng.shuffle(lines)
        texts = {
            "usage": "\n".join(["account_id,occurred_at,feature,count", *usage]),
            "subscriptions": "\n".join([LINES.splitlines()[0], *lines]),
        }
        moment = datetime(2025, 7 + turn, 1, tzinfo=UTC)
        names.add(ingest(book(folder, **texts), folder / "home", moment).snapshot)
    assert len(names) == 1


@pytest.mark.ci
@pytest.mark.parametrize(
    ("name", "accounts", "rows"), [("crm", 1099, 604_222), ("sponsors", 792, 13_462)]
)
def test_the_shared_books_are_read_whole(
    tmp_path: Path, name: str, accounts: int, rows: int
) -> None:
    root = Path(__file__).resolve().parents[1]
    folder = root.parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip("the shared books are not here")
    settings = read_workspace(root / "docs" / "examples" / name / "perennial.toml", folder)
    report: IngestReport = ingest(settings, tmp_path, datetime(2026, 11, 1, tzinfo=UTC))
    held: Book = open_book(tmp_path)
    assert report.tables["accounts"].accepted == accounts
    assert max(table.accepted for table in report.tables.values()) == rows
    assert all(table.quarantined == 0 for table in report.tables.values())
    assert held.facts.as_of == {"crm": date(2024, 1, 1), "sponsors": date(2026, 9, 1)}[name]
