"""Pages of a backtest: forecasts beside what happened, chances, lists, bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from serving.backtest_words import BASELINES, ENDINGS, EVENTS, SPANS, TOP_DOWN, between
from serving.definition import rules_line
from serving.terminal.paper import (
    Body,
    figures,
    money,
    number,
    percent,
    show,
    tell,
    width,
    write,
)

__all__ = ["backtest"]

_WIDE = 104
"""Columns from which every baseline stands beside every period."""
_HEADS = {
    "no change": "no\nchange",
    "last period": "last\nperiod",
    "same as last year": "last\nyear",
    "trailing mean": "trail-\ning",
    "calendar": "calen-\ndar",
    "damped mean by segment": "damped\nmean",
    "ETS by segment": "ETS",
    "ARIMA by segment": "ARIMA",
    "theta by segment": "theta",
}
_BANDS = ("High", "Medium", "Low")
_SIDES = {"retention": "Retention health", "expansion": "Expansion readiness"}


def backtest(body: Body) -> None:
    """Show a backtest: what would have been forecast and listed, beside what happened."""
    _head(body)
    _periods(body)
    _errors(body)
    _trailing(body)
    _coverage(body)
    _chances(body)
    _reliability(body)
    _lift(body)
    _list(body)
    _bands(body)
    for name, meaning in body["definitions"].items():
        tell(f"{name}: {meaning}")


def _head(body: Body) -> None:
    days = body["origins"]
    span = f": {days[0]} to {days[-1]}" if days else ""
    every = "every month" if body["step_months"] == 1 else "every third month"
    write(f"Backtest as of {body['as_of']}, {len(days)} origins ({every}){span}")
    if body["sealed"]:
        write(f"sealed: {', '.join(body['sealed'])}: nothing was chosen there")
    write(f"revenue rules: {rules_line(body['definition'])}; currency {body['currency']}")
    tell("intervals are 90 %, unless it says otherwise; percent of NRR and errors in its points")
    for note in body["notes"]:
        tell(f"note: {note}")


def _periods(body: Body) -> None:
    names = BASELINES if width() >= _WIDE else ("calendar",)
    heads = ("to", "fore-\ncast", "80 %\ninterval", "90 %\ninterval", "actual", "error")
    for key, words in SPANS.items():
        periods = [one for one in body["periods"] if str(one["horizon_months"]) == key]
        table = figures(f"NRR {words} ahead, per cent", *heads, *(_HEADS[n] for n in names))
        table.padding = (0, 0)
        for one in periods:
            nrr = one["nrr"]
            table.add_row(
                one["period_end"],
                _plain(nrr["mean"]),
                f"{_plain(nrr['p10'])}–{_plain(nrr['p90'])}{_missed(one['inside_80'])}",
                f"{_plain(nrr['p05'])}–{_plain(nrr['p95'])}{_missed(one['inside_90'])}",
                _plain(one["actual_nrr"]),
                _points(one["error_points"]),
                *(_plain(one["baselines"].get(name)) for name in names),
            )
        if periods:
            show(table)
            _top_down(words, periods)
            _grr(words, periods)
    if body["periods"]:
        write("* the actual value lay outside; c combined with the top-down rules")


def _top_down(words: str, periods: Sequence[Body]) -> None:
    """Lay the forecast beside itself before it was combined, and beside the top-down rules."""
    heads = ("to", "actual", "fore-\ncast", "not\ncombined", *(_HEADS[n] for n in TOP_DOWN))
    table = figures(f"NRR {words} ahead, top-down rules by segment, per cent", *heads)
    for one in periods:
        table.add_row(
            one["period_end"],
            _plain(one["actual_nrr"]),
            _plain(one["nrr"]["mean"]) + ("c" if one["combined"] else " "),
            _plain(one["uncombined"]),
            *(_plain(one["baselines"].get(name)) for name in TOP_DOWN),
        )
    show(table)


def _grr(words: str, periods: Sequence[Body]) -> None:
    """Lay GRR beside what happened, and the scores of NRR's whole distribution beside it."""
    heads = ("to", "GRR\nforecast", "80 %\ninterval", "actual", "error", "CRPS")
    more = ("Winkler\n80 %", "Winkler\n90 %")
    table = figures(f"GRR {words} ahead, per cent; scores of NRR, points", *heads, *more)
    for one in periods:
        grr = one["grr"]
        table.add_row(
            one["period_end"],
            _plain(grr["mean"]),
            f"{_plain(grr['p10'])}–{_plain(grr['p90'])}",
            _plain(one["actual_grr"]),
            _points(one["grr_error_points"]),
            *_scores(one),
        )
    show(table)


