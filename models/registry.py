"""The registry: every trained model with its numbers, and the one that serves, kept by MLflow.

The only file that knows MLflow. MLflow takes 1.2 to 2.8 s to import, so it is imported when the
first question is asked, right after the environment that it reads at import was set.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sqlite3
import urllib.parse
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.faults import (
    Busy,
    CannotWrite,
    ConfigurationRefused,
    DataRejected,
    DependencyDown,
    Fault,
    InputMissing,
    InternalFault,
    UsageFault,
)
from features.locking import held
from models.artifacts import MODEL, keep_artifacts, local_path, model_folder, run_folder
from models.bundle import Bundle, open_bundle, read_contract
from models.mlmodel import BUNDLE, check_mlmodel, write_mlmodel
from models.sealed import no_space_is_a_fault, read_sealed, write_sealed

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["ALIAS", "NAME", "Registry", "Version"]

NAME = "perennial"
ALIAS = "champion"
_DIGEST = "perennial.digest"
_FORMER = "perennial.former_champions"
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
    """

    number: int
    digest: str
    run_id: str
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)
    metrics: Mapping[str, float] = field(default_factory=dict, compare=False)


class Registry:
    """The models of one workspace.

    Parameters
    ----------
    workspace : Path
        The directory of ``perennial.toml``; MLflow's files live in its ``mlruns``.
    tracking_uri : str, optional
        Another MLflow than the workspace's own ``mlruns/mlflow.db``. Artifacts stay in the
        workspace's ``mlruns/artifacts``, a directory that such a server must share.

    Examples
    --------
    >>> registry = Registry(Path("a-workspace-without-models"))
    >>> registry.champion() is None, registry.versions()
    (True, [])
    """

    def __init__(self, workspace: Path, tracking_uri: str | None = None) -> None:
        self.root = (workspace / "mlruns").resolve()
        self.artifacts = self.root / "artifacts"
        self.tracking_uri = tracking_uri or f"sqlite:///{self.root / 'mlflow.db'}"

    def register(
        self,
        bundle_dir: Path,
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        artifacts: Mapping[str, Path] | None = None,
    ) -> Version:
        """Keep a bundle as a new version; the same bundle again is the version that it was.

        Parameters
        ----------
        bundle_dir : Path
            A bundle; it is verified before, and its copy after.
        params, metrics, tags : mapping
            What the run says; nothing else is logged.
        artifacts : mapping of str to Path, optional
            Files or directories to keep with the run, by their path there
            (``{"report.html": path}``).

        Raises
        ------
        DataRejected
            ``metric.not_finite`` for NaN or infinity, and what ``open_bundle`` raises.
        DependencyDown
            ``registry.unavailable``: the bundle stays where it is; register it later.
        """
        _check_metrics(metrics)
        bundle = open_bundle(bundle_dir)
        with self._asking() as client, self._locked():
            known = _search(client, f" and tags.`{_DIGEST}` = '{bundle.digest}'")
            if known:
                return _version(client, known[0])
            experiment = self._experiment(client)
            _fail_abandoned_runs(client, experiment)
            run_id = _start_run(client, experiment, bundle.digest, params, metrics, tags)
            self._keep(bundle, run_id, artifacts or {})
            client.set_terminated(run_id, "FINISHED")
            return self._create_version(client, bundle, run_id, tags)

    def promote(self, version: Version, expected: int | None) -> None:
        """Make a version the champion, if the champion is still the one that was expected.

        Parameters
        ----------
        version : Version
            The new champion; its bundle is verified first.
        expected : int or None
            Number of the champion that the decision was made against, None for no champion.

        Raises
        ------
        Busy
            ``registry.moved`` where somebody else promoted in between.
        """
        open_bundle(self.fetch(version), version.digest)
        with self._asking() as client, self._locked():
            current = _champion_number(client)
            if current != expected:
                said = f"the champion is version {current}, not {expected}"
                raise Busy("registry.moved", said, "look at it, then promote again")
            former = [*_former(client), *([] if current is None else [current])]
            _crown(client, version.number, [one for one in former if one != version.number])

    def rollback(self) -> Version:
        """Make the champion before this one the champion again.

        Raises
        ------
        UsageFault
            ``registry.no_previous`` where there was none.
        """
        with self._asking() as client, self._locked():
            former = _former(client)
            if not former:
                said = "there was no champion before this one"
                raise UsageFault("registry.no_previous", said, "promote a version by its number")
            version = self.version(former[-1])
            open_bundle(self.fetch(version), version.digest)
            _crown(client, version.number, former[:-1])
            return version

    def champion(self) -> Version | None:
        """Give the version that serves, or None before the first promotion."""
        if self._is_new():
            return None
        with self._asking() as client:
            number = _champion_number(client)
            return None if number is None else self.version(number)

    def version(self, number: int) -> Version:
        """Give one version.

        Raises
        ------
        InputMissing
            ``registry.no_version`` where there is none of that number.
        """
        if not self._is_new():
            with self._asking() as client:
                found = _or_none(client.get_model_version, NAME, str(number))
                if found is not None:
                    return _version(client, found)
        said = f"there is no version {number}"
        raise InputMissing("registry.no_version", said, "list the versions, then choose")

    def versions(self) -> list[Version]:
        """List all versions, oldest first."""
        if self._is_new():
            return []
        with self._asking() as client:
            found = [_version(client, one) for one in _search(client)]
        return sorted(found, key=lambda one: one.number)

    def fetch(self, version: Version) -> Path:
        """Give the directory of a version's bundle, after comparing its bytes.

        Artifact paths are stored absolute; a workspace that was moved is read where it is now.

        Raises
        ------
        DataRejected
            ``model.path`` for a source that is not in this workspace's artifacts, ``model.format``
            where ``MLmodel`` names anything but the bundle's LightGBM text, ``model.digest``
            where the bundle is not the one that was registered.
        """
        with self._asking() as client:
            source = str(client.get_model_version(NAME, str(version.number)).source)
        folder = model_folder(self.artifacts, source, version.run_id)
        contract = read_contract(folder / BUNDLE, version.digest)
        check_mlmodel(folder, contract, version.digest, version.run_id)
        return folder / BUNDLE

    # Reaching MLflow

    @contextmanager
    def _asking(self) -> Iterator[MlflowClient]:
        _import_mlflow()
        from mlflow.exceptions import MlflowException  # heavy: see the head of this file

        with no_space_is_a_fault(self.root):
            try:
                yield self._client
            except MlflowException as refused:
                raise _as_fault(refused, self._shown()) from refused

    @cached_property
    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient  # heavy: see the head of this file

        with self._locked():
            if self._is_new():
                self._create_database()
            self._check_database()
            client = MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)
            if _or_none(client.get_registered_model, NAME) is None:
                client.create_registered_model(NAME)
        return client

    def _locked(self) -> Any:
        return held(self.root / ".lock", _WAIT_SECONDS)

    def _is_own(self) -> bool:
        return self.tracking_uri == f"sqlite:///{self.root / 'mlflow.db'}"

    def _is_new(self) -> bool:
        return self._is_own() and not (self.root / "mlflow.db").exists()

    def _create_database(self) -> None:
        # Built beside its place and moved there: it is whole or it is not there (R09). This is
        # the command `mlflow db upgrade`, called rather than started: 1.1 s instead of 2.5.
        from mlflow import db  # heavy: see the head of this file

        if "?" in str(self.root):
            said = f'{self.root}: a path with "?" cannot be written as a database address'
            raise ConfigurationRefused("registry.path", said, "rename the directory")
        for stale in self.root.glob("mlflow.db.part*"):
            stale.unlink()
        part = self.root / "mlflow.db.part"
        db.upgrade.callback(f"sqlite:///{part}")
        part.chmod(0o600)
        part.rename(self.root / "mlflow.db")

    def _check_database(self) -> None:
        # MLflow would try a file that is no database ten times, for 100 s, and would migrate an
        # older one in place.
        if not self._is_own():
            return
        path, expected = self.root / "mlflow.db", _schema()
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as database:
                found = database.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.DatabaseError as refused:
            cure = "restore it from a backup, or move it away and train again"
            raise DependencyDown("registry.unavailable", f"{path}: {refused}", cure) from refused
        if found != [(expected,)]:
            said = f"{path}: its schema is {found[0][0] if found else None}, MLflow's {expected}"
            cure = f"back it up, then run `mlflow db upgrade sqlite:///{path}`"
            raise ConfigurationRefused("registry.schema", said, cure)

    def _shown(self) -> str:
        parts = urllib.parse.urlsplit(self.tracking_uri)
        return (
            str(self.root / "mlflow.db") if self._is_own() else f"{parts.scheme}:{parts.hostname}"
        )

    # Writing a version

    def _experiment(self, client: MlflowClient) -> str:
        there = client.get_experiment_by_name(NAME)
        if there is not None and local_path(there.artifact_location) != self.artifacts:
            if not self._is_own():
                said = f"its artifacts are at {there.artifact_location}, not at {self.artifacts}"
                cure = "share that directory as the workspace's mlruns/artifacts"
                raise ConfigurationRefused("registry.artifacts", f"{self._shown()}: {said}", cure)
            # The workspace was moved: old runs keep their experiment, new ones are written here.
            client.rename_experiment(there.experiment_id, f"{NAME} {there.experiment_id}, moved")
            there = None
        if there is not None:
            return str(there.experiment_id)
        return str(client.create_experiment(NAME, artifact_location=self.artifacts.as_uri()))

    def _keep(self, bundle: Bundle, run_id: str, artifacts: Mapping[str, Path]) -> None:
        folder = run_folder(self.artifacts, run_id)
        keep_artifacts(artifacts, folder)
        write_sealed(folder / MODEL / BUNDLE, read_sealed(bundle.path))
        open_bundle(folder / MODEL / BUNDLE, bundle.digest)
        write_mlmodel(folder / MODEL, bundle.contract, bundle.digest, run_id)

    def _create_version(
        self, client: MlflowClient, bundle: Bundle, run_id: str, tags: Mapping[str, str]
    ) -> Version:
        source = (run_folder(self.artifacts, run_id) / MODEL).as_uri()
        said = {**tags, _DIGEST: bundle.digest}
        return _version(client, client.create_model_version(NAME, source, run_id, tags=said))


