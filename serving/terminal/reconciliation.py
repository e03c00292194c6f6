"""The page of `metrics --reconcile`: from one definition's NRR to another's, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.terminal.amounts import amounts
from serving.terminal.paper import Body, figures, percent, points, show, tabulated, tell, write

__all__ = ["reconciled"]

_RATIOS = ("nrr", "grr")


def reconciled(body: Body, currency: str) -> None:
    """Show one walk, or every preset beside the others."""
    if "presets" in body:
        _side_by_side(body, currency)
    else:
        _walk(body)


def _walk(body: Body) -> None:
    here, there, span = body["from"], body["to"], body["window"]
    title = (
        f"From {here['preset']} to {there['preset']}, {span['from']} to {span['to']}: "
        "effects in points of opening MRR"
    )
    table = tabulated(title, "rule", "becomes", "NRR", "GRR", "note")
    for column in table.columns[2:4]:
        column.justify, column.no_wrap = "right", True
    table.add_row(f"as {here['preset']}", "", *_ratios(here), here.get("reason", ""))
    for line in body["lines"]:
        effects = (points(line[f"{name}_points"]) for name in _RATIOS)
        was, becomes = _value(line["from"]), _value(line["to"])
        note = line.get("reason") or line["note"]
        table.add_row(line["rule"], f"{was} → {becomes}", *effects, note)
    table.add_row(f"as {there['preset']}", "", *_ratios(there), there.get("reason", ""))
    show(table)
    if "reason" in body:
        write(f"note: the walk ends early: {body['reason']}")
        return
    if not body["lines"]:
        write("both follow the same rules")
        return
    whole = ", ".join(f"{name.upper()} {points(body[f'{name}_points'])}" for name in _RATIOS)
    tell(f"the lines add up exactly: {whole} points; each is measured after those above it")


def _side_by_side(body: Body, currency: str) -> None:
    presets, span = body["presets"], body["window"]
    every = [one[f"{end}_mrr"] for one in presets for end in ("opening", "closing")]
    spelled = amounts(currency, every)
    title = (
        f"Every preset, {span['from']} to {span['to']}, "
        f"MRR of the opening's accounts in {spelled.unit}"
    )
    heads = ("preset", "accounts", "opening MRR", "closing MRR", "NRR", "GRR")
    table = figures(title, *heads)
    for one in presets:
        accounts = "–" if one["accounts"] is None else f"{one['accounts']:,}"
        sums = (spelled.spell(one[f"{end}_mrr"]) for end in ("opening", "closing"))
        table.add_row(one["preset"], accounts, *sums, *map(percent, map(one.get, _RATIOS)))
    show(table)
    for one in presets:
        if one.get("reason"):
            write(f"note: {one['preset']}: {one['reason']}")
        if _brings_back(one):
            write(f"note: {one['preset']}: its NRR has more than its closing MRR: what came back")
    walks = {one["preset"]: one["reconciliation"] for one in presets if one["reconciliation"]}
    for name in _RATIOS:
        _lines(name, {preset: walk for preset, walk in walks.items() if walk["lines"]})


def _brings_back(one: Body) -> bool:
    """Whether NRR is more than closing over opening: returns from outside the cohort are in it."""
    if one["nrr"] is None:
        return False
    apart = abs(one["nrr"] * one["opening_mrr"] - one["closing_mrr"])
    return bool(apart > 0.01 + 1e-6 * one["opening_mrr"])  # its six decimals, and cents


def _lines(ratio: str, walks: Mapping[str, Body]) -> None:
    """Show what each rule does to a ratio, a preset per column."""
    if not walks:
        return
    rules = list(dict.fromkeys(line["rule"] for walk in walks.values() for line in walk["lines"]))
    heads = ("rule", *(preset.replace("-", "-\n") for preset in walks))
    table = figures(f"{ratio.upper()}: effect of each rule, in points", *heads)
    columns = [
        {line["rule"]: line[f"{ratio}_points"] for line in walk["lines"]} for walk in walks.values()
    ]
    for rule in rules:
        table.add_row(rule, *(points(one[rule]) if rule in one else "" for one in columns))
    table.add_section()
    table.add_row("all together", *(points(walk[f"{ratio}_points"]) for walk in walks.values()))
    show(table)


def _ratios(end: Body) -> Sequence[str]:
    return ["–" if end[name] is None else f"{100 * end[name]:.4f} %" for name in _RATIOS]


def _value(value: Any) -> str:
    """Spell the value of a rule, or of several that change together."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(one)}" for key, one in value.items())
    return "unset" if value is None else str(value)
