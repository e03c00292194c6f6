"""Provenance: from which commit and with which tools the files of a release were made.

An in-toto statement with SLSA's provenance predicate (https://slsa.dev/spec/v1.1/provenance). It is
not signed here: whoever publishes signs it with a key of theirs. It holds no time and no machine,
so that whoever builds the commit again gets the same text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from release.building import Commit

__all__ = ["provenance", "sums"]

BUILD_TYPE = "urn:perennial:make-release:1"


def provenance(made: Commit, files: Mapping[str, str], used: Mapping[str, str]) -> str:
    """Write the statement.

    Parameters
    ----------
    made : Commit
        What was built.
    files : mapping of str to str
        The files, each with its sha256.
    used : mapping of str to str
        The locks that it was built and installed with, each with its sha256.

    Examples
    --------
    >>> told = json.loads(provenance(Commit("4f2a", 0), {"a.whl": "00"}, {}))
    >>> told["subject"], told["predicateType"]
    ([{'name': 'a.whl', 'digest': {'sha256': '00'}}], 'https://slsa.dev/provenance/v1')
    """
    source = {"name": "source", "digest": {"gitCommit": made.id}}
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"commit": made.id, "SOURCE_DATE_EPOCH": made.seconds},
            "resolvedDependencies": [source, *_named(used)],
        },
        "runDetails": {"builder": {"id": "urn:perennial:release"}},
    }
    statement: dict[str, Any] = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": _named(files),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": predicate,
    }
    return json.dumps(statement, indent=2) + "\n"


def _named(files: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "digest": {"sha256": sha}} for name, sha in sorted(files.items())]


def sums(files: Mapping[str, str]) -> str:
    """Write the file that ``sha256sum --check`` reads.

    Examples
    --------
    >>> sums({"a.whl": "00"})
    '00  a.whl\\n'
    """
    return "".join(f"{sha}  {name}\n" for name, sha in sorted(files.items()))
