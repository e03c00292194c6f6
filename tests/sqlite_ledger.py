"""The oracle: the whole ledger once more, in plain SQL on SQLite, month by month.

Written from the design's pages and from docstrings, not from the engine's SQL. It shares with the
engine nothing but the rows: another database, dates as text, a complete spine of months, every
line valued at every month-end, nothing sparse, nothing carried over. Amounts are 64-bit
integers; products that would overflow are taken in Python, where integers have no end.

The steps follow one another as tables: ``told`` and ``lines`` (what was known), ``contracts`` and
``held`` (late renewals bridged), ``pieces`` (cut by arrears and by change of holder), ``metered``
(usage), ``positions`` (what is in force at each month-end), ``balances`` and ``months``.
"""

from __future__ import annotations

import sqlite3
from datetime import date
from typing import Any

from features.rules import Rules
from tests.random_books import World, months_later

__all__ = ["FLOWS", "LINE", "PARTS", "SEGMENT", "Oracle"]

FLOWS = ("new", "reactivation", "expansion", "contraction", "churned", "fx")
PARTS = ("metered", "grace", "involuntary_churn", "pause_churn", "merger_churn")
OPEN = "9999-12-31"
COLUMNS = {
    "subscriptions": "account_id product plan seats currency kind starts_on ends_on mrr_micros"
    " list_mrr_micros interval_months term_months renews_on canceled_on signed_on ramp"
    " paused_from paused_to loss_reason recorded_at",
    "mrr_by_month": "account_id product plan seats currency kind month mrr_micros",
    "fx_rates": "currency date rate",
    "accounts": "account_id segment region parent_account_id book own",
    "account_history": "account_id valid_from segment parent_account_id merged_into",
    "payments": "account_id due_on paid_on amount_micros kind",
}
Amounts = dict[str, int]


class Oracle:
    """A world's ledger, laid out in SQLite.

    Attributes
    ----------
    sql : sqlite3.Connection
        With ``months``: one row per key (account, or account and ``line``: product or plan)
        and month from the first paid one on, and its flows.
    """

    def __init__(
        self,
        world: World,
        rules: Rules,
        *,
        line: str = "",
        opening: date | None = None,
        as_of: date | None = None,
    ) -> None:
        self.rules, self.opening = rules, opening
        self.sql = sqlite3.connect(":memory:")
        for name, function, arguments in (
            ("share", _share, 3), ("later", _later, 2), ("number", _number, 1),
        ):  # fmt: skip
            self.sql.create_function(name, arguments, function, deterministic=True)
        for table, columns in COLUMNS.items():
            _fill(self.sql, table, columns.split(), world.tables.get(table, []))
        choices = rules.stamp() | {
            "gap_days": rules.reactivation_gap_days or 90,
            "starts": world.facts.fiscal_year_starts,
            "as_of": str(as_of) if as_of else OPEN,
            "opening": str(opening) if opening else OPEN,
            "last": _number(str(as_of or world.facts.as_of)) - 1,
        }
        _fill(self.sql, "r", list(choices), [choices], prefix="r_")
        key = f"holder || '|' || {line}" if line else "holder"
        self.key = key
        for step in (LINES, GRACE, SPINE, USAGE, HOLDERS, VALUES, MONTHS):
            self.sql.executescript(step.format(key=key))

    def months(self) -> list[tuple[Any, ...]]:
        """Give key, month number, opening, the six flows, closing."""
        names = ", ".join(("k", "m", "opening", *FLOWS, "closing"))
        return self.sql.execute(f"SELECT {names} FROM months ORDER BY k, m").fetchall()

    def parts(self) -> dict[tuple[str, int], tuple[int, ...]]:
        """Give the parts of closing and of churn by key and month, where there are any.

        Those of churn are missing where the rules leave them open.
        """
        found = self.sql.execute(CHURN_KINDS.format(key=self.key)).fetchall()
        self.open_kinds = {(key, m) for key, m, is_open, *_ in found if is_open}
        kinds = {(key, m): amounts for key, m, is_open, *amounts in found if not is_open}
        levels = {(key, m): amounts for key, m, *amounts in self.sql.execute(LEVELS).fetchall()}
        keys = kinds.keys() | levels.keys()
        every = {k: (*levels.get(k, (0, 0)), *kinds.get(k, (0, 0, 0))) for k in keys}
        return {key: amounts for key, amounts in every.items() if any(amounts)}

    def on(self, day: date) -> dict[str, int]:
        """Give what each key pays on a day, at the day's own rates."""
        m = 12 * day.year + day.month - 1
        rates = dict(self.sql.execute("SELECT currency, pico FROM rates WHERE m = ?", [m]))
        if self.rules.fx in ("spot", "window_opening"):
            rates |= self.sql.execute(RATES_ON, [str(day)])
        found: dict[str, int] = {}
        for key, currency, paid in self.sql.execute(ON.format(key=self.key), {"day": str(day)}):
            found[key] = found.get(key, 0) + (_share(paid, rates[currency], 10**12) or 0)
        return {key: amount for key, amount in found.items() if amount}

    def levers(self) -> tuple[set[tuple[str, int]], dict[tuple[str, int, str, str], int]]:
        """Give the account-months whose levers the rules define, and each lever by product."""
        rows = self.sql.execute(LEVERS).fetchall()
        clear = {(key, m) for key, m, *_ in rows}
        return clear, {(key, m, lever, product): n for key, m, lever, product, n in rows if lever}

    def cohort(self, b: int, e: int, cut: str = "''") -> dict[Any, Amounts]:
        """Give the cohort's amounts in the window from month b to month e, by a cut."""
        return self._sums(COHORT, b, e, cut)

    def flows(self, b: int, e: int, cut: str = "''") -> dict[Any, Amounts]:
        """Give the whole book's monthly movements in a window, by a cut."""
        return self._sums(BOOK, b, e, cut)

    def _sums(self, query: str, b: int, e: int, cut: str) -> dict[Any, Amounts]:
        day = f"{(b + 1) // 12:04}-{(b + 1) % 12 + 1:02}-01"
        found = self.sql.execute(query.format(cut=cut), {"b": b, "e": e, "after": day})
        names = [column[0] for column in found.description][1:]
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in found}


