"""Pages of outreach: the list, a logged contact, a CSM's own call, plans and effects of trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from serving.terminal.paper import (
    Body,
    effect,
    money,
    percent,
    show,
    tabulated,
    tell,
    write,
)

__all__ = ["called", "effects", "logged", "outreach", "planned"]


def outreach(rows: Sequence[Body], as_of: date, *, narrowed: bool = False) -> None:
    """Show the list (``narrowed``: a part of it): whom, which play, worth what, and why."""
    heads = ("#", "account", "cell", "play", "MRR", "worth a year", "why")
    table = tabulated(f"Outreach, week of {as_of}: expected value, best first", *heads)
    for row in rows:
        table.add_row(
            str(row["rank"]),
            f"{row['name'] or row['account_id']}\n{row['csm']}",
            row["cell"],
            row["play"],
            money(row["mrr"]),
            money(row["expected_value"]),
            "\n".join(_why(row)),
            end_section=True,
        )
    if not rows:
        why = "nobody is worth more than a play costs ([outreach])"
        write(f"Outreach, week of {as_of}: {'no such account on the list' if narrowed else why}")
        return
    show(table)


def _why(row: Body) -> Iterable[str]:
    """Give the reasons and triggers of a row, in words; what a reason said no trigger says again."""
    said = " ".join([row["evidence"] or "", *(one["phrase"] for one in row["reasons"] or ())])
    if row["evidence"]:
        yield row["evidence"]
    for reason in row["reasons"] or ():
        if reason["signal"] not in ("other", "calendar", "leaves_first") and reason["effect"]:
            yield f"{reason['phrase']} ({effect(reason['effect'])} points)"
    for trigger in (row["triggers"] or ())[:2]:
        if trigger["evidence"] not in said:
            yield f"{trigger['evidence']}"
    if row["guard"]:
        yield f"guard: {row['guard']}"
    for other in row["others"] or ():
        yield f"also: {other['play']}" + (f" ({other['held']})" if other["held"] else "")
    for name, words in (("csm_call", "the CSM says: "), ("note", "")):
        if row[name]:
            yield f"{words}{row[name]}"


def logged(body: Body) -> None:
    """Say what was logged."""
    said = f": {body['outcome']}" if body["outcome"] else ""
    write(f"logged: {body['account_id']}, {body['play']}, on {body['acted_on']}{said}")
    tell("It is not listed again for this play within its cool-down, from the next run on.")


def called(body: Body) -> None:
    """Say what the CSM calls an account, beside the machine."""
    if not body["csm_call"]:
        write(f"{body['account_id']}: the call is withdrawn")
        return
    machine = body["machine"]
    write(f"{body['account_id']}: {body['csm_call']}")
    write(
        f"the machine: Retention {machine['retention_health']}, "
        f"Expansion {machine['expansion_readiness']}"
        + (" - they disagree" if body["disagrees"] else "")
    )


def planned(body: Body) -> None:
    """Show how long a holdout takes."""
    heads = (
        "play",
        "accounts a quarter",
        "rate",
        "outcomes needed",
        "months",
        "months to 500 each",
    )
    title = (
        f"A holdout of {percent(body['share'])}, an effect of {percent(body['relative_effect'])}"
    )
    table = tabulated(f"{title} of the rate: months until it would show", *heads)
    for row in body["plays"]:
        counts = (row["outcomes_needed"], row["months"], row["months_to_be_called_lift"])
        table.add_row(
            row["play"],
            f"{row['a_quarter']:,}",
            percent(row["rate"]),
            *("never" if count is None else f"{count:,}" for count in counts),
        )
    show(table)
    tell(
        f"From {body['lists']} published lists; {body['takes_part']:,} of {body['accounts']:,} "
        "accounts take part (no hard event, no renewal within 90 days, not in the top tenth by "
        "MRR). 95 % two-sided, 80 % power; the quarter until the last outcome is known is in it."
    )


def effects(body: Body) -> None:
    """Show what each play brought: treated beside held, with the interval."""
    heads = ("play", "treated", "held", "effect in points", "95 %", "verdict")
    table = tabulated(f"Effect of plays after {body['months']} months, as drawn", *heads)
    for row in body["plays"]:
        some = row["effect"] is not None
        table.add_row(
            row["play"],
            *(
                f"{row[arm]['events']:,} of {row[arm]['outcomes']:,}"
                for arm in ("treated", "holdout")
            ),
            effect(row["effect"]) if some else "–",
            f"{effect(row['low'])} to {effect(row['high'])}" if some else "–",
            row["verdict"],
        )
    if body["plays"]:
        show(table)
    else:
        write("no play has an outcome yet: nothing was held out, or its three months are not over")
    if body["waiting"]:
        tell(f"{body['waiting']:,} assignments wait for their three months to be over.")
