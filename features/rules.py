"""The revenue rules: what counts as MRR, and when it starts and stops counting.

Every key of ``[revenue]`` stands here with its default, or that of the preset that it names.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field, model_validator

from features.configuration import Section
from features.presets import PRESETS

__all__ = ["Rules"]

_NEW_AFTER_DAYS = 90


class Rules(Section):
    """The keys of ``[revenue]``.

    Attributes
    ----------
    preset : str
        Named set of the choices below (`features.presets`); a key that is given wins over it.
    basis : str
        Committed recurring revenue plus usage-billed revenue, or one of them.
    usage : str
        Mean of the last three service months' billed usage, the billed month, or none.
    reactivation : str
        A return is a class of its own, dropped, new after ``reactivation_gap_days``, or added
        to NRR (``"s002"``).
    reactivation_gap_days : int
        Days of absence after which a return is new, under ``reactivation = "new"``; 90 if unset.
    late_renewal_days : int
        Longest gap, in days, that a late renewal may leave without being a churn; 0 for none.
    late_renewal_min_term : int
        Shortest term, in months, whose renewal may be late; 0 for any.
    churn_date : str
        Churn is dated at the end of paid service, or at the cancellation.
    dunning_days : int
        Days that an unpaid invoice may be past due before its account counts as churned.
    pause : str
        A paused line counts zero (and is flagged), or is unchanged.
    trial : str
        A trial is no customer.
    price : str
        A price rise counts as expansion, with a lever of its own.
    ramp : str
        A contracted step counts as expansion, with a lever of its own.
    segment_as_of : str
        An account's segment is that of the window's opening.
    discount : str
        Subtracted, its change a lever of its own, or ignored.
    fx, fx_date : str, date
        One rate set per fiscal year; the window's opening rate; that of the fixed date
        ``fx_date``; spot.
    rollup : str
        Accounts stand alone, or under their ultimate parent.
    merger : str
        A merger does not restate history, or does.
    losses : str
        Losses of a window are net per account, or the sum of monthly movements.

    Examples
    --------
    >>> Rules().late_renewal_days
    31
    >>> Rules(preset="board-ttm").rollup, Rules(preset="board-ttm", rollup="account").rollup
    ('parent', 'account')
    >>> from features.configuration import read_section
    >>> read_section(Rules, {"fx": "fixed"}, "[revenue]")
    Traceback (most recent call last):
    ...
    features.faults.ConfigurationRefused: [revenue]: config: fx = "fixed" needs fx_date; ...
    """

    preset: Literal["default", "board-ttm", "stripe-like", "chartmogul-like", "profitwell-like"] = (
        "default"
    )
    basis: Literal["committed+usage", "committed", "usage"] = "committed+usage"
    usage: Literal["trailing_3_months", "billed_month", "excluded"] = "trailing_3_months"
    reactivation: Literal["own", "excluded", "new", "s002"] = "own"
    reactivation_gap_days: int | None = Field(default=None, ge=1)
    late_renewal_days: int = Field(default=31, ge=0, le=366)
    late_renewal_min_term: int = Field(default=3, ge=0, le=120)
    churn_date: Literal["service_end", "cancellation"] = "service_end"
    dunning_days: int = Field(default=30, ge=0, le=366)
    pause: Literal["zero", "unchanged"] = "zero"
    trial: Literal["not_customer"] = "not_customer"
    discount: Literal["subtracted", "ignored"] = "subtracted"
    price: Literal["counted"] = "counted"
    ramp: Literal["lever"] = "lever"
    fx: Literal["fiscal_year", "window_opening", "fixed", "spot"] = "fiscal_year"
    fx_date: date | None = None
    rollup: Literal["account", "parent"] = "account"
    merger: Literal["not_restated", "restated"] = "not_restated"
    losses: Literal["net", "movements"] = "net"
    segment_as_of: Literal["opening"] = "opening"

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, given: Any) -> Any:
        name = given.get("preset", "default") if isinstance(given, dict) else "default"
        return {**PRESETS[name].differs, **given} if name in PRESETS else given

    @model_validator(mode="after")
    def _complete(self) -> Rules:
        if self.fx == "fixed" and self.fx_date is None:
            raise ValueError('fx = "fixed" needs fx_date; add the day whose rates hold')
        if self.basis == "usage" and self.usage == "excluded":
            raise ValueError('basis = "usage" with usage = "excluded" leaves no revenue; set one')
        return self

    @property
    def gap_days(self) -> int:
        """Days of absence after which a return is new, where the rules know such a thing."""
        return self.reactivation_gap_days or _NEW_AFTER_DAYS

    def by_account(self) -> Rules:
        """Give the same rules without a roll-up: what people act on, and models score, is an account.

        Examples
        --------
        >>> Rules(preset="board-ttm").by_account().rollup
        'account'
        """
        return self.model_copy(update={"rollup": "account"})

    def stamp(self) -> dict[str, Any]:
        """Give every choice by name, in the shape that an output carries.

        Examples
        --------
        >>> Rules(late_renewal_min_term=0).stamp()["late_renewal_min_term"]
        0
        """
        return self.model_dump(mode="json")
