"""A change of a scenario: whom it is about, and what is assumed of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from features.configuration import nearest

__all__ = ["Chance", "Change", "Macro", "Price", "Share", "Size", "Strict"]

LARGEST_FACTOR = 10.0
"""No multiplier, and no size, is above this: 10 times is a slip of the keyboard."""

MOST_ACCOUNTS = 5_000
"""How many accounts one change can name."""

Factor = Annotated[float, Field(ge=0.0, le=LARGEST_FACTOR)]
Share01 = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class Strict(BaseModel):
    """Base of everything that a scenario says: unknown keys are refused by the nearest name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _known(cls, value: Any, handler: Any) -> Self:
        try:
            read: Self = handler(value)
        except ValidationError as refused:
            known = [field.alias or name for name, field in cls.model_fields.items()]
            errors = [_by_name(error, known) for error in refused.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, errors) from refused
        return read


def _by_name(error: Any, known: list[str]) -> InitErrorDetails:
    """Say of an unknown key which known one is nearest; keep every other error's words."""
    kind, said = str(error["type"]), str(error["msg"])
    if kind == "extra_forbidden" and len(error["loc"]) == 1:
        hint = nearest(str(error["loc"][0])[:100], known)
        kind, said = "unknown_key", f"unknown key; {hint}"
    plain = said.removeprefix("Value error, ").replace("{", "(").replace("}", ")")
    told = PydanticCustomError(kind, plain)
    return InitErrorDetails(type=told, loc=error["loc"], input=None)


class _OneOfTwo(Strict):
    """Base of what is either multiplied or replaced."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"give one of: {', '.join(type(self).model_fields)}")
        return self


class Chance(_OneOfTwo):
    """A probability by the horizon: multiplied, or replaced.

    Attributes
    ----------
    multiply : float
        0.8 is 20 % less likely; what would exceed certainty is certain, and counted.
    replace : float
        The probability by the horizon of the forecast, 0 to 1; other months follow its course.

    Examples
    --------
    >>> Chance(multiply=0.8).multiply
    0.8
    """

    multiply: Factor = 1.0
    replace: Share01 = 0.0

    @property
    def is_replacement(self) -> bool:
        """Say whether it is replaced."""
        return "replace" in self.model_fields_set

    @property
    def is_null(self) -> bool:
        """Say whether nothing changes by it."""
        return not self.is_replacement and self.multiply == 1.0


class Size(Chance):
    """The mean size of an expansion, as a share of MRR: multiplied, or replaced (0.2 is +20 %)."""

    replace: Factor = 0.0


class Share(Chance):
    """The mean share of MRR that a contraction takes: multiplied, or replaced (0 to 1)."""


class Price(Strict):
    """A price rise for accounts whose contract is decided within the horizon.

    Attributes
    ----------
    rise : float
        0.05 is 5 % more, from the decision on.
    churn_multiply : float
        What the rise does to the probability of leaving at that decision or after it; 1 = nothing.
    """

    rise: Share01
    churn_multiply: Factor = 1.0

    @property
    def is_null(self) -> bool:
        """Say whether nothing changes by it."""
        return self.rise == 0.0 and self.churn_multiply == 1.0


class Macro(_OneOfTwo):
    """What the shared factor does, in its standard deviations; above 0 is a bad time.

    Attributes
    ----------
    fixed : float
        The factor stands at this value: the forecast is conditional on it.
    shift : float
        The factor is moved by this, and as uncertain as before.
    """

    fixed: Annotated[float, Field(ge=-4.0, le=4.0)] = 0.0
    shift: Annotated[float, Field(ge=-4.0, le=4.0)] = 0.0

    @property
    def is_fixed(self) -> bool:
        """Say whether the factor stands still."""
        return "fixed" in self.model_fields_set

    @property
    def z(self) -> float:
        """Give the value, or the shift."""
        return self.fixed if self.is_fixed else self.shift

    @property
    def is_null(self) -> bool:
        """Say whether nothing changes by it; a factor fixed at 0 is narrower than one at large."""
        return not self.is_fixed and self.shift == 0.0


class Change(Strict):
    """What is assumed of some accounts: one selection, one effect or more.

    Attributes
    ----------
    where : dict of str to str, optional
        Columns of accounts and the value that each must have; "unknown" is a missing one.
    accounts : list of str, optional
        Accounts by name.
    everyone : True, optional
        Written ``all``: the whole book.
    churn, contraction, expansion : Chance, optional
        Probability of not paying, of paying less, of paying more.
    expansion_size : Size, optional
    contraction_share : Share, optional
    price_at_renewal : Price, optional
    saved : True, optional
        Nobody selected leaves until the horizon.
    undo_notice : bool
        With ``saved``: notice that was given is taken back.

    Examples
    --------
    >>> Change.model_validate({"where": {"segment": "smb"}, "churn": {"multiply": 0.8}}).is_null
    False
    """

    where: dict[Name, Name] | None = Field(None, min_length=1, max_length=10)
    accounts: list[Name] | None = Field(None, min_length=1, max_length=MOST_ACCOUNTS)
    everyone: Literal[True] | None = Field(None, alias="all")
    churn: Chance | None = None
    contraction: Chance | None = None
    expansion: Chance | None = None
    expansion_size: Size | None = None
    contraction_share: Share | None = None
    price_at_renewal: Price | None = None
    saved: Literal[True] | None = None
    undo_notice: bool = False

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if sum(one is not None for one in (self.where, self.accounts, self.everyone)) != 1:
            raise ValueError("say once whom it is about: where, accounts or all = true")
        if not self.effects and self.saved is None:
            raise ValueError("say what is assumed of them: churn, saved, price_at_renewal, ...")
        if self.undo_notice and self.saved is None:
            raise ValueError("undo_notice belongs to saved = true")
        if self.saved is not None and self.churn is not None:
            raise ValueError("saved already says that nobody leaves: leave churn out")
        if self.accounts is not None and len(set(self.accounts)) < len(self.accounts):
            raise ValueError("an account is named twice")
        return self

    @property
    def effects(self) -> list[Chance | Price]:
        """List what is multiplied, replaced or priced."""
        chances = (self.churn, self.contraction, self.expansion)
        sizes = (self.expansion_size, self.contraction_share, self.price_at_renewal)
        return [one for one in (*chances, *sizes) if one is not None]

    @property
    def is_null(self) -> bool:
        """Say whether nothing changes by it."""
        return self.saved is None and all(one.is_null for one in self.effects)
