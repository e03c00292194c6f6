"""A small book with a known law, as a history: no tables, no door, so that fits are tested fast.

Every account has a health that drifts; ``usage_wau_ratio`` and four more signals show it with
noise. Health lowers the hazard of leaving (in months that hold a decision, by law nowhere else)
and ``usage_growth_trait`` (shown by two other signals) raises the chance of growing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from threadpoolctl import threadpool_limits

from features.asof import add_months, month_end
from features.catalog import CATALOG
from models.bands import fit_bands
from models.calendar import calendar_facts
from models.carried import Carried
from models.prediction import HealthModel
from models.renewal import Renewal
from training.backtest import Backtest, backtest
from training.fit import fit_health
from training.history import History, _varying
from training.labels import panel
from training.width import factor_of

FIRST = date(2023, 1, 1)
ONE_THREAD = threadpool_limits(limits=1)
"""These matrices are small: threads of BLAS would wait for one another most of the time."""
HEALTHY = ("usage_wau_ratio", "usage_active_days_28d", "support_csat_91d")
UNHEALTHY = ("usage_days_since_last", "support_escalated_91d")
GROWING = ("expansion_limit_share", "expansion_gate_hits_30d")
NOISE = ("support_tickets_30d", "relationship_meetings_91d", "commercial_discount")


@dataclass(frozen=True)
class Law:
    """How a book comes about."""

    accounts: int = 150
    months: int = 20
    seed: int = 0
    monthly: float = 0.5
    strength: float = 1.5
    leaving: float = 0.05
    growing: float = 0.03
    shrinking: float = 0.01
    returning: float = 0.0
    leak: bool = False


def frame_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Make snapshot rows of a few facts; what is not said is missing."""
    plain = {
        "as_of": date(2025, 7, 1),
        "name": None,
        "segment": "smb",
        "acv_segment": "smb",
        "csm": None,
        "currency": "USD",
        "product": "core",
        "plan": "basic",
        "mrr_micros": 100_000_000,
        "first_paid_on": pd.Timestamp(2024, 1, 1),
        "tenure_days": 540.0,
        "term_months": 1.0,
        "next_renewal_on": pd.NaT,
        "decision": "monthly",
        "notice_ends_on": pd.NaT,
        "successor_on": pd.NaT,
        "successor_mrr_micros": np.nan,
    }
    full = [{"account_id": f"a{at:03d}"} | plain | row for at, row in enumerate(rows)]
    signals = pd.DataFrame(
        {s.slug: [float(row.get(s.slug, np.nan)) for row in full] for s in CATALOG}
    )
    facts = pd.DataFrame([{k: v for k, v in row.items() if k not in signals} for row in full])
    for column in ("next_renewal_on", "notice_ends_on", "successor_on"):
        facts[column] = pd.to_datetime(facts[column])
    return pd.concat([facts, signals], axis=1)


@lru_cache(maxsize=8)
def history_of(law: Law) -> History:
    """Live through a law; lead 1 of the last row but one is the last thing that happened."""
    rng = np.random.default_rng(law.seed)
    rows, ledger = _lived(law, rng)
    frame = frame_of(rows)
    frame = frame.sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    signals, dropped = _varying(frame, [signal.slug for signal in CATALOG])
    known_until = add_months(FIRST, law.months)
    return History(
        frame, calendar_facts(frame), panel(pd.DataFrame(ledger)), signals, dropped, known_until
    )


def _lived(law: Law, rng: np.random.Generator) -> tuple[list[Any], list[Any]]:
    n = law.accounts
    joined = np.where(rng.random(n) < 0.6, 0, rng.integers(0, max(law.months - 3, 1), n))
    term = np.where(rng.random(n) < law.monthly, 1, 12)
    started = joined - rng.integers(0, 12, n) * (joined == 0)
    mrr = np.round(np.exp(rng.normal(5.0, 1.0, n)), 2) * 1e6
    health, growth = rng.normal(size=n), rng.normal(size=n)
    paying, gone_since = np.zeros(n, dtype=bool), np.full(n, 10**6)
    rows: list[Any] = []
    ledger: list[Any] = []
    for month in range(law.months):
        as_of = add_months(FIRST, month)
        moved = np.zeros(n)
        if month:
            age = month - started
            free = (term == 1) | (age % 12 == 0)
            base = np.where(term == 1, law.leaving, min(3 * law.leaving, 0.5))
            leaving = expit(np.log(base / (1 - base)) - law.strength * health)
            leaves = paying & free & (rng.random(n) < leaving)
            rise = expit(np.log(law.growing / (1 - law.growing)) + law.strength * growth)
            luck = rng.random(n)
            moved = np.where(luck < rise, rng.uniform(0.05, 0.3, n), 0.0)
            moved = np.where(luck > 1 - law.shrinking, -rng.uniform(0.05, 0.4, n), moved)
            back = ~paying & (gone_since < month) & (rng.random(n) < law.returning)
            gone_since = np.where(leaves, month, gone_since)
            paying = (paying & ~leaves) | back
            health = 0.8 * health + 0.6 * rng.normal(size=n)
        paying |= joined == month
        before = mrr.copy()
        mrr = np.where(paying, np.round(mrr * (1 + moved)), mrr)
        end = month_end(add_months(as_of, -1))
        for at in np.flatnonzero(joined <= month):
            organic = int(mrr[at] - before[at]) if paying[at] else 0
            ledger.append(
                {
                    "account_id": f"a{at:03d}",
                    "month_end": end,
                    "closing_micros": int(mrr[at]) if paying[at] else 0,
                    "organic_micros": organic,
                }
            )
        if month >= 2:
            rows += [_row(law, at, month, as_of, rng, term, started, mrr, health, growth)
                     for at in np.flatnonzero(paying)]  # fmt: skip
    return (_leaked(rows, ledger) if law.leak else rows), ledger


