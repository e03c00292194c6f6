"""Pages of the forecast: NRR and GRR by horizon, and by cut."""

from __future__ import annotations

from collections.abc import Mapping

from serving.terminal.paper import Body, interval, money, percent, show, tabulated, write

__all__ = ["forecasts"]

PERIODS = {"1": "next month", "3": "next quarter", "12": "next year"}


def forecasts(bodies: Mapping[str, Body]) -> None:
    """Show NRR and GRR by horizon, with 80 % intervals, beside simpler rules."""
    heads = (
        "period",
        "to",
        "NRR",
        "80 % interval",
        "calendar says",
        "last year",
        "GRR",
        "interval",
    )
    table = tabulated("Forecast of the paying accounts' MRR", *heads)
    notes = []
    for horizon, one in bodies.items():
        if one["nrr"] is None:
            notes.append(f"{PERIODS[horizon]}: {one.get('reason', 'no forecast')}")
            continue
        simple = one.get("baselines", {})
        table.add_row(
            f"{PERIODS[horizon]} ({horizon} mo)",
            one["period_end"],
            percent(one["nrr"]["mean"]),
            interval(one["nrr"]),
            percent(simple.get("calendar")),
            percent(simple.get("same as last year")),
            percent(one["grr"]["mean"]),
            interval(one["grr"]),
        )
        if one["confidence"] == "thin":
            notes.append(f"{PERIODS[horizon]}: thin: {'; '.join(one['confidence_reasons'])}")
    show(table)
    write("NRR = closing / opening MRR of the accounts paying at the as-of date, new ones apart")
    for note in notes:
        write(note)
    for one in bodies.values():
        if len(one.get("by_cut", [])) and len(bodies) == 1:
            _cuts(one)


def _cuts(body: Body) -> None:
    table = tabulated("By cut", "cut", "accounts", "opening MRR", "NRR", "80 % interval")
    for cut in body["by_cut"]:
        name = ", ".join(f"{k} = {v}" for k, v in cut["cut"].items())
        if cut["nrr"] is not None:
            told = (percent(cut["nrr"]["mean"]), interval(cut["nrr"]))
            accounts = f"{cut['cohort_accounts']:,}"
            table.add_row(name, accounts, money(cut["opening_mrr"]), *told)
    show(table)
