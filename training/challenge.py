"""The challenge: whether what was trained is worse than the champion, beyond its interval.

The fair ground is what happened after the champion was trained: there the champion's
probabilities and those of the replays, which knew no more than their origins, are laid beside the
same outcomes. Where nothing of that has closed yet and both were replayed at the same origins,
their skills over the calendar are compared; else there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.carried import Carried
from models.target import TARGETS
from training.backtest import JUDGED_HORIZON, Backtest, Replay
from training.bootstrap import RESAMPLES
from training.evaluate import log_loss
from training.gate import LEAST_EVENTS, Check
from training.history import History

__all__ = ["challenge"]

Floats = NDArray[np.float64]
LIMIT = "not worse than the champion beyond the 80 % interval"


def challenge(
    history: History, past: Backtest, champion: Carried | None, seed: int = 0
) -> list[Check]:
    """Compare every target with the champion's.

    Parameters
    ----------
    history : History
    past : Backtest
        The challenger's.
    champion : Carried or None
        None where the calendar serves, or a champion that cannot be opened: nothing is asked.
    seed : int
    """
    if champion is None:
        return []
    later = [replay for replay in past.replays if replay.origin >= champion.trained_through]
    if later:
        return [_later(name, later, history, past, champion, seed) for name in TARGETS]
    return [_same_origins(name, past, champion) for name in TARGETS]


def _same_origins(target: str, past: Backtest, champion: Carried) -> Check:
    """Compare skills over the calendar where both were judged at the same origins."""
    told = f"{target}: skill beside the champion's"
    ours, theirs = past.probabilities[target], champion.probabilities[target]
    origins = [{period["origin"] for period in one.periods} for one in (past, champion)]
    scored = ours.get("skill_p90") is not None and theirs.get("skill_p10") is not None
    if not scored or not origins[0] or origins[0] != origins[1]:
        return Check(told, None, f"{LIMIT}; not applicable to other quarters", True)
    worse = _skill(past.serves[target], ours, "p90") < _skill(
        champion.model.targets[target].serves, theirs, "p10"
    )
    value = f"{ours['skill']:.3f}, champion {theirs['skill']:.3f}"
    return Check(told, value, LIMIT, not worse)


def _skill(serves: str, judged: Mapping[str, Any], bound: str) -> float:
    """Give a bound of what serves: the calendar's own skill is none, surely."""
    return float(judged[f"skill_{bound}"]) if serves == "score" else 0.0


def _later(
    target: str,
    later: Sequence[Replay],
    history: History,
    past: Backtest,
    champion: Carried,
    seed: int,
) -> Check:
    """Compare log-losses on the same rows, all later than the champion's training."""
    told = f"{target}: log-loss beside the champion's, on quarters that it did not know"
    rows, ours, theirs, y = _pairs(target, later, history, past, champion)
    if y.sum() < LEAST_EVENTS:
        return Check(told, None, f"{LIMIT}; not applicable below {LEAST_EVENTS} events", True)
    gain = log_loss(theirs, y) - log_loss(ours, y)
    account = pd.factorize(history.frame["account_id"])[0][rows]
    draws = _draws(gain, account, seed)
    value = f"{log_loss(ours, y).mean():.4f}, champion {log_loss(theirs, y).mean():.4f}"
    return Check(told, value, LIMIT, bool(np.quantile(draws, 0.9) >= 0))


def _pairs(
    target: str, later: Sequence[Replay], history: History, past: Backtest, champion: Carried
) -> tuple[NDArray[np.int64], Floats, Floats, NDArray[np.int64]]:
    outcomes, column = history.outcomes(), JUDGED_HORIZON - 1
    event = {"churn": outcomes.gone, "expand": outcomes.expand, "contract": outcomes.contract}
    rows, ours, theirs = [], [], []
    for replay in later:
        keep = history.modelled[replay.rows] & outcomes.closed[replay.rows, column]
        frame = history.frame.iloc[replay.rows].reset_index(drop=True)
        mine = replay.model.served_by(past.serves).predict(frame)
        other = champion.model.predict(frame)
        rows.append(replay.rows[keep])
        ours.append(getattr(mine, f"p_{target}")[keep, column])
        theirs.append(getattr(other, f"p_{target}")[keep, column])
    at = np.concatenate(rows)
    y = event[target][at, column].astype(np.int64)
    return at, np.concatenate(ours), np.concatenate(theirs), y


def _draws(gain: Floats, account: NDArray[np.int64], seed: int) -> Floats:
    """Bootstrap the mean gain over whole accounts."""
    clusters, inverse = np.unique(account, return_inverse=True)
    total = np.bincount(inverse, weights=gain)
    count = np.bincount(inverse)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(clusters), np.full(len(clusters), 1 / len(clusters)), RESAMPLES)
    return np.asarray((weights @ total) / (weights @ count))