def _row(
    law: Law,
    at: int,
    month: int,
    as_of: date,
    rng: np.random.Generator,
    term: Any,
    started: Any,
    mrr: Any,
    health: Any,
    growth: Any,
) -> dict[str, Any]:
    age = month - started[at]
    acv = 12 * mrr[at] / 1e6
    shown = {slug: health[at] + rng.normal() * 0.7 for slug in HEALTHY}
    shown |= {slug: -health[at] + rng.normal() * 0.7 for slug in UNHEALTHY}
    shown |= {slug: growth[at] + rng.normal() * 0.7 for slug in GROWING}
    shown |= {slug: rng.normal() for slug in NOISE}
    if rng.random() < 0.2:
        shown["support_csat_91d"] = np.nan
    annual = term[at] == 12
    due = month_end(add_months(as_of, 11 - age % 12)) if annual else pd.NaT
    return shown | {
        "account_id": f"a{at:03d}",
        "as_of": as_of,
        "acv_segment": "smb" if acv < 5000 else "mid-market" if acv < 50000 else "enterprise",
        "mrr_micros": int(mrr[at]),
        "tenure_days": 30.4375 * age,
        "term_months": float(term[at]),
        "next_renewal_on": due,
        "decision": "term" if annual else "monthly",
    }


def _leaked(rows: list[Any], ledger: list[Any]) -> list[Any]:
    """Let a signal know the future: how an account will stand three months on."""
    paid = {(r["account_id"], r["month_end"]): r["closing_micros"] > 0 for r in ledger}
    ahead = [paid.get((r["account_id"], month_end(add_months(r["as_of"], 2))), True) for r in rows]
    rng = np.random.default_rng(1)
    return [
        row | {"relationship_nps": 5.0 * stays + rng.normal()}
        for row, stays in zip(rows, ahead, strict=True)
    ]


@lru_cache(maxsize=8)
def model_of(law: Law) -> HealthModel:
    """Fit all that is closed in a law's history."""
    history = history_of(law)
    return fitted(history, history.known_until)


def fitted(history: History, origin: date, seed: int = 0) -> HealthModel:
    """Fit what was closed at an origin."""
    return fit_health(history, origin, {}, seed)


@lru_cache(maxsize=4)
def past_of(law: Law) -> Backtest:
    """Replay a law's past."""
    return backtest(history_of(law), lambda _: {}, 0)


def latest(law: Law) -> pd.DataFrame:
    """Give the last block of snapshot rows."""
    history = history_of(law)
    return history.frame.iloc[history.at(history.dates[-1])].reset_index(drop=True)


def with_bookings(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the first row notice at the end of next month, and the second a signed successor."""
    booked = frame.copy()
    as_of = booked.loc[0, "as_of"]
    soon = pd.Timestamp(add_months(as_of, 1))
    booked.loc[0, "notice_ends_on"] = soon
    booked.loc[1, "successor_on"] = soon
    booked.loc[1, "successor_mrr_micros"] = 1.25 * booked.loc[1, "mrr_micros"]
    return booked


def carried_of(law: Law) -> Carried:
    """Give what a bundle of a law's model would carry."""
    past, model, frame = past_of(law), model_of(law), latest(law)
    prediction = model.predict(frame)
    told = Renewal(model, prediction)
    return Carried(
        model=model,
        bands=fit_bands(1 - told.modelled(), told.basis, prediction.p_expand[:, 2]),
        stability={name: {} for name in model.targets},
        factor={str(h): one for h, one in factor_of(past.periods).items()},
        periods=past.periods,
        probabilities=past.probabilities,
        trained_through=history_of(law).known_until,
    )
