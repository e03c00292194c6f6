"""Billing systems and a spreadsheet: samples in their own shape, ingested as their mappings say."""

from __future__ import annotations

import csv
import re
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from features.book import Book, open_book
from features.ingest import IngestReport, attempt
from features.mapping import read_workspace
from features.proposing import propose

ROOT = Path(__file__).resolve().parents[1]
MAPPINGS, SAMPLES = ROOT / "features" / "mappings", ROOT / "tests" / "samples"
NOW = datetime(2025, 7, 1, tzinfo=UTC)

pytestmark = pytest.mark.ci


def ingested(system: str, folder: Path, text: str | None = None) -> tuple[IngestReport, Book]:
    """Ingest the sample of a system in a folder of its own, or refuse to go on."""
    if not (folder / system).exists():
        shutil.copytree(SAMPLES / system, folder / system)
    text = text or (MAPPINGS / f"{system}.toml").read_text(encoding="utf-8")
    (folder / "perennial.toml").write_text(text, encoding="utf-8")
    report = attempt(read_workspace(folder / "perennial.toml"), folder / ".perennial", NOW)
    assert report.status == "published", report.refusals
    wrong = {name: each.codes for name, each in report.tables.items() if each.codes}
    assert wrong == {}
    return report, open_book(folder / ".perennial", report.snapshot)


def told(book: Book, query: str) -> list[tuple[Any, ...]]:
    rows = book.connection.sql(query).fetchall()
    return [tuple(str(v) if hasattr(v, "isoformat") else v for v in row) for row in rows]


LINES = """SELECT subscription_id, account_id, kind, starts_on, ends_on, currency, mrr_micros
FROM subscriptions ORDER BY subscription_id, starts_on"""


def test_stripe_from_the_dashboard(tmp_path: Path) -> None:
    report, book = ingested("stripe", tmp_path)
    assert told(book, LINES) == [
        ("sub_A1", "cus_A", "recurring", "2024-02-10", None, "USD", 249_950_000),
        ("sub_B1", "cus_B", "recurring", "2024-05-31", None, "EUR", 99_000_000),
        ("sub_C1", "cus_C", "recurring", "2024-03-15", "2025-01-15", "USD", 49_000_000),
        ("sub_D1", "cus_D", "trial", "2024-06-01", "2024-06-15", "USD", 49_000_000),
        ("sub_E1", "cus_E", "recurring", "2025-01-05", None, "USD", 99_666_667),
        ("sub_E2", "cus_E", "recurring", "2025-02-03", None, "USD", 52_000_000),
    ]
    assert report.tables["subscriptions"].filtered == 1
    renewing = "SELECT subscription_id FROM subscriptions WHERE auto_renew ORDER BY 1"
    assert told(book, renewing) == [("sub_A1",), ("sub_E1",), ("sub_E2",)]
    notice = "SELECT canceled_on FROM subscriptions WHERE subscription_id = 'sub_B1'"
    assert told(book, notice) == [("2025-06-02",)]
    owed = "SELECT invoice_id, account_id, due_on, paid_on, amount_micros FROM payments ORDER BY 1"
    assert told(book, owed) == [
        ("in_1", "cus_A", "2025-06-10", "2025-06-10", 249_950_000),
        ("in_2", "cus_B", "2025-06-30", None, 1_188_000_000),
    ]
    assert told(book, "SELECT * FROM accounts ORDER BY 1")[0][:2] == ("cus_A", "Ada Ltd")


