"""A registered model: its number, its digest, and what training said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DIGEST", "Version", "version_of"]

DIGEST = "perennial.digest"
"""The tag of MLflow that holds the digest of a version's bundle."""


@dataclass(frozen=True)
class Version:
    """A registered model.

    Attributes
    ----------
    number : int
        MLflow's version number, counted from 1.
    digest : str
        Digest of its bundle.
    run_id : str
        MLflow's run, where its parameters, metrics and reports are.
    tags : mapping of str to str
        What training said about it.
    metrics : mapping of str to float
        What was measured.
    params : mapping of str to str
        What it was trained on.
    """

    number: int
    digest: str
    run_id: str
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)
    metrics: Mapping[str, float] = field(default_factory=dict, compare=False)
    params: Mapping[str, str] = field(default_factory=dict, compare=False)


def version_of(found: Any, run: Any) -> Version:
    """Read a version of MLflow's, with the parameters and metrics of its run."""
    tags = {key: value for key, value in found.tags.items() if key != DIGEST}
    digest = str(found.tags.get(DIGEST, ""))
    data = run.data
    return Version(
        int(found.version),
        digest,
        str(found.run_id),
        tags,
        dict(data.metrics),
        dict(data.params),
    )