def _scores(one: Body) -> tuple[str, str, str]:
    names = ("crps_points", "winkler_80_points", "winkler_90_points")
    crps, narrow, wide = (f"{one[name]:.1f}" for name in names)
    return crps, narrow, wide


def _errors(body: Body) -> None:
    told = {key: one for key, one in body["accuracy"].items() if one["applicable"]}
    if not told:
        return
    heads = [f"{SPANS[key]}\n{word}" for key in told for word in ("MAE", "bias")]
    table = figures("Errors of NRR, points: mean size (MAE), with sign (bias)", "", *heads)
    for name in ("forecast", *BASELINES, *TOP_DOWN):
        row = [_of(one["errors"].get(name)) for one in told.values()]
        table.add_row(name, *(cell for pair in row for cell in pair))
    for name, words in (("uncombined", "forecast, not combined"), ("grr", "forecast of GRR")):
        row = [_of(one[name] | {"compared": True}) for one in told.values()]
        table.add_row(words, *(cell for pair in row for cell in pair))
    show(table)
    columns = ("horizon", "CRPS", "Winkler\n80 %", "Winkler\n90 %", "combined")
    table = figures("Scores of NRR's whole distribution, points: smaller is better", *columns)
    for key, one in told.items():
        table.add_row(SPANS[key], *_scores(one), f"{one['combined_periods']} of {one['periods']}")
    show(table)
    for key, one in told.items():
        if one["skill"] is not None:
            side = "smaller" if one["skill"] >= 0 else "larger"
            said = f"{percent(abs(one['skill']))} {side} than {one['best_baseline']}'s"
            write(f"{SPANS[key]}: mean error {said}, the best of the simpler rules")


def _trailing(body: Body) -> None:
    """Show past trailing-twelve-month forecasts beside what they became."""
    heads = ("at the end of the", "on", "months\nforecast", "NRR", "80 %\ninterval", "actual")
    title = "Trailing 12 months, as the origins forecast them, per cent"
    table = figures(title, *heads, "error", "GRR", "actual")
    table.padding = (0, 0)
    for one in body.get("ttm", ()):
        nrr, inside = one["nrr"], one["inside_80"]
        table.add_row(
            ENDINGS[one["ending"]],
            one["date"],
            str(one["months_forecast"]),
            _plain(nrr["mean"]),
            f"{_plain(nrr['p10'])}–{_plain(nrr['p90'])}{_missed(inside)}",
            _plain(one["actual_nrr"]),
            _points(one["error_points"]),
            _plain(one["grr"]["mean"]),
            _plain(one["actual_grr"]),
        )
    if table.row_count:
        show(table)
    for name, one in body.get("ttm_accuracy", {}).items():
        if one["applicable"]:
            told = f"MAE {one['mae_points']:.1f}, bias {_points(one['bias_points'])} points"
            held = f"{one['inside_80']} of {one['periods']} inside 80 %"
            write(f"trailing 12 months at the end of the {ENDINGS[name]}: {told}; {held}")


def _of(error: Body | None) -> tuple[str, str]:
    """Spell MAE and bias; a baseline that some period lacks is not compared."""
    if error is None or not error["compared"]:
        return "–", "–"
    return f"{error['mae_points']:.1f}", _points(error["bias_points"])


def _coverage(body: Body) -> None:
    heads = ("horizon", "inside\n80 %", "interval", "inside\n90 %", "interval", "n_eff")
    table = figures("Coverage of NRR: actual values inside", *heads)
    for key, one in body["accuracy"].items():
        if one["applicable"]:
            table.add_row(
                SPANS[key],
                *(cell for level in ("80", "90") for cell in _inside(one[f"coverage_{level}"])),
                f"{one['n_eff']:.1f}",
            )
    if table.row_count:
        show(table)
        write("the intervals beside them are as wide as n_eff periods, that do not overlap, allow")


def _inside(one: Body) -> tuple[str, str]:
    return f"{one['events']} of {one['count']}", _ends(one)


def _chances(body: Body) -> None:
    if not body["origins"]:
        return
    heads = (
        "event",
        "serves",
        "events",
        "at risk",
        "AUC",
        "interval",
        "calen-\ndar's",
        "health\nscore's",
    )
    table = figures("Chances three months ahead: ranking among accounts at risk", *heads, texts=2)
    table.padding = (0, 0)
    for name in EVENTS:
        one = body["probabilities"][name]
        scores = [
            number(one.get("auc_at_risk")),
            _range(one, "auc_at_risk", 2),
            number(one.get("auc_calendar_at_risk")),
            number(one.get("auc_rules_at_risk")),
        ]
        table.add_row(name, one["serves"], f"{one['events']:,}", f"{one['rows']:,}", *scores)
    show(table)
    _calibration(body)