def _import_mlflow() -> None:
    os.environ.update(_ENVIRONMENT)
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow  # noqa: F401  (heavy: see the head of this file)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@cache
def _schema() -> str:
    from mlflow.store.db import utils  # heavy: see the head of this file

    return str(utils._get_latest_schema_revision())


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


def _or_none(ask: Callable[..., Any], *what: str) -> Any:
    from mlflow.exceptions import MlflowException  # heavy: see the head of this file

    try:
        return ask(*what)
    except MlflowException as refused:
        if refused.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _search(client: MlflowClient, also: str = "") -> list[ModelVersion]:
    found: list[ModelVersion] = []
    token = None
    while token is None or token:
        page = client.search_model_versions(f"name = '{NAME}'{also}", page_token=token)
        found, token = [*found, *page], page.token or ""
    return found


def _version(client: MlflowClient, found: ModelVersion) -> Version:
    run = client.get_run(str(found.run_id))
    tags = {key: value for key, value in found.tags.items() if key != _DIGEST}
    return Version(
        int(found.version),
        str(found.tags.get(_DIGEST, "")),
        str(found.run_id),
        tags,
        dict(run.data.metrics),
    )


def _champion_number(client: MlflowClient) -> int | None:
    number = client.get_registered_model(NAME).aliases.get(ALIAS)
    return None if number is None else int(number)


