"""The bill of materials: everything that runs when Perennial runs, as CycloneDX.

``cyclonedx-py`` reads the environment that was installed from the lock; the scripts that lie in the
wheel are added, for no package metadata knows them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from release.notices import Vendored

__all__ = ["bill", "with_scripts"]

ROOT = Path(__file__).resolve().parents[2]


def bill(python: Path, scripts: Iterable[Vendored], seconds: int) -> str:
    """Write the bill of an environment, the same text for the same environment and time.

    Parameters
    ----------
    python : Path
        The environment's interpreter.
    scripts : iterable of Vendored
        What lies in the wheel.
    seconds : int
        The commit's time, which is the bill's.
    """
    tool = Path(sys.executable).parent / "cyclonedx-py"
    asked = ["environment", str(python), "--pyproject", str(ROOT / "pyproject.toml")]
    chosen = ["--spec-version", "1.6", "--output-reproducible", "--output-format", "JSON"]
    told = subprocess.run(
        [str(tool), *asked, *chosen],
        env=os.environ | {"SOURCE_DATE_EPOCH": str(seconds)},
        capture_output=True,
        check=True,
    )
    return json.dumps(with_scripts(json.loads(told.stdout), scripts), indent=2) + "\n"


def with_scripts(bill: dict[str, Any], scripts: Iterable[Vendored]) -> dict[str, Any]:
    """Add scripts to a bill, each as a part of the product.

    Examples
    --------
    >>> script = Vendored("echarts", "6.1.0", "npm", "Apache 2.0", ())
    >>> with_scripts({"components": []}, [script])["components"][0]["purl"]
    'pkg:npm/echarts@6.1.0'
    """
    added = [_component(one) for one in scripts]
    root = bill.get("metadata", {}).get("component", {}).get("bom-ref")
    needs = [
        row | {"dependsOn": sorted([*row.get("dependsOn", []), *(one["bom-ref"] for one in added)])}
        if row["ref"] == root
        else row
        for row in bill.get("dependencies", [])
    ]
    found = {"components": [*bill["components"], *added]}
    return bill | found | ({"dependencies": needs} if needs else {})


def _component(script: Vendored) -> dict[str, Any]:
    address = f"pkg:{script.registry}/{script.name}@{script.version}"
    return {
        "bom-ref": address,
        "type": "library",
        "name": script.name,
        "version": script.version,
        "purl": address,
        "licenses": [{"license": {"name": script.licence}}],
    }
