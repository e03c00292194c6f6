"""How the reports spell amounts, points and changes."""

from __future__ import annotations

from datetime import date

from serving.terminal.amounts import Amounts

__all__ = ["bare", "cents", "change", "month", "odds", "points", "sentence", "short", "whole"]

_CENTS = Amounts("", decimals=2)
_WHOLE = Amounts("")
_MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NO-BREAK SPACE}"


def cents(value: float | None, sign: bool = False) -> str:
    """Write an amount to the cent, rounded half-up.

    Examples
    --------
    >>> cents(1234.5), cents(-7.0, sign=True), cents(None)
    ('1,234.50', '−7.00', '–')
    """
    return _CENTS.spell(value, sign)


def whole(value: float | None, sign: bool = False) -> str:
    """Write an amount in whole units: what is expected has no cents.

    Examples
    --------
    >>> whole(1234.5), whole(7.2, sign=True)
    ('1,235', '+7')
    """
    return _WHOLE.spell(value, sign)


def short(value: float | None) -> str:
    """Write an amount as one says it: three or four digits.

    Examples
    --------
    >>> short(4_516_949.26), short(812_300.0), short(950.5), short(None)
    ('4.52\xa0M', '812.3\xa0k', '951', '–')
    """
    if value is None:
        return "–"
    for limit, decimals, word in ((1e9, 2, " bn"), (1e6, 2, " M"), (1e4, 1, " k")):
        if abs(value) >= limit:
            divisor = 1e3 if word == " k" else limit
            return f"{value / divisor:,.{decimals}f}{word}".replace(" ", _SPACE)
    return whole(value)


def points(share: float | None) -> str:
    """Write a difference of shares in points, with its sign.

    Examples
    --------
    >>> points(0.0212), points(-0.276), points(0.0), points(None)
    ('+2.1', '−27.6', '0.0', '–')
    """
    if share is None:
        return "–"
    shown = f"{abs(100 * share):.1f}"
    return shown if shown == "0.0" else f"{'+' if share > 0 else _MINUS}{shown}"


def change(now: float | None, before: float | None) -> str:
    """Write how much more or less than before, in per cent.

    Examples
    --------
    >>> change(112.0, 100.0), change(90.0, 100.0), change(5.0, 0.0), change(5.0, None)
    ('+12\xa0%', '−10\xa0%', '–', '–')
    """
    if now is None or not before:
        return "–"
    share = 100 * (now / before - 1)
    shown = f"{abs(share):,.0f}"
    sign = "" if shown == "0" else "+" if share > 0 else _MINUS
    return f"{sign}{shown}{_SPACE}%"


def odds(share: float | None) -> str:
    """Write a chance of what is still to come: never as certain.

    Examples
    --------
    >>> odds(0.724), odds(1.0), odds(0.0), odds(None)
    ('72\xa0%', '>\xa099\xa0%', '<\xa01\xa0%', '–')
    """
    if share is None:
        return "–"
    if share >= 0.995 or share < 0.005:
        return f"{'>' if share >= 0.995 else '<'}{_SPACE}{99 if share >= 0.995 else 1}{_SPACE}%"
    return f"{100 * share:.0f}{_SPACE}%"


def bare(share: float | None) -> str:
    """Write a share in per cent without its sign, where the table says that it is per cent.

    Examples
    --------
    >>> bare(1.0284), bare(None)
    ('102.8', '–')
    """
    return "–" if share is None else f"{100 * share:.1f}"


def month(day: str) -> str:
    """Write the month of a date.

    Examples
    --------
    >>> month("2025-12-31")
    'Dec 25'
    """
    return f"{date.fromisoformat(day):%b %y}"


def sentence(words: str) -> str:
    """Begin with a capital and end with a stop.

    Examples
    --------
    >>> sentence("expansion masks churn"), sentence("done.")
    ('Expansion masks churn.', 'Done.')
    """
    told = words[:1].upper() + words[1:]
    return told if told.endswith((".", "!", "?")) else f"{told}."
