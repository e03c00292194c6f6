import csv
import io
import json
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.faults import InternalFault
from serving.columns import native, plain
from serving.exports import csv_text, safe_cell, scores_table
from serving.schemas import OUTREACH_COLUMNS, SCORE_COLUMNS, SCORE_TABLE, Column
from serving.store import Store
from tests.example_publication import NOW, example


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("home"))
    return store.publish(example(), now=NOW).scores_path.parent


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_has_these_files_readable_by_their_owner_alone(folder):
    names = ["forecast.json", "matrix.json", "outreach.csv", "scores.csv", "scores.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_parquet_has_the_columns_of_the_contract_in_their_kinds(folder):
    table = pq.read_table(folder / "scores.parquet")
    assert table.column_names == list(SCORE_COLUMNS)
    assert table.schema.field("next_renewal_on").type == pa.date32()
    assert table.schema.field("horizon_months").type == pa.int64()
    acme, birch = table.to_pylist()[:2]
    assert acme["run_id"] == folder.name
    assert (acme["p_churn"], acme["previous_cell"]) == (0.02, "HM")
    assert birch["next_renewal_on"] == date(2025, 8, 15)
    assert birch["reasons_retention"][1] == {
        "signal": "urgent_tickets_30d",
        "value": 3.0,
        "unit": "tickets",
        "effect": -0.032,
        "phrase": "3 urgent tickets in 30 days",
    }


def test_parquet_and_csv_say_the_same_numbers_to_the_last_digit(folder):
    rows = read(folder / "scores.csv")
    stored = pq.read_table(folder / "scores.parquet").to_pylist()
    assert [list(row) for row in rows[:1]] == [list(SCORE_COLUMNS)]
    for column in SCORE_TABLE:
        for row, exact in zip(rows, stored, strict=True):
            if column.kind == "number":
                assert float(row[column.name]) == exact[column.name]
            elif column.kind == "list":
                assert json.loads(row[column.name]) == plain(exact[column.name])


def test_empty_values_and_lists(folder):
    cobalt = read(folder / "scores.csv")[2]
    assert (cobalt["next_renewal_on"], cobalt["guard"], cobalt["triggers"]) == ("", "", "[]")


def test_documents_are_what_was_published(folder):
    published = example()
    assert json.loads((folder / "forecast.json").read_text()) == published.forecast
    assert json.loads((folder / "matrix.json").read_text()) == published.matrix


@pytest.mark.fault("D03")
def test_the_outreach_csv_runs_no_formula(folder):
    rows = read(folder / "outreach.csv")
    assert list(rows[0]) == list(OUTREACH_COLUMNS)
    names = {row["account_id"]: row["name"] for row in rows}
    assert names["a09"] == "'=cmd|' /C calc'!A0"
    values = [float(row["expected_value"]) for row in rows]
    assert min(values) < 0  # a real negative stays a number


@pytest.mark.fault("D03")
@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\x00=1", "\x00", " =1", "\u00a0=1",
     "＝1", "＋1", "－1", "＠A", "−1", "|calc", "%0A", "\ufeff=1", "\u200b=1", "\u202e=1", "'=1"]
)  # fmt: skip
def test_whatever_a_spreadsheet_might_run_is_marked_as_text(text):
    written = csv_text({"name": [text]}, (Column("name", "text", ""),)).decode()
    cell = next(csv.reader(io.StringIO(written.split("\n", 1)[1], newline="")))[0]
    assert cell.startswith("'")
    assert "\x00" not in cell


@pytest.mark.fault("D03")
@given(st.text(max_size=12))
def test_no_cell_ever_starts_with_a_formula(text):
    cell = safe_cell(text)
    assert cell.lstrip()[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n", "\x00"}
    shown = text.replace("\x00", "\ufffd")
    assert cell in {shown, f"'{shown}"}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_it_was(number):
    written = csv_text({"mrr": [number]}, (Column("mrr", "number", ""),)).decode()
    assert float(written.splitlines()[1]) == number


@pytest.mark.fault("D05")
def test_any_name_is_exported_exactly(tmp_path):
    names = [
        "شركة النور",
        "🌱" * 50,
        "x" * 10_000,
        "e\u0301" * 20,
        'a "quoted", name',
        "two\nlines",
    ]
    scores = example().scores.iloc[: len(names)].assign(name=names)
    done = Store.open(tmp_path).publish(example(scores=scores), now=NOW)
    assert [row["name"] for row in read(done.scores_path.parent / "scores.csv")] == names
    assert pq.read_table(done.scores_path)["name"].to_pylist() == names


def test_a_parquet_schema_stands_with_empty_lists_and_keeps_further_keys():
    columns = native(example().scores.assign(run_id="r", triggers=None), SCORE_TABLE)
    table = scores_table(columns)
    assert table.schema.field("triggers").type == pa.list_(pa.string())
    columns["triggers"][0] = [{"trigger": "seat_limit", "level": "act", "days": 3}]
    kept = scores_table(columns)["triggers"][0].as_py()
    assert kept == [{"trigger": "seat_limit", "level": "act", "days": 3}]
    columns["reasons_retention"][0] = [{"signal": "a", "value": None, "group": "usage"}]
    kept = scores_table(columns)["reasons_retention"][0].as_py()[0]
    assert (kept["signal"], kept["group"], kept["value"]) == ("a", "usage", None)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("text", 7), ("number", "seven"), ("integer", 1.5), ("date", "soon"), ("list", "a")],
)
def test_a_value_of_another_kind_is_refused(kind, value):
    frame = pd.DataFrame({"x": pd.Series([value], dtype="object")})
    with pytest.raises(InternalFault, match="x: a value is not of kind"):
        native(frame, (Column("x", kind, ""),))


def test_dates_come_in_any_form():
    days = [pd.Timestamp("2025-07-01"), date(2025, 7, 1), "2025-07-01", pd.NaT, None]
    frame = pd.DataFrame({"on": pd.Series(days, dtype="object")})
    told = native(frame, (Column("on", "date", ""),))["on"]
    assert told == [date(2025, 7, 1)] * 3 + [None] * 2
