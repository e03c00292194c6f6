"""Pages beside the retention figures: cohorts, paces, deals, compounding, benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from serving.terminal.amounts import Amounts, amounts
from serving.terminal.paper import Body, figures, percent, show, tell, width, write

__all__ = ["beside"]

QUARTERS = 12
ROOMY = 100  # columns from which a cohort shows more of its months
NRR_AT = (3, 6, 12, 24, 36, 60)
SEGMENTS = 8
LARGEST = 5
TIMELESS = ("moment", "window", "life")  # spans of a figure that is no rate over a period


def beside(body: Body) -> None:
    """Show every block that the answer has."""
    pages: Mapping[str, Callable[[Any, str], None]] = {
        "cohorts": _cohorts,
        "time_to_first_expansion": _time,
        "no_expansion_24m": _still,
        "expansion_conversion_90d": _conversion,
        "pipeline": _pipeline,
        "compounding": _compounding,
        "benchmarks": _benchmarks,
    }
    for name, page in pages.items():
        if body.get(name):
            page(body[name], body["currency"])


def _cohorts(block: Body, currency: str) -> None:
    """Show the latest quarters: NRR at round months, GRR and logos after a year."""
    shown = block["cohorts"][-QUARTERS:]
    if not shown:
        return
    seen = max(len([v for v in one["nrr"] if v is not None]) for one in shown) - 1
    most = 4 if width() >= ROOMY else 2
    months = [month for month in NRR_AT if month <= seen][-most:]
    year = [("GRR", "grr"), ("logos", "logos")] if seen >= 12 else []
    spelled = amounts(currency, [one["opening_mrr"] for one in shown])
    hidden = len(block["cohorts"]) - len(shown)
    which = f", the latest {QUARTERS} of {len(block['cohorts'])}" if hidden else ""
    heads = ("cohort", "accounts", "first MRR", *(f"NRR {month}m" for month in months))
    title = f"By fiscal quarter of acquisition{which}, MRR in {spelled.unit}"
    table = figures(title, *heads, *(f"{word} 12m" for word, _ in year))
    table.columns[0].no_wrap = True
    for one in shown:
        ratios = [one["nrr"][month] for month in months] + [one[key][12] for _, key in year]
        name = one["cohort"] + ("" if one.get("complete", True) else " *")
        name += " †" if one.get("begins_with_book") else ""
        opening = spelled.spell(one["opening_mrr"])
        table.add_row(name, f"{one['accounts']:,}", opening, *map(percent, ratios))
    show(table)
    if any(not one.get("complete", True) for one in shown):
        write("* the quarter is not over")
    if any(one.get("begins_with_book") for one in shown):
        write("† the book begins here: older customers are in it too")
    tell(
        "NRR 12m = MRR of the cohort 12 months after each account's first paid month-end, over its "
        "MRR then; GRR: none above its first MRR; logos: the share that pays."
    )
    if "rates_of" in block:
        write(f"cohorts are valued at the exchange rates of {block['rates_of']}")


def _time(block: Body, _: str) -> None:
    """Show how long accounts take to their first expansion, and which have not been seen to."""
    if not block["accounts"]:
        write(f"Time to first expansion: {block['reason']}")
        return
    title = "Time to first expansion, days from the first paid day (Kaplan-Meier)"
    heads = ("whom", "accounts", "expanded", "half\nby day", "95 %\ninterval", "quarter\nby day")
    table = figures(title, *heads)
    segments = block.get("segments", ())
    rows = [("all", block), ("seat, tier, product, usage", block.get("organic"))]
    rows += [(f"segment {one['segment']}", one) for one in segments[:SEGMENTS]]
    for name, one in rows:
        if one:
            quarter = _days(one["quartiles_days"]["p25"])
            interval = _interval(*one["interval_days"])
            counts = (f"{one['accounts']:,}", f"{one['events']:,}")
            table.add_row(name, *counts, _days(one["median_days"]), interval, quarter)
    show(table)
    if len(segments) > SEGMENTS:
        write(f"… and {len(segments) - SEGMENTS} more segments (--json lists them)")
    tell("accounts that have not expanded yet count as seen so far, not as never")
    if "reason" in block:
        write(f"note: half of the accounts: {block['reason']}")
    if "note" in block:
        tell(f"note: {block['note']}")
    for target in block.get("targets", ()):
        met = {True: "met", False: "missed", None: "not seen long enough"}[target["met"]]
        write(f"target {target['for']}: below {target['days']} days: {met}")


def _interval(least: int | None, most: int | None) -> str:
    """Write from how many days to how many; an end that was not reached is open.

    Examples
    --------
    >>> _interval(90, 120), _interval(1919, None), _interval(None, None)
    ('90–120', '1,919 and more', '–')
    """
    if least is None:
        return "–" if most is None else f"up to {_days(most)}"
    return f"{_days(least)} and more" if most is None else f"{_days(least)}–{_days(most)}"


def _still(block: Body, currency: str) -> None:
    """Say how much MRR has paid for two years and not expanded."""
    if "reason" in block:
        write(f"No expansion in {block['months']} months: {block['reason']}")
        return
    spelled = amounts(currency, [block["mrr"]])
    tell(
        f"No expansion in {block['months']} months: {block['accounts']:,} of the "
        f"{block['paid_so_long']:,} accounts that paid so long "
        f"({percent(block['share_of_accounts'])}), MRR {spelled.spell(block['mrr'])} "
        f"{spelled.unit} ({percent(block['share_of_mrr'])} of theirs)"
    )
    largest = ", ".join(
        f"{one['account_id']} {spelled.spell(one['mrr'])}" for one in block["listed"][:LARGEST]
    )
    if largest:
        write(f"  the largest: {largest}")


def _conversion(block: Body, currency: str) -> None:
    """Say how many qualified expansion deals were won in time."""
    if block.get("rate") is None:
        write(f"Expansion conversion: {block['reason']}")
        return
    spelled = amounts(currency, [block["qualified_mrr"]])
    won, qualified = (spelled.spell(block[key]) for key in ("won_in_time_mrr", "qualified_mrr"))
    worth = f"of their MRR {won} of {qualified} {spelled.unit} ({percent(block['rate_of_mrr'])})"
    tell(
        f"Expansion conversion: {block['won_in_time']:,} of {block['qualified']:,} deals won within "
        f"{block['days']} days of qualification ({percent(block['rate'])}); "
        f"{_worthless(block, 'qualified') or worth}"
    )


def _pipeline(block: Body, currency: str) -> None:
    """Show the open expansion deals by stage."""
    if "stages" not in block:
        write(f"Expansion pipeline: {block['reason']}")
        return
    spelled = amounts(currency, [block["total"]["mrr"]])
    title = f"Expansion pipeline, open deals of paying accounts, MRR in {spelled.unit}"
    table = figures(title, "stage", "deals", "MRR", "weighted MRR")
    for one in (*block["stages"], {"stage": "all"} | dict(block["total"])):
        none = one.get("without_amount") == one["deals"]
        worth = (spelled.spell(None if none else one[key]) for key in ("mrr", "weighted_mrr"))
        table.add_row(str(one["stage"] or "no stage"), f"{one['deals']:,}", *worth)
    show(table)
    rate = block["win_rate"]
    if lacking := _worthless(block["total"], "deals") or _lacking(
        block["total"].get("without_amount", 0)
    ):
        tell(lacking)
    tell("weighted by the deal's own probability, else by the win rate of its stage or the book")
    write(
        f"win rate of closed deals: {rate['won']:,} of {rate['closed']:,} ({percent(rate['rate'])})"
    )


def _worthless(block: Body, deals: str) -> str:
    """Say that no deal has an amount: what they are worth is not known, and not nothing."""
    none = block.get("without_amount", 0) == block[deals] > 0
    return "what they are worth is not known: map amount_mrr of opportunities" if none else ""


def _lacking(deals: int) -> str:
    return f"{deals:,} of them without an amount: their MRR is not in it" if deals else ""


def _compounding(block: Body, currency: str) -> None:
    """Say what today's ARR becomes if NRR stays as it is, in two lines."""
    years = block["years"]
    spelled = amounts(currency, [block["arr"], *(one["arr"] for one in years)])
    write(
        f"ARR (12 × closing MRR) {spelled.spell(block['arr'])} {spelled.unit}, "
        f"NRR {percent(block['nrr'])}; {block['label']}:"
    )
    write("  ARR after " + ", ".join(_after(one, spelled) for one in years))


