"""The bridge: from opening MRR over what is booked and what is modelled to the mean of closing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.flows import Cohort, means

__all__ = ["bridge_of"]

Floats = NDArray[np.float64]


def bridge_of(cohort: Cohort) -> dict[str, Any]:
    """Walk from opening to closing, in units of currency.

    Returns
    -------
    dict
        ``opening_mrr``; ``booked`` (``notice_mrr``, ``signed_increase_mrr``,
        ``signed_decrease_mrr``, ``uplift_mrr``, and how many accounts); ``after_booked_mrr``;
        ``modelled`` (``uplift_mrr``, ``expansion_mrr``, ``contraction_mrr``, ``churned_mrr``, the
        last two negative); ``closing_mrr``. Each step is signed, so that the steps add up. Both
        uplifts are what who stays as it is will pay more by an agreed rise in price: booked where
        no decision comes before the closing, else modelled.

    Examples
    --------
    >>> import numpy as np
    >>> one, no = np.ones(2), np.zeros((2, 3))
    >>> cohort = Cohort(100 * one, np.array([1.0, 0.1]), 0 * one, 0 * one, no, no, one < 0,
    ...     0 * one, 0 * one, np.array([True, False]))
    >>> told = bridge_of(cohort)
    >>> told["booked"]["notice_mrr"], told["modelled"]["churned_mrr"], told["closing_mrr"]
    (-100.0, -10.0, 90.0)
    """
    open_ = ~(cohort.notice | cohort.signed)
    flows = {name: float(flow[open_].sum()) for name, flow in means(cohort).items()}
    opening, booked = float(cohort.mrr.sum()), _booked(cohort)
    after = opening + sum(value for name, value in booked.items() if name.endswith("_mrr"))
    rise, fall = _agreed(cohort, cohort.uplift_owed + cohort.uplift_due)
    modelled = {
        "uplift_mrr": _net(cohort, cohort.uplift_due),
        "expansion_mrr": flows["expansion"] - rise,
        "contraction_mrr": fall - flows["contraction"],
        "churned_mrr": 0.0 - flows["churned"],
    }
    return {
        "opening_mrr": opening,
        "booked": booked,
        "after_booked_mrr": after,
        "modelled": modelled,
        "closing_mrr": after + sum(modelled.values()),
    }


def _booked(cohort: Cohort) -> dict[str, Any]:
    """Sum what is settled already: notice given, and successors signed."""
    return {
        "notice_mrr": 0.0 - float(cohort.mrr[cohort.notice].sum()),
        "signed_increase_mrr": float(cohort.signed_up.sum()),
        "signed_decrease_mrr": 0.0 - float(cohort.signed_down.sum()),
        "uplift_mrr": _net(cohort, cohort.uplift_owed),
        "notice_accounts": int(cohort.notice.sum()),
        "signed_accounts": int(cohort.signed.sum()),
        "uplift_accounts": int((cohort.uplift_owed != 0.0).sum()),
    }


def _net(cohort: Cohort, uplift: Floats) -> float:
    """Give the money of agreed changes of price, in expectation."""
    rise, fall = _agreed(cohort, uplift)
    return rise - fall


def _agreed(cohort: Cohort, uplift: Floats) -> tuple[float, float]:
    """Give the money of agreed rises and falls in price, of who is expected to stay as it is."""
    money = cohort.p_flat * cohort.mrr * uplift
    return float(money[uplift > 0.0].sum()), 0.0 - float(money[uplift < 0.0].sum())
