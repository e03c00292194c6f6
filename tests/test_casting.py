"""Numbers that are read the quick way are those that are read the long way."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pytest

from features.casting import PICO, cast
from features.columns import Column
from features.frame import Frame
from features.mapping import TableSettings

AMOUNTS = ["0", "7", "0.01", "12.5", "999999999.99", "1000000000", "1.005", "+5", ".5", "1e3", "5."]


def read(column: Column, text: str, unit: str = "major") -> tuple[int | None, str | None]:
    frame = Frame(TableSettings(units={"x": unit}), "USD", "UTC", datetime(2025, 7, 1, tzinfo=UTC))
    made = cast(column, frame, "x")
    sql = f"SELECT {made.value}, {made.code} FROM (SELECT ?::VARCHAR AS x)"
    found: tuple[int | None, str | None] = duckdb.execute(sql, [text]).fetchall()[0]
    return found


@pytest.mark.parametrize(("unit", "shift"), [("major", 0), ("minor", -2), ("thousands", 3)])
def test_an_amount_is_exact_however_many_digits_it_has(unit: str, shift: int) -> None:
    amount = Column("x", "money", "x", least=0)
    for text in AMOUNTS:
        worth = int(Decimal(text).scaleb(PICO + shift))
        assert read(amount, text, unit) == (worth, None), text


def test_a_whole_number_keeps_its_bounds() -> None:
    share = Column("x", "integer", "x", least=1, most=120)
    told = {"1": None, "120": None, "12.0": None, "0": "number.out_of_range"}
    told |= {"121": "number.out_of_range", "9" * 15: "number.out_of_range"}
    told |= {"9" * 30: "number.out_of_range", "1.5": "number.format", "१": "number.format"}
    assert {text: read(share, text)[1] for text in told} == told
    assert read(Column("x", "integer", "x"), "9" * 15) == (10**15 - 1, None)