def _share(amount: int | None, part: int | None, whole: int | None) -> int | None:
    """Give amount · part / whole, rounded half away from zero; nothing of nothing."""
    if amount is None or part is None or not whole:
        return None
    rounded = (2 * abs(amount * part) + abs(whole)) // (2 * abs(whole))
    return rounded if amount * part * whole >= 0 else -rounded


def _later(day: str | None, months: int | None) -> str | None:
    return str(months_later(date.fromisoformat(day), months)) if day and months else None


def _number(day: str) -> int:
    return 12 * int(day[:4]) + int(day[5:7]) - 1


def _fill(
    sql: sqlite3.Connection, table: str, columns: list[str], rows: list[Any], prefix: str = ""
) -> None:
    sql.execute(f"CREATE TABLE {table} ({', '.join(prefix + column for column in columns)})")
    values = ([row.get(column) for column in columns] for row in rows)
    sql.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", values)


# What was known of each line, and what of it is paid: one row per line, [s, e).
LINES = """
CREATE TABLE told AS
SELECT account_id AS account, coalesce(product, '') AS product, coalesce(plan, '') AS plan, seats,
    currency, kind, mrr_micros AS net, list_mrr_micros AS listed, coalesce(ramp, 0) AS ramp,
    starts_on AS s,
    CASE WHEN ends_on IS NULL THEN '9999-12-31'
        WHEN ends_on < r_as_of OR canceled_on < r_as_of OR recorded_at < r_as_of OR ends_on IN
            (later(starts_on, term_months), later(starts_on, interval_months), renews_on)
        THEN ends_on ELSE '9999-12-31' END AS e,
    term_months AS term, interval_months AS interval, paused_from AS pf,
    coalesce(paused_to, '9999-12-31') AS pt,
    CASE WHEN canceled_on < r_as_of THEN canceled_on END AS canceled, loss_reason
FROM subscriptions, r
WHERE coalesce(recorded_at, min(coalesce(signed_on, starts_on), starts_on)) < r_as_of
UNION ALL
SELECT account_id, coalesce(product, ''), coalesce(plan, ''), seats, currency, kind, mrr_micros,
    mrr_micros, 0, month, later(month, 1), 1, 1, NULL, NULL, NULL, NULL
FROM mrr_by_month, r WHERE later(month, 1) <= r_as_of;
CREATE TABLE lines AS
SELECT told.*, row_number() OVER () AS id, iif(r_discount = 'ignored', listed, net) AS paid
FROM told, r;

CREATE TABLE contracts AS
SELECT account, product, plan, seats, currency, listed, paid, ramp, id, s, pf, pt, loss_reason,
    iif(r_churn_date = 'cancellation' AND canceled < e, canceled, e) AS e, coalesce(term, interval, (
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
        WHERE e < '9999' AND later(s, i) < e)
    SELECT i FROM n WHERE later(s, i) = e), 1) AS months
FROM lines, r WHERE kind = 'recurring' AND paid > 0;
DELETE FROM contracts WHERE s >= e;
CREATE INDEX contracts_account ON contracts (account, product, s);
"""

