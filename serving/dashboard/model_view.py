"""What the Model page shows: the version that serves, its record, its past and its drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.backtest_words import EVENTS, SPANS, between
from serving.dashboard.model_drawn import bands_option, periods_option, reliability_option
from serving.model_at_hand import ModelState
from serving.model_notes import bundle_told, index, noted
from serving.monitoring import watch
from serving.monitoring.findings import EVENT_WORDS
from serving.queries import Run
from serving.store import Store

__all__ = ["CANNOT", "model_view"]

RUNS = 1000
SIDES = (
    ("retention", "renewed", "Renewed, of those with a decision in the quarter"),
    ("expansion", "expanded", "Paid at least 2 % more, of all"),
)
BANDS = ("High", "Medium", "Low")
_SCORES = ("auc_at_risk", "skill", "slope", "o_over_e")

CANNOT = (
    ("What acting would change", "A reason is associated with the outcome; it is not its cause. "
     "The list is an order of priority until treated and held-out accounts were compared."),
    ("Decisions about a person", "Signals are about accounts. Nothing here judges a user, a "
     "contact or the CSM in charge."),
    ("New customers", "NRR is about the accounts that pay today; a forecast leaves out whoever "
     "signs tomorrow."),
    ("The audited number", "NRR follows the choices stamped beside it; finance may count "
     "renewals, currencies or pauses otherwise."),
    ("A shock that the past never saw", "Intervals are as wide as past periods were surprising."),
    ("Prices or terms of one account", "A chance is right on average over accounts like it, and "
     "says little of a single negotiation."),
)  # fmt: skip
"""What the model may not be used for, and why."""

Body = Mapping[str, Any]


def model_view(store: Store, run: Run, serving: ModelState | None) -> dict[str, Any]:
    """Gather everything that the page shows.

    Parameters
    ----------
    store : Store
    run : Run
        The published run.
    serving : ModelState, optional
        The model that serves now: it may be another than the run's, chosen by hand since.
    """
    digest = run.model_digest if serving is None else serving.digest
    version = run.model_version if serving is None else serving.version
    kept, notes = bundle_told(store.home, digest), noted(store.home, digest)
    backtest = notes.get("backtest") or {}
    runs = store.runs(RUNS)
    mine = [one for one in runs if one.model_digest == digest]
    seen = watch(store)
    return {
        "version": version,
        "digest": digest,
        "troubles": serving.troubles if serving is not None else (),
        "not_the_runs": digest != run.model_digest,
        "kind": notes.get("kind"),
        "trained_through": kept.get("trained_through") or notes.get("trained_through"),
        "since": min((one.published_at for one in mine), default=None),
        "served_runs": len(mine),
        "gate": notes.get("gate"),
        "events": _events(notes, kept, backtest),
        "lengths": _lengths(backtest),
        "backtest": backtest,
        "horizons": _horizons(kept, backtest),
        "sides": _sides(backtest),
        "gates": _gates(store, run),
        "seen": seen,
        "counted": [one for one in seen.months if "1" in one["horizons"]] if seen else [],
        "event_words": EVENT_WORDS,
        "versions": _versions(store, runs, digest),
        "cannot": CANNOT,
    }


def _events(notes: Body, kept: Body, backtest: Body) -> list[dict[str, Any]]:
    """Tell of each event what serves, its scores on past quarters, and its reliability."""
    told = backtest.get("probabilities") or kept.get("probabilities") or {}
    curves = backtest.get("reliability") or {}
    return [
        {
            "name": name,
            "words": words,
            "serves": (notes.get("serves") or {}).get(name) or told[name].get("serves"),
            "rung": (notes.get("rungs") or {}).get(name),
            "judged": told[name],
            "ends": {score: between(told[name], score) for score in _SCORES},
            "curve": (curves.get(name) or {}).get("score"),
            "option": reliability_option(curves[name]) if curves.get(name) else None,
        }
        for name, words in EVENTS.items()
        if name in told
    ]


def _lengths(backtest: Body) -> list[tuple[str, list[Body]]]:
    """Give the lift of every event at each length of list."""
    lift = backtest.get("lift") or {}
    return [(words, lift[name]) for name, words in EVENTS.items() if lift.get(name)]


def _horizons(kept: Body, backtest: Body) -> list[dict[str, Any]]:
    """Lay past forecasts beside what happened, by horizon."""
    periods = backtest.get("periods") or kept.get("periods") or ()
    accuracy = backtest.get("accuracy") or {}
    found = []
    for months, words in SPANS.items():
        mine = [one for one in periods if str(one["horizon_months"]) == months]
        if mine:
            told = {"words": words, "periods": mine, "option": periods_option(mine)}
            found.append(told | {"sum": accuracy.get(months)})
    return found


def _sides(backtest: Body) -> list[dict[str, Any]]:
    """Say of each band what became of its accounts, quarter by quarter and in all."""
    quarters, pooled = backtest.get("quarters") or (), backtest.get("bands") or {}
    if not quarters:
        return []
    return [
        {
            "side": side,
            "words": words,
            "rows": [
                (one["origin"], one["period_end"], [one[side][band][what] for band in BANDS])
                for one in quarters
            ],
            "all": [pooled[side][band][what] for band in BANDS],
            "option": bands_option(quarters, side, what, BANDS),
        }
        for side, what, words in SIDES
    ]


def _gates(store: Store, run: Run) -> dict[str, Any] | None:
    """Tell what the gates of the run found."""
    gates = store.document(run.run_id, "gates")
    if not gates:
        return None
    return {
        "cause": gates.get("cause") or [],
        "moves": gates.get("moves") or {},
        "unscorable": gates.get("unscorable", 0),
        "held": run.held_because or [],
    }


def _versions(store: Store, runs: Sequence[Run], digest: str) -> list[dict[str, Any]]:
    """List the versions, the latest first: registered ones, and those that only runs know."""
    told = index(store.home)
    champions = told.get("champions") or []
    known = {one["digest"]: dict(one) for one in told.get("versions") or ()}
    for one in runs:
        known.setdefault(
            one.model_digest, {"digest": one.model_digest, "version": one.model_version}
        )
    rows = [_of_version(one, runs, champions, digest) for one in known.values()]
    return sorted(rows, key=lambda one: -int(one["version"]))


def _of_version(
    one: Body, runs: Sequence[Run], champions: Sequence[int], digest: str
) -> dict[str, Any]:
    mine = [run.as_of for run in runs if run.model_digest == one["digest"]]
    number = int(one["version"])
    stands = (
        "serves" if one["digest"] == digest
        else "champion" if number in champions[:1]
        else "served before" if number in champions or mine
        else "challenger"
    )  # fmt: skip
    return {
        "version": number,
        "stands": stands,
        "kind": one.get("kind"),
        "trained_through": one.get("trained_through"),
        "gate": one.get("gate_said"),
        "serves": one.get("serves") or {},
        "runs": len(mine),
        "first": min(mine, default=None),
        "last": max(mine, default=None),
    }