def from_warehouse(system: str, folder: Path) -> tuple[IngestReport, Book]:
    """Ingest the sample of a loader's tables out of a database."""
    database = sqlite3.connect(folder / "warehouse.db")
    for path in sorted((SAMPLES / system).glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        kinds = ", ".join(f'"{n}"{_affinity(n)}' for n in header)
        database.execute(f"CREATE TABLE {path.stem} ({kinds})")
        marks = ", ".join("?" * len(header))
        values = [[value or None for value in row] for row in rows]
        database.executemany(f"INSERT INTO {path.stem} VALUES ({marks})", values)
    database.commit()
    text = (MAPPINGS / f"{system}.toml").read_text(encoding="utf-8")
    text = text.replace("env:DATABASE_URL", "sqlite:///warehouse.db").replace("stripe.", "")
    return ingested(system, folder, text)


@pytest.mark.parametrize("system", ["stripe-airbyte", "stripe-dlt"])
def test_other_loaders_of_stripe_give_the_same_lines(system: str, tmp_path: Path) -> None:
    _, book = from_warehouse(system, tmp_path)
    assert told(book, LINES) == [
        ("si_A1", "cus_A", "recurring", "2025-04-10", "2025-05-10", "USD", 249_950_000),
        ("si_A1", "cus_A", "recurring", "2025-05-10", "2025-06-10", "USD", 399_920_000),
    ]
    owed = "SELECT invoice_id, account_id, paid_on, amount_micros FROM payments ORDER BY 1"
    assert told(book, owed) == [
        ("in_1", "cus_A", "2025-04-10", 249_950_000),
        ("in_2", "cus_A", None, 399_920_000),
    ]
    assert told(book, "SELECT account_id, signed_on FROM accounts") == [("cus_A", "2024-02-10")]


def test_stripe_from_fivetran_has_the_history_of_prices(tmp_path: Path) -> None:
    report, book = from_warehouse("stripe-fivetran", tmp_path)
    assert told(book, LINES) == [
        ("si_A1", "cus_A", "recurring", "2025-04-10", "2025-05-10", "USD", 249_950_000),
        ("si_A1", "cus_A", "recurring", "2025-05-10", "2025-06-10", "USD", 399_920_000),
        ("si_A2", "cus_A", "recurring", "2025-05-10", "2025-05-24", "USD", 26_000_000),
        ("si_A3", "cus_A", "usage", "2025-04-10", "2025-05-10", "USD", 3_450_000),
        ("si_B1", "cus_B", "recurring", "2025-05-31", "2026-05-31", "EUR", 99_000_000),
    ]
    assert report.tables["payments"].accepted == 3
    assert told(book, "SELECT account_id FROM accounts ORDER BY 1") == [("cus_A",), ("cus_B",)]


def _affinity(name: str) -> str:
    whole = ("livemode", "proration", "amount", "quantity", "total", "recurring_interval_count")
    return " INTEGER" if name in whole else " TEXT"


def test_chargebee(tmp_path: Path) -> None:
    report, book = ingested("chargebee", tmp_path)
    assert told(book, LINES) == [
        ("s_A", "cb_A", "recurring", "2024-02-10", None, "USD", 249_950_000),
        ("s_B", "cb_B", "recurring", "2024-05-31", "2025-01-01", "EUR", 99_000_000),
        ("s_B2", "cb_B", "recurring", "2025-03-01", "2025-12-01", "EUR", 99_000_000),
        ("s_C", "cb_C", "trial", "2025-06-01", "2025-06-15", "USD", 49_000_000),
    ]
    assert report.tables["subscriptions"].filtered == 2


def test_recurly_versions_are_lines(tmp_path: Path) -> None:
    report, book = ingested("recurly", tmp_path)
    assert told(book, LINES) == [
        ("u1", "acme", "recurring", "2024-01-10", "2024-09-01", "USD", 269_950_000),
        ("u1", "acme", "recurring", "2024-09-01", None, "USD", 419_920_000),
        ("u2", "bolt", "recurring", "2024-02-01", "2024-12-05", "EUR", 99_000_000),
        ("u2", "bolt", "recurring", "2024-12-05", "2025-02-01", "EUR", 99_000_000),
        ("u3", "core", "trial", "2025-05-01", "2025-05-15", "USD", 49_000_000),
        ("u3", "core", "recurring", "2025-05-15", None, "USD", 26_000_000),
    ]
    assert report.tables["subscriptions"].filtered == 1
    notice = "SELECT canceled_on FROM subscriptions WHERE canceled_on IS NOT NULL"
    assert told(book, notice) == [("2024-12-05",)]


def test_a_spreadsheet(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "spreadsheet" / "mrr.csv", tmp_path / "mrr.csv")
    _, book = ingested("spreadsheet", tmp_path)
    query = "SELECT account_id, month, mrr_micros FROM mrr_by_month ORDER BY ALL"
    assert told(book, query) == [
        ("Ada Ltd", "2025-01-01", 1_200_500_000),
        ("Ada Ltd", "2025-02-01", 1_200_500_000),
        ("Bee GmbH", "2025-01-01", 0),
        ("Bee GmbH", "2025-02-01", 80_000_000),
        ("Bee GmbH", "2025-03-01", 90_250_000),
    ]


def test_stripe_with_a_decimal_comma_is_not_a_hundredfold(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "stripe", tmp_path / "stripe")
    for name in ("subscriptions", "invoices"):
        path = tmp_path / "stripe" / f"{name}.csv"
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r",(\d+)\.(\d\d),", r',"\1,\2",', text), encoding="utf-8")
    _, book = ingested("stripe", tmp_path)
    sums = "SELECT sum(mrr_micros) FROM subscriptions WHERE account_id = 'cus_A'"
    assert told(book, sums) == [(249_950_000,)]
    assert told(book, "SELECT sum(amount_micros) FROM payments") == [(1_437_950_000,)]


@pytest.mark.parametrize(
    ("cells", "sums", "refused"),
    [
        (["1.200,50 €", "80,5", "1.000"], 2_281_000_000, 0),
        (["$1,200.50", "80.5", "1,000"], 2_281_000_000, 0),
        (["1.200,50", "1,200.50", "1000"], 2_200_500_000, 1),
    ],
)
def test_the_decimal_mark_of_a_sheet_is_read_or_refused(
    cells: list[str], sums: int, refused: int, tmp_path: Path
) -> None:
    quoted = ";".join(f'"{cell}"' for cell in cells)
    sheet = f"Client;Jan 2025;Feb 2025;Mar 2025\nAda;{quoted}\n"
    (tmp_path / "sheet.csv").write_text(sheet, encoding="utf-8")
    (tmp_path / "perennial.toml").write_text(propose(tmp_path, NOW).text, encoding="utf-8")
    report = attempt(read_workspace(tmp_path / "perennial.toml"), tmp_path / ".perennial", NOW)
    assert report.tables["mrr_by_month"].quarantined == refused
    if not report.refusals:
        book = open_book(tmp_path / ".perennial", report.snapshot)
        assert told(book, "SELECT sum(mrr_micros) FROM mrr_by_month") == [(sums,)]