# A line that ended is held until its renewal, if that comes soon enough.
GRACE = """
CREATE TABLE ended AS
SELECT c.id, date(c.e, '+' || r_late_renewal_days || ' days') AS latest,
    (SELECT min(n.s) FROM contracts n WHERE n.account = c.account AND n.product = c.product
        AND n.s > c.e AND NOT EXISTS (SELECT 1 FROM contracts o WHERE o.account = c.account
            AND o.product = c.product AND o.e = n.s)) AS next_of_product,
    (SELECT min(n.s) FROM contracts n WHERE n.account = c.account AND n.s > c.e
        AND NOT EXISTS (SELECT 1 FROM contracts o WHERE o.account = c.account
            AND o.s <= c.e AND o.e > c.e)) AS next_of_account
FROM contracts c, r
WHERE c.e < '9999' AND c.months >= r_late_renewal_min_term AND NOT EXISTS (
    SELECT 1 FROM contracts n WHERE n.account = c.account AND n.product = c.product AND n.s = c.e);

CREATE TABLE held AS
SELECT c.*, CASE WHEN next_of_product <= latest THEN next_of_product
    WHEN next_of_account <= latest THEN next_of_account ELSE c.e END AS until
FROM contracts c LEFT JOIN ended USING (id);
CREATE INDEX held_account ON held (account, s);
"""

# Every month there is, its last day, and the rates that it is valued at.
SPINE = """
CREATE TABLE spine AS
WITH RECURSIVE n(m) AS (
    SELECT (SELECT min(number(s)) - 1 FROM lines) UNION ALL SELECT m + 1 FROM n, r WHERE m < r_last)
SELECT m, date(printf('%04d-%02d-01', m / 12, m % 12 + 1), '+1 month', '-1 day') AS day,
    (m - r_starts + 1) / 12 * 12 + r_starts - 1 AS fiscal
FROM n, r;
CREATE UNIQUE INDEX spine_m ON spine (m);

CREATE TABLE rates AS
SELECT m, currency, CAST(round((SELECT rate FROM fx_rates f WHERE f.currency = c.currency
        AND f.date <= CASE r_fx WHEN 'spot' THEN day WHEN 'fixed' THEN r_fx_date
            WHEN 'window_opening' THEN r_opening
            ELSE printf('%04d-%02d-01', fiscal / 12, fiscal % 12 + 1) END
        ORDER BY f.date DESC LIMIT 1) * 1000000) AS INTEGER) * 1000000 AS pico
FROM spine, r, (SELECT DISTINCT currency FROM lines WHERE currency <> 'USD') c
UNION ALL SELECT m, 'USD', 1000000000000 FROM spine;
CREATE UNIQUE INDEX rates_m ON rates (m, currency);
"""

