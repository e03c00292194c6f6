"""The page of `metrics`: retention by cut, movements, levers, what to beware of, and the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from serving.flows import FLOWS
from serving.terminal.amounts import Amounts, amounts
from serving.terminal.closing import closed_in_short
from serving.terminal.cohorts import beside
from serving.terminal.paper import Body, figures, percent, show, tell, width, write
from serving.terminal.rules import chosen

__all__ = ["metrics", "naming"]

EARLIER = 8
HEADS = {"contraction": "contrac-\ntion", "exchange rates": "exchange\nrates"}
ROOMY = 100  # columns from which a table of movements has its ends too
LINES = ("product", "plan")  # cuts that treat each line as an account of its own
RATIOS = ("nrr", "grr", "organic_nrr", "logo_churn")
SEEN = ("expansion", "contraction", "churned")  # what the opening's accounts can do


def metrics(body: Body) -> None:
    """Show the retention of a window: ratios in per cent, MRR in the book's currency."""
    whole, *cuts = body["windows"]
    spelled = amounts(body.get("currency", ""), _every_amount(body["windows"]))
    _retention(body, spelled)
    for caution in body["warnings"]:
        write(f"{caution.get('level', 'warning')}: {caution['message']}")
    if whole["nrr"] is not None:
        _movements(whole, spelled, by_movements=body["definition"].get("losses") == "movements")
    if cuts:
        _by_cut(cuts, spelled)
    _earlier(body.get("series", ()))
    beside(body)
    if body.get("closed"):
        closed_in_short(body["closed"])
    chosen(body["definition"], body["currency"], whole["to"])


def _retention(body: Body, spelled: Amounts) -> None:
    first = body["windows"][0]
    title = (
        f"Retention from {first['from']} to {first['to']}, "
        f"MRR in {spelled.unit}, as of {body['as_of']}"
    )
    heads = ("cut", "accounts", "opening\nMRR", "NRR", "GRR", "organic\nNRR", "logo\nchurn")
    table = figures(title, *heads)
    for window in body["windows"]:
        accounts = "–" if window["accounts"] is None else f"{window['accounts']:,}"
        small = " *" if _small(window) else ""
        ratios = (percent(window[name]) for name in RATIOS)
        table.add_row(naming(window), accounts + small, spelled.spell(_opening(window)), *ratios)
    show(table)
    if any(map(_small, body["windows"])):
        write("* fewer than 20 accounts: one of them moves the ratio by points")
    for reason in sorted({window.get("reason") or "" for window in body["windows"]} - {""}):
        write(f"note: {reason}")
    for window in body["windows"]:
        if window.get("blend") is not None:
            tell(_blend(window))
    if any(window["nrr"] is not None for window in body["windows"]):
        tell(_meaning(first, body["definition"]))


def _small(window: Body) -> bool:
    """Whether one account moves the ratios by points; where nobody paid there are none."""
    return bool(window.get("small_cohort") and window["accounts"])


def _blend(window: Body) -> str:
    """Say what the lines' NRR makes together, and of whom.

    Examples
    --------
    >>> _blend({"cut": {"segment": "smb", "product": None}, "blend": 0.9}).partition(";")[0]
    'segment smb by product: the NRR of the lines, weighted by their opening MRR, is 90.0 %'
    """
    lines = " and ".join(name for name in window["cut"] if name in LINES)
    whom = naming({"cut": _attributes(window)})
    return (
        f"{whom} by {lines}: the NRR of the lines, weighted by their opening MRR, is "
        f"{percent(window['blend'])}; what moved between lines makes the rest of the way to the "
        "accounts' NRR."
    )


def _meaning(window: Body, rules: Body) -> str:
    """Say what the ratios divide by what, under the rules that made them.

    Examples
    --------
    >>> window = {"from": "2024-12-31", "to": "2025-12-31"}
    >>> _meaning(window, {"losses": "movements"}).split("; ")[1]
    'GRR: less every loss of theirs, month by month, whatever they gained beside it'
    """
    nrr = (
        f"NRR = MRR at {window['to']} of the accounts that paid at {window['from']}, over their "
        "MRR then"
    )
    added = {
        "s002": ", what other accounts brought back added",
        "excluded": ", none that left in between counted",
        "new": ", none that came back as new counted",
    }
    net = "no account counted above its opening"
    gross = "less every loss of theirs, month by month, whatever they gained beside it"
    return (
        f"{nrr}{added.get(str(rules.get('reactivation')), '')}; "
        f"GRR: {gross if rules.get('losses') == 'movements' else net}; organic NRR: only seats, "
        "tier, product and usage expand; logo churn: the share of these accounts that pay nothing "
        "at the end."
    )


