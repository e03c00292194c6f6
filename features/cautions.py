"""Cautions: what the figures themselves must warn of."""

from __future__ import annotations

from typing import Any

from features.cohorts import Measure

__all__ = ["LARGEST", "cautions"]

LARGEST = 5

_GRR_FLOOR = 0.85
_SEGMENT_FLOOR = 0.90
_CONTRACTION_A_YEAR = 0.05
_SERIOUS = 2
_CONCENTRATED = 0.5


def cautions(whole: Measure, segments: list[Measure], largest: list[int]) -> list[dict[str, Any]]:
    """List the warnings that a window raises by itself.

    Parameters
    ----------
    whole : Measure
        The window over the whole book.
    segments : list of Measure
        The same window by segment.
    largest : list of int
        The largest expansions by account, in micro-units (at most `LARGEST`).

    Returns
    -------
    list of dict
        ``code``, ``message`` and the figures that it speaks of; empty where nobody paid at the
        opening.
    """
    if whole.nrr is None:
        return []
    found = (
        _masked(whole),
        _no_expansion(whole),
        _illusion(whole, segments),
        _contraction(whole),
        _concentration(whole, largest),
        _short(whole),
    )
    return [caution for caution in found if caution]


def _masked(whole: Measure) -> dict[str, Any] | None:
    nrr, grr = whole.nrr or 0.0, whole.grr or 0.0
    if grr >= _GRR_FLOOR or nrr < 1:
        return None
    message = f"GRR is {grr:.1%} while NRR is {nrr:.1%}: expansion is masking churn"
    return {"code": "grr_masked", "message": message, "grr": grr, "nrr": nrr}


def _no_expansion(whole: Measure) -> dict[str, Any] | None:
    if whole.cohort["expansion"]:
        return None
    message = f"NRR equals GRR ({whole.nrr:.1%}): no account of the cohort expanded"
    return {"code": "no_expansion", "message": message, "nrr": whole.nrr}


def _illusion(whole: Measure, segments: list[Measure]) -> dict[str, Any] | None:
    weak = [m for m in segments if m.nrr is not None and m.nrr < _SEGMENT_FLOOR]
    if (whole.nrr or 0.0) < 1 or not weak:
        return None
    told = [
        {"segment": m.cut["segment"], "nrr": m.nrr, "accounts": m.cohort["accounts"]} for m in weak
    ]
    names = ", ".join(f"{t['segment'] or 'no segment'} {t['nrr']:.1%}" for t in told)
    message = f"NRR is {whole.nrr:.1%} in all, but below {_SEGMENT_FLOOR:.0%} in: {names}"
    return {"code": "hundred_percent_illusion", "message": message, "segments": told}


def _contraction(whole: Measure) -> dict[str, Any] | None:
    share = whole.ratio(whole.cohort["contraction"]) or 0.0
    limit = _CONTRACTION_A_YEAR * whole.window.months / 12
    if share <= limit:
        return None
    meaning = (
        "three times the churn risk" if share > _SERIOUS * limit else "a product or pricing problem"
    )
    message = f"contraction is {share:.1%} of opening MRR (limit {limit:.2%}): {meaning}"
    return {"code": "contraction", "message": message, "share": share, "limit": limit}


def _concentration(whole: Measure, largest: list[int]) -> dict[str, Any] | None:
    expansion, top = whole.cohort["expansion"], sum(largest[:LARGEST])
    if not expansion or top <= _CONCENTRATED * expansion:
        return None
    without = whole.ratio(whole.cohort["closing"] - top)
    message = (
        f"the {len(largest[:LARGEST])} largest expansions make {top / expansion:.0%} of all "
        f"expansion; without them NRR would be {without:.1%}"
    )
    return {
        "code": "concentration",
        "message": message,
        "share": top / expansion,
        "nrr_without": without,
    }


def _short(whole: Measure) -> dict[str, Any] | None:
    if whole.window.months >= 3:
        return None
    message = "a window shorter than three months is indicative only"
    return {"code": "indicative", "message": message, "months": whole.window.months}