# Usage: the mean of three service months, none where two are empty or the account is closed.
# It holds from one month-end to the next, or to the day on which the account closes.
USAGE = """
CREATE TABLE bills AS
SELECT account, product, currency, number(s) AS m, sum(paid) AS paid FROM lines, r
WHERE kind = 'usage' AND r_usage <> 'excluded' GROUP BY 1, 2, 3, 4;
CREATE UNIQUE INDEX bills_m ON bills (account, product, currency, m);

CREATE TABLE means AS
SELECT * FROM (
    SELECT u.account, u.product, u.currency, day AS s,
        date(day, '+1 day', '+1 month', '-1 day') AS next, CASE
        WHEN r_usage = 'billed_month' THEN (SELECT paid FROM bills b WHERE b.account = u.account
            AND b.product = u.product AND b.currency = u.currency AND b.m = spine.m)
        WHEN NOT EXISTS (SELECT 1 FROM bills b WHERE b.account = u.account AND b.paid > 0
            AND b.product = u.product AND b.currency = u.currency AND b.m IN (spine.m, spine.m - 1))
        THEN 0
        WHEN EXISTS (SELECT 1 FROM held WHERE held.account = u.account AND s <= day)
            AND NOT EXISTS (SELECT 1 FROM held WHERE held.account = u.account AND s <= day
                AND until > day)
            AND NOT EXISTS (SELECT 1 FROM bills b WHERE b.account = u.account AND b.paid > 0
                AND b.m = spine.m) THEN 0
        ELSE (SELECT share(sum(paid), 1, min(3, spine.m - u.since + 1)) FROM bills b
            WHERE b.account = u.account AND b.product = u.product AND b.currency = u.currency
            AND b.m BETWEEN spine.m - 2 AND spine.m) END AS paid
    FROM spine, r, (SELECT account, product, currency, min(m) AS since FROM bills
        WHERE paid > 0 GROUP BY 1, 2, 3) u
    WHERE spine.m >= u.since)
WHERE paid > 0;

CREATE TABLE metered AS
SELECT u.*, CASE
    WHEN NOT EXISTS (SELECT 1 FROM held h WHERE h.account = u.account AND h.s <= u.s)
        OR EXISTS (SELECT 1 FROM bills b WHERE b.account = u.account AND b.paid > 0
            AND b.m = number(next)) THEN next
    ELSE min(next, coalesce((SELECT min(d) FROM (SELECT date(u.s, '+1 day') AS d UNION
            SELECT until FROM held h WHERE h.account = u.account AND until > date(u.s, '+1 day')) c
        WHERE NOT EXISTS (SELECT 1 FROM held h
            WHERE h.account = u.account AND h.s <= c.d AND h.until > c.d)), next)) END AS until
FROM means u;

CREATE TABLE running AS
SELECT id, account, product, plan, seats, currency, listed, paid, ramp, s, e, until, pf, pt,
    0 AS usage FROM held, r WHERE r_basis <> 'usage'
UNION ALL SELECT -row_number() OVER (), account, product, '', NULL, currency, paid, paid, 0, s,
    until, until, NULL, NULL, 1 FROM metered, r WHERE r_basis <> 'committed';
CREATE INDEX running_id ON running (id);
"""