def naming(window: Body) -> str:
    """Name the cut of a window, as a person says it.

    Examples
    --------
    >>> naming({"cut": {}}), naming({"cut": {"segment": "smb", "region": None}})
    ('whole book', 'segment smb, no region')
    >>> naming({"cut": {"region": "eu", "product": None}, "moved_between_lines": True})
    'region eu, moved between lines'
    """
    moved = bool(window.get("moved_between_lines"))
    cut = _attributes(window) if moved else window["cut"]
    parts = [f"no {k}" if v is None else f"{k} {v}" for k, v in cut.items()]
    return ", ".join(parts + ["moved between lines"] * moved) or "whole book"


def _attributes(window: Body) -> Body:
    """The part of a cut that is about accounts, not about their lines."""
    return {name: value for name, value in window["cut"].items() if name not in LINES}


def _opening(window: Body) -> float | None:
    """The MRR of the accounts that paid at the opening: what the ratios divide by."""
    opening: float | None = window["cohort"]["opening_mrr"] if "cohort" in window else None
    return window["opening_mrr"] if opening is None else opening


def _every_amount(windows: Sequence[Body]) -> Iterable[float | None]:
    for window in windows:
        yield from (window.get("opening_mrr"), window.get("closing_mrr"))


def _movements(whole: Body, spelled: Amounts, *, by_movements: bool) -> None:
    """Show how the MRR of the opening became that of the closing, and by which levers."""
    how = "summed" if by_movements else "net"
    title = f"Movements from {whole['from']} to {whole['to']}, MRR in {spelled.unit}"
    table = figures(title, "movement", "whole book,\nmonth by month", f"opening's\naccounts, {how}")
    cohort = whole["cohort"]
    theirs = {name: cohort[f"{name}_mrr"] for name in SEEN}
    if "reactivation_mrr" in cohort:
        theirs["reactivation"] = cohort["reactivation_mrr"]
    table.add_row("opening", spelled.spell(whole["opening_mrr"]), spelled.spell(_opening(whole)))
    for name, word, sign in FLOWS:
        own = sign * theirs[name] if name in theirs else None
        flow = sign * whole[f"{name}_mrr"]
        table.add_row(
            word, spelled.spell(flow, True), "" if own is None else spelled.spell(own, True)
        )
        if name == "churned":
            kinds = whole.get("churn_kinds") or {}
            apart = any(part for kind, part in kinds.items() if kind != "voluntary")
            for kind, part in kinds.items():
                if part and apart:
                    table.add_row(f"  of it {kind}", spelled.spell(-part, True), "")
    closing = (spelled.spell(whole["closing_mrr"]), spelled.spell(cohort["closing_mrr"]))
    table.add_row("closing", *closing, end_section=True)
    if whole.get("in_grace_mrr"):
        table.add_row("  of it in grace (late renewal)", spelled.spell(whole["in_grace_mrr"]), "")
    moves = {lever for lever, by in whole["levers"].items() if spelled.spell(by) != "0"}
    for lever, moved in whole["levers"].items():
        if lever in moves:
            table.add_row(f"lever {lever}, net", spelled.spell(moved, True), "")
    show(table)
    if "reactivation_mrr" in cohort:
        write("their closing leaves out what was brought back; NRR has it (reactivation = s002)")
    idle = [lever for lever in whole["levers"] if lever not in moves]
    if idle:
        write(f"no movement by lever: {', '.join(idle)}")
    for name, part in (whole.get("basis") or {}).items():
        told = f"{spelled.spell(part['opening_mrr'])} to {spelled.spell(part['closing_mrr'])}"
        write(f"of it {name}: {told}, NRR {percent(part['nrr'])} (the opening's accounts)")


def _by_cut(cuts: Sequence[Body], spelled: Amounts) -> None:
    """Show the movements cut by cut; a class that never moves has no column."""
    moved = [
        (name, word, sign)
        for name, word, sign in FLOWS
        if any(window[f"{name}_mrr"] for window in cuts)
    ]
    ends = ("opening", "closing") if width() >= ROOMY else ()
    heads = ("cut", *ends[:1], *(HEADS.get(word, word) for _, word, _ in moved), *ends[1:])
    table = figures(f"Movements by cut, month by month, MRR in {spelled.unit}", *heads)
    for window in cuts:
        flows = (spelled.spell(sign * window[f"{name}_mrr"], True) for name, _, sign in moved)
        levels = [spelled.spell(window[f"{end}_mrr"]) for end in ends]
        table.add_row(naming(window), *levels[:1], *flows, *levels[1:])
    show(table)


def _earlier(series: Sequence[Body]) -> None:
    """Show the whole book at earlier month-ends, the latest first."""
    every = [window for window in series if not window["cut"]]
    whole = every[:EARLIER]
    if not whole:
        return
    heads = ("from", "to", "NRR", "GRR", "organic NRR", "logo churn")
    which = f", the latest {EARLIER} of {len(every)}" if len(every) > EARLIER else ""
    table = figures(f"Earlier windows, whole book{which}", *heads, texts=2)
    for window in whole:
        table.add_row(window["from"], window["to"], *(percent(window[name]) for name in RATIOS))
    show(table)
