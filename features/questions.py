"""Questions: what may be asked of a book, and for each whether this book can answer it, and why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from features.holdings import Holdings

__all__ = ["LEAST_LEFT", "QUESTIONS", "Lack", "Question", "answers"]

LEAST_LEFT = 10
"""Accounts that must have left before leaving is learned from them."""

MONTH, QUARTER, YEAR, TWO_YEARS = 2, 4, 13, 25
"""Month-ends that a window needs, and a forecast a year ahead to be checked once."""

HALF_YEAR, MOST = 182, 0.9
EXPORT = "export it, or name it in perennial.toml"
NOTICES = "send touchpoints of kind notice_given"
ENDED = "export ended lines too, not today's alone"


@dataclass(frozen=True)
class Lack:
    """One thing that a question lacks.

    Attributes
    ----------
    why : str
        What is not there.
    cure : str
        What would bring it.
    whole : bool
        Whether nothing can be answered without it; else a part can.
    """

    why: str
    cure: str
    whole: bool = True


@dataclass(frozen=True)
class Question:
    """A question.

    Attributes
    ----------
    slug, asks : str
        Its name for scripts, and its words.
    lacks : callable
        What a book lacks for it.
    """

    slug: str
    asks: str
    lacks: Callable[[Holdings], list[Lack]]


def answers(held: Holdings) -> list[dict[str, Any]]:
    """Judge every question.

    Returns
    -------
    list of dict
        ``question`` (slug), ``asks``, ``answer`` (yes, partly, no), ``why`` and ``cures`` (texts;
        empty for yes), in the order of ``QUESTIONS``.

    Examples
    --------
    >>> from datetime import date
    >>> held = Holdings(date(2025, 7, 1), {"accounts": frozenset(), "mrr_by_month": frozenset()})
    >>> told = {each["question"]: each for each in answers(held)}
    >>> told["usage"]["answer"], told["usage"]["why"]
    ('no', ['the book has no table usage'])
    """
    return [_answer(question, question.lacks(held)) for question in QUESTIONS]


def _answer(question: Question, lacks: list[Lack]) -> dict[str, Any]:
    verdict = "no" if any(lack.whole for lack in lacks) else "partly" if lacks else "yes"
    cures = list(dict.fromkeys(lack.cure for lack in lacks))
    said = {"question": question.slug, "asks": question.asks, "answer": verdict}
    return said | {"why": [lack.why for lack in lacks], "cures": cures}


def _window(needed: int) -> Callable[[Holdings], list[Lack]]:
    """Ask for month-ends, and for a past that holds those who left."""

    def lacks(held: Holdings) -> list[Lack]:
        if held.months < needed:
            short = f"{_many(held.months, 'month-end')} of revenue; it needs {needed}"
            return [Lack(short, "export revenue from further back")]
        return [Lack(doubt, ENDED, whole=False) for doubt in held.doubts]

    return lacks


def _churn(held: Holdings) -> list[Lack]:
    if held.doubts:
        return [Lack(doubt, ENDED) for doubt in held.doubts]
    if held.months < MONTH:
        return _window(MONTH)(held)
    return []


def _levers(held: Holdings) -> list[Lack]:
    there = [one for one in ("seats", "product", "plan") if held.gives(held.revenue, one)]
    lacking = [one for one in ("seats", "product", "plan") if one not in there]
    if not lacking:
        return []
    why = f"{held.revenue} came without {', '.join(lacking)}"
    if not there:
        why += "; every move is called a price, and expansion is not learned from prices"
    return [Lack(why, f"map {', '.join(lacking)}", whole=False)]


def _renewals(held: Holdings) -> list[Lack]:
    if not held.has("subscriptions"):
        return [Lack("mrr_by_month has no terms", "map subscriptions in its place")]
    terms = ("term_months", "renews_on", "interval_months")
    if not held.known_share and not held.gives("subscriptions", *terms):
        return [Lack(f"no terms: subscriptions came without {', '.join(terms)}", f"map {terms[0]}")]
    if not held.known_share:
        return [Lack("no terms: no paying account has one", "fill in term_months or renews_on")]
    if held.known_share < MOST:
        why = f"terms are known for {held.known_share:.0%} of MRR"
        return [Lack(why, "fill in term_months or renews_on", whole=False)]
    return []


def _notice(held: Holdings) -> list[Lack]:
    if held.gives("subscriptions", "canceled_on") or held.has("touchpoints"):
        return []
    if not held.has("subscriptions"):
        why = f"{held.revenue} tells no notice, and the book has no touchpoints"
        return [Lack(why, NOTICES)]
    why = "subscriptions came without canceled_on, and the book has no touchpoints"
    return [Lack(why, f"map canceled_on, or {NOTICES}")]


def _fed(table: str, days: int = HALF_YEAR) -> Callable[[Holdings], list[Lack]]:
    """Ask for a dated table that reaches far enough back, and up to the day."""

    def lacks(held: Holdings) -> list[Lack]:
        if not held.has(table):
            return [Lack(f"the book has no table {table}", EXPORT)]
        feed = held.feeds.get(table)
        if feed is None:
            return [Lack(f"{table} has no row before {held.as_of}", f"export {table} again")]
        if feed.behind:
            return [Lack(f"{table} is behind: its signals are missing", "export its newest rows")]
        if feed.days < days:
            why = f"{table} begins {_many(feed.days, 'day')} ago; half a year compares well"
            return [Lack(why, f"export {table} from further back", whole=False)]
        return []

    return lacks


def _people(held: Holdings) -> list[Lack]:
    if held.has("usage") and not held.gives("usage", "user_id", "users"):
        return [Lack("usage came without user_id and users", "map user_id, or users of sums")]
    return _fed("usage")(held)


def _adoption(held: Holdings) -> list[Lack]:
    found = _fed("usage")(held)
    if not held.has("feature_catalog"):
        why = "the book has no table feature_catalog: nothing says which features are core or advanced"
        found.append(Lack(why, "list the features with their tier", whole=False))
    return found


def _allowances(held: Holdings) -> list[Lack]:
    if held.has("limits"):
        return _fed("limits", 0)(held)
    if held.has("events"):
        why = "the book has no table limits: only events of kind limit_hit tell it"
        return [Lack(why, EXPORT, whole=False)]
    return [Lack("the book has neither limits nor events", EXPORT)]


def _payments(held: Holdings) -> list[Lack]:
    if held.gives("payments", "paid_on"):
        return []
    if held.has("payments"):
        why = (
            "no invoice is known to be paid: without paid_on it is not known who pays late, and "
            "nobody is in arrears; with paid_on empty in every row, who is past the dunning "
            "window counts as lost"
        )
        cure = "map paid_on: for each invoice the day on which it was paid; leave out an empty one"
        return [Lack(why, cure, whole=not held.has("events"))]
    if held.has("events"):
        why = "the book has no table payments: only events of kind payment_failed tell it"
        return [Lack(why, EXPORT, whole=False)]
    return [Lack("the book has neither payments nor events", EXPORT)]


def _learned(held: Holdings) -> list[Lack]:
    if held.left < LEAST_LEFT:
        why = (
            f"{_many(held.left, 'account')} paid before and not now; fewer than {LEAST_LEFT}: "
            "published rates serve, updated by what was seen"
        )
        return [Lack(why, "export revenue from further back, ended lines too", whole=False)]
    return [replace(lack, whole=False) for lack in _window(YEAR)(held)]


def _ahead(held: Holdings) -> list[Lack]:
    if held.months < QUARTER:
        return _window(QUARTER)(held)
    if held.months < TWO_YEARS:
        why = (
            f"{_many(held.months, 'month-end')} of revenue; below {TWO_YEARS} no whole year can be "
            "forecast and then checked: the interval's width is assumed, and called thin"
        )
        return [Lack(why, "export revenue from further back", whole=False)]
    return []


def _cuts(held: Holdings) -> list[Lack]:
    lacking = [one for one in ("segment", "region", "csm") if not held.filled.get(one)]
    found = []
    if lacking:
        words = f"accounts came without {', '.join(lacking)}"
        found = [Lack(words, f"map {', '.join(lacking)}", whole=len(lacking) == 3)]
    for column, share in held.filled.items():
        if 0 < share < MOST:
            why = f"{column} is filled in for {share:.0%} of paying accounts"
            found.append(Lack(why, f"fill {column} in", whole=False))
    return found


def _past(held: Holdings) -> list[Lack]:
    if held.gives(held.revenue, "recorded_at"):
        return []
    why = f"{held.revenue} came without recorded_at: an export that rewrites its past is believed"
    return [Lack(why, "send recorded_at, the day on which a row was entered", whole=False)]


def _helped(held: Holdings) -> list[Lack]:
    if held.has("outreach_log"):
        return []
    why = "the book has no table outreach_log: only what is logged in Perennial is known"
    return [Lack(why, "log each action here, or export the log of another tool", whole=False)]


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


QUESTIONS = (
    Question("retention_year", "NRR and GRR over twelve months", _window(YEAR)),
    Question("retention_quarter", "NRR and GRR over a quarter", _window(QUARTER)),
    Question("churn", "Who left, and how much MRR with them", _churn),
    Question("levers", "Why MRR moved: seats, product, plan, price", _levers),
    Question("cuts", "The same by segment, region and CSM", _cuts),
    Question("renewals", "Which contracts come up for renewal, and when", _renewals),
    Question("notice", "Who has given notice", _notice),
    Question("usage", "Whose use of the product grows or falls", _fed("usage")),
    Question("people", "How many people use it", _people),
    Question("adoption", "Which features are adopted", _adoption),
    Question("allowances", "Who comes up against a limit", _allowances),
    Question("support", "Who struggles: support tickets", _fed("tickets")),
    Question("relationship", "Who is in touch, and who has gone quiet", _fed("touchpoints")),
    Question("payments", "Who pays late, whose payment failed", _payments),
    Question("growth", "Whose company grows", _fed("growth", 0)),
    Question("probabilities", "Who will leave or grow, learned from this book", _learned),
    Question("year_ahead", "NRR a year ahead, with an interval", _ahead),
    Question("past", "What was known on a past day", _past),
    Question("outreach", "Whether outreach has helped", _helped),
)
"""All questions, from the figures to what is to be done."""