# Who holds an account's revenue from which day on (survivors of mergers, then their ultimate
# parents), when an account is in arrears, and the lines cut where either changes.
HOLDERS = """
CREATE TABLE merges AS
SELECT account_id AS account, iif(r_merger = 'restated', '0001-01-01', valid_from) AS since,
    valid_from, merged_into AS survivor FROM account_history, r
WHERE merged_into IS NOT NULL AND valid_from < r_as_of;
CREATE TABLE names AS
SELECT account FROM lines UNION SELECT survivor FROM merges UNION SELECT account_id FROM accounts;
CREATE TABLE survivors AS
WITH RECURSIVE days(day) AS (SELECT '0001-01-01' UNION SELECT since FROM merges),
followed(account, day, holder, n) AS (
    SELECT account, '0001-01-01', account, 0 FROM names
    UNION SELECT account, day, account, 0 FROM merges, days
    UNION ALL SELECT account, day, (SELECT survivor FROM merges g WHERE g.account = holder
        AND g.since <= day ORDER BY valid_from DESC LIMIT 1), n + 1
    FROM followed WHERE EXISTS (SELECT 1 FROM merges g WHERE g.account = holder AND g.since <= day))
SELECT account, day, holder FROM (
    SELECT *, lag(holder, 1, '') OVER (PARTITION BY account ORDER BY day) AS before FROM (
        SELECT *, row_number() OVER (PARTITION BY account, day ORDER BY n DESC) AS place
        FROM followed) WHERE place = 1) WHERE holder <> before;

CREATE TABLE dated AS
SELECT account_id AS account, valid_from, parent_account_id AS parent FROM account_history, r
WHERE parent_account_id IS NOT NULL AND valid_from < r_as_of;
CREATE TABLE parents AS
SELECT account, coalesce(
    (SELECT parent FROM dated WHERE dated.account = names.account AND valid_from <= r_opening
        ORDER BY valid_from DESC LIMIT 1),
    (SELECT parent FROM dated WHERE dated.account = names.account AND NOT EXISTS (
            SELECT 1 FROM lines WHERE lines.account = dated.account AND s <= r_opening
                AND kind IN ('recurring', 'usage') AND paid > 0)
        ORDER BY valid_from LIMIT 1),
    iif(account IN (SELECT account FROM dated), NULL, parent_account_id)) AS parent
FROM names LEFT JOIN accounts ON account_id = account, r WHERE r_rollup = 'parent';
CREATE TABLE tops AS
WITH RECURSIVE climbed(account, top, n) AS (
    SELECT account, account, 0 FROM names UNION ALL
    SELECT climbed.account, parent, n + 1 FROM climbed JOIN parents ON parents.account = top
    WHERE parent <> parents.account)
SELECT account, top FROM (SELECT *, row_number() OVER
    (PARTITION BY account ORDER BY n DESC) AS place FROM climbed) WHERE place = 1;

CREATE TABLE holders AS
SELECT f.account, day AS since, top AS holder,
    lead(day, 1, '9999-12-31') OVER (PARTITION BY f.account ORDER BY day) AS till
FROM survivors f JOIN tops ON tops.account = f.holder;
CREATE INDEX holders_account ON holders (account, since);

CREATE TABLE invoices AS
SELECT account_id AS account, due_on, iif(paid_on < r_as_of, paid_on, NULL) AS paid_on
FROM payments, r WHERE kind = 'invoice' AND amount_micros > 0
    AND min(coalesce(paid_on, due_on), due_on) < r_as_of;
CREATE TABLE arrears AS
SELECT account, date(due_on, '+' || r_dunning_days || ' days') AS since, coalesce((
    SELECT min(max(paid_on, due_on)) FROM invoices later
    WHERE later.account = i.account AND later.due_on >= i.due_on), '9999-12-31') AS till
FROM invoices i, r;
DELETE FROM arrears WHERE till <= since OR since >= (SELECT r_as_of FROM r);
CREATE INDEX arrears_account ON arrears (account);

CREATE TABLE cuts AS
SELECT id, s AS d FROM running UNION SELECT id, until FROM running
UNION SELECT id, since FROM running JOIN arrears USING (account) WHERE since > s AND since < until
UNION SELECT id, till FROM running JOIN arrears USING (account) WHERE till > s AND till < until
UNION SELECT id, since FROM running JOIN holders USING (account) WHERE since > s AND since < until;
CREATE TABLE pieces AS
SELECT running.*, d AS ps, pe, holder FROM (
    SELECT id, d, lead(d) OVER (PARTITION BY id ORDER BY d) AS pe FROM cuts) JOIN running USING (id)
    JOIN holders h ON h.account = running.account AND h.since <= d AND d < h.till
WHERE pe IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM arrears a WHERE a.account = running.account AND a.since <= d AND d < a.till);
"""

# What is in force at each month-end, at its own rates and at those of the month after.
VALUES = """
CREATE TABLE positions AS
SELECT {key} AS k, id, pe, product, usage, m, currency, paid, listed, seats, plan, ramp,
    r_pause = 'zero' AND pf IS NOT NULL AND pf <= day AND day < pt AS paused,
    day >= e AS grace, account <> holder AS moved
FROM pieces, spine, r WHERE ps <= day AND day < pe;
CREATE INDEX positions_m ON positions (k, m);

CREATE TABLE balances AS
SELECT k, m, sum(now) AS closing, sum(next) AS carried FROM (
    SELECT k, p.m, share(paid, a.pico, 1000000000000) AS now,
        share(paid, coalesce(z.pico, a.pico), 1000000000000) AS next
    FROM positions p JOIN rates a USING (m, currency)
        LEFT JOIN rates z ON z.m = p.m + 1 AND z.currency = p.currency
    WHERE NOT paused)
GROUP BY k, m;
CREATE UNIQUE INDEX balances_m ON balances (k, m);
"""

