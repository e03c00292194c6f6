"""Tracking: the one file that knows MLflow. How it is reached, and what its refusals mean here.

MLflow takes 1.2 to 2.8 s to import, so it is imported when the first question is asked, right
after the environment that it reads at import was set.
"""

from __future__ import annotations

import logging
import os
import re
import urllib.parse
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.faults import (
    CannotWrite,
    ConfigurationRefused,
    DependencyDown,
    Fault,
    InternalFault,
)
from features.locking import held
from models.sealed import no_space_is_a_fault
from models.tracking_database import check_database, create_database

if TYPE_CHECKING:
    from mlflow import MlflowClient as MlflowClient
    from mlflow.entities.model_registry import ModelVersion as ModelVersion

__all__ = ["NAME", "Tracking", "or_none", "start_run"]

NAME = "perennial"
_WAIT_SECONDS = 60.0

# What MLflow must never do here: call home, unpickle, log by itself, talk on the terminal.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# Only where the user said nothing: by itself MLflow tries for minutes.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


class Tracking:
    """One MLflow: a workspace's own database, or a server.

    Parameters
    ----------
    root : Path
        The workspace's ``mlruns``.
    uri : str, optional
        Another MLflow than ``mlflow.db`` there.

    Examples
    --------
    >>> Tracking(Path("/book/mlruns"), "http://user:secret@mlflow:5000").shown
    'http:mlflow'
    """

    def __init__(self, root: Path, uri: str | None = None) -> None:
        self.root = root
        self.own = f"sqlite:///{root / 'mlflow.db'}"
        self.uri = uri or self.own

    @property
    def is_own(self) -> bool:
        """Whether the database is the workspace's."""
        return self.uri == self.own

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever written."""
        return self.is_own and not (self.root / "mlflow.db").exists()

    @property
    def shown(self) -> str:
        """How it is called in messages: without the password that an address may hold."""
        parts = urllib.parse.urlsplit(self.uri)
        return str(self.root / "mlflow.db") if self.is_own else f"{parts.scheme}:{parts.hostname}"

    def locked(self) -> Any:
        """Hold the workspace's lock: one process at a time writes."""
        return held(self.root / ".lock", _WAIT_SECONDS)

    @contextmanager
    def asking(self) -> Iterator[MlflowClient]:
        """Give the client; what MLflow refuses inside the block becomes a fault.

        Raises
        ------
        DependencyDown
            ``registry.unavailable`` where it does not answer (exit code 69).
        """
        _import_mlflow()
        from mlflow.exceptions import MlflowException  # heavy: see the head of this file

        with no_space_is_a_fault(self.root):
            try:
                yield self.client
            except MlflowException as refused:
                raise _as_fault(refused, self.shown) from refused

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client, its database created and looked at first."""
        from mlflow import MlflowClient, db  # heavy: see the head of this file
        from mlflow.store.db import utils

        path = self.root / "mlflow.db"
        with self.locked():
            if self.is_new:
                # The command `mlflow db upgrade`, called and not started: 1.1 s instead of 2.5.
                create_database(path, db.upgrade.callback)
            if self.is_own:
                check_database(path, str(utils._get_latest_schema_revision()))
            client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            if or_none(client.get_registered_model, NAME) is None:
                client.create_registered_model(NAME)
        return client


def or_none(ask: Callable[..., Any], *what: str) -> Any:
    """Ask MLflow for something that may not be there."""
    from mlflow.exceptions import MlflowException  # heavy: see the head of this file

    try:
        return ask(*what)
    except MlflowException as refused:
        if refused.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def start_run(
    client: MlflowClient,
    experiment: str,
    name: str,
    params: Mapping[str, object],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
) -> str:
    """Start a run with its parameters and metrics, and give its id."""
    from mlflow.entities import Metric, Param  # heavy: see the head of this file

    run = client.create_run(experiment, tags=dict(tags), run_name=name)
    started = run.info.start_time
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(key, float(value), started, 0) for key, value in metrics.items()],
        params=[Param(key, str(value)) for key, value in params.items()],
    )
    return str(run.info.run_id)


def _import_mlflow() -> None:
    os.environ.update(_ENVIRONMENT)
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow  # noqa: F401  (heavy: see the head of this file)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _as_fault(refused: Any, where: str) -> Fault:
    first = str(refused).strip().splitlines()[0]
    said = f"{where}: {re.sub('//[^/@ ]+@', '//', first)}"  # no password from an address
    if "database schema" in said:
        return ConfigurationRefused("registry.schema", said, "run `mlflow db upgrade` on it")
    if "disk is full" in said:
        return CannotWrite("disk.full", said, "free some space")
    if refused.error_code == "INVALID_PARAMETER_VALUE":
        return InternalFault("registry.refused", said)
    cure = "the bundle is kept; register it again when MLflow answers"
    return DependencyDown("registry.unavailable", said, cure)
