"""The challenge: whether what was trained is worse than the champion, beyond its interval.

The fair ground is what happened after the champion was trained: there the champion's
probabilities and those of the replays, which knew no more than their origins, are laid beside the
same outcomes, on the sealed quarters where there are any. Where nothing of that has closed yet and
both were replayed at the same origins, their skills over the calendar are compared; else there is
nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.carried import Carried
from models.flows import cohort_at, means
from models.hysteresis import HysteresisSettings
from models.outcomes import Outlook
from models.prediction import HealthModel, Prediction
from models.target import TARGETS
from training.backtest import Backtest
from training.bootstrap import Clusters
from training.evaluate import log_loss
from training.gate import LEAST_EVENTS, LEAST_PERIODS, WORSE_NRR, Check, within_luck
from training.history import History
from training.moved import moved
from training.origins import JUDGED_HORIZON
from training.replay import Replay

__all__ = ["challenge"]

Floats = NDArray[np.float64]
LIMIT = "not worse than the champion beyond the 80 % interval"
MOST_MOVED = 0.05


@dataclass(frozen=True)
class _Told:
    """What both say of one origin: the challenger's replay there, and the champion.

    Attributes
    ----------
    rows : array of int
    ours, theirs : Prediction
    forecasts : tuple of Outlook
        Ours, theirs.
    """

    rows: NDArray[np.int64]
    ours: Prediction
    theirs: Prediction
    forecasts: tuple[Outlook, Outlook]


def challenge(
    history: History,
    past: Backtest,
    champion: Carried | None,
    seed: int = 0,
    model: HealthModel | None = None,
    settings: HysteresisSettings | None = None,
) -> list[Check]:
    """Compare what was trained with the champion.

    Parameters
    ----------
    history : History
    past : Backtest
        The challenger's.
    champion : Carried or None
        None where the calendar serves, or a champion that cannot be opened: nothing is asked.
    seed : int
    model : HealthModel, optional
        The challenger, fitted on all that has closed: which cells would move. Not asked without.
    settings : HysteresisSettings, optional
        How published cells follow.
    """
    if champion is None:
        return []
    later = [replay for replay in past.replays if replay.origin >= champion.trained_through]
    ground = [replay for replay in later if not past.sealed or replay.origin in past.sealed]
    if ground:
        told = {replay.origin: _told(replay, history, past, champion) for replay in later}
        fair = [told[replay.origin] for replay in ground]
        checks = [_log_loss(name, fair, history, seed) for name in TARGETS]
        checks += [_mean(fair, history), _nrr(list(told.values()), history)]
    else:
        checks = [_same_origins(name, past, champion) for name in TARGETS]
    return checks if model is None else [*checks, _cells(history, champion, model, settings)]


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


def _told(replay: Replay, history: History, past: Backtest, champion: Carried) -> _Told:
    frame = history.frame.iloc[replay.rows].reset_index(drop=True)
    mine = replay.model.served_by(past.serves)
    ours, theirs = mine.predict(frame), champion.model.predict(frame)
    forecasts = (mine.outlook(frame, ours), champion.model.outlook(frame, theirs))
    return _Told(replay.rows, ours, theirs, forecasts)


def _losses(
    target: str, told: Sequence[_Told], history: History
) -> tuple[Floats, Floats, NDArray[np.int64], Clusters]:
    """Give both log-losses of a target on the same rows, what happened, and whose rows they are."""
    outcomes, column = history.outcomes(), JUDGED_HORIZON - 1
    event = {"churn": outcomes.gone, "expand": outcomes.expand, "contract": outcomes.contract}
    keep = [history.modelled[one.rows] & outcomes.closed[one.rows, column] for one in told]
    rows = np.concatenate([one.rows[k] for one, k in zip(told, keep, strict=True)])
    origin = np.repeat(np.arange(len(told)), [int(k.sum()) for k in keep])
    y = event[target][rows, column].astype(np.int64)
    both = []
    for side in ("ours", "theirs"):
        p = [getattr(getattr(one, side), f"p_{target}")[:, column] for one in told]
        both.append(log_loss(np.concatenate([q[k] for q, k in zip(p, keep, strict=True)]), y))
    account = pd.factorize(history.frame["account_id"])[0][rows]
    return both[0], both[1], y, Clusters(account, origin)


def _log_loss(target: str, told: Sequence[_Told], history: History, seed: int) -> Check:
    """Compare log-losses, all of quarters later than the champion's training."""
    named = f"{target}: log-loss beside the champion's, on quarters that it did not know"
    ours, theirs, y, clusters = _losses(target, told, history)
    if y.sum() < LEAST_EVENTS:
        return Check(named, None, f"{LIMIT}; not applicable below {LEAST_EVENTS} events", True)
    gain = theirs - ours
    draws = gain.mean() + clusters.draws((gain - gain.mean())[:, None] / len(gain), seed)
    value = f"{ours.mean():.4f}, champion {theirs.mean():.4f}"
    return Check(named, value, LIMIT, bool(np.quantile(draws, 0.9) >= 0))