# The movement of each key and month. Who comes and goes within a month is both new and churned.
MONTHS = """
CREATE TABLE inside AS
SELECT {key} AS k, m, currency, paid, ps, pe, pf, pt FROM pieces JOIN spine ON m = number(ps)
WHERE pe <= day;
CREATE TABLE within AS
SELECT d.k, d.m, d.ps AS d, sum(share(paid, pico, 1000000000000)) AS paid
FROM (SELECT DISTINCT k, m, ps FROM inside) d
    JOIN inside i ON i.k = d.k AND i.ps <= d.ps AND d.ps < i.pe
    JOIN rates ON rates.m = d.m AND rates.currency = i.currency, r
WHERE NOT (r_pause = 'zero' AND pf IS NOT NULL AND pf <= d.ps AND d.ps < pt)
GROUP BY d.k, d.m, d.ps;
CREATE TABLE brief AS
SELECT w.k, w.m, w.d, w.paid FROM within w
WHERE paid > 0 AND d = (SELECT min(d) FROM within f WHERE f.k = w.k AND f.m = w.m AND paid > 0)
    AND NOT EXISTS (SELECT 1 FROM balances b WHERE b.k = w.k AND
        (b.m = w.m AND b.closing > 0 OR b.m = w.m - 1 AND b.carried > 0));

CREATE TABLE service AS
SELECT {key} AS k, ps AS s, pe AS e FROM pieces WHERE NOT usage
UNION ALL SELECT k, printf('%04d-%02d-01', m / 12, m % 12 + 1), date(day, '+1 day')
FROM positions JOIN spine USING (m) WHERE usage;
CREATE INDEX service_k ON service (k, s);

CREATE TABLE months AS
WITH seen AS (
    SELECT k, min(m) AS since FROM (
        SELECT k, m FROM balances WHERE closing > 0 UNION SELECT k, m FROM brief) GROUP BY k),
sides AS (
    SELECT seen.k, spine.m, since, coalesce(a.closing, 0) AS opening,
        coalesce(a.carried, 0) AS carried, coalesce(z.closing, 0) AS closing,
        coalesce(brief.paid, 0) AS brief
    FROM seen JOIN spine ON spine.m >= since
        LEFT JOIN balances z ON z.k = seen.k AND z.m = spine.m
        LEFT JOIN balances a ON a.k = seen.k AND a.m = spine.m - 1
        LEFT JOIN brief ON brief.k = seen.k AND brief.m = spine.m),
returns AS (
    SELECT k, m, (SELECT min(s) FROM service n WHERE n.k = sides.k AND number(n.s) = sides.m) AS back
    FROM sides WHERE opening = 0 AND closing + brief > 0 AND m > since),
classed AS (
    SELECT sides.*, m = since OR coalesce(r_reactivation = 'new' AND julianday(back)
        - (SELECT max(julianday(e)) FROM service b WHERE b.k = sides.k AND b.s < back)
        >= r_gap_days, 0) AS fresh
    FROM sides LEFT JOIN returns USING (k, m), r)
SELECT k, m, opening, iif(opening = 0 AND fresh, closing + brief, 0) AS new,
    iif(opening = 0 AND NOT fresh, closing + brief, 0) AS reactivation,
    iif(opening > 0 AND closing > carried, closing - carried, 0) AS expansion,
    iif(closing > 0 AND closing < carried, carried - closing, 0) AS contraction,
    iif(closing = 0, carried + brief, 0) AS churned, carried - opening AS fx, closing, carried
FROM classed;
CREATE UNIQUE INDEX months_m ON months (k, m);
"""

# What of a closing is usage, and what is held over a late renewal.
LEVELS = """
SELECT k, m, sum(iif(usage, share(paid, pico, 1000000000000), 0)),
    sum(iif(grace, share(paid, pico, 1000000000000), 0))
FROM positions JOIN rates USING (m, currency) WHERE NOT paused GROUP BY k, m
"""

