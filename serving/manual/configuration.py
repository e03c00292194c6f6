"""The page of ``perennial.toml``, written from the declarations of its sections."""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Mapping

from features.company import BenchmarkSettings
from features.configuration import Section
from features.engines import EngineSettings
from features.ingest import IngestSettings
from features.mapping import BookSettings, TableSettings
from features.maturity import MaturitySettings
from features.rules import Rules
from features.triggers import TriggerSettings
from models.forecast import ForecastSettings
from models.guards import GuardSettings
from models.matrix import MatrixSettings
from models.outreach import OutreachSettings
from serving.alerts.settings import Sink
from serving.gate_settings import GateSettings
from serving.kept import StoreSettings
from serving.model_settings import ModelSettings
from serving.operation.settings import ServeSettings
from serving.profile import OperationSettings
from serving.proxy import TrustedProxy
from serving.retention import RetentionSettings
from serving.settings import AlertSettings, MlflowSettings

__all__ = ["SECTIONS", "configuration", "meanings"]

HEAD = """# perennial.toml: every key

Written by `make docs` from the declarations of the sections; a test fails when it is stale. The
file is optional, and so is every key. An unknown section or key is refused (exit 78) with the
nearest known name. How to map your own tables is told in [mapping.md](mapping.md).
"""

SECTIONS: Mapping[str, type[Section]] = {
    "book": BookSettings,
    "tables.NAME": TableSettings,
    "ingest": IngestSettings,
    "engine": EngineSettings,
    "revenue": Rules,
    "benchmarks": BenchmarkSettings,
    "triggers": TriggerSettings,
    "maturity": MaturitySettings,
    "matrix": MatrixSettings,
    "matrix.guards": GuardSettings,
    "outreach": OutreachSettings,
    "forecast": ForecastSettings,
    "gates": GateSettings,
    "alerts": AlertSettings,
    "alerts.sinks": Sink,
    "mlflow": MlflowSettings,
    "models": ModelSettings,
    "store": StoreSettings,
    "serve": ServeSettings,
    "retention": RetentionSettings,
    "serve.trusted_proxy": TrustedProxy,
    "operation": OperationSettings,
}
"""Name of each section to its declaration."""

NAMES = re.compile(r"[a-z_]+(, [a-z_]+)* : ")


def configuration() -> str:
    """Write the page.

    Examples
    --------
    >>> print(configuration().splitlines()[0])
    # perennial.toml: every key
    """
    return "\n".join([HEAD, *(_section(name, kind) for name, kind in SECTIONS.items())])


def meanings(kind: type[Section]) -> dict[str, str]:
    """Read what each key means from the ``Attributes`` of a section and of what it is made of.

    Examples
    --------
    >>> meanings(OutreachSettings)["hours_per_play"]
    'Hours that a play takes.'
    """
    found: dict[str, str] = {}
    for part in reversed(kind.__mro__):
        if issubclass(part, Section) and part is not Section:
            found |= _attributes(inspect.getdoc(part) or "")
    return found


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    names: list[str] = []
    _, _, listed = text.partition("Attributes\n----------\n")
    for line in listed.split("\n\n")[0].splitlines():
        if NAMES.match(line):
            names = line.split(" : ")[0].split(", ")
        else:
            found |= {name: f"{found.get(name, '')} {line.strip()}".strip() for name in names}
    return found


def _section(title: str, kind: type[Section]) -> str:
    told = meanings(kind)
    rows = [_row(key, kind, told[key]) for key in kind.model_fields if not _nested(kind, key)]
    if not rows:
        return f"## [{title}]\n\nNo key yet.\n"
    table = ["| key | default | meaning |", "|---|---|---|", *rows]
    return "\n".join([f"## [{title}]", "", *table, ""])


def _nested(kind: type[Section], key: str) -> bool:
    """Tell whether a key is a section of its own, with its own table."""
    return isinstance(kind.model_fields[key].default, Section)


def _row(key: str, kind: type[Section], meaning: str) -> str:
    words = ", ".join(f"`{value}`" for value in _accepted(kind, key))
    meaning = meaning.replace("``", "`") + (f" Available: {words}." if words else "")
    return f"| `{key}` | {_default(kind, key)} | {meaning} |"


def _accepted(kind: type[Section], key: str) -> list[str]:
    """List the words that a key takes."""
    kinds = [kind.model_fields[key].annotation, *typing.get_args(kind.model_fields[key].annotation)]
    return [w for k in kinds if typing.get_origin(k) is typing.Literal for w in typing.get_args(k)]


def _default(kind: type[Section], key: str) -> str:
    if kind.model_fields[key].is_required():
        return "required"
    default = kind.model_fields[key].get_default(call_default_factory=True)
    if default is None:
        return "unset"
    return f"`{json.dumps(default, ensure_ascii=False)}`"