def _mean(told: Sequence[_Told], history: History) -> Check:
    """Ask that over all targets what was trained is better on average, by however little."""
    named, limit = "log-loss of all targets, less the champion's", "better on average"
    ours, theirs, y, _ = zip(*(_losses(name, told, history) for name in TARGETS), strict=True)
    if sum(int(one.sum()) for one in y) < LEAST_EVENTS:
        return Check(named, None, f"{limit}; not applicable below {LEAST_EVENTS} events", True)
    worse = float(sum(a.mean() - b.mean() for a, b in zip(ours, theirs, strict=True)))
    return Check(named, f"{worse:.5f}", limit, worse <= 0)


def _nrr(told: Sequence[_Told], history: History) -> Check:
    """Compare errors of the three-month NRR, quarter by quarter, all that the champion knew not."""
    named = "NRR error / champion's"
    limit = "at most 5 % above, or within one standard error"
    if len(told) < LEAST_PERIODS:
        said = f"{limit}; not applicable below {LEAST_PERIODS} quarters that it did not know"
        return Check(named, None, said, True)
    outcomes = history.outcomes()
    errors = np.array([_errors(one, outcomes.opening, outcomes.mrr) for one in told])
    ratio = float(errors[:, 0].mean() / max(errors[:, 1].mean(), 1e-9))
    lucky = within_luck(errors[:, 0], errors[:, 1])
    return Check(named, ratio, limit, ratio <= WORSE_NRR or lucky)


def _errors(told: _Told, opening: NDArray[np.int64], mrr: NDArray[np.int64]) -> tuple[float, float]:
    whole = float(opening[told.rows].sum())
    actual = float(mrr[told.rows, JUDGED_HORIZON - 1].sum()) / whole
    mine, other = (
        abs(float(means(cohort)["closing"].sum() / cohort.mrr.sum()) - actual)
        for cohort in (cohort_at(outlook, JUDGED_HORIZON) for outlook in told.forecasts)
    )
    return mine, other


def _cells(
    history: History, champion: Carried, model: HealthModel, settings: HysteresisSettings | None
) -> Check:
    """Ask how many cells would move though no account's data has."""
    limit = "below 5 % at the next scoring, cut-offs mapped by quantile, with hysteresis"
    if champion.rule_based or not any(one.uses_score for one in model.targets.values()):
        said = f"{limit}; not applicable to cells by rules, or to the calendar"
        return Check("cells that move on unchanged data", None, said, True)
    frame = history.frame.iloc[history.at(history.dates[-1])].reset_index(drop=True)
    at_once, settled = moved(frame, champion, model, settings)
    value = f"{at_once:.1%} at the next scoring, {settled:.1%} in the weeks after"
    return Check("cells that move on unchanged data", value, limit, at_once < MOST_MOVED)