# What of a churn went to another account, what of each product is paused now, and, where anything
# ended unpaid, what is left. Open is the churn of a product of which a paused line ended, or of
# which more is paused than was lost (a line that starts paused), or that ended on the very day of a
# merger: the rules do not split it. Who comes and goes within a month goes by its own will.
CHURN_KINDS = """
WITH gone AS (
    SELECT p.k, p.m + 1 AS m, p.product, p.usage, z.churned, p.paused,
        share(p.paid, pico, 1000000000000) AS mrr,
        NOT EXISTS (SELECT 1 FROM positions n WHERE n.id = p.id AND n.m = p.m + 1 AND n.k = p.k)
            AND EXISTS (SELECT 1 FROM holders JOIN running USING (account)
                WHERE running.id = p.id AND since = p.pe AND {key} <> p.k)
            AS merged,
        p.pe = (SELECT until FROM running WHERE running.id = p.id) AND EXISTS (
            SELECT 1 FROM merges JOIN running USING (account)
            WHERE running.id = p.id AND merges.since = p.pe) AS both,
        NOT EXISTS (SELECT 1 FROM positions n WHERE n.id = p.id AND n.m = p.m + 1 AND n.k = p.k)
            AND (EXISTS (SELECT 1 FROM arrears a JOIN running USING (account)
                WHERE running.id = p.id AND a.since = p.pe AND p.pe < running.until)
            OR p.id IN (SELECT id FROM lines WHERE loss_reason = 'involuntary')) AS unpaid
    FROM positions p JOIN months z ON z.k = p.k AND z.m = p.m + 1 AND z.churned > 0
        JOIN rates ON rates.m = p.m + 1 AND rates.currency = p.currency
    WHERE z.closing = 0 AND z.opening > 0),
products AS (
    SELECT k, m, max(churned) AS churned, max(unpaid AND NOT merged AND NOT paused) AS unpaid,
        sum(iif(merged AND NOT paused, mrr, 0)) AS merger,
        sum(iif(merged OR paused, 0, mrr)) AS lost, max(both) AS both, coalesce((
            SELECT sum(share(n.paid, pico, 1000000000000)) FROM positions n
                JOIN rates USING (m, currency) WHERE n.k = gone.k AND n.m = gone.m
                AND n.product = gone.product AND n.usage = gone.usage), 0)
            - sum(iif(paused, mrr, 0)) AS pausing
    FROM gone GROUP BY k, m, product, usage),
kinds AS (
    SELECT k, m, max(churned) AS churned, max(unpaid) AS unpaid, sum(merger) AS merger,
        sum(pausing) AS pause, max(both OR pausing < 0 OR pausing > lost OR EXISTS (
            SELECT 1 FROM positions n WHERE n.k = products.k AND n.m = products.m
            AND n.product NOT IN (SELECT product FROM gone WHERE gone.k = n.k AND gone.m = n.m)))
            AS open
    FROM products GROUP BY k, m)
SELECT k, m, open, iif(unpaid, churned - merger - pause, 0), pause, merger FROM kinds
"""

RATES_ON = """
SELECT currency, CAST(round(rate * 1000000) AS INTEGER) * 1000000 FROM (
    SELECT *, row_number() OVER (PARTITION BY currency ORDER BY date DESC) AS place FROM fx_rates
    WHERE date <= ?) WHERE place = 1
"""
ON = """
SELECT {key}, currency, paid FROM pieces, r WHERE ps <= :day AND :day < pe
    AND NOT (r_pause = 'zero' AND pf IS NOT NULL AND pf <= :day AND :day < pt)
"""

# The segment of an account as of the window's opening.
SEGMENT = """coalesce((SELECT h.segment FROM account_history h
    WHERE h.account_id = accounts.account_id AND h.segment IS NOT NULL AND valid_from < :after
        AND valid_from < (SELECT r_as_of FROM r)
    ORDER BY valid_from DESC LIMIT 1), accounts.segment)"""
LINE = "substr(k, instr(k, '|') + 1)"
OF_ACCOUNT = "LEFT JOIN accounts ON account_id = substr(k || '|', 1, instr(k || '|', '|') - 1)"

# Who paid at month b, both ends at the rates of month e. {cut} names what it is cut by.
COHORT = f"""
WITH valued AS (
    SELECT k, p.m, sum(share(paid, pico, 1000000000000)) AS mrr
    FROM positions p JOIN r
        JOIN rates ON rates.m = iif(r_fx = 'spot', p.m, :e) AND rates.currency = p.currency
    WHERE p.m IN (:b, :e) AND NOT paused GROUP BY k, p.m),
again AS (
    SELECT k, min(m) AS m FROM months, r WHERE m > :b AND m <= :e AND (
        r_reactivation = 'new' AND new > 0 OR r_reactivation = 'excluded' AND new + reactivation > 0)
    GROUP BY k),
since AS (
    SELECT months.k, sum(expansion + reactivation + new + max(fx, 0)) AS up,
        sum(contraction + max(-fx, 0)) AS down, sum(churned) AS gone
    FROM months LEFT JOIN again USING (k)
    WHERE months.m > :b AND months.m <= :e AND (again.m IS NULL OR months.m < again.m)
    GROUP BY months.k),
cohort AS (
    SELECT o.k, o.mrr AS opening, iif(again.m IS NULL, coalesce(c.mrr, 0), 0) AS closing,
        coalesce(up, 0) AS up, coalesce(down, 0) AS down, coalesce(gone, 0) AS gone
    FROM valued o LEFT JOIN valued c ON c.k = o.k AND c.m = :e
        LEFT JOIN since ON since.k = o.k LEFT JOIN again ON again.k = o.k
    WHERE o.m = :b AND o.mrr > 0),
judged AS (
    SELECT k, opening, closing, max(closing - opening, 0) AS expansion,
        iif(closing > 0, max(opening - closing, 0), 0) AS contraction,
        iif(closing = 0, opening, 0) AS churned, min(opening, closing) AS kept
    FROM cohort, r WHERE r_losses = 'net'
    UNION ALL SELECT k, opening, closing, up, down, gone, opening - down - gone
    FROM cohort, r WHERE r_losses = 'movements')
SELECT {{cut}} AS cut, count(*) AS accounts, sum(closing = 0) AS lost, sum(opening) AS opening,
    sum(expansion) AS expansion, sum(contraction) AS contraction, sum(churned) AS churned,
    sum(closing) AS closing, sum(kept) AS kept
FROM judged {OF_ACCOUNT} GROUP BY 1
"""

