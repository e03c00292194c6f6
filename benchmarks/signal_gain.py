"""What the signals bring: all of them beside the first families, out of time, on the same accounts.

Two books: the demo's simulated one, and a third party's simulated SaaS book where it lies beside
the project (``../shared/data/crm``, read as ``docs/examples/crm`` says, nothing past 2023-12-31).
Each is ingested once and its history gathered once; the past quarters are then replayed twice by
the code that trains, once with every signal and once with the first families' alone.

Usage: ``python -m benchmarks.signal_gain [--seed N] [--accounts N]`` (``make bench-signals``). The
outcome is printed and kept in ``benchmarks/results/signal_gain.json``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.outcome import circumstances, keep
from features.book import open_book
from features.ingest import ingest
from features.mapping import read_workspace
from features.rules import Rules
from models.target import TARGETS
from training.backtest import backtest
from training.history import History, gather
from training.worlds import simulate

__all__ = ["FIRST_FAMILIES", "compared", "main"]

HERE = Path(__file__).parent
CRM = HERE.parents[1] / "shared" / "data" / "crm"
CRM_MAPPING = HERE.parent / "docs" / "examples" / "crm" / "perennial.toml"
LIBRARIES = ("duckdb", "lightgbm", "numpy", "pandas", "scikit-learn")
CRM_DAY, DEMO_DAY = date(2024, 1, 1), date(2026, 1, 1)
TOLD = (
    "rows",
    "events",
    "auc_at_risk",
    "auc_calendar_at_risk",
    "log_loss",
    "skill",
    "skill_p10",
    "skill_p90",
)

UNITS = {
    "signals": "signals of the catalogue that the book has",
    "seconds": "wall seconds of the replay",
    "origins": "days on which a model was fitted, and judged by the three months that followed",
    "rows": "accounts to which it could happen, over all origins",
    "events": "those of them to which it happened within three months",
    "auc_at_risk": "area under the ROC curve, over rows",
    "auc_calendar_at_risk": "the same of the calendar alone",
    "log_loss": "nats a row",
    "skill": "1 - log_loss / the calendar's; p10 and p90 by a bootstrap over accounts",
    "log_loss_saved_by_the_rest": "1 - log_loss with all signals / with the first families'",
    "snapshot_rows": "accounts x as-of dates that were measured to learn from",
}

_SLUGS = {
    "usage": "events_7d events_28d events_91d active_days_7d active_days_28d active_days_91d users_7d users_28d users_91d ratio_28d slope_13w days_since_last gap_ratio wau_before wau_ratio wau_vs_segment weeks_before_quiet active_weeks_8w year_on_year billable_ratio_28d",
    "adoption": "features_28d share_28d features_adopted breadth_change core_share_28d core_adopted advanced_28d integrations_28d activated_30d days_to_activation",
    "support": "tickets_7d tickets_30d tickets_91d tickets_per_user burst_7d open urgent_open_days reopened_91d escalated_91d fundamental_91d first_response_91d resolution_91d csat_91d csat_worst_91d csat_missing_91d",
    "relationship": "days_since_meeting days_since_contact meetings_91d nps nps_change days_since_nps champion_left_91d advocacy_365d milestones_91d notice_91d",
    "commercial": "mrr_log tenure_days days_to_renewal term_months monthly auto_renew discount seats seat_use contraction_91d contraction_365d expansion_365d days_since_expansion price_rise_365d products lines notice days_to_review payments_failed_91d",
    "expansion": "limit_share days_to_limit seats_left seat_velocity_30d gate_hits_30d gate_users_30d limit_hits_30d pricing_views_30d locked_searches_30d invites_30d shares_30d governance_30d business_growth_91d",
}  # fmt: skip
FIRST_FAMILIES = frozenset(
    f"{family}_{slug}" for family, said in _SLUGS.items() for slug in said.split()
)
"""The 87 signals of the catalogue's first form (commit 25e1483)."""


def demo_history(accounts: int, seed: int, folder: Path) -> History:
    """Simulate the demo's book, ingest it and gather its history."""
    simulate(accounts, 36, seed).write(folder / "demo")
    return _history(folder / "demo" / "perennial.toml", None, folder / "home-demo", DEMO_DAY)


def crm_history(folder: Path) -> History:
    """Ingest the third party's book and gather its history, up to the end of 2023."""
    return _history(CRM_MAPPING, CRM, folder / "home-crm", CRM_DAY)


def _history(toml: Path, book_dir: Path | None, home: Path, as_of: date) -> History:
    ingest(read_workspace(toml, book_dir), home, datetime(as_of.year, 2, 1, tzinfo=UTC))
    return gather(open_book(home), Rules().by_account(), as_of)


def compared(history: History, seed: int) -> dict[str, Any]:
    """Replay the past with all signals and with the first families' alone, side by side."""
    first = tuple(slug for slug in history.signals if slug in FIRST_FAMILIES)
    both = {"all": history, "first families": replace(history, signals=first)}
    found: dict[str, Any] = {}
    for name, each in both.items():
        started = time.perf_counter()
        past = backtest(each, lambda _: {}, seed)
        found[name] = {
            "signals": len(each.signals),
            "seconds": round(time.perf_counter() - started, 1),
            "origins": [str(replay.origin) for replay in past.replays],
            "events": {target: _told(past.probabilities[target]) for target in TARGETS},
        }
    gained = {target: _gain(found, target) for target in TARGETS}
    return found | {"log_loss_saved_by_the_rest": gained, "snapshot_rows": len(history.frame)}


def _told(judged: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: round(value, 4) if isinstance(value, float) else value
        for key in TOLD
        if (value := judged.get(key)) is not None
    }


def _gain(found: Mapping[str, Any], target: str) -> float | None:
    """Give the share of the first families' log-loss that all signals save."""
    every, first = (
        found[name]["events"][target].get("log_loss") for name in ("all", "first families")
    )
    return round(1 - every / first, 4) if every and first else None


def _shown(book: str, found: Mapping[str, Any]) -> str:
    lines = [f"{book}: {found['snapshot_rows']} snapshot rows"]
    for name in ("all", "first families"):
        for target, told in found[name]["events"].items():
            figures = "  ".join(f"{key} {told.get(key, '—')}" for key in ("events", "auc_at_risk", "auc_calendar_at_risk", "skill", "skill_p10", "skill_p90"))  # fmt: skip
            lines.append(f"  {name:15s} {found[name]['signals']:3d} signals  {target:9s} {figures}")
    return "\n".join([*lines, f"  log-loss saved: {found['log_loss_saved_by_the_rest']}"])


def main() -> int:
    """Compare on both books, print and keep the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--accounts", type=int, default=1500, help="of the simulated book")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        histories: dict[str, Callable[[], History]] = {
            "demo": lambda: demo_history(asked.accounts, asked.seed, Path(folder))
        }
        if CRM.is_dir():
            histories["crm"] = lambda: crm_history(Path(folder))
        for book, history in histories.items():
            found[book] = compared(history(), asked.seed)
            print(_shown(book, found[book]), flush=True)
    keep("signal_gain", circumstances("signal_gain", LIBRARIES) | {"units": UNITS, "books": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
