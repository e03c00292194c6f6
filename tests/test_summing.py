"""A roll-up by sorting is the roll-up of its declaration, value for value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.contracts import stored_schema
from features.numbering import numbered_rows
from features.rollup import ROLLUPS, merged, numbered, rolled
from features.staging import desk
from features.summing import coded, summed

DAYS = st.integers(0, 40).map(lambda days: datetime(2025, 5, 1, 1, tzinfo=UTC) + timedelta(days))
TEXT = st.sampled_from(["", "a", "b", "Ä", "z"])
NUMBER = st.one_of(st.none(), st.sampled_from([0.0, 0.4999, 1.0, 2.5, 1e9, 1e15, -3.0]))


def rows(feed: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    kinds = {"string": st.one_of(st.none(), TEXT), "double": NUMBER}
    columns = {
        field.name: kinds.get(str(field.type), st.one_of(st.none(), DAYS))
        for field in stored_schema(feed)
    }
    always = {"account_id": TEXT, "occurred_at": DAYS, "known_at": DAYS}
    columns |= {name: kind for name, kind in always.items() if name in columns}
    return st.lists(st.fixed_dictionaries(columns), max_size=12)


@pytest.mark.parametrize("name", [name for name, rollup in ROLLUPS.items() if rollup.keys])
@settings(max_examples=10)
@given(st.data())
def test_sorting_gives_what_the_declaration_says(name: str, data: st.DataObject) -> None:
    rollup = ROLLUPS[name]
    table = pa.Table.from_pylist(data.draw(rows(rollup.feed)), stored_schema(rollup.feed))
    with desk() as connection:
        connection.register("typed", table)
        said = connection.sql(rolled(name, "typed")).to_arrow_table()
        held = coded(table)
        connection.register("rows", held.rows)
        sql = f"SELECT * FROM ({numbered(rollup.feed, 'rows')}) WHERE {rollup.where}"
        numbers = connection.sql(sql).to_arrow_table()
        made = summed(name, numbers)
        if made is None:
            connection.register("part", numbers)
            made = connection.sql(merged(name, ["part"])).to_arrow_table()
        assert held.decoded(made).to_pylist() == said.to_pylist()
        assert held.decoded(made).cast(said.schema).equals(said)


@pytest.mark.parametrize("feed", ["usage", "events"])
@settings(max_examples=10)
@given(st.data())
def test_numbering_gives_what_the_declaration_says(feed: str, data: st.DataObject) -> None:
    held = coded(pa.Table.from_pylist(data.draw(rows(feed)), stored_schema(feed)))
    with desk() as connection:
        connection.register("rows", held.rows)
        said = connection.sql(numbered(feed, "rows")).to_arrow_table()
    made = numbered_rows(feed, held.rows)
    assert made.select(said.column_names).cast(said.schema).equals(said)


def test_halves_are_rounded_away_from_zero_and_large_numbers_cut() -> None:
    counts = [0.0005, -0.0005, 0.0015, 0.49999999999999994e-3, 2.5, 1e15, float("inf"), -1e15]
    noon = datetime(1990, 1, 1, 23, 59, tzinfo=UTC)
    lines = [{"account_id": "a", "occurred_at": noon, "known_at": noon, "count": n} for n in counts]
    held = coded(pa.Table.from_pylist(lines, stored_schema("usage")))
    with desk() as connection:
        connection.register("rows", held.rows)
        said = connection.sql(numbered("usage", "rows")).to_arrow_table()
    made = numbered_rows("usage", held.rows)
    assert made["count"].to_pylist() == said["count"].to_pylist()
    assert made["day"].to_pylist() == said["day"].to_pylist() == [7305] * len(counts)