BOOK = f"""
SELECT {{cut}} AS cut, {", ".join(f"sum({name}) AS {name}" for name in FLOWS)},
    sum(iif(m = :b + 1, opening, 0)) AS opening, sum(iif(m = :e, closing, 0)) AS closing,
    sum(iif(coalesce((SELECT closing FROM months b WHERE b.k = months.k AND b.m = :b), 0) = 0,
        reactivation, 0)) AS returned
FROM months {OF_ACCOUNT} WHERE m > :b AND m <= :e GROUP BY 1
"""

# The levers of accounts that pay at both ends, where nothing is paused, no product has two lines
# at once (how several lines of a product share a change, the rules do not say) and none merged.
LEVERS = """
WITH sided AS (
    SELECT k, m, product, usage, 1 AS now, paid, listed, seats, plan, ramp, currency, paused, moved
    FROM positions UNION ALL
    SELECT k, m + 1, product, usage, 0, paid, listed, seats, plan, ramp, currency, paused, moved
    FROM positions),
plain AS (
    SELECT sided.k, sided.m FROM sided JOIN months ON months.k = sided.k AND months.m = sided.m
    WHERE months.opening > 0 AND months.closing > 0 AND months.k NOT IN (
        SELECT holder FROM holders WHERE account IN (SELECT account FROM merges))
    GROUP BY sided.k, sided.m HAVING NOT max(paused)),
valued AS (
    SELECT s.*, share(paid, pico, 1000000000000) AS mrr,
        share(listed, pico, 1000000000000) AS gross
    FROM sided s JOIN plain USING (k, m) JOIN rates USING (m, currency)),
sides AS (
    SELECT k, m, product, usage, sum(now) AS n, sum(NOT now) AS b FROM valued
    GROUP BY k, m, product, usage),
clear AS (SELECT k, m FROM sides GROUP BY k, m HAVING max(n) < 2 AND max(b) < 2),
pairs AS (
    SELECT s.*, b.mrr AS b_mrr, n.mrr AS n_mrr, b.plan <> n.plan AS switched, n.ramp AS ramp,
        iif(b.seats > 0 AND n.seats IS NOT NULL,
            share(b.mrr, n.seats - b.seats, b.seats), 0) AS seat,
        n.mrr - share(n.gross, b.mrr, b.gross) AS discount
    FROM sides s JOIN clear USING (k, m)
        LEFT JOIN valued b ON (b.k, b.m, b.product, b.usage, b.now)
            = (s.k, s.m, s.product, s.usage, 0)
        LEFT JOIN valued n ON (n.k, n.m, n.product, n.usage, n.now)
            = (s.k, s.m, s.product, s.usage, 1)),
both AS (SELECT * FROM pairs WHERE NOT usage AND n + b = 2),
parts AS (
    SELECT k, m, iif(usage, 'usage', 'product') AS lever, product,
        coalesce(n_mrr, 0) - coalesce(b_mrr, 0) AS amount
    FROM pairs WHERE usage OR n + b < 2
    UNION ALL SELECT k, m, 'seat', product, seat FROM both
    UNION ALL SELECT k, m, 'discount', product, discount FROM both
    UNION ALL SELECT k, m, iif(switched, 'tier', iif(ramp, 'ramp', 'price')), product,
        n_mrr - b_mrr - seat - discount FROM both)
SELECT k, m, lever, product, amount FROM parts WHERE amount <> 0
UNION ALL SELECT k, m, '', '', 0 FROM clear
"""