def _after(one: Body, spelled: Amounts) -> str:
    plural = "s" if one["years"] > 1 else ""
    return f"{one['years']} year{plural} {spelled.spell(one['arr'])} (× {one['multiple']:.2f})"


def _benchmarks(rows: Sequence[Body], _: str) -> None:
    """Show the book's figures beside what the articles give for its part of the market.

    What an article says of all companies is shown only where none speaks of the book's part.
    """
    from features.benchmark_table import metrics_told  # heavy: the table of the articles

    known = [row for row in rows if row["yours"] is not None]
    parted = {row["metric"] for row in known if row["by"] != "all"}
    shown = [row for row in known if row["by"] != "all" or row["metric"] not in parted]
    groups: dict[tuple[str, ...], list[Body]] = {}
    for row in shown:
        groups.setdefault((row["metric"], row["period"], row["by"], row["of"]), []).append(row)
    title = "Benchmarks: what four articles give for companies like this one"
    table = figures(title, "figure", "for", "theirs", "yours", texts=3)
    for (metric, period, by, of), one in groups.items():
        name = metrics_told()[metric].name + ("" if period in TIMELESS else f", {period}")
        whom = "all companies" if by == "all" else f"{by} {of}"
        theirs = "\n".join(f"{_range(row)}: {row['level']} ({row['source']})" for row in one)
        table.add_row(name, whom, theirs, _figure(one[0]["yours"], one[0]["unit"]))
    if groups:
        show(table)
    if len(rows) > len(shown):
        write(
            f"{len(rows) - len(shown)} more benchmarks, and the definition and place of each: --json"
        )


def _range(row: Body) -> str:
    if "value" in row:
        return _figure(row["value"], row["unit"])
    if "low" in row and "high" in row:
        low, high = (_figure(row[end], row["unit"]) for end in ("low", "high"))
        return f"{low.removesuffix(' ' + row['unit'])} to {high}"
    side, limit = ("≥", row["low"]) if "low" in row else ("≤", row["high"])
    return f"{side} {_figure(limit, row['unit'])}"


def _figure(value: float, unit: str) -> str:
    """Spell a figure in its unit.

    Examples
    --------
    >>> _figure(1.05, "ratio"), _figure(90, "days"), _figure(1, "levers")
    ('105.0 %', '90 days', '1 lever')
    """
    one = unit.removesuffix("s") if value == 1 else unit
    return percent(value) if unit in ("ratio", "share") else f"{value:,.4g} {one}"


def _days(days: int | None) -> str:
    return "–" if days is None else f"{days:,}"
