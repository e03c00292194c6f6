"""The page of monitoring: what asks for a review, signals beside their marks, months, sums."""

from __future__ import annotations

from serving.monitoring.findings import EVENT_WORDS
from serving.terminal.paper import Body, figures, show, tell, write

__all__ = ["monitoring"]

SHOWN = 12


def monitoring(body: Body) -> None:
    """Show what monitoring knows of the run that serves."""
    write(f"run {body['run_id']}, model {body['model_version']}, as of {body['as_of']}")
    if not body["findings"]:
        write("nothing asks for a review")
    for one in body["findings"]:
        tell(f"{one['kind']}: {one['says']}. Review: {one['review']}")
    if body["own"]:
        _signals(body["own"])
    else:
        tell("signals: an earlier Perennial published this run; the next `perennial score` tells")
    _months(body["months"])
    _sums(body["sums"])


def _signals(own: Body) -> None:
    since = own["since"]
    if since is None:
        write("signals: a first run, nothing to compare with")
        return
    many = f"{own['signals']} signals compared with {since['as_of']}, {own['judged']} judged"
    write(f"{many}: {own['drifted']} drifted, {len(own['missing'])} missing of more accounts")
    if own["drift"]:
        table = figures("Nearest their mark", "signal", "PSI", "unusual from")
        for row in own["drift"]:
            table.add_row(row["signal"], f"{row['psi']:.2f}", f"{row['mark']:.2f}")
        show(table)


def _months(months: list[Body]) -> None:
    """Show what was foretold of each month beside what came, a month ahead."""
    rows = [one for one in months if "1" in one["horizons"]]
    if not rows:
        write("no month has closed yet: it takes two months from its beginning")
        return
    heads = [f"{words}:\nseen / expected" for words in EVENT_WORDS.values()]
    table = figures("Observed and foretold, one month ahead", "as of", "model", *heads)
    for one in rows[-SHOWN:]:
        told = one["horizons"]["1"]["events"]
        late = " (in hindsight)" if one["in_hindsight"] else ""
        cells = [f"{told[e]['observed']} / {told[e]['expected']:.1f}" for e in EVENT_WORDS]
        table.add_row(f"{one['as_of']}{late}", one["model_version"], *cells)
    show(table)


def _sums(sums: Body) -> None:
    """Show where the sums stand."""
    for event, steps in sums.items():
        if steps:
            last = steps[-1]
            more, fewer = f"more {last['above']:.1f}", f"fewer {last['below']:.1f}"
            write(f"accounts that {EVENT_WORDS[event]}: {more}, {fewer} (a finding beyond 5)")
