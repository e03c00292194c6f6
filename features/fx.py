"""Exchange rates: which day's rate a month is valued at, so that windows tie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from features.asof import month_end, month_of
from features.book import Book
from features.faults import DataRejected
from features.lines import revenue_table
from features.rules import Rules
from features.steps import Steps, month_number, with_steps

__all__ = [
    "RATE_UNIT",
    "Valuation",
    "conversion",
    "fiscal_year_of",
    "has_foreign",
    "rate_on",
    "valuation",
]

RATE_UNIT = 10**12
"""A rate is kept as an integer in 10⁻¹², so that a conversion is exact and rounds once."""

_SERVES_DAYS = 7


@dataclass(frozen=True)
class Valuation:
    """Which day's rate each month is valued at.

    A month belongs to a period, and a period has one rate: the fiscal year that of its first
    day; a month, under spot, that of its last; everything, under a fixed date, that of the date.

    Attributes
    ----------
    policy : str
        ``fiscal_year``, ``spot`` or ``fixed``.
    fiscal_year_starts : int
        Month in which the fiscal year starts.
    day : date or None
        The fixed date; under spot, the last day that may be asked for.
    """

    policy: str
    fiscal_year_starts: int = 1
    day: date | None = None

    def period(self, month: str) -> str:
        """Write the period of a month that is given by its number.

        Examples
        --------
        >>> Valuation("fiscal_year", 7).period("m"), Valuation("spot").period("m")
        ('((m - 6) // 12)', 'm')
        """
        if self.policy == "fixed":
            return "0"
        return month if self.policy == "spot" else fiscal_year_of(month, self.fiscal_year_starts)

    def day_of(self, month: int) -> date:
        """Give the day whose rate a month is valued at, by its number.

        Examples
        --------
        >>> Valuation("fiscal_year", 7).day_of(24317)  # June 2026
        datetime.date(2025, 7, 1)
        """
        fiscal = (month - self.fiscal_year_starts + 1) // 12
        return self.rate_day(fiscal if self.policy == "fiscal_year" else month)

    def rate_day(self, period: int) -> date:
        """Give the day whose rate a period has.

        Examples
        --------
        >>> Valuation("fiscal_year", 7).rate_day(2025)
        datetime.date(2025, 7, 1)
        """
        if self.policy == "fixed":
            assert self.day is not None
            return self.day
        if self.policy == "fiscal_year":
            return date(period, self.fiscal_year_starts, 1)
        last = month_end(month_of(period))
        return min(last, self.day) if self.day else last

    def steps(self, book: Book, lines: Steps, first: date, last: date, carry: int = 0) -> Steps:
        """Write the step ``rates`` (currency, period, rate) for all that lines need.

        Parameters
        ----------
        book : Book
            Rates are read from its table ``fx_rates``, to the book's currency.
        lines : dict of str to str
            The steps that end in ``lines``.
        first, last : date
            First and last day on which lines will be valued.
        carry : int
            Months after which a position is valued once more, at the rates of that later day.

        Raises
        ------
        DataRejected
            ``fx.missing``, naming the pair and the date, where no rate is found on the
            period's day or in the seven days before it.
        """
        rows = ", ".join(
            f"({_quoted(currency)}, {period}, CAST({rate} AS HUGEINT))"
            for currency, period, rate in self.rates(book, lines, first, last, carry)
        )
        none = "(CAST(NULL AS VARCHAR), 0, CAST(NULL AS HUGEINT))"
        return {"rates": f"FROM (VALUES {rows or none}) AS rates (currency, period, rate)"}

    def rates(
        self, book: Book, lines: Steps, first: date, last: date, carry: int = 0
    ) -> list[tuple[str, int, int]]:
        """List what `steps` writes: currency, period, rate in 10⁻¹²."""
        needed = self._needed(book, lines, first, last, carry) if has_foreign(book) else []
        return [
            (currency, period, rate_on(book, currency, self.rate_day(period)))
            for currency, period in needed
        ]

    def _needed(
        self, book: Book, lines: Steps, first: date, last: date, carry: int
    ) -> list[tuple[str, int]]:
        """List the currencies other than the book's, with the periods in which lines have them."""
        start = self.period(month_number(f"greatest(starts_on, DATE '{first}')"))
        stop = f"coalesce(ends_on + to_months({carry}), DATE '{last}')"
        end = self.period(month_number(f"least({stop}, DATE '{last}')"))
        ending = f"""
    SELECT DISTINCT currency, unnest(range({start}, {end} + 1)) AS period FROM lines
    WHERE currency <> {_quoted(book.facts.currency)} AND starts_on <= DATE '{last}'
        AND (ends_on IS NULL OR ends_on > DATE '{first}') ORDER BY ALL"""
        return book.connection.execute(with_steps(lines, ending)).fetchall()


def valuation(
    book: Book, rules: Rules, opening: date | None = None, last: date | None = None
) -> Valuation:
    """Read the valuation that the rules ask for.

    Under ``fx = "window_opening"`` a ledger without a window has spot rates.

    Examples
    --------
    >>> valuation(Book.of({}), Rules(fx="window_opening"), date(2025, 6, 30)).rate_day(0)
    datetime.date(2025, 6, 30)
    """
    if rules.fx == "fixed":
        return Valuation("fixed", day=rules.fx_date)
    if rules.fx == "fiscal_year":
        return Valuation("fiscal_year", book.facts.fiscal_year_starts)
    if rules.fx == "window_opening" and opening is not None:
        return Valuation("fixed", day=opening)
    return Valuation("spot", day=last)


def conversion(amount: str, rate: str) -> str:
    """Write the conversion of micro-units by a rate (null: the book's own currency), half-up.

    Examples
    --------
    >>> conversion("mrr_micros", "rate")
    'coalesce(CAST((2 * CAST(mrr_micros AS HUGEINT) * rate + 1000000000000) // 2000000000000 AS BIGINT), mrr_micros)'
    """
    scaled = f"(2 * CAST({amount} AS HUGEINT) * {rate} + {RATE_UNIT}) // {2 * RATE_UNIT}"
    return f"coalesce(CAST({scaled} AS BIGINT), {amount})"


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
    query = f"SELECT 1 FROM {revenue_table(book)} WHERE currency <> ? LIMIT 1"
    return book.connection.execute(query, [book.facts.currency]).fetchone() is not None


def rate_on(book: Book, currency: str, day: date) -> int:
    """Give the rate of a day, in 10⁻¹² of the book's currency, or one up to seven days older.

    Raises
    ------
    DataRejected
        ``fx.missing``, naming the pair and the date, where there is none.
    """
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
    return round(found[0] * RATE_UNIT)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
