"""The bridge: from opening MRR over what is booked and what is modelled to the mean of closing."""

from __future__ import annotations

from typing import Any

from models.flows import Cohort, means

__all__ = ["bridge_of"]


def bridge_of(cohort: Cohort) -> dict[str, Any]:
    """Walk from opening to closing, in units of currency.

    Returns
    -------
    dict
        ``opening_mrr``; ``booked`` (``notice_mrr``, ``signed_increase_mrr``,
        ``signed_decrease_mrr``, and how many accounts); ``after_booked_mrr``; ``modelled``
        (``expansion_mrr``, ``contraction_mrr``, ``churned_mrr``, the last two negative);
        ``closing_mrr``. Each step is signed, so that the steps add up.

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
    modelled = {
        "expansion_mrr": flows["expansion"],
        "contraction_mrr": 0.0 - flows["contraction"],
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
        "notice_accounts": int(cohort.notice.sum()),
        "signed_accounts": int(cohort.signed.sum()),
    }
