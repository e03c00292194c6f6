"""The ledger against an oracle: random books, recomputed in SQLite, equal to the millionth.

Independent of the engine: `tests.sqlite_ledger` (another database, a dense spine, formulae from
the design's pages) and `tests.random_books` (rows from a seed). What is compared comes from the
public doors: `mrr_on`, `account_months`, `movements`, `month_table`, and the desk on which
`metrics` measures windows. What is compared only where the rules define it, stands in the oracle:
levers (no product with two lines at once) and organic expansion (accounts with such levers only).
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from features.asof import month_end
from features.cohorts import Desk, open_desk
from features.ledger import account_months, month_table, movements, mrr_on
from features.levers import ORGANIC
from features.measure import Measure
from features.rules import Rules
from features.windows import Window
from tests.random_books import World, random_world
from tests.sqlite_ledger import FLOWS, LINE, PARTS, SEGMENT, Oracle

pytestmark = pytest.mark.ci

COLUMNS = ("opening", *FLOWS, "closing")
COHORT = ("accounts", "lost", "opening", "expansion", "contraction", "churned", "closing", "kept")
HALF_A_CENT = 5_000
LINES = ("product", "plan")
CUTS = {"segment": SEGMENT, "product": LINE, "plan": LINE}
CHOICES: dict[str, tuple[Any, ...]] = {
    "basis": ("committed+usage", "committed", "usage"),
    "usage": ("trailing_3_months", "billed_month", "excluded"),
    "reactivation": ("own", "excluded", "new", "s002"),
    "reactivation_gap_days": (None, 30, 200),
    "late_renewal_days": (31, 0, 60),
    "late_renewal_min_term": (3, 0, 12),
    "churn_date": ("service_end", "cancellation"),
    "dunning_days": (30, 0, 90),
    "pause": ("zero", "unchanged"),
    "discount": ("subtracted", "ignored"),
    "fx": ("fiscal_year", "window_opening", "fixed", "spot"),
    "rollup": ("account", "parent"),
    "merger": ("not_restated", "restated"),
    "losses": ("net", "movements"),
}
# Together these take every choice at least once, in 100 books.
FAST: list[tuple[str, dict[str, Any]]] = [
    ("subscriptions", {}),
    (
        "mrr_by_month",
        {"reactivation": "excluded", "usage": "billed_month", "fx": "fixed"}
        | {"losses": "movements", "late_renewal_min_term": 0},
    ),
    (
        "subscriptions",
        {"reactivation": "new", "basis": "committed", "fx": "spot"}
        | {"churn_date": "cancellation", "pause": "unchanged"},
    ),
    ("subscriptions", {"basis": "usage", "merger": "restated", "dunning_days": 0}),
    (
        "subscriptions",
        {"reactivation": "s002", "usage": "excluded", "fx": "window_opening"}
        | {"discount": "ignored", "rollup": "parent", "late_renewal_days": 0},
    ),
]
IN_CI = [pytest.param(*each, marks=pytest.mark.ci) for each in FAST[2:]]
ALONE = [{key: value} for key, values in CHOICES.items() for value in values[1:]]


@pytest.mark.parametrize(("form", "choices"), [*FAST[:2], *IN_CI], ids=str)
def test_the_ledger_of_random_books_is_what_sqlite_says(form: str, choices: dict[str, Any]) -> None:
    check(random_world(FAST.index((form, choices)), form), choices, whole=not choices)


@pytest.mark.ci
@pytest.mark.parametrize("form", ["subscriptions", "mrr_by_month"])
@pytest.mark.parametrize("choices", ALONE, ids=str)
def test_every_choice_alone_is_what_sqlite_says(form: str, choices: dict[str, Any]) -> None:
    check(random_world(100 + ALONE.index(choices), form), choices, windows=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_any_choices_of_two_thousand_books_are_what_sqlite_says(seed: int) -> None:
    form, choices = drawn(seed)
    check(random_world(1000 + seed, form), choices, windows=3)


KNOWN: list[dict[str, Any]] = [
    {},
    {"churn_date": "cancellation", "reactivation": "new"},
    {"merger": "restated", "dunning_days": 0, "losses": "movements"},
    {"rollup": "parent", "fx": "window_opening"},
]


@pytest.mark.ci
@pytest.mark.parametrize("choices", KNOWN, ids=str)
def test_what_was_known_of_random_books_is_what_sqlite_says(choices: dict[str, Any]) -> None:
    form = "subscriptions" if choices else "mrr_by_month"
    world = random_world(200 + KNOWN.index(choices), form)
    for days in (0, 200):
        as_of = world.facts.as_of - timedelta(days=days)
        check(world, choices, as_of=as_of, whole=days == 0)


@pytest.mark.ci
@pytest.mark.parametrize("n", [0, 4])
def test_days_lines_and_accounts_of_random_books_are_what_sqlite_says(n: int) -> None:
    check_all(300 + n, "subscriptions", FAST[n][1])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_any_choices_day_by_day_and_line_by_line_are_what_sqlite_says(seed: int) -> None:
    form, choices = drawn(seed)
    check_all(4000 + seed, form, choices)
    world = random_world(5000 + seed, form)
    check(world, choices, as_of=world.facts.as_of - timedelta(days=10 * seed), whole=False)


def test_every_choice_is_taken_by_a_fast_book() -> None:
    taken = {(key, value) for _, choices in FAST for key, value in choices.items()}
    named = {key for key, _ in taken} | {"reactivation_gap_days"}
    assert named == set(CHOICES)
    words = {(k, v) for k, values in CHOICES.items() for v in values[1:] if isinstance(v, str)}
    assert words <= taken


def drawn(seed: int) -> tuple[str, dict[str, Any]]:
    """Draw a form and one to six choices."""
    rng = Random(seed)
    some = rng.sample(sorted(CHOICES), rng.randint(1, 6))
    choices = {key: rng.choice(CHOICES[key]) for key in some}
    if choices.get("basis") == "usage":
        choices.pop("usage", None)
    return rng.choice(("subscriptions", "subscriptions", "mrr_by_month")), choices


def rules_of(choices: dict[str, Any]) -> Rules:
    dated = {"fx_date": date(2022, 5, 31)} if choices.get("fx") == "fixed" else {}
    return Rules(**choices, **dated)


def check(
    world: World,
    choices: dict[str, Any],
    windows: int = 1,
    *,
    whole: bool = True,
    as_of: date | None = None,
) -> None:
    """Compare months and windows of random length; the whole with levers and cuts by product."""
    rules = rules_of(choices)
    if rules.fx != "window_opening":
        oracle = Oracle(world, rules, as_of=as_of)
        check_months(world, rules, oracle, as_of)
        if whole and as_of is None:
            check_levers(world, rules, oracle)
    rng = Random(len(str(choices)))
    until = as_of or world.facts.as_of
    last = 12 * until.year + until.month - 3
    cuts = [("book",), ("segment",), *([("product",)] * whole)]
    for _ in range(windows):
        b = last - rng.randint(1, 17)
        check_window(world, rules, b, rng.randint(b + 1, last), cuts, as_of)


def check_all(seed: int, form: str, choices: dict[str, Any]) -> None:
    """Compare what `check` leaves out: parts, lines, days, and windows account by account."""
    world, rules, rng = random_world(seed, form), rules_of(choices), Random(seed)
    last = 12 * world.facts.as_of.year + world.facts.as_of.month - 3
    b = last - rng.randint(1, 14)
    opening = day(b) if rules.fx == "window_opening" or rules.rollup == "parent" else None
    for line in ("", "product", "plan"):
        check_parts(world, rules, Oracle(world, rules, line=line, opening=opening), line)
    check_days(world, rules, Oracle(world, rules))
    cuts = [("own",), ("plan",), ("segment", "product")]
    check_window(world, rules, b, rng.randint(b + 1, last), cuts, None)


def check_parts(world: World, rules: Rules, oracle: Oracle, line: str) -> None:
    """Compare the sparse ledger, by account or line, with the parts of closing and of churn."""
    lines = (line,) if line else ()
    table = month_table(world.book(), rules, lines=lines, opening=oracle.opening).to_pylist()
    expected = oracle.parts()
    flows: dict[tuple[str, int], tuple[int, ...]] = {}
    parts: dict[tuple[str, int], tuple[int, ...]] = {}
    for row in table:
        key = "|".join(row[name] for name in ("account_id", *lines))
        levels = tuple(row[f"{name}_micros"] for name in PARTS[:2])
        for m in range(row["m"], row["until_m"]):
            first, closing = m == row["m"], row["closing_micros"]
            moved = tuple(row[f"{name}_micros"] for name in FLOWS) if first else (0,) * len(FLOWS)
            flows[key, m] = (row["opening_micros"] if first else closing, *moved, closing)
            kinds = tuple(row[f"{name}_micros"] for name in PARTS[2:]) if first else (0, 0, 0)
            if (key, m) in oracle.open_kinds:
                kinds = (0, 0, 0)
            if any(levels + kinds):
                parts[key, m] = levels + kinds
    assert_same(flows, {(row[0], row[1]): row[2:] for row in oracle.months()})
    assert_same(parts, expected)


def check_days(world: World, rules: Rules, oracle: Oracle) -> None:
    """Compare some days: any in fifty, and, where rates are those of days, firsts of months."""
    last = day(number(world.facts.as_of) - 1)
    spot = rules.fx in ("spot", "window_opening") and world.tables["fx_rates"]
    days = [last - timedelta(days=n) for n in range(0, 600, 49)]
    for some in [one.replace(day=1) for one in days] if spot else days:
        found = mrr_on(world.book(), some, rules)
        got = dict(zip(found["account_id"], found["mrr_micros"], strict=True))
        assert_same(got, oracle.on(some))


def assert_same(got: dict[Any, Any], expected: dict[Any, Any]) -> None:
    for key in sorted(expected.keys() | got.keys()):
        assert got.get(key) == expected.get(key), key


def check_months(world: World, rules: Rules, oracle: Oracle, as_of: date | None) -> None:
    months = account_months(world.book(), rules, as_of=as_of)
    keys = zip(months["account_id"], map(number, months["month_end"]), strict=True)
    amounts = months[[f"{name}_micros" for name in COLUMNS]].itertuples(index=False, name=None)
    got = dict(zip(keys, amounts, strict=True))
    expected = {(row[0], row[1]): row[2:] for row in oracle.months()}
    assert_same(got, expected)
    for opening, new, back, up, down, lost, fx, closing in got.values():
        assert opening + new + back + up - down - lost + fx == closing


def check_levers(world: World, rules: Rules, oracle: Oracle) -> None:
    """Compare the levers that the rules define, and that all of them make the movement.

    Parts of less than half a cent are free to stand with another lever of the same change.
    """
    moves = movements(world.book(), rules)
    moves = moves[moves["class"] != "fx"]
    names = moves[["lever", "product"]].fillna("")
    months = map(number, moves["month_end"])
    keys = zip(moves["account_id"], months, names["lever"], names["product"], strict=True)
    got = dict(zip(keys, moves["amount_micros"], strict=True))
    clear, expected = oracle.levers()
    rest: dict[tuple[str, int], int] = {}
    for key in expected.keys() | {key for key in got if key[:2] in clear}:
        difference = got.get(key, 0) - expected.get(key, 0)
        assert abs(difference) <= HALF_A_CENT, (key, got.get(key), expected.get(key))
        rest[key[:2]] = rest.get(key[:2], 0) + difference
    assert not any(rest.values())


def check_window(
    world: World, rules: Rules, b: int, e: int, cuts: list[tuple[str, ...]], as_of: date | None
) -> None:
    window = Window(day(b), day(e))
    lines = list({tuple(k for k in by if k in LINES): None for by in cuts})
    desk = open_desk(
        world.book(),
        rules,
        as_of=as_of,
        until=window.closing,
        facing=window,
        lines=[keys for keys in lines if keys],
    )
    whole, *_ = check_cut(desk, world, window, rules, ())
    for by in cuts:
        check_sum(whole, check_cut(desk, world, window, rules, by))


def check_cut(
    desk: Desk, world: World, window: Window, rules: Rules, by: tuple[str, ...]
) -> list[Measure]:
    """Compare cohort and movements of a window, value by value of a cut."""
    measures = desk.measure([window], by)
    b, e = number(window.opening), number(window.closing)
    line = next((name for name in by if name in LINES), "")
    columns = [CUTS.get(name, name) for name in by]
    cut = " || '/' || ".join(f"coalesce({column}, '')" for column in columns) or "''"
    moved = oracle = Oracle(world, rules, opening=window.opening, line=line, as_of=desk.as_of)
    flows = moved.flows(b, e, cut)
    if rules.fx == "fiscal_year":
        rates = rules.model_copy(update={"fx": "fixed", "fx_date": fiscal_day(world, e)})
        oracle = Oracle(world, rates, opening=window.opening, line=line, as_of=desk.as_of)
    cohorts = oracle.cohort(b, e, cut)
    seen = set()
    for measure in measures:
        if measure.moved:
            continue
        value = "/".join(part or "" for part in measure.cut.values())
        seen.add(value)
        where = (window, measure.cut)
        cohort = cohorts.get(value, dict.fromkeys(COHORT, 0))
        check_cohort(measure, cohort, rules, where)
        booked = flows.get(value, dict.fromkeys((*COLUMNS, "returned"), 0))
        found = {name: measure.flows[name] for name in COLUMNS}
        assert found == {name: booked[name] for name in COLUMNS}, where
        if rules.reactivation == "s002":
            assert measure.cohort["reactivation"] == booked["returned"], where
    assert {value for value in cohorts if cohorts[value]["accounts"]} <= seen
    if by == ("own",):
        check_organic(measures, moved if rules.losses == "net" else oracle, rules)
    return measures


def check_organic(measures: list[Measure], oracle: Oracle, rules: Rules) -> None:
    """Compare organic expansion by account, to the half cents that may stand with another lever.

    Net, an account's organic levers count up to its net expansion; month by month, up to the
    expansion of each month (at the closing's rates, as all those sums). Accounts in whose months the rules leave the levers open are left out.
    """
    clear, levers = oracle.levers()
    months: dict[str, list[tuple[Any, ...]]] = {}
    for row in oracle.months():
        months.setdefault(row[0], []).append(row)
    for measure in measures:
        account, cohort = measure.cut["own"], measure.cohort
        within = [
            row
            for row in months.get(str(account), [])
            if measure.window.b < row[1] <= measure.window.e
        ]
        again = {"excluded": (3, 4), "new": (3,)}.get(rules.reactivation, ())
        back = next((n for n, row in enumerate(within) if any(row[k] for k in again)), None)
        changed = [row for row in within[:back] if row[2] > 0 and row[9] > 0]
        if not cohort["accounts"] or not all((row[0], row[1]) in clear for row in changed):
            continue
        total, bound = 0, cohort["closing"] - cohort["opening"]
        for row in changed:
            brought = sum(
                n for (k, m, lever, _), n in levers.items()
                if (k, m) == (row[0], row[1]) and lever in ORGANIC
            )  # fmt: skip
            rise = brought if rules.losses == "net" else max(min(brought, row[5]), 0)
            total += rise
        if rules.losses == "net":
            total = max(min(total, bound), 0)
        allowed = HALF_A_CENT * 4 * len(changed)
        assert abs(cohort["organic"] - total) <= allowed, (account, cohort, total)
        if cohort["opening"]:
            ratio = (cohort["kept"] + cohort["organic"]) / cohort["opening"]
            assert measure.organic_nrr == ratio


def check_cohort(measure: Measure, expected: dict[str, int], rules: Rules, where: object) -> None:
    got = measure.cohort
    assert {name: got[name] for name in COHORT} == {name: expected[name] for name in COHORT}, where
    made = got["opening"] + got["expansion"] - got["contraction"] - got["churned"]
    assert made == got["closing"], where
    opening, more = expected["opening"], got.get("reactivation", 0)
    if opening:
        assert measure.nrr == (expected["closing"] + more) / opening
        assert measure.grr == expected["kept"] / opening
        assert measure.logo_churn == expected["lost"] / expected["accounts"]
    else:
        assert (measure.nrr, measure.grr) == (None, None)


def check_sum(whole: Measure, parts: list[Measure]) -> None:
    """The rows of a cut add up to the whole book, amount by amount."""
    amounts = [name for name in COHORT if name not in ("accounts", "lost")]
    for name in amounts:
        assert sum(part.cohort[name] for part in parts) == whole.cohort[name], name
    for name in COLUMNS:
        assert sum(part.flows[name] for part in parts) == whole.flows[name], name


def fiscal_day(world: World, month: int) -> date:
    """Give the first day of a month's fiscal year: a cohort is measured at its closing's rates."""
    starts = world.facts.fiscal_year_starts
    year = (month - starts + 1) // 12
    return date(year, starts, 1)


def number(day: date) -> int:
    return 12 * day.year + day.month - 1


def day(month: int) -> date:
    return month_end(date(month // 12, month % 12 + 1, 1))
