"""Exchange rates: one set per fiscal year, so that month, quarter and trailing year tie."""

from __future__ import annotations

from datetime import date, timedelta

from features.book import Book
from features.faults import DataRejected
from features.steps import Steps, month_number, with_steps

__all__ = ["conversion", "fiscal_year_of", "has_foreign", "rate_steps"]

# A rate is kept as an integer in 10^-12, so that a conversion is exact and rounds once.
_UNIT = 10**12
_SERVES_DAYS = 7


def conversion(amount: str, rate: str) -> str:
    """Write the conversion of micro-units by a rate (null: the book's own currency), half-up.

    Examples
    --------
    >>> conversion("mrr_micros", "rate")
    'coalesce(CAST((2 * CAST(mrr_micros AS HUGEINT) * rate + 1000000000000) // 2000000000000 AS BIGINT), mrr_micros)'
    """
    scaled = f"(2 * CAST({amount} AS HUGEINT) * {rate} + {_UNIT}) // {2 * _UNIT}"
    return f"coalesce(CAST({scaled} AS BIGINT), {amount})"


def rate_steps(book: Book, steps: Steps, first: date, last: date, carry: int = 0) -> Steps:
    """Write the step ``rates`` (currency, fiscal_year, rate) for all that lines need.

    Parameters
    ----------
    book : Book
        Rates are read from its table ``fx_rates``, to the book's currency.
    steps : dict of str to str
        The steps that end in ``lines``.
    first, last : date
        First and last day on which lines will be valued.
    carry : int
        Months after which a position is valued once more, at the rates of that later day.

    Raises
    ------
    DataRejected
        ``fx.missing``, naming the pair and the date, where no rate is found on the fiscal
        year's first day or in the seven days before it.
    """
    needed = _needed(book, steps, first, last, carry) if has_foreign(book) else []
    rows = ", ".join(
        f"({_quoted(currency)}, {year}, CAST({_rate(book, currency, year)} AS HUGEINT))"
        for currency, year in needed
    )
    none = "(CAST(NULL AS VARCHAR), 0, CAST(NULL AS HUGEINT))"
    return {"rates": f"FROM (VALUES {rows or none}) AS rates (currency, fiscal_year, rate)"}


def fiscal_year_of(month: str, starts: int) -> str:
    """Write the fiscal year of a month that is given by its number.

    Examples
    --------
    >>> fiscal_year_of("m", 7)
    '((m - 6) // 12)'
    """
    return f"(({month} - {starts - 1}) // 12)"


def has_foreign(book: Book) -> bool:
    """Say whether any line is in another currency than the book's."""
    source = "subscriptions" if book.has("subscriptions") else "mrr_by_month"
    query = f"SELECT 1 FROM {source} WHERE currency <> ? LIMIT 1"
    return book.connection.execute(query, [book.facts.currency]).fetchone() is not None


def _needed(book: Book, steps: Steps, first: date, last: date, carry: int) -> list[tuple[str, int]]:
    """List the currencies other than the book's, with the fiscal years in which lines have them."""
    starts = book.facts.fiscal_year_starts
    start = fiscal_year_of(month_number(f"greatest(starts_on, DATE '{first}')"), starts)
    stop = f"coalesce(ends_on + to_months({carry}), DATE '{last}')"
    end = fiscal_year_of(month_number(f"least({stop}, DATE '{last}')"), starts)
    ending = f"""
    SELECT DISTINCT currency, unnest(range({start}, {end} + 1)) AS year FROM lines
    WHERE currency <> {_quoted(book.facts.currency)} AND starts_on <= DATE '{last}'
        AND (ends_on IS NULL OR ends_on > DATE '{first}') ORDER BY ALL"""
    return book.connection.execute(with_steps(steps, ending)).fetchall()


def _rate(book: Book, currency: str, year: int) -> int:
    day = date(year, book.facts.fiscal_year_starts, 1)
    found = None
    if book.has("fx_rates"):
        query = """SELECT rate FROM fx_rates WHERE currency = ? AND CAST(date AS DATE) BETWEEN ? AND ?
        ORDER BY date DESC LIMIT 1"""
        oldest = day - timedelta(days=_SERVES_DAYS)
        found = book.connection.execute(query, [currency, oldest, day]).fetchone()
    if found is None or not found[0] or found[0] <= 0:
        pair = f"{currency}/{book.facts.currency}"
        cure = f"add to fx_rates the rate of {pair} on {day} or up to {_SERVES_DAYS} days before"
        raise DataRejected("fx.missing", f"fx_rates: no rate of {pair} for {day}", cure)
    return round(found[0] * _UNIT)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
