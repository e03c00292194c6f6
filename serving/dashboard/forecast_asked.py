"""What a reader of the forecast page asks: horizon, cut and assumptions, all of it in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from models.change import Name
from models.outcomes import HORIZONS
from models.scenario import Scenario

__all__ = ["SLIDERS", "Asked", "Slider", "published"]

MOST_SAVED = 200


def _empty_as_none(value: Any) -> Any:
    """Read an empty field of a form as one that was not filled in."""
    return None if value == "" else value


def _empty_as_zero(value: Any) -> Any:
    return 0 if value == "" else value


def published(horizon: int) -> int:
    """Let through a horizon that is published.

    Examples
    --------
    >>> published(12)
    12
    """
    if horizon not in HORIZONS:
        raise ValueError("must be 1, 3 or 12 months")
    return horizon


def _few(names: str | None) -> str | None:
    if names is not None and names.count(",") >= MOST_SAVED:
        raise ValueError(f"at most {MOST_SAVED} accounts; more by POST /v1/forecast/scenario")
    return names


_Zero = BeforeValidator(_empty_as_zero)
_None = BeforeValidator(_empty_as_none)
Moved = Annotated[int, _Zero, Field(ge=-100, le=200)]
Rise = Annotated[float, _Zero, Field(ge=0, le=30, multiple_of=0.5)]
Shock = Annotated[float, _Zero, Field(ge=-3, le=3, multiple_of=0.25)]
Reach = Annotated[Annotated[float, Field(gt=0, le=1000)] | None, _None]
Word = Annotated[Name | None, _None]
Names = Annotated[Annotated[str, Field(max_length=20_000)] | None, _None, AfterValidator(_few)]


class Slider(BaseModel):
    """One slider: what it moves, how far, and in which unit.

    Attributes
    ----------
    name : str
        Its parameter of the address.
    label, unit, meaning : str
    low, high, step : float
    """

    name: str
    label: str
    unit: str
    meaning: str
    low: float
    high: float
    step: float


SLIDERS = tuple(
    Slider(name=name, label=label, unit=unit, meaning=meaning, low=low, high=high, step=step)
    for name, label, unit, meaning, low, high, step in (
        ("churn", "Churn", "%", "Every modelled chance of leaving, so much more or less likely.",
         -100, 200, 1),
        ("expansion", "Expansion", "%", "Every modelled chance of paying more.", -100, 200, 1),
        ("contraction", "Contraction", "%", "Every modelled chance of paying less.", -100, 200, 1),
        ("rise", "Price at renewal", "%", "Whose contract is decided within the horizon pays so much "
         "more from then on.", 0, 30, 0.5),
        ("rise_churn", "Churn at these renewals", "%", "What the rise does to the chance of leaving "
         "at that decision or after it. Nothing here is learned: it is what you say.", -100, 200, 1),
        ("macro", "The times", "sd", "The factor that all accounts share, moved by standard "
         "deviations; above 0 is a bad time. It acts on the whole book.", -3, 3, 0.25),
    )
)  # fmt: skip
"""In the order in which they are shown."""


class Asked(BaseModel):
    """The parameters of the page; those of the sliders in per cent of what is forecast.

    Examples
    --------
    >>> Asked(churn=-20, segment="smb").scenario().changes[0].churn.multiply
    0.8
    >>> Asked(churn=-20, segment="smb").address(horizon=3)
    '?horizon=3&segment=smb&churn=-20'
    >>> Asked(churn=0).scenario().is_null, Asked().address()
    (True, '')
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    horizon: Annotated[int, AfterValidator(published)] = 12
    by: Word = None
    segment: Word = None
    churn: Moved = 0
    expansion: Moved = 0
    contraction: Moved = 0
    rise: Rise = 0.0
    rise_churn: Moved = 0
    macro: Shock = 0.0
    saved: Names = None
    undo: Annotated[Literal["1"] | None, _None] = None
    reach: Reach = None

    @property
    def accounts(self) -> list[str]:
        """List the accounts that are saved, each once."""
        named = (one.strip() for one in (self.saved or "").replace("\n", ",").split(","))
        return list(dict.fromkeys(one for one in named if one))

    @property
    def is_assuming(self) -> bool:
        """Say whether anything is assumed."""
        return bool(self.changes()) or self.macro != 0

    @property
    def is_asking(self) -> bool:
        """Say whether anything is assumed, or is to be reached."""
        return self.is_assuming or self.reach is not None

    def changes(self) -> list[dict[str, Any]]:
        """List the changes of the scenario (docs/scenarios.md); a slider at zero changes nothing."""
        chances = {name: getattr(self, name) for name in ("churn", "contraction", "expansion")}
        one: dict[str, Any] = {
            name: {"multiply": (100 + moved) / 100} for name, moved in chances.items() if moved
        }
        if self.rise:
            dearer = {"rise": self.rise / 100, "churn_multiply": (100 + self.rise_churn) / 100}
            one["price_at_renewal"] = dearer
        whom = {"where": {"segment": self.segment}} if self.segment else {"all": True}
        found = [whom | one] if one else []
        if self.accounts:
            kept = {"accounts": self.accounts, "saved": True, "undo_notice": self.undo == "1"}
            found.append(kept)
        return found

    def scenario(self) -> Scenario:
        """Give what is assumed, as a scenario."""
        macro = {"macro": {"shift": self.macro}} if self.macro else {}
        return Scenario.model_validate({"changes": self.changes()} | macro)

    @property
    def target(self) -> float | None:
        """Give the NRR to reach as a fraction."""
        return None if self.reach is None else self.reach / 100

    def address(self, **other: Any) -> str:
        """Write the query of an address that says the same, but for some parameters."""
        told: Mapping[str, Any] = self.model_dump(exclude_defaults=True) | other
        kept = {name: told[name] for name in type(self).model_fields if told.get(name) is not None}
        return f"?{urlencode({k: _plain(v) for k, v in kept.items()})}" if kept else ""


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
