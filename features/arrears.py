"""Arrears: an account whose invoice stays unpaid beyond the dunning window pays nothing.

Its lines stop counting when the window closes, and count again from the day of payment: of that
invoice, or of any that fell due later, for who pays those is a customer (from the day on which
it was due, if it was paid before). So one old invoice that was written off does not take an
account out for ever.
"""

from __future__ import annotations

from datetime import date

from features.book import Book
from features.rules import Rules
from features.spans import joined_spans
from features.steps import Steps

__all__ = ["arrears_steps"]


def arrears_steps(book: Book, rules: Rules, lines: str, as_of: date | None) -> Steps:
    """Write the steps that end in ``lines``, without the days on which an account is in arrears.

    Parameters
    ----------
    book : Book
        ``payments`` are read where they say when they were paid; refunds and credits are no
        invoices, and never change MRR.
    rules : Rules
        ``dunning_days``: an invoice not paid so many days after it was due is in arrears.
    lines : str
        The select of all lines; see `features.lines.line_steps` for its columns.
    as_of : date, optional
        Only what was known before it counts.

    Returns
    -------
    dict of str to str
        A line cut by arrears is ``involuntary``.
    """
    if not book.gives("payments", "paid_on"):
        return {"lines": lines}
    known = f"known_at < TIMESTAMPTZ '{as_of} 00:00:00+00'" if as_of else "true"
    paid = f"CASE WHEN paid_on < DATE '{as_of}' THEN paid_on END" if as_of else "paid_on"
    honoured = f"CASE WHEN {paid} < due_on THEN due_on ELSE {paid} END"
    passed = f"late_on < DATE '{as_of}'" if as_of else "true"
    return {
        "all_lines": lines,
        "invoices": f"""
    SELECT code AS account_id, CAST(due_on + {rules.dunning_days} AS DATE) AS late_on,
        coalesce(min({honoured}) OVER (PARTITION BY account_id ORDER BY due_on
            RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING), DATE '9999-12-31') AS paid_on
    FROM payments JOIN customers ON customers.name = payments.account_id
    WHERE coalesce(kind, 'invoice') = 'invoice' AND coalesce(amount_micros, 1) > 0
        AND {known}""",
        "arrears": f"SELECT * FROM invoices WHERE paid_on > late_on AND {passed}",
        **joined_spans("spells", "arrears", "late_on", "paid_on"),
        "clear_days": """
    SELECT account_id, paid_on AS since,
        lead(late_on, 1, DATE '9999-12-31') OVER (PARTITION BY account_id ORDER BY late_on) AS till
    FROM spells
    UNION ALL SELECT account_id, DATE '0001-01-01', min(late_on) FROM spells GROUP BY account_id""",
        "lines": """
    SELECT line.* REPLACE (
        CASE WHEN since > starts_on THEN since ELSE starts_on END AS starts_on,
        CASE WHEN till < coalesce(ends_on, DATE '9999-12-31') THEN till ELSE ends_on END AS ends_on,
        involuntary OR coalesce(till < coalesce(ends_on, DATE '9999-12-31'), false) AS involuntary)
    FROM all_lines AS line LEFT JOIN clear_days USING (account_id)
    WHERE since IS NULL OR (since < till AND since < coalesce(ends_on, DATE '9999-12-31')
        AND till > starts_on)""",
    }
