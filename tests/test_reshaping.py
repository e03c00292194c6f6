"""What a mapping makes of rows before their columns are placed: months into rows, computed columns."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.book import open_book
from features.faults import ConfigurationRefused, DataRejected
from features.ingest import IngestReport, attempt
from features.mapping import TableSettings, read_workspace
from features.reshaping import reshaped
from features.source_rows import SourceRows

NOW = datetime(2025, 7, 1, tzinfo=UTC)
SHEET = """Customer,Segment,2025-01,2025-02,2025-03,Note
Ada,smb,"1,200.50","1,200.50",,x
Bee,mid,0,80,90,
Total,,"1,200.50","1,280.50",90,
"""
TOML = """
[tables.accounts]
source = "sheet.csv"
columns = { account_id = "Customer", segment = "Segment" }
where = "\\"Customer\\" <> 'Total'"
extra = []
[tables.mrr_by_month]
source = "sheet.csv"
months = "%Y-%m"
columns = { account_id = "Customer", month = "month" }
computed = { mrr = "replace(mrr, ',', '')" }
where = "\\"Customer\\" <> 'Total'"
"""


def ingested(folder: Path, toml: str) -> IngestReport:
    (folder / "perennial.toml").write_text(toml)
    return attempt(read_workspace(folder / "perennial.toml"), folder / ".perennial", NOW)


def test_a_sheet_of_months_becomes_a_row_per_account_and_month(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text(SHEET)
    report = ingested(tmp_path, TOML)
    assert report.status == "published", report.refusals
    counts = report.tables["mrr_by_month"]
    assert (counts.rows_in, counts.accepted, counts.filtered) == (5, 5, 3)
    book = open_book(tmp_path / ".perennial", report.snapshot)
    sql = "SELECT account_id, month, mrr_micros FROM mrr_by_month ORDER BY ALL"
    found = [(a, str(m), v) for a, m, v in book.connection.sql(sql).fetchall()]
    assert found == [
        ("Ada", "2025-01-01", 1_200_500_000),
        ("Ada", "2025-02-01", 1_200_500_000),
        ("Bee", "2025-01-01", 0),
        ("Bee", "2025-02-01", 80_000_000),
        ("Bee", "2025-03-01", 90_000_000),
    ]


@pytest.mark.ci
@pytest.mark.parametrize("kind", ["csv.gz", "parquet"])
def test_a_feed_has_computed_columns_whatever_its_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / "sheet.csv").write_text(SHEET)
    rows = {"who": ["Ada", "Bee"], "day": ["2025-01-03"] * 2, "event": ["open", "Click"]}
    if kind == "parquet":
        pq.write_table(pa.table(rows), tmp_path / "usage.parquet")
    else:
        lines = ["who,day,event", *map(",".join, zip(*rows.values(), strict=True))]
        (tmp_path / "usage.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    mapping = """
[tables.usage]
columns = { account_id = "who", occurred_at = "day" }
computed = { feature = "'app ' || lower(event)" }
"""
    report = ingested(tmp_path, TOML + mapping)
    assert report.tables["usage"].accepted == 2, report.refusals
    parts = (tmp_path / ".perennial").glob("snapshots/*/usage_by_feature/*.parquet")
    found = {name for part in parts for name in pq.ParquetFile(part).read()["feature"].to_pylist()}
    assert found == {"app click", "app open"}


def rows(**columns: list[str]) -> SourceRows:
    table = pa.table(columns)
    return SourceRows("s.csv", "", table, pa.array(range(2, 2 + table.num_rows)))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (["who", "2025"], "schema.missing_column"),
        (["who", "Jan 25", "jan 25 "], "schema.duplicate_column"),
        (["who", "Jan 25", "MRR"], "schema.duplicate_column"),
    ],
)
def test_a_sheet_that_cannot_be_one(header: list[str], code: str) -> None:
    read = rows(**{name: ["1"] for name in header})
    with pytest.raises(DataRejected) as caught:
        reshaped(read, TableSettings(months="%b %y"), "mrr_by_month")
    assert caught.value.code == code


@pytest.mark.parametrize(
    "expression",
    ["nobody", "1; SELECT 2", "count(*)", "(SELECT 1 FROM read_csv('x.csv'))", "CAST(a AS DATE)"],
)
def test_an_expression_that_cannot_be_one(expression: str) -> None:
    with pytest.raises(ConfigurationRefused, match=r"\[tables.usage\] computed.count"):
        reshaped(rows(a=["1", "x"]), TableSettings(computed={"count": expression}), "usage")


def test_computed_columns_see_the_source_and_not_each_other() -> None:
    read = rows(a=["1", ""])
    settings = TableSettings(computed={"count": "a || '0'", "quantity": "nullif(a, '')"})
    assert reshaped(read, settings, "usage").rows.to_pylist() == [
        {"a": "1", "= count": "10", "= quantity": "1"},
        {"a": "", "= count": "0", "= quantity": None},
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('[tables.usage]\nmonths = "%Y-%m"', "only mrr_by_month"),
        ('[tables.usage]\ncomputed = { featur = "x" }', 'did you mean "feature"?'),
        (
            '[tables.usage]\ncolumns = { count = "n" }\ncomputed = { count = "n" }',
            "under `columns` too",
        ),
    ],
)
def test_what_the_mapping_may_not_say(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "perennial.toml").write_text(line)
    with pytest.raises(ConfigurationRefused, match=said):
        read_workspace(tmp_path / "perennial.toml")
