from __future__ import annotations

from datetime import UTC, date, datetime

import pandas as pd
import pyarrow as pa
import pytest

from features.contracts import TABLES, canonical, stored_schema
from features.faults import DataRejected


def test_every_table_says_what_it_is_and_its_key_is_among_its_columns() -> None:
    for table in TABLES.values():
        names = [column.name for column in table.columns]
        assert table.doc
        assert len(set(names)) == len(names)
        assert set(table.key) <= set(names)
        assert all(column.doc for column in table.columns)


@pytest.mark.parametrize("table", list(TABLES))
def test_canonical_gives_an_empty_frame_the_whole_schema(table: str) -> None:
    first = stored_schema(table).names[0]
    frame = pd.DataFrame({first: pd.Series([], dtype="string")})
    assert canonical(table, frame).schema == stored_schema(table)


def test_defaults_are_filled_in_and_dates_are_read() -> None:
    rows = pd.DataFrame(
        {
            "account_id": ["a", "b"],
            "mrr_micros": [7, 8],
            "starts_on": [date(2025, 3, 1), date(2025, 4, 2)],
        }
    )
    lines = canonical("subscriptions", rows, currency="EUR").to_pydict()
    assert lines["kind"] == ["recurring", "recurring"]
    assert lines["currency"] == ["EUR", "EUR"]
    assert lines["starts_on"] == [date(2025, 3, 1), date(2025, 4, 2)]
    assert lines["subscription_id"] == ["line-1", "line-2"]
    assert lines["ends_on"] == [None, None]


def test_a_month_counts_as_known_from_its_last_microsecond() -> None:
    rows = pd.DataFrame({"account_id": ["a"], "month": ["2025-02-14"], "mrr_micros": [7]})
    months = canonical("mrr_by_month", rows)
    assert months["month"].to_pylist() == [date(2025, 2, 1)]
    assert months["known_at"].cast(pa.int64()).to_pylist() == [
        int(datetime(2025, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000 - 1
    ]


def test_recorded_at_and_a_given_known_at_win() -> None:
    rows = pd.DataFrame(
        {
            "account_id": ["a", "b"],
            "occurred_at": ["2025-01-01 10:00:00+00", "2025-01-01 10:00:00+00"],
            "kind": ["nps", "nps"],
            "recorded_at": ["2025-02-01 00:00:00+00", None],
        }
    )
    known = canonical("touchpoints", rows)["known_at"].to_pandas()
    assert [day.strftime("%m-%d") for day in known] == ["02-01", "01-01"]
    rows["known_at"] = "2025-03-01 00:00:00+00"
    assert {day.month for day in canonical("touchpoints", rows)["known_at"].to_pandas()} == {3}


def test_extra_columns_are_kept_for_accounts_and_refused_elsewhere() -> None:
    frame = pd.DataFrame({"account_id": ["a"], "team": ["x"]})
    assert canonical("accounts", frame).column_names[-1] == "team"
    with pytest.raises(DataRejected, match="team"):
        canonical("tickets", frame)
