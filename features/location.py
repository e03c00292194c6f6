"""Location: the line of ``perennial.toml`` that a refusal speaks of."""

from __future__ import annotations

import re
from pathlib import Path

from features.faults import ConfigurationRefused

__all__ = ["located"]

PLACE = re.compile(r"(?P<file>\S+\.toml) (?:\[(?P<section>[^\]]+)\] ?)?(?P<key>[\w.-]*)")
SYNTAX = re.compile(r" \(at line (\d+), column \d+\)")
HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+\s*(#.*)?$")


def located(toml: Path, refused: ConfigurationRefused) -> ConfigurationRefused:
    """Add to a refusal the line that it speaks of, if the file has it.

    Examples
    --------
    >>> import tempfile
    >>> toml = Path(tempfile.mkdtemp()) / "perennial.toml"
    >>> _ = toml.write_text("[book]\\n# per_cms?\\n[outreach]\\nper_cms = 3\\n")
    >>> refusal = ConfigurationRefused("config", "perennial.toml [outreach] per_cms", "unknown key")
    >>> print(located(toml, refusal))
    perennial.toml:4: [outreach] per_cms: config: unknown key
    """
    if not toml.is_file():
        return refused
    line = _line(toml, refused.message)
    if line is None:
        return refused
    message = SYNTAX.sub("", refused.message)
    message = re.sub(rf"^{re.escape(toml.name)}:? ", f"{toml.name}:{line}: ", message, count=1)
    return ConfigurationRefused(refused.code, message, refused.cure)


def _line(toml: Path, message: str) -> int | None:
    if syntax := SYNTAX.search(message):
        return int(syntax[1])
    place = PLACE.match(message)
    if place is None or place["file"] != toml.name:
        return None
    lines = toml.read_text(encoding="utf-8").splitlines()
    return _in_section(lines, place["section"] or "", place["key"].split(".")[-1])


def _in_section(lines: list[str], section: str, key: str) -> int | None:
    """Give the line of a key in its section, else the section's own, else the key's first."""
    here, header, first = "", None, None
    word = re.compile(rf"(?<![\w.-]){re.escape(key or section)}(?![\w-])")
    for number, line in enumerate(lines, 1):
        if found := HEADER.match(line):
            here = found[1].replace(" ", "")
            header = number if here == section and header is None else header
        if not word.search(line.split("#")[0]):
            continue
        first = first or number
        if here == section and number != header:
            return number
    return header or first
