"""Settings: one workspace's ``perennial.toml``, every section read and refused by its owner."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from features.company import BenchmarkSettings
from features.configuration import Section, read_section
from features.engines import EngineSettings
from features.faults import ConfigurationRefused
from features.ingest import IngestSettings
from features.location import located
from features.mapping import Workspace, read_workspace
from features.maturity import MaturitySettings
from features.rules import Rules
from features.triggers import TriggerSettings
from models.forecast import ForecastSettings
from models.matrix import MatrixSettings
from models.outreach import OutreachSettings
from models.verdict import Choices
from serving.alerts.settings import AlertSettings
from serving.gate_settings import GateSettings
from serving.kept import StoreSettings
from serving.model_settings import ModelSettings
from serving.operation.settings import ServeSettings
from serving.profile import OperationSettings
from serving.retention import RetentionSettings
from serving.tombstones import erased_of

__all__ = ["AlertSettings", "MlflowSettings", "ModelSettings", "Settings", "load"]

CONFIG = "perennial.toml"
S = TypeVar("S", bound=Section)


class MlflowSettings(Section):
    """Section ``[mlflow]``.

    Attributes
    ----------
    tracking_uri : str or None
        Another MLflow than the workspace's own ``mlruns/mlflow.db``.
    """

    tracking_uri: str | None = None


@dataclass(frozen=True)
class Settings:
    """Everything that a command reads of its workspace.

    Attributes
    ----------
    workspace : Workspace
        ``[book]`` and ``[tables.*]``.
    home : Path
        Folder of state, ``.perennial`` in the workspace unless ``--home`` says otherwise.
    rules : Rules
    choices : Choices
    mlflow : MlflowSettings
    benchmarks : BenchmarkSettings
        What benchmarks the company is held beside; no published run depends on it.
    engine : EngineSettings
        What the book is summed with; nothing depends on it.
    store : StoreSettings
        Where published runs are kept; none depends on it.
    gates : GateSettings
        When a run is held: its scores do not depend on it, only whether they serve.
    alerts : AlertSettings
        Who is told of what; no published run depends on it.
    models : ModelSettings
        Whether models are signed; none of their figures depends on it.
    serve : ServeSettings
        How the server runs; none of its figures depends on it.
    retention : RetentionSettings
        For how long is kept what is not needed for ever.
    operation : OperationSettings
        How strict Perennial is with its surroundings, and what is overdue.
    """

    workspace: Workspace
    home: Path
    rules: Rules
    choices: Choices
    mlflow: MlflowSettings
    benchmarks: BenchmarkSettings
    engine: EngineSettings
    store: StoreSettings = field(default_factory=StoreSettings)
    gates: GateSettings = field(default_factory=GateSettings)
    alerts: AlertSettings = field(default_factory=lambda: AlertSettings())
    models: ModelSettings = field(default_factory=ModelSettings)
    serve: ServeSettings = field(default_factory=ServeSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    operation: OperationSettings = field(default_factory=OperationSettings)

    @property
    def digest(self) -> str:
        """Sha256 of every choice that a published run depends on."""
        c = self.choices
        chosen: dict[str, Any] = {
            "revenue": self.rules.stamp(),
            "matrix": c.matrix.model_dump(mode="json"),
            "outreach": c.outreach.model_dump(mode="json"),
            "forecast": c.forecast.model_dump(mode="json"),
            "triggers": c.triggers.model_dump(mode="json"),
            "maturity": c.maturity.model_dump(mode="json"),
            "cuts": list(c.cuts),
            "gates": self.gates.model_dump(mode="json"),
        }
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def load(book: Path | None = None, home: Path | None = None, here: Path | None = None) -> Settings:
    """Read the workspace: ``perennial.toml`` here, else beside the book, else every default.

    Parameters
    ----------
    book : Path, optional
        ``--book``: the directory of tables, instead of ``[book] path``.
    home : Path, optional
        ``--home``: the folder of state.
    here : Path, optional
        The directory that the command runs in.

    Raises
    ------
    ConfigurationRefused
        ``config`` for an unknown section or key, or a value that cannot be (exit code 78).
    """
    here = here or Path.cwd()
    candidates = [here / CONFIG] + ([book / CONFIG] if book is not None else [])
    toml = next((path for path in candidates if path.is_file()), None)
    workspace = read_workspace(toml, book, here)
    try:
        return _owned(workspace, home)
    except ConfigurationRefused as refused:
        raise (located(toml, refused) if toml else refused) from refused


def _owned(workspace: Workspace, home: Path | None) -> Settings:
    """Let every section be read by its owner."""
    _read(IngestSettings, workspace, "ingest")
    rules = _read(Rules, workspace, "revenue")
    alerts = _read(AlertSettings, workspace, "alerts")
    alerts.refuse_private()
    choices = Choices(
        matrix=_read(MatrixSettings, workspace, "matrix"),
        outreach=_read(OutreachSettings, workspace, "outreach"),
        forecast=_read(ForecastSettings, workspace, "forecast"),
        triggers=_read(TriggerSettings, workspace, "triggers"),
        maturity=_read(MaturitySettings, workspace, "maturity"),
        definition=rules.stamp(),
    )
    mlflow = _read(MlflowSettings, workspace, "mlflow")
    benchmarks = _read(BenchmarkSettings, workspace, "benchmarks")
    state = home or workspace.directory / ".perennial"
    serve = _read(ServeSettings, workspace, "serve")
    workspace = replace(workspace, erased=erased_of(state, serve.pepper))
    engine = _read(EngineSettings, workspace, "engine")
    store = _read(StoreSettings, workspace, "store")
    gates = _read(GateSettings, workspace, "gates")
    models = _read(ModelSettings, workspace, "models")
    retention = _read(RetentionSettings, workspace, "retention")
    operation = _read(OperationSettings, workspace, "operation")
    kept = (store, gates, alerts, models, serve, retention, operation)
    return Settings(workspace, state, rules, choices, mlflow, benchmarks, engine, *kept)


def _read(kind: type[S], workspace: Workspace, name: str) -> S:
    return read_section(kind, workspace.section(name), f"{CONFIG} [{name}]")
