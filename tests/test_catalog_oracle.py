"""The catalogue against an oracle: every signal once more in plain pandas, on random companies.

Independent of the engine: `tests.pandas_catalog` is written from the meanings of `docs/signals.md`,
and shares with it nothing but the rows of `tests.random_feeds` and the ledger's MRR.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest

from features.book import Book, open_book
from features.catalog import CATALOG
from features.ingest import ingest
from features.ledger import mrr_on
from features.mapping import read_workspace
from features.rules import Rules
from features.snapshot import snapshot
from tests.pandas_catalog import ORACLE, expected
from tests.pandas_known import Known
from tests.random_feeds import Company, random_company

TOLERANCE = 1e-9
SLUGS = [signal.slug for signal in CATALOG]
ENGINES = ("duckdb", "polars", "spark")


def known(company: Company, book: Book, as_of: date) -> Known:
    """Give the oracle the rows, and what each account paid on a day as the ledger says."""

    @cache
    def paid(day: date, basis: str) -> pd.Series:
        aside = {"dunning_days": 36_500, "pause": "unchanged"} if basis == "committed" else {}
        rules = Rules(basis=basis).model_copy(update=aside)
        rows = mrr_on(book, day, rules, as_of=as_of)
        return rows.set_index("account_id")["mrr_micros"]

    return Known(company.tables, as_of, company.grain, paid)


def differing(found: pd.DataFrame, told: pd.DataFrame) -> list[str]:
    """Say where the two differ: signal, account, what the program found, what the oracle tells."""
    assert list(found.index) == list(told.index)
    said = []
    for slug in SLUGS:
        ours, theirs = found[slug].to_numpy(), told[slug].to_numpy()
        near = np.isclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        said += [
            f"{slug} of {found.index[n]}: {ours[n]} is not {theirs[n]}"
            for n in np.flatnonzero(~near)
        ]
    return said


def agrees(company: Company, book: Book, days: list[date]) -> None:
    for as_of in days:
        found = snapshot(book, as_of).set_index("account_id")
        said = differing(found, expected(known(company, book, as_of)))
        assert not said, f"{as_of}: " + "\n".join(said[:40])


def test_the_oracle_knows_every_signal_and_no_other():
    assert sorted(ORACLE) == sorted(SLUGS)


@pytest.mark.ci
@pytest.mark.parametrize("seed", [7])
def test_the_catalogue_agrees_with_plain_pandas(seed):
    company = random_company(seed)
    agrees(company, company.book(), [company.facts.as_of])


@pytest.mark.ci
@pytest.mark.fault("F02")
@pytest.mark.fault("F03")
@pytest.mark.fault("F06")
@pytest.mark.parametrize("seed", range(100, 108))
def test_the_catalogue_agrees_on_many_companies(seed):
    company = random_company(seed)
    agrees(company, company.book(), company.days[:2])


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1240, 20))
def test_the_catalogue_agrees_on_hundreds_of_companies(first):
    for seed in range(first, first + 8):
        company = random_company(seed)
        agrees(company, company.book(), company.days)


@pytest.mark.ci
@pytest.mark.parametrize("seed", [200])
def test_polars_agrees(seed):
    pytest.importorskip("polars")
    company = random_company(seed)
    agrees(company, company.book(engine="polars"), company.days[:2])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("grain", [None, "day", "week", "month"])
def test_all_engines_agree(engine, grain):
    if engine != "duckdb":
        pytest.importorskip({"polars": "polars", "spark": "pyspark"}[engine])
    company = random_company(300, grain=grain)
    agrees(company, company.book(engine=engine), company.days)


def read_in(company: Company, folder, engine: str = "duckdb") -> Book:
    """Write a company as CSV in its own local time, ingest it, and open what was published."""
    company.write(folder / "book")
    now = datetime.combine(
        company.facts.as_of + timedelta(days=60), datetime.min.time(), tzinfo=UTC
    )
    home = folder / "home"
    ingest(read_workspace(folder / "book" / "perennial.toml"), home, now)
    return open_book(home, engine=engine)


@pytest.mark.ci
@pytest.mark.fault("F06")
@pytest.mark.parametrize("seed", range(400, 403))
def test_local_times_read_from_csv_agree(seed, tmp_path):
    company = random_company(seed)
    agrees(company, read_in(company, tmp_path), [company.facts.as_of])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(410, 430))
def test_many_books_read_from_csv_agree(seed, tmp_path):
    company = random_company(seed)
    agrees(company, read_in(company, tmp_path), company.days)
