"""The registry: every trained model with its numbers, and the one that serves, kept by MLflow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.faults import (
    Busy,
    ConfigurationRefused,
    DataRejected,
    DependencyDown,
    InputMissing,
    UsageFault,
)
from models.artifacts import MODEL, keep_artifacts, local_path, model_folder, run_folder
from models.bundle import Bundle, open_bundle, read_contract
from models.champions import ALIAS, champion_number, crown, former_champions, search
from models.mlmodel import BUNDLE, check_mlmodel, write_mlmodel
from models.sealed import read_sealed, write_sealed
from models.signing import SIGNATURE, Signer
from models.tracking import NAME, Tracking, or_none, start_run
from models.version import DIGEST, Version, version_of
from models.waiting import leave, waiting

if TYPE_CHECKING:
    from models.tracking import MlflowClient, ModelVersion

__all__ = ["ALIAS", "NAME", "Registry", "Version"]


class Registry:
    """The models of one workspace.

    Parameters
    ----------
    workspace : Path
        The directory of ``perennial.toml``; MLflow's files live in its ``mlruns``.
    tracking_uri : str, optional
        Another MLflow than the workspace's own ``mlruns/mlflow.db``. Artifacts stay in the
        workspace's ``mlruns/artifacts``, a directory that such a server must share.
    signer : Signer, optional
        Signs what is registered; a version without its signature is then refused.

    Examples
    --------
    >>> registry = Registry(Path("a-workspace-without-models"))
    >>> registry.champion() is None, registry.versions()
    (True, [])
    """

    def __init__(
        self, workspace: Path, tracking_uri: str | None = None, signer: Signer | None = None
    ) -> None:
        self.root = (workspace / "mlruns").resolve()
        self.artifacts = self.root / "artifacts"
        self.tracking = Tracking(self.root, tracking_uri)
        self.signer = signer

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
        tags = self._signed(bundle.digest, tags)
        with self.tracking.asking() as client, self.tracking.locked():
            known = search(client, f" and tags.`{DIGEST}` = '{bundle.digest}'")
            if known:
                self._complete(str(known[0].run_id), artifacts or {})
                return self._known(client, known[0], tags)
            experiment = self._experiment(client)
            _fail_abandoned_runs(client, experiment)
            said = {**tags, DIGEST: bundle.digest}
            run_id = start_run(client, experiment, bundle.digest[:12], params, metrics, said)
            self._keep(bundle, run_id, artifacts or {})
            client.set_terminated(run_id, "FINISHED")
            return self._create_version(client, run_id, said)

    def register_or_leave(
        self,
        bundle_dir: Path,
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        artifacts: Mapping[str, Path] | None = None,
    ) -> Version:
        """Register a bundle; where MLflow does not answer, keep it until it does.

        Raises
        ------
        DependencyDown
            ``registry.unavailable``, with where the bundle waits (exit code 69).
        """
        more: dict[str, Any] = {"artifacts": artifacts} if artifacts else {}
        try:
            return self.register(bundle_dir, params=params, metrics=metrics, tags=tags, **more)
        except DependencyDown as down:
            digest = open_bundle(bundle_dir).digest
            signed = self._signed(digest, tags)
            folder = leave(self.root, bundle_dir, digest, params, metrics, signed, artifacts)
            said = f"{down.message}; the model waits in {folder}"
            cure = "run `perennial models register` when it answers"
            raise DependencyDown(down.code, said, cure) from down

    def register_waiting(self) -> list[Version]:
        """Register what waits, the oldest first; one that is there already is that version."""
        found = []
        for one in sorted(waiting(self.root), key=lambda one: one.folder.stat().st_mtime_ns):
            more: dict[str, Any] = {"artifacts": one.artifacts} if one.artifacts else {}
            if self.signer is not None:  # it lay about: what waits is signed, or refused
                self.signer.check(one.folder.name, one.tags.get(SIGNATURE))
            said = {"params": one.params, "metrics": one.metrics, "tags": one.tags}
            found.append(self.register(one.bundle, **said, **more))
            one.done()
        return found

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
        with self.tracking.asking() as client, self.tracking.locked():
            current = champion_number(client)
            if current != expected:
                said = f"the champion is version {current}, not {expected}"
                raise Busy("registry.moved", said, "look at it, then promote again")
            former = [*former_champions(client), *([] if current is None else [current])]
            crown(client, version.number, [one for one in former if one != version.number])

    def rollback(self) -> Version:
        """Make the champion before this one the champion again.

        Raises
        ------
        UsageFault
            ``registry.no_previous`` where there was none.
        """
        with self.tracking.asking() as client, self.tracking.locked():
            former = former_champions(client)
            if not former:
                said = "there was no champion before this one"
                raise UsageFault("registry.no_previous", said, "promote a version by its number")
            version = self.version(former[-1])
            open_bundle(self.fetch(version), version.digest)
            crown(client, version.number, former[:-1])
            return version

    def champion(self) -> Version | None:
        """Give the version that serves, or None before the first promotion."""
        if self.tracking.is_new:
            return None
        with self.tracking.asking() as client:
            number = champion_number(client)
            return None if number is None else self.version(number)

    def succession(self) -> list[Version] | None:
        """List the champion and those before it, the latest first; None where nobody serves."""
        if self.tracking.is_new:
            return None
        with self.tracking.asking() as client:
            number = champion_number(client)
            if number is None:
                return None
            return [self.version(one) for one in [number, *reversed(former_champions(client))]]

    def version(self, number: int) -> Version:
        """Give one version.

        Raises
        ------
        InputMissing
            ``registry.no_version`` where there is none of that number.
        """
        if not self.tracking.is_new:
            with self.tracking.asking() as client:
                found = or_none(client.get_model_version, NAME, str(number))
                if found is not None:
                    return _version(client, found)
        said = f"there is no version {number}"
        raise InputMissing("registry.no_version", said, "list the versions, then choose")

    def versions(self) -> list[Version]:
        """List all versions, oldest first."""
        if self.tracking.is_new:
            return []
        with self.tracking.asking() as client:
            found = [_version(client, one) for one in search(client)]
        return sorted(found, key=lambda one: one.number)

    def fetch(self, version: Version) -> Path:
        """Give the directory of a version's bundle, after comparing its bytes.

        Artifact paths are stored absolute; a workspace that was moved is read where it is now.

        Raises
        ------
        DataRejected
            ``model.path`` for a source that is not in this workspace's artifacts, ``model.format``
            where ``MLmodel`` names anything but the bundle's LightGBM text, ``model.digest``
            where the bundle is not the one that was registered, ``model.signature`` where
            models are signed and this one is not, or not rightly.
        """
        if self.signer is not None:
            self.signer.check(version.digest, version.tags.get(SIGNATURE))
        with self.tracking.asking() as client:
            source = str(client.get_model_version(NAME, str(version.number)).source)
        folder = model_folder(self.artifacts, source, version.run_id)
        contract = read_contract(folder / BUNDLE, version.digest)
        check_mlmodel(folder, contract, version.digest, version.run_id)
        return folder / BUNDLE

    # Writing a version

    def _signed(self, digest: str, tags: Mapping[str, str]) -> Mapping[str, str]:
        return tags if self.signer is None else self.signer.signed(digest, tags)

    def _known(self, client: MlflowClient, found: ModelVersion, tags: Mapping[str, str]) -> Version:
        """Give a version that is there already, signed now if it was not: it was made again."""
        if SIGNATURE in tags and found.tags.get(SIGNATURE) != tags[SIGNATURE]:
            client.set_model_version_tag(NAME, found.version, SIGNATURE, tags[SIGNATURE])
            found = client.get_model_version(NAME, found.version)
        return _version(client, found)

    def _complete(self, run_id: str, artifacts: Mapping[str, Path]) -> None:
        """Add the papers that a run has not: an earlier Perennial wrote fewer of them."""
        folder = run_folder(self.artifacts, run_id)
        new = {name: path for name, path in artifacts.items() if not (folder / name).exists()}
        if folder.is_dir():
            keep_artifacts(new, folder)

    def _experiment(self, client: MlflowClient) -> str:
        there = client.get_experiment_by_name(NAME)
        if there is not None and local_path(there.artifact_location) != self.artifacts:
            if not self.tracking.is_own:
                said = f"its artifacts are at {there.artifact_location}, not at {self.artifacts}"
                cure = "share that directory as the workspace's mlruns/artifacts"
                raise ConfigurationRefused(
                    "registry.artifacts", f"{self.tracking.shown}: {said}", cure
                )
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
        self, client: MlflowClient, run_id: str, tags: Mapping[str, str]
    ) -> Version:
        source = (run_folder(self.artifacts, run_id) / MODEL).as_uri()
        return _version(client, client.create_model_version(NAME, source, run_id, tags=dict(tags)))


def _version(client: MlflowClient, found: ModelVersion) -> Version:
    return version_of(found, client.get_run(str(found.run_id)))


def _fail_abandoned_runs(client: MlflowClient, experiment: str) -> None:
    # A run lives only while its process holds the lock, and we hold it: these are dead (T05).
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        client.set_terminated(run.info.run_id, "FAILED")


def _check_metrics(metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
        if not math.isfinite(value):
            said = f"the metric {name} is {value}"
            raise DataRejected("metric.not_finite", said, "leave out what could not be measured")
