"""The basis of a run's forecast: all that it rests on beside the outlook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from models.outcomes import LEADS, Outlook

__all__ = ["Basis"]


@dataclass(frozen=True)
class Basis:
    """What a forecast rests on, so that another outlook can be forecast in the very same way.

    Attributes
    ----------
    as_of : date
    taus : tuple of float
        Scale of the shared factor in each of the twelve months.
    n_eff : mapping of str to float
        By horizon: how many independent past periods the width rests on.
    definition : mapping
        The revenue choices.
    cuts : tuple of str
        Columns that the published forecast is cut by.
    reasons : tuple of str
        Why the figures are thin beyond what a forecast sees by itself.
    nrr_target : float or None
    stretches : tuple of float
        Factor on every quantile's distance from its median, in each of the twelve months.

    Examples
    --------
    >>> basis = Basis(date(2025, 7, 1), (0.2,) * 12, {"3": 4.0})
    >>> Basis.from_json(basis.to_json()) == basis
    True
    """

    as_of: date
    taus: tuple[float, ...]
    n_eff: Mapping[str, float]
    definition: Mapping[str, Any] = field(default_factory=dict)
    cuts: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    nrr_target: float | None = None
    stretches: tuple[float, ...] = (1.0,) * LEADS

    def told(
        self,
        outlook: Outlook,
        horizon: int,
        cuts: Sequence[str] | None = None,
        *,
        alone: bool = False,
    ) -> dict[str, Any]:
        """Forecast an outlook.

        Parameters
        ----------
        outlook : Outlook
        horizon : int
            1, 3 or 12.
        cuts : sequence of str, optional
            Other columns to cut by than the published ones.
        alone : bool
            True where the shared factor is given: accounts are then independent.
        """
        from models.forecast import forecast  # heavy: scipy

        taus = (0.0,) * LEADS if alone else self.taus
        return forecast(
            outlook,
            horizon,
            taus[horizon - 1],
            as_of=self.as_of,
            definition=self.definition,
            n_eff=self.n_eff[str(horizon)],
            cuts=self.cuts if cuts is None else cuts,
            reasons=self.reasons,
            stretch=self.stretches[horizon - 1],
            path_taus=taus,
            nrr_target=self.nrr_target,
        )

    def to_json(self) -> dict[str, Any]:
        """Give the basis as JSON."""
        values = asdict(self) | {"as_of": self.as_of.isoformat()}
        names = ("taus", "cuts", "reasons", "stretches")
        return values | {name: list(values[name]) for name in names}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Basis:
        """Read the basis from JSON."""
        names = ("taus", "cuts", "reasons", "stretches")
        lists = {name: tuple(values[name]) for name in names if name in values}
        return cls(**{**values, **lists, "as_of": date.fromisoformat(values["as_of"])})
