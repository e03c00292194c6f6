"""The page of `close`: a period as it was closed, as it reads now, and the difference by account."""

from __future__ import annotations

from serving.flows import FLOWS
from serving.terminal.amounts import Amounts, amounts
from serving.terminal.paper import Body, figures, percent, points, show, tell, write

__all__ = ["closed", "closed_in_short"]

SHOWN = 20
_SUMS = (("opening", "opening", 1), *FLOWS, ("closing", "closing", 1))
_LEVELS = ("opening", "closing")
_SPANS = {"month": "month", "quarter": "3 months", "ttm": "12 months"}


def closed(body: Body) -> None:
    """Show a closed period beside what is known of it now."""
    from serving.definition import rules_line  # heavy: pydantic

    currency, then, now = body["currency"], body["as_closed"], body["as_restated"]
    spelled = amounts(currency, [_units(then["closing_micros"])])
    ids = body["snapshot"]
    later = "" if ids["today"] == ids["closed"] else f"; now snapshot {ids['today']}"
    write(f"{body['month']}: {body['status']}, snapshot {ids['closed']}{later}")
    _sums(body, then, now, spelled)
    _ratios(then, now)
    if body["difference"] is None:
        write(f"note: not restated: {body['reason']}")
    else:
        _accounts(body["difference"], currency)
    write(f"rules of the close: {rules_line(body['definition'])}")
    for change in body["definition_changed"]:
        write(f"rule changed since: {change['key']} = {change['closed']}, now {change['today']}")


def closed_in_short(block: Body) -> None:
    """Say in a few lines what became of the latest closed period."""
    ratios, apart = block["window"], block["difference"]
    for name in ("nrr", "grr"):
        one = ratios[name]
        if one is not None:
            write(
                f"{name.upper()} as closed at {block['month']}: {percent(one['closed'])}, "
                f"as restated {percent(one['restated'])} ({points(one['points'])} points)"
            )
    if ratios.get("reason"):
        write(f"as closed at {block['month']}: {ratios['reason']}")
    if apart is not None:
        tell(_moved(block, apart["closing_micros"]))
    if block["definition_changed"]:
        keys = ", ".join(change["key"] for change in block["definition_changed"])
        tell(f"both by the rules of the close, which are others than this page's: {keys}")


def _moved(block: Body, micros: int) -> str:
    """Say how far the closing MRR of a closed month has moved since.

    Examples
    --------
    >>> block = {"month": "2025-05", "currency": "EUR"}
    >>> _moved(block, -7_125_000)
    'closed 2025-05: its closing MRR is 7.13 EUR less now; `perennial close 2025-05` tells account by account'
    """
    less = f"{_cents(abs(micros))} {block['currency']} {'less' if micros < 0 else 'more'}"
    return (
        f"closed {block['month']}: its closing MRR is {less if micros else 'the same'} now; "
        f"`perennial close {block['month']}` tells account by account"
    )


def _sums(body: Body, then: Body, now: Body | None, spelled: Amounts) -> None:
    title = f"The book in {body['month']}, MRR in {spelled.unit}"
    table = figures(title, "", "as closed", "as restated", "difference")
    left, right = then["accounts"], now["accounts"] if now else None
    apart = "–" if right is None else f"{right - left:+,}" if right != left else "0"
    table.add_row("accounts", f"{left:,}", "–" if right is None else f"{right:,}", apart)
    for name, word, sign in _SUMS:
        before = _units(sign * then[f"{name}_micros"])
        after = None if now is None else _units(sign * now[f"{name}_micros"])
        signed = name not in _LEVELS
        row = (spelled.spell(before, signed), spelled.spell(after, signed))
        table.add_row(word, *row, spelled.spell(_apart(before, after), True))
    show(table)


def _ratios(then: Body, now: Body | None) -> None:
    heads = ("window", "ratio", "as closed", "as restated", "points")
    table = figures("Retention", *heads, texts=2)
    for key, span in _SPANS.items():
        frozen = then["windows"][key]
        today: Body = now["windows"][key] if now else {}
        for name in ("nrr", "grr"):
            before, after = frozen[name], today.get(name)
            apart = points(None if _apart(before, after) is None else 100 * (after - before))
            whole = f"{span} to {frozen['to']}"
            table.add_row(whole, name.upper(), percent(before), percent(after), apart)
        if frozen.get("reason"):
            table.add_row(f"{span} to {frozen['to']}", frozen["reason"], "", "", "")
    show(table)


def _accounts(apart: Body, currency: str) -> None:
    """Show the accounts that read differently now, the largest first."""
    rows = apart["accounts"]
    if not rows:
        write("no account reads differently now")
        return
    heads = ("account", "", "as closed", "as restated", "difference", "months that\ndiffer")
    title = f"What reads differently now, by account, MRR in {currency}"
    table = figures(title, *heads, texts=2)
    for row in rows[:SHOWN]:
        sums = (_cents(row[f"{key}_micros"]) for key in ("closed", "restated"))
        moved = _cents(row["difference_micros"], signed=True)
        table.add_row(row["account_id"], row["status"], *sums, moved, f"{row['months']:,}")
    show(table)
    write("closing MRR of the month; – where the account differs in other months only")
    hidden = len(rows) - SHOWN
    if hidden > 0:
        write(f"… and {hidden:,} more accounts (--json lists them)")


def _units(micros: int | None) -> float | None:
    return None if micros is None else micros / 1e6


def _apart(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _cents(micros: int | None, signed: bool = False) -> str:
    """Spell an amount to the cent, rounded half-up.

    Examples
    --------
    >>> _cents(3_889_095_000), _cents(-1_189_125_000, signed=True), _cents(None)
    ('3,889.10', '−1,189.13', '–')
    """
    return Amounts("", decimals=2).spell(None if micros is None else micros / 1e6, signed)
