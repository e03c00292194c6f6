"""Mappings of warehouses: what a real PostgreSQL gives is what SQLite gave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests import own_postgres
from tests.mapped_books import SAMPLES, mapped, warehouse

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL here"),
]
TABLES = {
    "salesforce-fivetran": ("SALESFORCE_URL", ["accounts", "subscriptions", "opportunities"]),
    "hubspot-fivetran": ("HUBSPOT_URL", ["accounts", "opportunities"]),
    "zendesk-airbyte": ("ZENDESK_URL", ["tickets"]),
    "intercom": ("INTERCOM_URL", ["tickets"]),
    "segment": ("SEGMENT_URL", ["usage"]),
}
HUBS = ("8801234567", "8801234568", "8801234569")


@pytest.fixture(scope="module")
def database() -> Iterator[sa.URL]:
    with own_postgres.server() as url:
        yield url.set(drivername="postgresql+psycopg")


def schema(database: sa.URL, system: str) -> str:
    """Make the warehouse of a sample in a schema of its own, and give the URL that finds it."""
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql(f'create schema "{system}"')
        connection.exec_driver_sql(f'set search_path to "{system}"')
        connection.exec_driver_sql((SAMPLES / system / "warehouse.sql").read_text())
    engine.dispose()
    at = database.update_query_dict({"options": f'-csearch_path="{system}"'})
    return at.render_as_string(hide_password=False)


@pytest.mark.parametrize("system", TABLES)
def test_a_warehouse_in_postgresql_gives_what_sqlite_gives(
    system: str, database: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, tables = TABLES[system]
    ids = {"ids": HUBS} if system.startswith("hubspot") else {}
    found = []
    for name, url in (("one", warehouse(tmp_path, system)), ("two", schema(database, system))):
        monkeypatch.setenv(variable, url)
        (tmp_path / name).mkdir()
        book = mapped(tmp_path / name, system, **ids)
        names = [each for each in book.rows[tables[0]][0] if not each.startswith("__")]
        assert names
        found.append(
            {
                table: sorted(
                    str({k: v for k, v in row.items() if not k.startswith("__")})
                    for row in book.rows[table]
                )
                for table in tables
            }
        )
    assert found[0] == found[1]
    assert all(found[0].values())
