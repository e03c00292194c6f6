"""Section ``[models]``: whether models are signed, and with which key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from pydantic import ConfigDict, model_validator

from features.configuration import Section
from features.faults import ConfigurationRefused
from serving.kept import VARIABLE

if TYPE_CHECKING:
    from models.signing import Signer

__all__ = ["ModelSettings"]

SHORTEST = 32


class ModelSettings(Section):
    """Section ``[models]``.

    Attributes
    ----------
    signing_key : str or None
        ``env:NAME``, the environment variable that holds the key (32 characters or more) with which
        models are signed when they are registered. With it no model serves that was not; without
        it models are checked against their digests alone.

    Examples
    --------
    >>> ModelSettings().signer() is None
    True
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    signing_key: str | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.signing_key is not None and not VARIABLE.fullmatch(self.signing_key):
            raise ValueError('a signing_key is "env:NAME": the variable that holds it')
        return self

    def signer(self) -> Signer | None:
        """Read the key from the environment; None where models are not signed.

        Raises
        ------
        ConfigurationRefused
            ``config`` if the variable is not set, or its key too short (exit code 78).
        """
        from models.signing import Signer  # commands that open no model need none

        if self.signing_key is None:
            return None
        name = self.signing_key.removeprefix("env:")
        key = os.environ.get(name, "").strip()
        if len(key) < SHORTEST:
            found = "too short" if key else "not set"
            cure = f"export {name}=… with {SHORTEST} random characters or more"
            raise ConfigurationRefused("config", f"[models] signing_key: {name} is {found}", cure)
        return Signer(key.encode())
