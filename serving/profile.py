"""The profile: whether a workspace is somebody's own, or one that a company depends on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from features.configuration import Section

__all__ = ["OperationSettings"]


class OperationSettings(Section):
    """Section ``[operation]``: how strict Perennial is with its surroundings, and what is overdue.

    Attributes
    ----------
    profile : "workstation" or "production"
        ``production``: `train`, `score` and `serve` refuse to start (exit code 78) as root, with
        code or state that others may write or read, with libraries below their floor, without
        signed models, or with an MLflow that lets anybody in.
    publish_days : float
        Days from the as-of date of the run that serves after which it is stale.
    feed_days : float
        Days between the newest row of a table and the as-of date of the book after which the table
        is stale.
    backup_days : float
        Days after which the last backup is too old.
    free_gigabytes : float
        What must be free on the disk of the state.

    Examples
    --------
    >>> OperationSettings().profile
    'workstation'
    """

    profile: Literal["workstation", "production"] = "workstation"
    publish_days: float = Field(default=8.0, gt=0)
    feed_days: float = Field(default=35.0, gt=0)
    backup_days: float = Field(default=8.0, gt=0)
    free_gigabytes: float = Field(default=1.0, ge=0)