def _former(client: MlflowClient) -> list[int]:
    """List the champions before this one that still exist, the latest last."""
    model = client.get_registered_model(NAME)
    listed = json.loads(model.tags.get(_FORMER, "[]"))
    there = {int(one.version) for one in _search(client)} - {_champion_number(client)}
    return [number for number in listed if number in there]


def _crown(client: MlflowClient, number: int, former: list[int]) -> None:
    # The list first: were we stopped between the two, the champion would be in it and be skipped.
    client.set_registered_model_tag(NAME, _FORMER, json.dumps(former[-100:]))
    client.set_registered_model_alias(NAME, ALIAS, str(number))


def _start_run(
    client: MlflowClient,
    experiment: str,
    digest: str,
    params: Mapping[str, object],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
) -> str:
    from mlflow.entities import Metric, Param  # heavy: see the head of this file

    run = client.create_run(experiment, tags={**tags, _DIGEST: digest}, run_name=digest[:12])
    started = run.info.start_time
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(key, float(value), started, 0) for key, value in metrics.items()],
        params=[Param(key, str(value)) for key, value in params.items()],
    )
    return str(run.info.run_id)


def _fail_abandoned_runs(client: MlflowClient, experiment: str) -> None:
    # A run lives only while its process holds the lock, and we hold it: these are dead (T05).
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        client.set_terminated(run.info.run_id, "FAILED")


def _check_metrics(metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
        if not math.isfinite(value):
            said = f"the metric {name} is {value}"
            raise DataRejected("metric.not_finite", said, "leave out what could not be measured")
