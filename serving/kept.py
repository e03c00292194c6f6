"""Where published runs are kept: the section ``[store]``."""

from __future__ import annotations

import os
import re
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from features.configuration import Section
from features.faults import ConfigurationRefused

__all__ = ["StoreSettings"]

VARIABLE = re.compile(r"env:[A-Za-z_]\w*")


class StoreSettings(Section):
    """Section ``[store]``.

    Attributes
    ----------
    url : str or None
        ``env:NAME``, the environment variable that holds the URL of a PostgreSQL database, as
        ``postgresql://user:password@host/database``; without it the store is the file
        ``perennial.db`` under the home.
    lease_seconds : float
        How long a job may publish without a sign of life before another may take its place.
    wait_seconds : float
        How long a job waits for another that publishes, and a statement for a lock, before it
        leaves as busy (exit code 75).
    statement_seconds : float
        How long PostgreSQL may work at one statement.
    whole_dates : int
        Of how many of the newest as-of dates the runs are kept row by row. Older ones are packed:
        they answer the same, take a fifth of the room, and are slower to read whole.

    Examples
    --------
    >>> StoreSettings().address() is None
    True
    >>> StoreSettings(url="env:PERENNIAL_STORE_URL").url
    'env:PERENNIAL_STORE_URL'
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    url: str | None = None
    lease_seconds: float = Field(default=60.0, gt=0)
    wait_seconds: float = Field(default=30.0, ge=0)
    statement_seconds: float = Field(default=60.0, gt=0)
    whole_dates: int = Field(default=4, ge=2)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.url is not None and not VARIABLE.fullmatch(self.url):
            raise ValueError('a url is "env:NAME": the environment variable that holds it')
        return self

    def address(self) -> str | None:
        """Read the URL from the environment; None where the store is a file under the home.

        Raises
        ------
        ConfigurationRefused
            ``config`` if the variable is not set (exit code 78).
        """
        if self.url is None:
            return None
        name = self.url.removeprefix("env:")
        address = os.environ.get(name, "").strip()
        if not address:
            cure = f"set it in the environment: export {name}=postgresql://user:…@host/database"
            raise ConfigurationRefused("config", f"[store] url: {name} is not set", cure)
        return address
