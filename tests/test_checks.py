"""Casting and rates, against Python's own decimals."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from features.casting import Frame, cast, prepared
from features.columns import Column, Kind
from features.mapping import TableSettings
from features.runrate import line_rates, to_micros

NOW = datetime(2025, 7, 1, tzinfo=UTC)
MONEY = Column("amount", "money", "an amount", least=0)


def read(column: Column, texts: list[str], **mapping: object) -> list[tuple[object, object]]:
    """Cast texts; give values (money in micro-units) and codes."""
    given_settings = TableSettings.model_validate(mapping)
    made = cast(column, Frame(given_settings, "USD", "UTC", NOW))
    value = to_micros("value") if column.kind == "money" else "value"
    name = column.name
    sql = (
        f"SELECT {value}, code FROM (SELECT {made.value} AS value, {made.code} AS code FROM "
        f'(SELECT {prepared(column, given_settings)} AS "{name}" FROM '
        f'(SELECT unnest($texts) AS "{name}")))'
    )
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    return connection.execute(sql, {"texts": texts}).fetchall()


def micros(number: Decimal) -> int:
    with localcontext() as context:
        context.prec = 80
        return int((number * 10**6).quantize(Decimal(1), ROUND_HALF_UP))


NUMBERS = st.decimals(0, 10**12, allow_nan=False, allow_infinity=False, places=9)


@settings(max_examples=15, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_money_is_exact_and_half_up(numbers: list[Decimal]) -> None:
    texts = [f"{number:f}" for number in numbers]
    assert read(MONEY, texts) == [(micros(number), None) for number in numbers]
    cents = read(MONEY, texts, units={"amount": "cents"})
    assert cents == [(micros(number / 100), None) for number in numbers]


@settings(max_examples=40, deadline=None)
@given(
    st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=4),
    st.integers(1, 36),
    st.integers(0, 100),
)
def test_a_rate_is_rounded_once(price: Decimal, months: int, percent: int) -> None:
    with localcontext() as context:
        context.prec = 80
        gross = price / months
        net = price * (100 - percent) / 100 / months
    row = (
        f"NULL::HUGEINT AS mrr, {int(price * 10**12)}::HUGEINT AS amount, "
        f"{months} AS interval_months, {percent / 100}::DOUBLE AS discount"
    )
    found = duckdb.sql(f"SELECT {', '.join(line_rates(False))} FROM (SELECT {row})").fetchone()
    assert found == (micros(net), micros(gross))


def test_numbers_with_an_exponent_and_signs() -> None:
    assert read(MONEY, ["1e3", "+5", "2.5E-6", ".5"]) == [
        (1_000_000_000, None),
        (5_000_000, None),
        (3, None),
        (500_000, None),
    ]


def kinds(kind: Kind, texts: list[str], **more: object) -> list[tuple[object, object]]:
    return read(Column("c", kind, "c"), texts, **more)


def test_whole_numbers_booleans_and_shares() -> None:
    assert kinds("integer", ["12.0", "12.5", "1e2", "9" * 30]) == [
        (12, None),
        (None, "number.format"),
        (100, None),
        (None, "number.out_of_range"),
    ]
    assert kinds("boolean", ["Yes", "0", "perhaps"]) == [
        (True, None),
        (False, None),
        (None, "boolean.format"),
    ]
    assert kinds("share", ["25"], units={"c": "percent"}) == [(0.25, None)]
    assert kinds("number", ["2"], units={"c": "hours"}) == [(120.0, None)]


def test_months_in_every_form() -> None:
    made = kinds("month", ["2025-02", "2025-02-14", "2025-02-14T10:00:00Z", "2025-13", "02/2025"])
    assert [code for _, code in made] == [None, None, None, "timestamp.format", "timestamp.format"]
    assert {str(day) for day, _ in made[:3]} == {"2025-02-01"}


def test_a_text_loses_what_cannot_be_seen_and_is_composed() -> None:
    assert kinds("text", ["  e\u0301t\u200be\u0301 ", "plain", "\u202e"]) == [
        ("été", None),
        ("plain", None),
        (None, None),
    ]