def _calibration(body: Body) -> None:
    judged = {name: one for name, one in body["probabilities"].items() if one["applicable"]}
    heads = (
        "event",
        "skill",
        "interval",
        "sealed",
        "slope",
        "interval",
        "O / E",
        "interval",
    )
    table = figures(
        "Skill over the calendar, per cent; calibration slope; observed / expected", *heads
    )
    table.padding = (0, 0)
    for name, one in judged.items():
        sealed = one.get("sealed", {}).get("skill")
        table.add_row(
            name,
            _signed(100 * one["skill"], 1),
            _range(one, "skill", 1, 100),
            "–" if sealed is None else _signed(100 * sealed, 1),
            _signed(one["slope"], 2),
            _range(one, "slope", 2),
            _signed(one["o_over_e"], 2),
            _range(one, "o_over_e", 2),
        )
    if judged:
        show(table)
    if len(judged) < len(EVENTS):
        write("not applicable where fewer than 3 origins or 10 events are there to judge by")


def _range(one: Body, name: str, decimals: int, times: float = 1.0) -> str:
    """Spell a score's interval in few characters."""
    ends = between(one, name)
    return "–" if ends is None else " to ".join(_signed(times * end, decimals) for end in ends)


def _signed(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _reliability(body: Body) -> None:
    for name, words in EVENTS.items():
        curve = (body["reliability"].get(name) or {}).get("score", ())
        heads = ("chance that was said", "on average", "came true", "interval", "events", "of")
        table = figures(f"Reliability of the score: {words}", *heads)
        for one in curve:
            table.add_row(
                f"{percent(one['from'])} to {percent(one['to'])}",
                percent(one["said"]),
                percent(one["share"]),
                _ends(one),
                f"{one['events']:,}",
                f"{one['count']:,}",
            )
        if table.row_count:
            show(table)


def _lift(body: Body) -> None:
    heads = ("list at each origin", "accounts\ncaught", "calen-\ndar", "health\nscore", "ran-\ndom")
    more = ("MRR\ncaught", "calen-\ndar", "largest\nfirst")
    for name, words in EVENTS.items():
        table = figures(f"Lists, {words}: share of what happened that they held", *heads, *more)
        for one in body["lift"].get(name) or ():
            accounts, mrr = one["accounts"], one["mrr"]
            table.add_row(
                f"{one['list']}\n{one['listed']:,} of {one['of']:,}",
                f"{_whole(accounts['share'])}\n{_ends(accounts)}",
                *(_whole(accounts["baselines"].get(k)) for k in ("calendar", "health score")),
                _whole(accounts["baselines"]["at random"]),
                f"{_whole(mrr['share'])}\n{_ends(mrr)}",
                *(_whole(mrr["baselines"].get(k)) for k in ("calendar", "largest first")),
            )
        if table.row_count:
            show(table)
    if any(body["lift"].values()):
        write("accounts in order of chance; MRR in order of chance x MRR, as the list is")


def _list(body: Body) -> None:
    rows = body["lists"].get("churn") or ()
    if not rows:
        return
    title = f"First of the list of {rows[0]['origin']}"
    table = figures(title, "account", "MRR", "chance\nof leaving", "left in\n3 months")
    for one in rows:
        left = "yes" if one["happened"] else "no"
        name = one["name"] or one["account_id"]
        table.add_row(str(name), money(one["mrr"]), percent(one["chance"]), left)
    show(table)


def _bands(body: Body) -> None:
    if not body["quarters"]:
        return
    heads = [f"{share}\n{band}" for share in ("renewed", "expanded") for band in _BANDS]
    for side, title in _SIDES.items():
        table = figures(f"{title}: what became of each band", "three months to", *heads)
        for one in body["quarters"]:
            table.add_row(one["period_end"], *_row(one[side]))
        table.add_section()
        table.add_row("all", *_row(body["bands"][side], ends=True))
        show(table)


def _row(bands: Mapping[str, Body], ends: bool = False) -> list[str]:
    shares = [bands[band][share] for share in ("renewed", "expanded") for band in _BANDS]
    return [_share(one) + (f"\n{_ends(one)}" if ends else "") for one in shares]


def _share(one: Body) -> str:
    return f"{percent(one['share'])}\nof {one['count']:,}"


def _ends(one: Body) -> str:
    if one["low"] is None:
        return "–"
    return f"{100 * one['low']:.0f}–{100 * one['high']:.0f} %"


def _whole(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _plain(ratio: float | None) -> str:
    return "–" if ratio is None else f"{100 * ratio:.1f}"


def _missed(inside: bool) -> str:
    return " " if inside else "*"


def _points(value: float | None) -> str:
    if value is None:
        return "–"
    text = f"{abs(value):.1f}"
    sign = "" if text == "0.0" else "\N{MINUS SIGN}" if value < 0 else "+"
    return sign + text
