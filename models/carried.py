"""What a bundle carries: the health model, its bands and its past, out of and into a contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from features.catalog import CATALOG
from models.bands import Bands
from models.bundle import Bundle
from models.calibration import well_calibrated
from models.carried_form import refuse_contradictions, refuse_other_form
from models.metered import MeteredGrowth
from models.prediction import HealthModel
from models.schema import refuse_other_schema, schema_of
from models.score import RUNGS
from models.sizes import Sizes
from models.target import TargetModel

__all__ = ["Carried", "read_bundle"]


@dataclass(frozen=True)
class Carried:
    """A model as it is scored with.

    Attributes
    ----------
    model : HealthModel
    bands : Bands
        Cut-offs of the matrix, frozen with the model.
    stability : mapping of target to mapping of slug to float
        Share of the backtest's refits in which a signal kept its sign.
    factor : mapping of str to dict
        Per horizon in months ``strength, n_eff, stretch`` (``training.width``).
    periods : sequence of dict
        The backtest's forecasts beside what happened.
    probabilities : mapping of target to dict
        The backtest's scores of three-month probabilities.
    trained_through : date
        As-of date of the training.
    combined : mapping of str to dict
        By horizon in months what the forecast is combined with (``models.combined``); empty
        where nothing did better.
    digest : str
        Of the bundle that it was read from; empty for one that is in no bundle yet.
    """

    model: HealthModel
    bands: Bands
    stability: Mapping[str, Mapping[str, float]]
    factor: Mapping[str, Mapping[str, float]]
    periods: Sequence[Mapping[str, Any]]
    probabilities: Mapping[str, Mapping[str, Any]]
    trained_through: date
    combined: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    digest: str = ""

    @property
    def rule_based(self) -> bool:
        """Whether cells come from triggers: no target had events enough for a fit."""
        return all(target.rung == RUNGS[0] for target in self.model.targets.values())

    @property
    def thin_reasons(self) -> list[str]:
        """Why figures of this model are thin, in words; empty if they are not."""
        targets = self.model.targets.values()
        prior = [one.target for one in targets if one.rung == RUNGS[0]]
        scored = [one.target for one in targets if one.uses_score]
        astray = [name for name in scored if not self._calibrated(name)]
        return [f"prior-driven: fewer than ten {name} events" for name in prior] + [
            f"{name} probabilities were not calibrated on past quarters "
            f"(slope {self.probabilities[name]['slope']:.2f}, 1 is right)"
            for name in astray
        ]

    def _calibrated(self, target: str) -> bool:
        judged = self.probabilities[target]
        return not judged["rows"] or well_calibrated(judged)

    def contract(self) -> dict[str, Any]:
        """Give everything but the boosters as JSON."""
        model = self.model
        return {
            "signals": list(model.signals),
            "catalog": [signal.slug for signal in CATALOG],
            "schema": schema_of(model.signals, CATALOG),
            "targets": {name: target.to_json() for name, target in model.targets.items()},
            "locked_rate": model.locked_rate,
            "returns": model.returns.tolist(),
            "sizes": model.sizes.to_json(),
            "fiscal_year_starts": model.fiscal_year_starts,
            **({"metered": model.metered.to_json()} if model.metered else {}),
            "bands": self.bands.to_json(),
            "stability": {name: dict(one) for name, one in self.stability.items()},
            "factor": {h: dict(values) for h, values in self.factor.items()},
            "periods": list(self.periods),
            "combined": {h: dict(one) for h, one in self.combined.items()},
            "probabilities": dict(self.probabilities),
            "trained_through": self.trained_through.isoformat(),
        }

    def boosters(self) -> dict[str, str]:
        """Give the text of every booster, by target."""
        return {
            name: target.score.booster.model_to_string()
            for name, target in self.model.targets.items()
            if target.score.booster is not None
        }


def read_bundle(bundle: Bundle) -> Carried:
    """Read a verified bundle.

    Raises
    ------
    DataRejected
        ``feature.schema_mismatch`` if the signals that it was trained on are not those of today;
        ``model.incompatible`` if its contract does not say, in full and in bounds, what it must.
    """
    refuse_other_form(bundle.contract)
    refuse_other_schema(bundle.contract, CATALOG)
    refuse_contradictions(bundle.contract)
    return _read(bundle)


def _read(bundle: Bundle) -> Carried:
    said = bundle.contract
    targets = {
        name: TargetModel.from_json(values, bundle.boosters.get(name))
        for name, values in said["targets"].items()
    }
    model = HealthModel(
        signals=tuple(said["signals"]),
        targets=targets,
        locked_rate=float(said["locked_rate"]),
        returns=np.array(said["returns"], dtype=float),
        sizes=Sizes.from_json(said["sizes"]),
        fiscal_year_starts=int(said["fiscal_year_starts"]),
        metered=MeteredGrowth.from_json(said["metered"]) if said.get("metered") else None,
    )
    return Carried(
        model=model,
        bands=Bands.from_json(said["bands"]),
        stability=said["stability"],
        factor=said["factor"],
        periods=said["periods"],
        probabilities=said["probabilities"],
        trained_through=date.fromisoformat(said["trained_through"]),
        combined=said.get("combined", {}),
        digest=bundle.digest,
    )
